//! `admin`: what the operator types.

use crate::admin::api::{AccountChange, LIST_LEN_MAX, Page, Request};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What to ask, and whom.
#[derive(Clone, Debug, Args)]
pub struct AdminArgs {
    /// The server's admin socket
    /// [default: /run/pychat-server/admin.sock, or admin.sock beside the data]
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "PYCHAT_SERVER_ADMIN_SOCKET",
        verbatim_doc_comment
    )]
    pub socket: Option<PathBuf>,
    /// The data directory of the server to ask, to find its socket
    #[arg(long, global = true, value_name = "DIR", env = "PYCHAT_SERVER_DATA")]
    pub data: Option<PathBuf>,
    /// The server that was started with `serve --dev`
    #[arg(long, global = true, env = "PYCHAT_SERVER_DEV")]
    pub dev: bool,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// What to ask.
    #[command(subcommand)]
    pub command: AdminCommand,
}

/// The verbs.
#[derive(Clone, Debug, Subcommand)]
pub enum AdminCommand {
    /// Show how the server is: sessions, messages, commits, memory
    Stats,
    /// Show users, and change what belongs to them
    #[command(subcommand)]
    Users(UsersCommand),
    /// Show who is there, and end a session
    #[command(subcommand)]
    Sessions(SessionsCommand),
    /// Show what waits in mailboxes, and empty one
    #[command(subcommand)]
    Mailboxes(MailboxesCommand),
    /// Make codes that let newcomers in where registration asks for one
    #[command(subcommand)]
    Invites(InvitesCommand),
    /// Have all clients go and come back later, and let nobody in until `resume`
    Drain {
        /// Over how many seconds they come back
        #[arg(long, value_name = "SECONDS", default_value_t = 300)]
        spread: u64,
    },
    /// Let clients in again after `drain`
    Resume,
    /// Tell all who are there something, as one line
    Broadcast {
        /// The text, in quotes
        text: String,
    },
    /// Show what is logged, or change it until the next restart
    Log {
        /// error, warn, info, debug, trace, or a filter by module
        filter: Option<String>,
    },
    /// Read the configuration again: all of it holds, or nothing changes and the fault is told
    Reload,
    /// Copy the store and the server's keys into one new file, while the server runs
    Backup {
        /// The file; the server's user writes it (with the systemd unit: below /var/lib/pychat-server)
        file: PathBuf,
    },
}

/// What to do with users.
#[derive(Clone, Debug, Subcommand)]
pub enum UsersCommand {
    /// List users by name
    List(ListArgs),
    /// Show one user
    Show {
        /// Which
        user: String,
    },
    /// Set the name that a user is shown under, or let the user choose again
    Rename {
        /// Which
        user: String,
        /// The name; without it the user's own counts again
        name: Option<String>,
    },
    /// Give a name up: whoever claims it next has it. Its mailbox and its keys are gone
    Free {
        /// Which
        user: String,
        /// You are sure: nothing brings them back
        #[arg(long, required = true)]
        yes: bool,
    },
    /// Bind a name to another device, which is told its key when it is refused
    Rebind {
        /// Which
        user: String,
        /// The device's key
        key: String,
    },
    /// Let nobody log in under a name, and end its session
    Ban {
        /// Which; it need not be claimed
        user: String,
        /// What the user is told
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Lift a ban
    Unban {
        /// Which
        user: String,
    },
    /// List bans by name
    Bans(ListArgs),
}

/// What to do with sessions.
#[derive(Clone, Debug, Subcommand)]
pub enum SessionsCommand {
    /// List users who are there
    List,
    /// End a user's session; its client comes back by itself
    Kick {
        /// Whose
        user: String,
        /// What the user is told
        #[arg(long, default_value = "")]
        reason: String,
    },
}

/// What to do with mailboxes.
#[derive(Clone, Debug, Subcommand)]
pub enum MailboxesCommand {
    /// List mailboxes that hold something
    List(ListArgs),
    /// Remove all that waits in a mailbox; senders are not told
    Purge {
        /// Whose
        user: String,
        /// You are sure: nothing brings it back
        #[arg(long, required = true)]
        yes: bool,
    },
}

/// What to do with invites.
#[derive(Clone, Debug, Subcommand)]
pub enum InvitesCommand {
    /// List invites
    List,
    /// Make one and print its code
    Create {
        /// The code [default: one is made up]
        #[arg(long)]
        code: Option<String>,
        /// How many newcomers may use it [default: any number]
        #[arg(long, value_name = "N")]
        uses: Option<u32>,
        /// How many days it lasts [default: until it is revoked]
        #[arg(long, value_name = "N")]
        days: Option<u32>,
        /// What it is for
        #[arg(long, default_value = "")]
        note: String,
    },
    /// End one
    Revoke {
        /// Its code
        code: String,
    },
}

/// A part of a list.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// Those after this name
    #[arg(long, value_name = "USER")]
    pub after: Option<String>,
    /// At most so many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    pub limit: u16,
}

impl ListArgs {
    fn page(&self) -> Page {
        Page { after: self.after.clone(), limit: usize::from(self.limit).min(LIST_LEN_MAX) }
    }
}

impl AdminCommand {
    /// What is asked of the server. A relative file is meant from where the operator stands.
    #[must_use]
    pub fn request(&self) -> Request {
        let account = |user: &str, change| Request::Account { user: user.to_owned(), change };
        match self {
            Self::Stats => Request::Stats {},
            Self::Users(UsersCommand::List(list)) => Request::Users(list.page()),
            Self::Users(UsersCommand::Show { user }) => Request::User { user: user.clone() },
            Self::Users(UsersCommand::Rename { user, name }) => {
                account(user, AccountChange::Rename { name: name.clone() })
            }
            Self::Users(UsersCommand::Free { user, yes: _ }) => account(user, AccountChange::Free),
            Self::Users(UsersCommand::Rebind { user, key }) => {
                account(user, AccountChange::Rebind { key: key.clone() })
            }
            Self::Users(UsersCommand::Ban { user, reason }) => {
                account(user, AccountChange::Ban { reason: reason.clone() })
            }
            Self::Users(UsersCommand::Unban { user }) => account(user, AccountChange::Unban),
            Self::Users(UsersCommand::Bans(list)) => Request::Bans(list.page()),
            Self::Sessions(SessionsCommand::List) => Request::Sessions {},
            Self::Sessions(SessionsCommand::Kick { user, reason }) => {
                Request::Kick { user: user.clone(), reason: reason.clone() }
            }
            Self::Mailboxes(MailboxesCommand::List(list)) => Request::Mailboxes(list.page()),
            Self::Mailboxes(MailboxesCommand::Purge { user, yes: _ }) => {
                Request::Purge { user: user.clone() }
            }
            Self::Invites(InvitesCommand::List) => Request::Invites {},
            Self::Invites(InvitesCommand::Create { code, uses, days, note }) => Request::Invite {
                code: code.clone(),
                uses: *uses,
                lasts_s: days.map(|days| u64::from(days) * 24 * 3600),
                note: note.clone(),
            },
            Self::Invites(InvitesCommand::Revoke { code }) => {
                Request::Revoke { code: code.clone() }
            }
            Self::Drain { spread } => Request::Drain { spread_s: *spread },
            Self::Resume => Request::Resume {},
            Self::Broadcast { text } => Request::Broadcast { text: text.clone() },
            Self::Log { filter } => Request::Log { filter: filter.clone() },
            Self::Reload => Request::Reload {},
            Self::Backup { file } => {
                let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
                Request::Backup { file }
            }
        }
    }
}

pub(super) const EXAMPLES: &str = "\
Examples:
  pychat-server admin stats
  pychat-server admin users ban eve --reason 'spam'
  pychat-server admin invites create --uses 5 --days 7
  pychat-server admin backup /var/lib/pychat-server/monday.backup";
