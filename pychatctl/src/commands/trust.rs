//! `trust PEER`: accepts the new key of somebody whose key changed.

use super::{
    Context,
    ask::{Answer, ask, somebody_is_there},
    peer::{check_other, suggest},
};
use crate::{
    cli::TrustArgs,
    names,
    output::{Failed, Form, Versioned},
    screen::{Clock, clean_line},
    session::Session,
};
use pychat_control::{Contact, ContactState, ErrorCode, Failure, List, Request, Trusted};

/// Accepts it, once a person or a script has said so.
pub(super) fn run(context: &mut Context, args: TrustArgs) -> Result<(), Failed> {
    names::check_user(&args.peer)?;
    let asking = Asking::of(&args, somebody_is_there())?;
    let mut session = context.session()?;
    check_other(&mut session, &args.peer)?;
    let contact = contact(&mut session, &args.peer)
        .map_err(|failure| suggest(context, failure, &args.peer))?;
    let trusted = match (contact.state, contact.offered.as_deref()) {
        (ContactState::Pinned | ContactState::Verified, _) | (ContactState::Changed, None) => {
            // The daemon is not asked: a key that comes just now was shown to nobody.
            unchanged(&contact)
        }
        (ContactState::Changed, Some(offered)) => {
            if asking == Asking::First {
                let question = question(&contact, offered, &Clock::relative_to_now());
                match ask(context, &question)? {
                    Answer::Yes => {}
                    Answer::No => return Err(declined(&contact).into()),
                }
            }
            let fingerprint = Some(offered.to_owned());
            session.call(&Request::Trust { peer: args.peer, fingerprint })?
        }
    };
    show(context, &trusted)?;
    check_shown(&contact, &trusted)
}

/// Whether a person is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asking {
    First,
    Never,
}

impl Asking {
    /// Nobody accepts a key by accident: without a person to ask it takes `--yes`.
    fn of(args: &TrustArgs, terminal: bool) -> Result<Self, Failure> {
        match (args.yes, terminal) {
            (true, _) => Ok(Self::Never),
            (false, true) => Ok(Self::First),
            (false, false) => {
                let peer = &args.peer;
                let hint = format!(
                    "compare first: pychatctl verify {peer}; then: pychatctl trust {peer} --yes"
                );
                Err(names::usage("this is no terminal, so nobody can be asked", Some(hint)))
            }
        }
    }
}

fn contact(session: &mut Session, peer: &str) -> Result<Contact, Failure> {
    let contacts: List<Contact> = session.call(&Request::Contacts {})?;
    contacts.items.into_iter().find(|contact| contact.user == peer).ok_or_else(|| Failure {
        code: ErrorCode::NoSuchUser,
        message: format!("{peer} is no contact, so there is no key to trust"),
        hint: Some("see whom you know by key: pychatctl contacts".into()),
        sent: None,
    })
}

fn unchanged(contact: &Contact) -> Trusted {
    Trusted {
        user: contact.user.clone(),
        former: None,
        fingerprint: contact.fingerprint.clone(),
        released: 0,
    }
}

fn question(contact: &Contact, offered: &str, clock: &Clock) -> String {
    let user = clean_line(&contact.user);
    let held = match contact.held {
        0 => "nothing is held".to_owned(),
        count => format!("{} would go out", messages(count)),
    };
    format!(
        "{user}'s key changed ({}); {}.\n\
         old key  {}\n\
         new key  {}\n\
         Compare first, with: pychatctl verify {user}\n\
         Trust the new key? [y/N] ",
        clock.tell(&contact.since),
        held,
        clean_line(&contact.fingerprint),
        clean_line(offered),
    )
}

fn declined(contact: &Contact) -> Failure {
    let user = clean_line(&contact.user);
    Failure {
        code: ErrorCode::KeyChanged,
        message: format!("{user}'s new key is not trusted; what is held stays held"),
        hint: Some(format!("compare it: pychatctl verify {user}")),
        sent: None,
    }
}

fn show(context: &mut Context, trusted: &Trusted) -> Result<(), Failed> {
    match context.out.form {
        Form::Json => context.out.json(&Versioned::new(trusted))?,
        Form::Quiet => {}
        Form::Text => {
            let text = text(trusted);
            context.out.text(&text)?;
        }
    }
    Ok(())
}

fn text(trusted: &Trusted) -> String {
    let (user, key) = (clean_line(&trusted.user), clean_line(&trusted.fingerprint));
    match trusted.former.as_deref().map(clean_line) {
        None => format!("nothing to trust: {user}'s key did not change ({key})\n"),
        Some(former) => {
            let released = match trusted.released {
                0 => "nothing was held".to_owned(),
                released => format!("{} on the way", messages(released)),
            };
            format!("{user}'s new key is trusted; {released}\nold key  {former}\nnew key  {key}\n")
        }
    }
}

fn messages(count: u64) -> String {
    match count {
        1 => "1 held message".into(),
        count => format!("{count} held messages"),
    }
}

/// Between the question and the answer the key may have changed once more.
fn check_shown(contact: &Contact, trusted: &Trusted) -> Result<(), Failed> {
    let shown = contact.offered.as_ref().unwrap_or(&contact.fingerprint);
    if *shown == trusted.fingerprint {
        return Ok(());
    }
    let user = clean_line(&contact.user);
    Err(Failed::from(Failure {
        code: ErrorCode::KeyChanged,
        message: format!("{user}'s key changed once more meanwhile, and that one was trusted"),
        hint: Some(format!("compare it now: pychatctl verify {user}")),
        sent: None,
    }))
}

#[cfg(test)]
mod tests;
