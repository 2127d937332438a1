//! The (state, event) tables of both sides: every event in every state, what comes of it, and what is
//! said. The whole tables are snapshots beside each side's stage (`client/states`,
//! `endpoint/states`); docs/PROTOCOL.md, "States", shows the moves, and is compared with them here.

mod ends;
mod frames;
mod table;

pub(crate) use ends::{End, Ends};
pub(crate) use frames::{cases, close, close_codes, names};
pub(crate) use table::Table;

/// An enum together with the list of all its variants and their names, so that a variant cannot be
/// missing in the list.
macro_rules! listed {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum $name { $($variant,)+ }

        impl $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}
pub(crate) use listed;
