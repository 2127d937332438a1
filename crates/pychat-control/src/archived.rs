//! What the daemon's program says of an export or an import, to `pychatctl`, which started it for that.
//!
//! The first line of its standard input is the passphrase. It ends with the number of an error as its exit
//! code; on standard error it writes `error:` and `hint:` lines, or one line of [`REPORT_PREFIX`] and an
//! [`Archived`] as JSON. The archive itself may go through standard output, or come after the passphrase.

use serde::{Deserialize, Serialize};

/// The daemon's command that exports a profile.
pub const EXPORT_JOB: &str = "profile-export";

/// The daemon's command that imports a profile.
pub const IMPORT_JOB: &str = "profile-import";

/// In place of a file: standard input or output.
pub const ARCHIVE_STDIO: &str = "-";

/// Before the report.
pub const REPORT_PREFIX: &str = "report: ";

/// What is in an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archived {
    /// The user name.
    pub user: String,
    /// The display name.
    pub name: String,
    /// The server as a join link.
    pub server: String,
    /// When it was made.
    pub exported_at: String,
    /// People known by key.
    pub contacts: u64,
    /// Messages, sent and received.
    pub messages: u64,
    /// Of these, others' that were not shown yet.
    pub unread: u64,
    /// Of these, ours that are to be sent.
    pub waiting: u64,
    /// The exported profile goes on being connected.
    #[serde(default)]
    pub wants_link: bool,
}

impl Archived {
    /// An archive of somebody's, of which nothing is counted yet.
    #[must_use]
    pub fn new(user: &impl ToString, name: &impl ToString, server: &impl ToString) -> Self {
        Self {
            user: user.to_string(),
            name: name.to_string(),
            server: server.to_string(),
            ..Self::default()
        }
    }

    /// The report's line.
    #[must_use]
    pub fn report(&self) -> String {
        // Texts, numbers and a boolean are always JSON.
        format!("{REPORT_PREFIX}{}\n", serde_json::to_string(self).unwrap_or_default())
    }

    /// The report among the lines that the program said.
    #[must_use]
    pub fn find_report(said: &str) -> Option<Self> {
        let report = said.lines().find_map(|line| line.strip_prefix(REPORT_PREFIX))?;
        serde_json::from_str(report).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_found_among_other_lines() {
        let told = Archived {
            messages: 3,
            wants_link: true,
            ..Archived::new(&"alice", &"A\n\"lice", &"pychat://h:1#k")
        };
        let said = format!("a remark\n{}another\n", told.report());
        assert_eq!(Archived::find_report(&said), Some(told));
        assert_eq!(Archived::find_report("error: it broke\nreport: {\n"), None);
    }
}
