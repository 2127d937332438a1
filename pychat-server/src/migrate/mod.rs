//! `pychat-server migrate`: moves all that one store holds to another one, of either engine, while no server uses
//! them.
//!
//! `course` copies user by user and compares both ends; `place` is where they are and how they are had for this
//! alone; what is kept of a user, in a form that is no engine's, is `store::whole`.
//!
//! What is filled says so until it is complete, and no server uses it. Then, before servers may, what
//! was read says that it was moved. A migration that was killed goes on where the ends differ.

mod course;
mod place;
mod progress;
pub mod report;
#[cfg(test)]
mod tests;

pub use course::{Side, Totals};
pub use place::Place;

use crate::{
    cluster::Sentry,
    identity::DataError,
    store::{
        StoreError,
        embedded::OpenError,
        jetstream,
        whole::{Begun, Start},
    },
};
use course::{Course, Progress, USERS_PER_PAGE};
use place::End;
use progress::Line;
use std::{path::PathBuf, sync::Arc, time::Instant};

/// What came of a migration, or of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Where everything was.
    pub from: String,
    /// Where it is now.
    pub to: String,
    /// What both hold.
    pub totals: Totals,
    /// Whether it went on where an earlier try had ended.
    pub resumed: bool,
    /// How long it took.
    pub seconds: f64,
}

/// Why nothing was moved, or not all of it. What was read is as it was.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// It would move onto itself.
    #[error("{0} is both where mailboxes are and where they go")]
    SamePlace(String),
    /// A data directory cannot be used.
    #[error("{place}: {error}")]
    Data {
        /// Where.
        place: String,
        /// Why.
        error: DataError,
    },
    /// A directory without mailboxes.
    #[error("{} holds no mailboxes", .0.display())]
    NoStore(PathBuf),
    /// A store's file cannot be used.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: OpenError,
    },
    /// There is a store already.
    #[error("{} is there already: mailboxes are moved to an empty place only", .0.display())]
    Occupied(PathBuf),
    /// What was moved there is not there.
    #[error("nothing is half filled there: {0}")]
    Gone(String),
    /// Another migration is under way there.
    #[error("{} is half filled by another migration, from {from}", path.display())]
    Other {
        /// What is half filled.
        path: PathBuf,
        /// Where that one comes from.
        from: String,
    },
    /// A cluster cannot be used.
    #[error(transparent)]
    Cluster(#[from] jetstream::OpenError),
    /// It cannot be heard whether nodes use it.
    #[error("{0}")]
    Listen(String),
    /// Servers use it.
    #[error("{place} is in use by {nodes}")]
    NodesThere {
        /// Where.
        place: String,
        /// Who.
        nodes: String,
    },
    /// Its mailboxes are elsewhere.
    #[error("the mailboxes of {place} were moved to {to} before")]
    MovedBefore {
        /// Where they were.
        place: String,
        /// Where they went.
        to: String,
    },
    /// An engine failed.
    #[error("{}: {error}", side.word())]
    Engine {
        /// Of which end.
        side: Side,
        /// How.
        error: StoreError,
    },
    /// The ends do not hold the same.
    #[error("both places were compared, and do not hold the same of {}: {named}", users(*count))]
    Differ {
        /// How many.
        count: u64,
        /// Some of them.
        named: String,
    },
    /// As [`Self::Differ`].
    #[error("both places were compared, and do not hold the same bans and invites")]
    RulesDiffer,
    /// A test has it end.
    #[cfg(test)]
    #[error("stopped")]
    Stopped,
}

fn users(count: u64) -> String {
    if count == 1 { "one user".into() } else { format!("{count} users") }
}

impl MigrateError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::SamePlace(_) => "name two places with --from and --to".into(),
            Self::Data { error: DataError::InUse(_), .. } => {
                "stop the server first, and leave it stopped until its mailboxes are moved".into()
            }
            Self::Data { error, .. } => error.hint(),
            Self::NoStore(_) => {
                "name the directory that the server has as --data; a cluster is named as nats://HOST,.."
                    .into()
            }
            Self::File { error: OpenError::Damaged(_), .. } => {
                "nothing was moved; restore a backup into another directory with `pychat-server restore`, \
                 and move that one"
                    .into()
            }
            Self::File { .. } | Self::Cluster(_) | Self::Listen(_) | Self::Gone(_) => return None,
            Self::Occupied(path) => format!(
                "name a directory without mailboxes; if those there are not wanted any more, move {} away",
                path.display()
            ),
            Self::Other { path, from } => format!(
                "finish that one with --from {from}; to give it up, remove {}",
                path.display()
            ),
            Self::NodesThere { .. } => {
                "stop all of them first, and leave them stopped until the mailboxes are moved".into()
            }
            Self::MovedBefore { place, to } => format!(
                "what came since then is at {to}: move from there, or see with --check whether both hold the \
                 same. To move what {place} held then: `pychat-server migrate --reopen {place}` first"
            ),
            Self::Engine { side: Side::From, error: StoreError::Fatal(_) } => {
                "nothing was changed there, and no server uses what is half filled; restore a backup, and \
                 move that"
                    .into()
            }
            Self::Engine { .. } => {
                "run the same command again once the cause is gone: it goes on where it was".into()
            }
            Self::Differ { .. } | Self::RulesDiffer => {
                "run the same command without --check again: it moves what differs. If it says so again, \
                 something else writes there"
                    .into()
            }
            #[cfg(test)]
            Self::Stopped => return None,
        })
    }

    /// Whether it is how the place to be filled was found.
    const fn is_of_place(&self) -> bool {
        matches!(
            self,
            Self::Gone(_)
                | Self::Occupied(_)
                | Self::Cluster(
                    jetstream::OpenError::Gone { .. } | jetstream::OpenError::Occupied { .. }
                )
        )
    }

    /// Whether somebody uses one of the places.
    #[must_use]
    pub const fn is_in_use(&self) -> bool {
        matches!(
            self,
            Self::Data { error: DataError::InUse(_), .. }
                | Self::File { error: OpenError::InUse, .. }
                | Self::NodesThere { .. }
        )
    }
}

/// Moves all that `from` holds to `to`, or goes on with that.
///
/// # Errors
/// See [`MigrateError`]. The same again goes on where it was.
pub fn migrate(from: &Place, to: &Place) -> Result<Report, MigrateError> {
    let began = Instant::now();
    let names = two_places(from, to)?;
    let (mut source, moved) = End::read(from)?;
    if let Some(elsewhere) = moved.as_ref().filter(|moved| **moved != names.1) {
        return Err(MigrateError::MovedBefore { place: names.0, to: elsewhere.clone() });
    }
    let start = if moved.is_some() { Start::GoOn } else { Start::Anew };
    let filled = End::fill(to, from, start);
    let (mut target, begun) = match (filled, moved) {
        // It was moved there, and that was finished.
        (Err(error), Some(to)) if error.is_of_place() => {
            return Err(MigrateError::MovedBefore { place: names.0, to });
        }
        (filled, _) => filled?,
    };
    let guard = Guard::of([(from, &source), (to, &target)]);
    let mut course = Course {
        from: source.whole(),
        to: target.whole(),
        users_per_page: USERS_PER_PAGE,
        watch: &mut guard.watching(),
    };
    course.copy(begun)?;
    let totals = course.compare()?;
    guard.check()?;
    source.set_moved(Some(&names.1))?;
    target.finish()?;
    let (resumed, seconds) = (begun == Begun::Before, began.elapsed().as_secs_f64());
    Ok(Report { from: names.0, to: names.1, totals, resumed, seconds })
}

/// Compares all that both places hold, and changes nothing.
///
/// # Errors
/// See [`MigrateError`].
pub fn compare(from: &Place, to: &Place) -> Result<Report, MigrateError> {
    let began = Instant::now();
    let names = two_places(from, to)?;
    let ((mut source, _), (mut target, _)) = (End::read(from)?, End::read(to)?);
    let guard = Guard::of([(from, &source), (to, &target)]);
    let mut course = Course {
        from: source.whole(),
        to: target.whole(),
        users_per_page: USERS_PER_PAGE,
        watch: &mut guard.watching(),
    };
    let totals = course.compare()?;
    guard.check()?;
    let seconds = began.elapsed().as_secs_f64();
    Ok(Report { from: names.0, to: names.1, totals, resumed: false, seconds })
}

/// Lets servers use a place again whose mailboxes were moved. Answers where they went, if they did.
///
/// # Errors
/// See [`MigrateError`].
pub fn reopen(place: &Place) -> Result<Option<String>, MigrateError> {
    let (end, moved) = End::read(place)?;
    if moved.is_some() {
        end.set_moved(None)?;
    }
    Ok(moved)
}

/// Sees to it that nobody else uses the two places.
struct Guard<'a>(Vec<(&'a Place, Arc<Sentry>)>);

impl<'a> Guard<'a> {
    fn of(ends: [(&'a Place, &End); 2]) -> Self {
        let sentries = ends.into_iter().filter_map(|(place, end)| Some((place, end.sentry()?)));
        Self(sentries.collect())
    }

    fn check(&self) -> Result<(), MigrateError> {
        self.0.iter().try_for_each(|(place, sentry)| place::refuse_nodes(place, sentry))
    }

    /// Checks after each page, and shows how far it is.
    fn watching(&self) -> impl FnMut(&Progress) -> Result<(), MigrateError> {
        let mut line = Line::detect();
        move |progress| {
            line.tell(progress);
            self.check()
        }
    }
}

fn two_places(from: &Place, to: &Place) -> Result<(String, String), MigrateError> {
    let names = (from.to_string(), to.to_string());
    if names.0 == names.1 { Err(MigrateError::SamePlace(names.0)) } else { Ok(names) }
}
