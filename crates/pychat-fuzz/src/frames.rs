//! Target `frames`: what a DATA packet carries, as somebody with valid keys might fill it.

use pychat_proto::fuzzing;

/// What decodes is encoded in its shortest form, and that form is a fixed point. Frames are never
/// more than their bytes.
pub fn frames(data: &[u8]) {
    let Some(first) = fuzzing::frames(data) else { return };
    assert!(first.count <= data.len(), "each frame takes a byte");
    assert!(first.bytes.len() <= data.len(), "we write the shortest form");
    if first.is_whole && first.bytes.len() == data.len() {
        assert_eq!(first.bytes, data, "the shortest form is the only one of its length");
    }
    let again = fuzzing::frames(&first.bytes).expect("what we encode, we decode");
    assert_eq!(again.bytes, first.bytes);
    assert_eq!(again.count, first.count);
    assert!(again.is_whole, "what we encode is within every bound");
}
