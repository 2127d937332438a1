//! `profile-import`: a new profile, made beside its place and moved there whole.

use super::{random, room::Room, unreadable};
use crate::{
    archive::{
        ImportError, Limits, Lines, Step,
        age::{self, Passphrase, Work},
        unpack,
    },
    shell::Fault,
};
use pychat_control::{ARCHIVE_STDIO, Archived, Place};
use pychat_proto::StreamId;
use std::{
    fs::File,
    io::{self, BufReader},
    path::Path,
};

/// Reads the archive `file`; for `-`, what comes in `stdin` after the passphrase.
pub(super) fn run(
    place: &Place,
    file: &Path,
    stdin: File,
    passphrase: &Passphrase,
) -> Result<Archived, Fault> {
    let input = if file == Path::new(ARCHIVE_STDIO) {
        stdin
    } else {
        File::open(file).map_err(|error| {
            Fault::failed(format!("the file {} cannot be read: {error}", file.display()))
        })?
    };
    let named =
        if file == Path::new(ARCHIVE_STDIO) { Path::new("on standard input") } else { file };
    import(place, named, input, passphrase, Work::MAX, &mut |_| Ok(()))
}

/// `reach` is called at each step, and may fail there.
pub(super) fn import(
    place: &Place,
    named: &Path,
    input: impl io::Read,
    passphrase: &Passphrase,
    work_max: Work,
    reach: &mut dyn FnMut(Step) -> io::Result<()>,
) -> Result<Archived, Fault> {
    // First what says no at once, then what takes a second, and only then something is written.
    let mut room = Room::find(place)?;
    let failed = |error| unreadable(named, &error);
    let opener = age::decrypt(BufReader::with_capacity(BUFFER_BYTES, input), passphrase, work_max)
        .map_err(|error| failed(error.into()))?;
    let lines = Lines::open(opener, Limits::default()).map_err(failed)?;
    let stream = StreamId(random()?);
    let draft = room.draft()?;
    let made = unpack(draft.dir(), lines, stream, reach)
        .map_err(|error| match error {
            ImportError::Read(error) => failed(error),
            ImportError::Database(_)
            | ImportError::Open(_)
            | ImportError::Identity(_)
            | ImportError::Io(_) => unwritten(place, &error),
        })
        .and_then(|told| {
            room.fill(&draft, reach)?;
            Ok(told)
        });
    if made.is_err() {
        draft.remove();
    }
    made
}

fn unwritten(place: &Place, error: &ImportError) -> Fault {
    let profile = place.profile();
    Fault::failed(format!("the profile {profile} cannot be made: {error}"))
        .hint("nothing was left behind; check the disk of the state directory, then try again")
}

/// What is read of a file at once.
const BUFFER_BYTES: usize = 64 * 1024;
