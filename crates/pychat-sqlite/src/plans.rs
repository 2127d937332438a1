//! Statements that are kept, and run again with other values.

use rusqlite::{Connection, config::DbConfig};

/// Has statements keep the plans that they were prepared with. Without it SQLite looks at some of the
/// bound values (a `LIMIT ?`, a value beside the condition of a partial index) and prepares the
/// statement anew whenever they are bound again, which costs more than running it.
///
/// # Errors
/// The connection cannot be configured.
pub fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::StatementStatus;

    /// How often a statement with a bound limit is prepared anew while it runs ten times.
    fn prepared_anew(connection: &Connection) -> i32 {
        connection.execute_batch("CREATE TABLE numbers (number INTEGER)").unwrap();
        let mut statement = connection.prepare("SELECT number FROM numbers LIMIT ?1").unwrap();
        for limit in 0..10 {
            statement.exists([limit]).unwrap();
        }
        statement.get_status(StatementStatus::RePrepare)
    }

    #[test]
    fn a_bound_limit_does_not_have_its_statement_prepared_anew() {
        let connection = Connection::open_in_memory().unwrap();
        keep_plans(&connection).unwrap();
        assert_eq!(prepared_anew(&connection), 0);
        // What would be without it: once this is 0 too, there is no need for it any more.
        assert_ne!(prepared_anew(&Connection::open_in_memory().unwrap()), 0);
    }
}
