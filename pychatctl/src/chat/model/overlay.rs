//! What stands in front of the conversation: one thing at a time.

use super::Line;
use pychat_control::{Contact, Hit, KnownName, Verification};

/// Hits that are asked for: a person who needs more of them types another word.
pub(crate) const HITS_MAX: u32 = 50;

/// Names that are asked for.
pub(crate) const NAMES_MAX: u32 = 50;

/// What stands in front.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Overlay {
    /// Nothing.
    #[default]
    None,
    /// The keys.
    Help {
        /// Rows above the screen.
        scrolled: usize,
    },
    /// What the numbers of the link line mean.
    Link,
    /// Going to another conversation.
    Switcher(Switcher),
    /// Looking for words.
    Search(Search),
    /// Comparing keys.
    Verify(VerifyScreen),
    /// Taking a new key.
    Trust(TrustScreen),
}

/// Going to another conversation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Switcher {
    /// A few letters.
    pub(crate) line: Line,
    /// Who begins so, as the daemon knows.
    pub(crate) names: Vec<KnownName>,
    /// What `names` were asked with.
    pub(crate) asked: Option<String>,
    /// Whether they are being asked for.
    pub(crate) under_way: bool,
    /// The chosen line.
    pub(crate) chosen: usize,
}

/// Somebody in the switcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The user name.
    pub(crate) user: String,
    /// What it calls itself.
    pub(crate) name: Option<String>,
    /// Whether there is a conversation.
    pub(crate) is_new: bool,
}

/// Where is searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Everywhere.
    #[default]
    Everywhere,
    /// In the open conversation.
    Here,
}

/// Looking for words.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Search {
    /// The words.
    pub(crate) line: Line,
    /// Where.
    pub(crate) scope: Scope,
    /// What was found, the newest first.
    pub(crate) hits: Vec<Hit>,
    /// Whether there is more.
    pub(crate) more: bool,
    /// Messages that were not looked at yet.
    pub(crate) unindexed: u64,
    /// Why nothing was found.
    pub(crate) failure: Option<String>,
    /// What was asked last.
    pub(crate) asked: Option<(String, Scope)>,
    /// Whether it is being asked.
    pub(crate) under_way: bool,
    /// The chosen hit.
    pub(crate) chosen: usize,
}

/// Comparing keys.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct VerifyScreen {
    /// With whom.
    pub(crate) peer: String,
    /// What to compare, once it is known.
    pub(crate) known: Option<Box<Verification>>,
    /// What was typed of what they see.
    pub(crate) line: Line,
    /// What came of it.
    pub(crate) outcome: Comparison,
}

/// What came of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// None was made.
    None,
    /// The number itself is still to be asked for.
    NotAsked,
    /// It is being made, or the number is asked for.
    UnderWay,
    /// The numbers are the same.
    Same,
    /// They differ.
    Differs,
    /// It could not be made.
    Failed(String),
}

/// Taking a new key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TrustScreen {
    /// Both keys.
    pub(crate) contact: Contact,
    /// The new one, as it is shown.
    pub(crate) offered: String,
    /// Whether the daemon is asked to take it.
    pub(crate) under_way: bool,
    /// Why it was not taken.
    pub(crate) failure: Option<String>,
}
