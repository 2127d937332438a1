//! The header: four lines that hold the file's key, wrapped under the passphrase.

use super::DecryptError;
use aws_lc_rs::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey},
    hkdf, hmac,
};
use data_encoding::BASE64_NOPAD;
use std::io::{self, BufRead, Read as _};
use zeroize::Zeroizing;

/// Longest line of a header; ours have 69 bytes at most.
pub(super) const LINE_BYTES_MAX: usize = 128;

/// Longest passphrase.
const PASSPHRASE_BYTES_MAX: usize = 1024;

const VERSION_LINE: &str = "age-encryption.org/v1";
const STANZA: &str = "-> scrypt ";
const END: &str = "---";
const SALT_LABEL: &[u8] = b"age-encryption.org/v1/scrypt";

/// What opens a file; wiped when dropped.
pub struct Passphrase(Zeroizing<Vec<u8>>);

/// Why a text is no passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseError {
    /// It has nothing in it.
    #[error("the passphrase is empty")]
    Empty,
    /// It is longer than anybody types.
    #[error("the passphrase has more than {} bytes", Passphrase::BYTES_MAX)]
    TooLong,
}

/// How much work a guess of the passphrase is: scrypt with N = 2^this, r = 8, p = 1, which takes
/// 1 KiB times N of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Work(u8);

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DamagedHeader {
    /// It begins as something else.
    #[error("it is not an encrypted file of the age format")]
    OtherFormat,
    /// It is encrypted to a key.
    #[error("it is encrypted in another way than under a passphrase")]
    OtherRecipient,
    /// Whoever made it wants more work than we do.
    #[error(
        "its passphrase takes too much work to check (2^{found}, and 2^{most} at most is done)"
    )]
    TooMuchWork {
        /// What it wants.
        found: u8,
        /// What we do.
        most: u8,
    },
    /// Anything else.
    #[error("its beginning is damaged")]
    Damaged,
}

/// The key of one file.
pub(super) struct FileKey(pub(super) Zeroizing<[u8; 16]>);

impl Passphrase {
    /// Most bytes.
    pub const BYTES_MAX: usize = PASSPHRASE_BYTES_MAX;

    /// Takes a passphrase.
    ///
    /// # Errors
    /// It is empty or too long.
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Result<Self, PassphraseError> {
        match bytes.len() {
            0 => Err(PassphraseError::Empty),
            1..=PASSPHRASE_BYTES_MAX => Ok(Self(bytes)),
            _ => Err(PassphraseError::TooLong),
        }
    }
}

impl Work {
    /// For new files: what the `age` program takes, too. A quarter of a GiB, about a second.
    pub const USUAL: Self = Self(18);

    /// The most that is done for a file: a GiB.
    pub const MAX: Self = Self(20);

    /// For tests and fuzzing: next to none.
    pub const LITTLE: Self = Self(2);
}

impl FileKey {
    fn derive<const N: usize>(&self, salt: &[u8], info: &[u8]) -> Zeroizing<[u8; N]> {
        struct Bytes(usize);
        impl hkdf::KeyType for Bytes {
            fn len(&self) -> usize {
                self.0
            }
        }
        let mut key = Zeroizing::new([0; N]);
        let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(&*self.0);
        let info = [info];
        let expanded = secret.expand(&info, Bytes(N)).and_then(|okm| okm.fill(&mut *key));
        // HKDF gives up to 255 hashes; N is one.
        expanded.expect("a key is no longer than HKDF can make one");
        key
    }

    /// The key that what follows the header is sealed with.
    pub(super) fn content(&self, nonce: &[u8; 16]) -> LessSafeKey {
        aead_key(&self.derive(nonce, b"payload"))
    }

    fn mac(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &*self.derive::<32>(&[], b"header"))
    }
}

/// The header's bytes.
pub(super) fn write(
    key: &FileKey,
    passphrase: &Passphrase,
    work: Work,
    salt: &[u8; 16],
) -> Vec<u8> {
    let mut wrapped = key.0.to_vec();
    let sealed = wrapping_key(passphrase, work, salt).seal_in_place_append_tag(
        zero_nonce(),
        Aad::empty(),
        &mut wrapped,
    );
    sealed.expect("sixteen bytes can be sealed");
    let (salt, wrapped) = (BASE64_NOPAD.encode(salt), BASE64_NOPAD.encode(&wrapped));
    let signed = format!("{VERSION_LINE}\n{STANZA}{salt} {}\n{wrapped}\n{END}", work.0);
    let mac = hmac::sign(&key.mac(), signed.as_bytes());
    format!("{signed} {}\n", BASE64_NOPAD.encode(mac.as_ref())).into_bytes()
}

/// Reads a header and unwraps the file's key.
pub(super) fn read(
    input: &mut impl BufRead,
    passphrase: &Passphrase,
    work_max: Work,
) -> Result<FileKey, DecryptError> {
    if line(input)?.is_none_or(|first| first != VERSION_LINE) {
        return Err(DamagedHeader::OtherFormat.into());
    }
    let stanza = line(input)?.ok_or(DamagedHeader::Damaged)?;
    if !stanza.starts_with("-> ") {
        return Err(DamagedHeader::Damaged.into());
    }
    let arguments = stanza.strip_prefix(STANZA).ok_or(DamagedHeader::OtherRecipient)?;
    let (salt, work) = arguments.split_once(' ').ok_or(DamagedHeader::Damaged)?;
    let salt_bytes: [u8; 16] = decode(salt)?;
    let work = parse_work(work, work_max)?;
    let wrapped = line(input)?.ok_or(DamagedHeader::Damaged)?;
    let wrapped_bytes: [u8; 32] = decode(&wrapped)?;
    let last = line(input)?.ok_or(DamagedHeader::Damaged)?;
    let mac = last.strip_prefix("--- ").ok_or(DamagedHeader::Damaged)?;
    let mac: [u8; 32] = decode(mac)?;

    let mut unwrapped = Zeroizing::new(wrapped_bytes);
    let key = wrapping_key(passphrase, work, &salt_bytes);
    let opened = key.open_in_place(zero_nonce(), Aad::empty(), &mut *unwrapped);
    let opened = opened.map_err(|_| DecryptError::WrongPassphrase)?;
    let mut key = FileKey(Zeroizing::new([0; 16]));
    key.0.copy_from_slice(opened);
    let signed = format!("{VERSION_LINE}\n{stanza}\n{wrapped}\n{END}");
    hmac::verify(&key.mac(), signed.as_bytes(), &mac).map_err(|_| DamagedHeader::Damaged)?;
    Ok(key)
}

fn wrapping_key(passphrase: &Passphrase, work: Work, salt: &[u8; 16]) -> LessSafeKey {
    let salt = [SALT_LABEL, salt].concat();
    let mut key = Zeroizing::new([0; 32]);
    let params = scrypt::Params::new(work.0, 8, 1).expect("Work is small");
    scrypt::scrypt(&passphrase.0, &salt, &params, &mut *key).expect("scrypt gives 32 bytes");
    aead_key(&key)
}

fn aead_key(key: &[u8; 32]) -> LessSafeKey {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key);
    LessSafeKey::new(key.expect("ChaCha20-Poly1305 takes 32 bytes as a key"))
}

/// The wrapping key seals once.
fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

/// A number without zeros before it.
fn parse_work(text: &str, most: Work) -> Result<Work, DamagedHeader> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    let found = text.parse().ok().filter(|_| is_plain).ok_or(DamagedHeader::Damaged)?;
    if found > most.0 {
        return Err(DamagedHeader::TooMuchWork { found, most: most.0 });
    }
    Ok(Work(found))
}

fn decode<const N: usize>(text: &str) -> Result<[u8; N], DamagedHeader> {
    let bytes = BASE64_NOPAD.decode(text.as_bytes()).map_err(|_| DamagedHeader::Damaged)?;
    bytes.try_into().map_err(|_| DamagedHeader::Damaged)
}

/// The next line; `None` where no text of a header's length ends with a line feed.
fn line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::with_capacity(LINE_BYTES_MAX);
    input.take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line)?;
    Ok(match line.pop() {
        Some(b'\n') => String::from_utf8(line).ok(),
        Some(_) | None => None,
    })
}
