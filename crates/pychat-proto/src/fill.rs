//! How full the tables are, against their bounds: for tests and for an operator's figures.

use crate::{
    Client, Endpoint,
    endpoint::{FIRST_CONTACTS_MAX, STATELESS_MAX, UNCONFIRMED_MAX},
};

/// What a table belongs to, and so what it means that it is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// All that the program serves: whoever comes when it is full is sent away.
    Everybody,
    /// One session. A full one is how that session is slowed down, and troubles nobody else.
    Session,
    /// All again, but the bound is as large as another table, and is never what somebody runs into.
    Follower,
}

/// A table that has a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Which one, in a few words.
    pub table: &'static str,
    /// What is in it.
    pub used: usize,
    /// What may be in it at most.
    pub bound: usize,
    /// Whose it is.
    pub holder: Holder,
}

impl Fill {
    /// A table of everybody's.
    #[must_use]
    pub const fn new(table: &'static str, used: usize, bound: usize) -> Self {
        Self { table, used, bound, holder: Holder::Everybody }
    }

    /// A session's table.
    #[must_use]
    pub const fn of_session(table: &'static str, used: usize, bound: usize) -> Self {
        Self { table, used, bound, holder: Holder::Session }
    }

    /// A table that holds no more than another one does.
    #[must_use]
    pub const fn follower(table: &'static str, used: usize, bound: usize) -> Self {
        Self { table, used, bound, holder: Holder::Follower }
    }
}

impl Endpoint {
    /// Shows each table with its bound, those of all sessions too.
    pub fn fills(&self, mut each: impl FnMut(Fill)) {
        let tables = self.tables();
        each(Fill::new("unconfirmed sessions", tables.unconfirmed, UNCONFIRMED_MAX));
        each(Fill::new("first contacts", tables.first_contacts, FIRST_CONTACTS_MAX));
        each(Fill::new("answers without a session", tables.stateless, STATELESS_MAX));
        for session in self.each_session() {
            session.fills(&mut each);
        }
    }
}

impl Client {
    /// Shows each table with its bound.
    pub fn fills(&self, mut each: impl FnMut(Fill)) {
        if let Some(session) = self.live_session() {
            session.fills(&mut each);
        }
    }
}
