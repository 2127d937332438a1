//! `profile-export`: beside a daemon that runs, or without one.

use super::{random, target::Target};
use crate::{
    archive::{
        Content, WriteError,
        age::{self, Fresh, Passphrase, Work},
        write,
    },
    db::{Database, identity},
    run::{DATABASE_FILE, IDENTITY_FILE},
    shell::{
        Fault,
        lock::{self, Lock},
    },
};
use pychat_control::{Archived, ErrorCode, Place, check_private_dir};
use std::{fs::File, path::Path};
use zeroize::Zeroizing;

/// Writes the archive.
pub(super) fn run(
    place: &Place,
    file: &Path,
    overwrite: bool,
    passphrase: &Passphrase,
) -> Result<Archived, Fault> {
    let path = place.state_dir().join(DATABASE_FILE);
    if !path.exists() {
        return Err(nothing(place));
    }
    check_private_dir(place.state_dir()).map_err(|error| Fault::refused(error.to_string()))?;
    let identity = identity::load(&place.state_dir().join(IDENTITY_FILE))
        .map_err(|error| Fault::failed(format!("{error:#}")))?;
    let (mut database, lock) = open(place, &path)?;
    let snapshot = database.snapshot().map_err(|error| Fault::failed(error.to_string()))?;
    // What is written from now on is not seen: a daemon may begin.
    drop(lock);
    let mut target = Target::new(file, overwrite)?;
    let fresh = Fresh { file_key: Zeroizing::new(random()?), salt: random()?, nonce: random()? };
    let content = Content {
        reader: snapshot.read(),
        identity: &identity,
        exported_at: &format!("{:.3}", jiff::Timestamp::now()),
    };
    let told = seal(target.file(), &content, passphrase, &fresh).map_err(|error| match error {
        WriteError::NoAccount => nothing(place),
        WriteError::Database(error) => Fault::failed(error.to_string()),
        WriteError::Io(error) => {
            Fault::failed(format!("the file {} cannot be written: {error}", file.display()))
                .hint("nothing was exported; check that there is room on its disk")
        }
    })?;
    target.publish()?;
    Ok(told)
}

fn seal(
    out: &mut File,
    content: &Content<'_>,
    passphrase: &Passphrase,
    fresh: &Fresh,
) -> Result<Archived, WriteError> {
    let mut sealer = age::encrypt(out, passphrase, Work::USUAL, fresh)?;
    let told = write(content, &mut sealer)?;
    sealer.finish()?;
    Ok(told)
}

/// Beside a daemon only to read; without one as a daemon would, so that what a killed one left behind is
/// looked after.
fn open(place: &Place, path: &Path) -> Result<(Database, Option<Lock>), Fault> {
    let lock = lock::try_acquire(place)?;
    let opened = match &lock {
        Some(_) => Database::open(path),
        None => Database::open_beside(path),
    };
    let database = opened.map_err(|error| Fault::failed(format!("{error:#}")))?;
    Ok((database, lock))
}

fn nothing(place: &Place) -> Fault {
    let profile = place.profile();
    Fault::of(
        ErrorCode::Usage,
        format!("the profile {profile} has no user yet, so there is nothing to export"),
    )
    .hint("see which profiles there are: pychatctl profile list")
}
