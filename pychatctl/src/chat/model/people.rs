//! Everybody who is known: conversations, who is there, whose key is known.

use pychat_control::{Contact, ContactState, Conversation, User, check_user_name};
use std::collections::HashMap;

/// Conversations that are listed: what the daemon tells in one answer.
pub(crate) const CONVERSATIONS_MAX: u32 = 1000;

/// Users of whom it is kept whether they are there. On a server with more of them, it is not shown of
/// the others.
pub(crate) const USERS_MAX: usize = 20_000;

/// Everybody.
#[derive(Debug, Default)]
pub(crate) struct People {
    /// The latest first.
    pub(crate) conversations: Vec<Conversation>,
    /// Whether the daemon has told them.
    pub(crate) conversations_known: bool,
    users: HashMap<String, User>,
    contacts: HashMap<String, Contact>,
}

impl People {
    /// All conversations anew. Says whether somebody is among them who was not.
    pub(crate) fn set_conversations(&mut self, conversations: Vec<Conversation>) -> bool {
        let is_known =
            |peer: &str| self.conversations.iter().any(|conversation| conversation.peer == peer);
        let somebody_new = conversations.iter().any(|conversation| !is_known(&conversation.peer));
        self.conversations = conversations;
        self.conversations_known = true;
        somebody_new
    }

    /// Whoever is there.
    pub(crate) fn set_users(&mut self, users: Vec<User>) {
        let users = users.into_iter().take(USERS_MAX);
        self.users = users.map(|user| (user.user.clone(), user)).collect();
    }

    /// Somebody came or went.
    pub(crate) fn set_user(&mut self, user: User) {
        if self.users.len() < USERS_MAX || self.users.contains_key(&user.user) {
            self.users.insert(user.user.clone(), user);
        }
    }

    /// Nobody is heard of any more.
    pub(crate) fn forget_presence(&mut self) {
        self.users.clear();
    }

    /// Whose keys are known.
    pub(crate) fn set_contacts(&mut self, contacts: Vec<Contact>) {
        self.contacts =
            contacts.into_iter().map(|contact| (contact.user.clone(), contact)).collect();
    }

    /// Somebody's key changed, or how well it is known.
    pub(crate) fn set_contact(&mut self, contact: Contact) {
        self.contacts.insert(contact.user.clone(), contact);
    }

    /// Somebody, as the server sees them.
    pub(crate) fn user(&self, user: &str) -> Option<&User> {
        self.users.get(user)
    }

    /// Somebody's key.
    pub(crate) fn contact(&self, user: &str) -> Option<&Contact> {
        self.contacts.get(user)
    }

    /// Whether another key presents itself as somebody.
    pub(crate) fn is_changed(&self, user: &str) -> bool {
        self.contact(user).is_some_and(|contact| contact.state == ContactState::Changed)
    }

    /// The conversation with somebody.
    pub(crate) fn conversation(&self, peer: &str) -> Option<&Conversation> {
        self.conversations.iter().find(|conversation| conversation.peer == peer)
    }

    /// What somebody calls itself.
    pub(crate) fn name(&self, user: &str) -> Option<&str> {
        let told = self.user(user).map(|user| user.name.as_str());
        let wrote = self.conversation(user).and_then(|conversation| conversation.name.as_deref());
        told.or(wrote).filter(|name| !name.is_empty() && *name != user)
    }
}

/// Whether somebody can be written to by this name.
pub(crate) fn is_peer(name: &str) -> bool {
    check_user_name(name).is_ok()
}
