//! Golden bytes: what the protocol makes of fixed keys and seeds, compared with the files in
//! `tests/vectors`. docs/PROTOCOL.md, "Test vectors".
//!
//! The bytes come from a [`Client`](crate::Client) and an [`Endpoint`](crate::Endpoint) that talk to
//! each other. A change of the files is a change of the protocol, unless only inputs changed: a
//! secret or a connection id that is drawn in another order.

mod frames;
mod handshake;
mod hybrid;
mod payloads;

use data_encoding::HEXLOWER;
use std::fmt::Write as _;

/// Set to `write`, it has the files written anew instead of compared.
const VARIABLE: &str = "PYCHAT_VECTORS";

/// One file: a line of comment or of `name = hex` each.
struct Vectors {
    file: &'static str,
    text: String,
}

impl Vectors {
    fn new(file: &'static str) -> Self {
        Self { file, text: String::new() }
    }

    fn comment(&mut self, text: &str) {
        let gap = if self.text.is_empty() { "" } else { "\n" };
        writeln!(self.text, "{gap}# {text}").unwrap();
    }

    fn put(&mut self, name: &str, bytes: &[u8]) {
        writeln!(self.text, "{name} = {}", HEXLOWER.encode(bytes)).unwrap();
    }

    /// What stands in a file under a name, if it does.
    #[allow(clippy::disallowed_methods, reason = "a test reads its expectations")]
    fn known(file: &str, name: &str) -> Option<Vec<u8>> {
        let path = format!("{}/tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).ok()?;
        let hex = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "))?;
        HEXLOWER.decode(hex.as_bytes()).ok()
    }

    /// Compares with the file, line by line.
    #[allow(clippy::disallowed_methods, reason = "a test reads and writes its expectations")]
    fn check(&self) {
        let path = format!("{}/tests/vectors/{}", env!("CARGO_MANIFEST_DIR"), self.file);
        if std::env::var(VARIABLE).is_ok_and(|value| value == "write") {
            std::fs::write(&path, &self.text).unwrap();
            return;
        }
        let hint = format!(
            "if the protocol is meant to change, run `{VARIABLE}=write cargo test -p pychat-proto vectors` and look at the difference"
        );
        let expected = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{path} cannot be read: {error}; {hint}"));
        for (number, (ours, theirs)) in self.text.lines().zip(expected.lines()).enumerate() {
            assert!(
                ours == theirs,
                "{path}:{} differs; {hint}\nin the file: {theirs}\nmade now:    {ours}",
                number + 1
            );
        }
        let (ours, theirs) = (self.text.lines().count(), expected.lines().count());
        assert_eq!(ours, theirs, "{path} has another number of lines; {hint}");
    }
}
