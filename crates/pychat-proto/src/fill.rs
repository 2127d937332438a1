//! How full the tables are, against their bounds: for tests and for an operator's figures.

use crate::{
    Client, Endpoint,
    endpoint::{FIRST_CONTACTS_MAX, STATELESS_MAX, UNCONFIRMED_MAX},
};

/// A table that has a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Which one, in a few words.
    pub table: &'static str,
    /// What is in it.
    pub used: usize,
    /// What may be in it at most.
    pub bound: usize,
}

impl Fill {
    /// A table.
    #[must_use]
    pub const fn new(table: &'static str, used: usize, bound: usize) -> Self {
        Self { table, used, bound }
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
