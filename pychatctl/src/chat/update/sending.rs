//! Texts of ours, from the typing line to the daemon's disk.

use super::{Chat, asking::ASK_AGAIN};
use crate::{
    chat::model::{Line, OUTGOING_MAX, Outgoing, Stage, Us},
    screen::clean_line,
};
use pychat_control::{ErrorCode, Failure, Sent};

impl Chat {
    /// Sends what is typed.
    pub(super) fn send_line(&mut self) {
        let Us::User(us) = self.us.clone() else { return };
        let Some(peer) = self.peer().map(str::to_owned) else { return };
        let Some(line) = self.line_mut() else { return };
        if line.text().trim().is_empty() {
            return;
        }
        if self.outgoing.len() >= OUTGOING_MAX {
            self.say("the daemon has not kept the last texts yet: wait a little, then press Enter");
            return;
        }
        let Some(body) = self.line_mut().map(Line::take) else { return };
        self.recalled.add(&body);
        self.keys_made += 1;
        let key = format!("{}-{}", self.key_prefix, self.keys_made);
        self.outgoing.push_back(Outgoing::new(key, &us, &peer, body, self.now));
        self.go_to_end();
        self.forget_unread_line();
    }

    pub(super) fn take_sent(&mut self, key: &str, sent: &Sent) {
        let here = self.peer().map(str::to_owned);
        let Some(index) = self.outgoing.iter().position(|outgoing| outgoing.key == key) else {
            return;
        };
        let outgoing = &mut self.outgoing[index];
        outgoing.stage = Stage::Kept(sent.id.clone());
        outgoing.item.message.id.clone_from(&sent.id);
        outgoing.item.message.state = sent.state;
        let peer = outgoing.to.clone();
        if Some(&peer) != here.as_ref() {
            self.outgoing.remove(index);
        }
        self.asked.tail.want();
        self.asked.conversations.want();
        if sent.first_contact.is_some() {
            self.say(format!("first contact with {}: F4 compares keys", clean_line(&peer)));
            self.asked.contacts.want();
        }
    }

    /// A text that the daemon did not keep goes back into the typing line; one that it kept stays, with what
    /// is in its way.
    pub(super) fn take_not_sent(&mut self, key: &str, is_gone: bool, failure: &Failure) {
        if let Some(sent) = failure.sent.clone() {
            self.take_sent(key, &sent);
            if failure.code == ErrorCode::KeyChanged {
                self.asked.contacts.want();
            } else if failure.code != ErrorCode::TimedOut {
                self.say_failure(failure);
            }
            return;
        }
        let Some(index) = self.outgoing.iter().position(|outgoing| outgoing.key == key) else {
            return;
        };
        if is_gone || failure.code == ErrorCode::TimedOut {
            self.outgoing[index].stage = Stage::Waiting;
            self.asked.again_at = Some(self.now.at + ASK_AGAIN);
            return;
        }
        let (peer, body) = (self.outgoing[index].to.clone(), self.outgoing[index].body.clone());
        if self.give_back(&peer, &body) {
            self.outgoing.remove(index);
            let told = clean_line(&failure.message);
            self.say(format!("not sent: {told}; your text is in the typing line again"));
        } else {
            // There is no room for it beside what is typed.
            self.outgoing[index].item.message.reason = Some(failure.message.clone());
            self.outgoing[index].stage = Stage::Waiting;
            self.asked.again_at = Some(self.now.at + ASK_AGAIN);
        }
    }

    /// Texts that are on no disk, for whoever leaves now.
    pub(crate) fn unkept(&self) -> impl Iterator<Item = &Outgoing> {
        self.outgoing.iter().filter(|outgoing| !matches!(outgoing.stage, Stage::Kept(_)))
    }
}
