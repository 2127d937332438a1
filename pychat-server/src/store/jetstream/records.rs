//! How the engine's records look in the log: a byte that says the form, then postcard.

use crate::store::{
    Account, Ban, Invite, InviteCode, Note, StoreError,
    keys::{DeviceKey, Keys, PREKEY_NUMBER_MAX, Packed, Prekey},
};
use pychat_proto::{
    DisplayName, PublicKey, Seq, StreamId, UserName,
    chat::{self, UnixMillis},
};
use serde::{Deserialize, Serialize};

/// The form of all records that there are.
const FORM: u8 = 1;

/// How a mailbox stands behind a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The place that is handed out next.
    pub(super) next: u64,
    /// The place of the last entry.
    pub(super) last: u64,
    /// Places up to here are set aside: none of them is handed out after whoever wrote this is gone.
    pub(super) reserved: u64,
    /// Entries up to here are gone.
    pub(super) trimmed: u64,
    /// All texts that there ever were.
    pub(super) ever: Usage,
}

/// Texts, as the quota counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Usage {
    pub(super) entries: u64,
    pub(super) bytes: u64,
}

impl Usage {
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            entries: self.entries.saturating_sub(earlier.entries),
            bytes: self.bytes.saturating_sub(earlier.bytes),
        }
    }
}

/// A message of a mailbox: entries that one node wrote at once, perhaps none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Chunk<'a> {
    /// Who wrote it: whose mailbox it is from here on.
    pub(super) node: u64,
    /// Behind its entries.
    pub(super) head: Head,
    #[serde(borrow)]
    pub(super) items: Vec<Item<'a>>,
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Item<'a> {
    pub(super) place: u64,
    /// Where a text comes from; none for what the server wrote.
    pub(super) origin: Option<TextOrigin>,
    pub(super) entry: &'a [u8],
}

/// Where a text comes from: no two have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TextOrigin {
    pub(super) user: UserName,
    pub(super) stream: StreamId,
    /// Its last record.
    pub(super) last: Seq,
}

impl TextOrigin {
    /// Whether this is the other one, or a later one of its stream.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.is_of_stream(other) && self.last >= other.last
    }

    pub(super) fn is_of_stream(&self, other: &Self) -> bool {
        (self.user, self.stream) == (other.user, other.stream)
    }
}

impl Chunk<'_> {
    /// All texts that there ever were before it.
    pub(super) fn ever_before(&self) -> Usage {
        let texts = self.items.iter().filter(|item| item.origin.is_some());
        let (entries, bytes) =
            texts.fold((0, 0), |(count, bytes), it| (count + 1, bytes + it.entry.len() as u64));
        self.head.ever.since(Usage { entries, bytes })
    }
}

/// How far a user's outboxes have come, the one that was used last at the end.
pub(super) type Streams = Vec<(StreamId, Seq)>;

#[derive(Serialize, Deserialize)]
struct AccountRecord {
    key: [u8; 32],
    name: DisplayName,
    since: UnixMillis,
    name_is_set: bool,
}

#[derive(Serialize, Deserialize)]
struct KeysRecord {
    device: Vec<u8>,
    fallback: Vec<u8>,
    next: u64,
    unused: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct BanRecord {
    reason: String,
    since: UnixMillis,
}

#[derive(Serialize, Deserialize)]
struct InviteRecord {
    uses: Option<u32>,
    expires_at: Option<UnixMillis>,
    note: String,
    made_at: UnixMillis,
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut body = vec![FORM];
    chat::encode_into(value, &mut body);
    body
}

fn decode<'a, T: Deserialize<'a>>(what: &str, body: &'a [u8]) -> Result<T, StoreError> {
    match body.split_first() {
        Some((&FORM, rest)) => chat::decode(rest).map_err(|_| senseless(what)),
        Some((form, _)) => Err(StoreError::Fatal(format!(
            "{what} in the cluster is of form {form}, which a newer pychat-server wrote: update this one"
        ))),
        None => Err(senseless(what)),
    }
}

fn senseless(what: &str) -> StoreError {
    StoreError::Fatal(format!(
        "{what} in the cluster makes no sense; was anything but pychat-server writing there?"
    ))
}

pub(super) fn encode_chunk(chunk: &Chunk<'_>) -> Vec<u8> {
    encode(chunk)
}

pub(super) fn decode_chunk<'a>(user: &UserName, body: &'a [u8]) -> Result<Chunk<'a>, StoreError> {
    decode(&format!("a part of {user}'s mailbox"), body)
}

pub(super) fn encode_streams(streams: &Streams) -> Vec<u8> {
    encode(streams)
}

pub(super) fn decode_streams(user: &UserName, body: &[u8]) -> Result<Streams, StoreError> {
    decode(&format!("{user}'s outbox position"), body)
}

pub(super) fn encode_account(account: Option<&Account>) -> Vec<u8> {
    let Some(Account { user: _, key, name, since, name_is_set }) = account.cloned() else {
        return Vec::new();
    };
    encode(&AccountRecord { key: key.0, name, since, name_is_set })
}

/// An empty body says that the name is nobody's.
pub(super) fn decode_account(user: &UserName, body: &[u8]) -> Result<Option<Account>, StoreError> {
    if body.is_empty() {
        return Ok(None);
    }
    let AccountRecord { key, name, since, name_is_set } =
        decode(&format!("{user}'s account"), body)?;
    Ok(Some(Account { user: *user, key: PublicKey(key), name, since, name_is_set }))
}

pub(super) fn encode_keys(keys: Option<&Keys>) -> Vec<u8> {
    let Some(keys) = keys else { return Vec::new() };
    encode(&KeysRecord {
        device: keys.device.as_bytes().into(),
        fallback: keys.fallback.as_bytes().into(),
        next: keys.next,
        unused: keys.unused.bytes.clone(),
    })
}

/// An empty body says that there are none.
pub(super) fn decode_keys(user: &UserName, body: &[u8]) -> Result<Option<Keys>, StoreError> {
    if body.is_empty() {
        return Ok(None);
    }
    let what = format!("what is kept of {user}'s keys");
    let KeysRecord { device, fallback, next, unused } = decode(&what, body)?;
    let keys = DeviceKey::parse(device).zip(Prekey::parse(fallback)).zip(Packed::parse(unused));
    match keys {
        Some(((device, fallback), unused)) if next <= PREKEY_NUMBER_MAX + 1 => {
            Ok(Some(Keys { device, fallback, next, unused }))
        }
        Some(_) | None => Err(senseless(&what)),
    }
}

pub(super) fn encode_ban(ban: Option<&Ban>) -> Vec<u8> {
    let record = |ban: &Ban| BanRecord { reason: ban.reason.as_str().into(), since: ban.since };
    ban.map_or_else(Vec::new, |ban| encode(&record(ban)))
}

/// An empty body says that there is none.
pub(super) fn decode_ban(body: &[u8]) -> Result<Option<Ban>, StoreError> {
    if body.is_empty() {
        return Ok(None);
    }
    let BanRecord { reason, since } = decode("a ban", body)?;
    let reason = Note::parse(&reason).map_err(|_| senseless("a ban"))?;
    Ok(Some(Ban { reason, since }))
}

pub(super) fn encode_invite(invite: Option<&Invite>) -> Vec<u8> {
    let Some(Invite { code: _, uses, expires_at, note, made_at }) = invite else {
        return Vec::new();
    };
    let (uses, expires_at, made_at) = (*uses, *expires_at, *made_at);
    encode(&InviteRecord { uses, expires_at, note: note.as_str().into(), made_at })
}

/// An empty body says that there is none.
pub(super) fn decode_invite(code: &InviteCode, body: &[u8]) -> Result<Option<Invite>, StoreError> {
    if body.is_empty() {
        return Ok(None);
    }
    let InviteRecord { uses, expires_at, note, made_at } = decode("an invite", body)?;
    let note = Note::parse(&note).map_err(|_| senseless("an invite"))?;
    Ok(Some(Invite { code: code.clone(), uses, expires_at, note, made_at }))
}
