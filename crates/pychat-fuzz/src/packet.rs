//! Target `packet`: any datagram.

use pychat_proto::{Endpoint, Owner, fuzzing};

/// What decodes has one form only: encoded again it is the same, byte for byte, but for an INIT's
/// padding.
pub fn packet(data: &[u8]) {
    if let Owner::Shard(shard) = Endpoint::owner(data) {
        assert_eq!(data.get(1), Some(&shard), "a datagram names its shard in its second byte");
    }
    let Some(fuzzing::Packet { bytes, padding }) = fuzzing::packet(data) else { return };
    assert_eq!(bytes.len(), data.len());
    assert_eq!(bytes[..padding.start], data[..padding.start]);
    assert_eq!(bytes[padding.end..], data[padding.end..]);
    assert!(bytes[padding].iter().all(|byte| *byte == 0));
    let again = fuzzing::packet(&bytes).map(|packet| packet.bytes);
    assert_eq!(again.as_ref(), Some(&bytes), "what we encode, we decode");
}
