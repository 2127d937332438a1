//! Who somebody is, in little memory.

use pychat_proto::{DisplayName, UserName};
use std::{borrow::Borrow, sync::Arc};

/// A user name and the display name that goes with it, in one piece of memory that all who know the person
/// share: the user name, a space, the display name. Persons are ordered by their user names, as a space comes
/// before everything that a user name may hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Person(Arc<str>);

impl Person {
    /// Puts both names together.
    #[must_use]
    pub fn new(user: &UserName, name: &DisplayName) -> Self {
        Self(format!("{user} {name}").into())
    }

    fn names(&self) -> (&str, &str) {
        // Names are short: a plain look at each byte is faster than what finds one in a long text.
        let space = self.0.bytes().position(|byte| byte == b' ');
        let space = space.expect("there is a space between the two names");
        (&self.0[..space], &self.0[space + 1..])
    }

    /// The user name.
    #[must_use]
    pub fn user(&self) -> UserName {
        UserName::parse(self.names().0).expect("it was one when it was put in")
    }

    /// Whether this is the user of that name.
    #[must_use]
    pub fn is(&self, user: &UserName) -> bool {
        self.names().0 == user.as_str()
    }

    /// The display name, as text.
    #[must_use]
    pub fn name(&self) -> &str {
        self.names().1
    }

    /// The display name.
    #[must_use]
    pub fn display_name(&self) -> DisplayName {
        DisplayName::parse(self.name()).expect("it was one when it was put in")
    }

    /// Orders before the person of this user name and after all persons before.
    #[must_use]
    pub fn before(user: &UserName) -> String {
        format!("{user} ")
    }

    /// Orders after the person of this user name and before all persons after.
    #[must_use]
    pub fn after(user: &UserName) -> String {
        format!("{user}!")
    }
}

impl Borrow<str> for Person {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn persons_are_ordered_by_their_user_names_whatever_they_are_called() {
        let person = |user: &str, name: &str| {
            Person::new(&UserName::parse(user).unwrap(), &DisplayName::parse(name).unwrap())
        };
        let users = ["-", ".", "0", "ann", "ann-", "ann-b", "ann.", "ann0", "anna", "b", "z_"];
        let names = ["Zoë 🚢", "", "~", "! a b"];
        for pair in users.windows(2) {
            assert!(UserName::parse(pair[0]).unwrap() < UserName::parse(pair[1]).unwrap());
            for (this, other) in names.iter().zip(names.iter().rev()) {
                let (one, two) = (person(pair[0], this), person(pair[1], other));
                assert!(one < two, "{one:?} {two:?}");
                assert_eq!((one.user().as_str(), one.name()), (pair[0], *this));
                assert!(one.is(&one.user()) && !one.is(&two.user()));
                let text = |person: &Person| -> String { person.0.to_string() };
                assert!(Person::before(&one.user()) <= text(&one));
                assert!(text(&one) < Person::after(&one.user()));
                assert!(Person::after(&one.user()) < text(&two));
            }
        }
    }
}
