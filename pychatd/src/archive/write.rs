//! Writing: a database's content as lines.

use super::{
    FORMAT, FORMAT_VERSION, WriteError,
    line::{ContactLine, EndLine, HeaderLine, IdentityLine, Line, MessageLine, UnopenedLine},
};
use crate::db::{Account, Direction, Reader};
use data_encoding::BASE64URL_NOPAD;
use pychat_control::{Archived, State};
use pychat_proto::SecretKey;
use serde::Serialize;
use std::io::{self, Write};
use zeroize::Zeroizing;

/// What goes into an archive.
pub struct Content<'a> {
    /// The database, as of one moment.
    pub reader: Reader<'a>,
    /// Who we are.
    pub identity: &'a SecretKey,
    /// Now, as RFC 3339.
    pub exported_at: &'a str,
}

/// Writes all of `content`, and says what it was.
///
/// # Errors
/// There is nothing to write, it cannot be read, or `out` cannot be written.
pub fn write(content: &Content<'_>, out: &mut impl Write) -> Result<Archived, WriteError> {
    let Content { reader, identity, exported_at } = *content;
    let settings = reader.stored()?.settings;
    let account = settings.account.ok_or(WriteError::NoAccount)?;
    header(out, &account, exported_at)?;
    secret(out, identity)?;
    let mut end = EndLine::default();
    reader.each_contact(|server, contact| {
        end.contacts += 1;
        line(out, &Line::Contact(ContactLine::new(&server, &contact)))
    })?;
    reader.each_unopened(|row| {
        end.unopened += 1;
        line(out, &Line::Unopened(UnopenedLine::new(&row)))
    })?;
    let mut told = Archived::new(&account.user, &account.name, &account.server);
    reader.each_message(|kept| {
        end.messages += 1;
        told.unread += u64::from(kept.row.state == State::Unread);
        let is_ours = kept.row.direction == Direction::Out;
        told.waiting += u64::from(is_ours && kept.waits.is_some());
        line(out, &Line::Message(MessageLine::new(&kept)))
    })?;
    line(out, &Line::End(end))?;
    told.contacts = end.contacts;
    told.messages = end.messages;
    told.exported_at = exported_at.to_owned();
    told.wants_link = settings.wants_link;
    Ok(told)
}

fn header(out: &mut impl Write, account: &Account, exported_at: &str) -> Result<(), WriteError> {
    line(
        out,
        &HeaderLine {
            format: FORMAT.into(),
            version: FORMAT_VERSION,
            exported_at: exported_at.into(),
            pychat: env!("CARGO_PKG_VERSION").into(),
            user: account.user.as_str().into(),
            name: account.name.as_str().into(),
            server: account.server.to_string().into(),
        },
    )
}

/// By hand, so that each copy of the key is wiped.
fn secret(out: &mut impl Write, identity: &SecretKey) -> Result<(), WriteError> {
    let mut text = Zeroizing::new([0; 43]);
    BASE64URL_NOPAD.encode_mut(identity.as_bytes(), &mut *text);
    let key = std::str::from_utf8(&*text).map_err(io::Error::other)?;
    line(out, &Line::Identity(IdentityLine { key }))
}

/// `out` seals whole chunks: what serde writes piece by piece costs it nothing.
fn line(out: &mut impl Write, line: &impl Serialize) -> Result<(), WriteError> {
    serde_json::to_writer(&mut *out, line).map_err(io::Error::from)?;
    Ok(out.write_all(b"\n")?)
}
