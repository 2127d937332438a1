//! `history rm`: removes messages from this machine, once a person or a script has said so.

use crate::{
    cli::RemoveArgs,
    commands::{
        Context,
        ask::{Answer, ask, somebody_is_there},
    },
    names,
    output::{Failed, Form, Versioned},
    screen::{Clock, Progress, clean_line},
    session::Session,
};
use pychat_control::{Failure, RemoveParams, Removed, Request};

/// Removes them.
pub(super) fn run(context: &mut Context, args: RemoveArgs) -> Result<(), Failed> {
    let asking = Asking::of(&args, somebody_is_there())?;
    let params = params(args)?;
    let mut session = context.session()?;
    if asking != Asking::Never {
        let dry = RemoveParams { dry_run: true, ..params.clone() };
        let counted: Removed = session.call(&Request::Remove(dry))?;
        if asking == Asking::OnlyCount || counted.removed == 0 {
            return show(context, &counted, Done::Counted, params.unread_too);
        }
        match ask(context, &question(&counted, &params, &Clock::relative_to_now()))? {
            Answer::Yes => {}
            Answer::No => return Ok(context.out.remark("nothing was removed")?),
        }
    }
    let removed = remove(&mut session, &params, Progress::detect(context.out.remarks))?;
    show(context, &removed, Done::Removed, params.unread_too)
}

/// Whether a person is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asking {
    First,
    Never,
    /// Nothing is removed.
    OnlyCount,
}

impl Asking {
    fn of(args: &RemoveArgs, terminal: bool) -> Result<Self, Failure> {
        match (args.dry_run, args.yes, terminal) {
            (true, _, _) => Ok(Self::OnlyCount),
            (false, true, _) => Ok(Self::Never),
            (false, false, true) => Ok(Self::First),
            (false, false, false) => {
                let hint = "see how many there are with --dry-run, then remove them with --yes";
                Err(names::usage("this is no terminal, so nobody can be asked", Some(hint.into())))
            }
        }
    }
}

fn params(args: RemoveArgs) -> Result<RemoveParams, Failure> {
    if let Some(peer) = &args.peer {
        names::check_user(peer)?;
    }
    Ok(RemoveParams {
        until: args.until.as_deref().map(names::time).transpose()?,
        peer: args.peer,
        ids: args.id,
        all: args.all,
        unread_too: args.unread_too,
        dry_run: false,
    })
}

/// Asks as long as there are more, since one answer is not to take long.
fn remove(
    session: &mut Session,
    params: &RemoveParams,
    mut progress: Progress,
) -> Result<Removed, Failure> {
    let mut total = Removed { removed: 0, kept: 0, more: true };
    while total.more {
        let some: Removed = session.call(&Request::Remove(params.clone()))?;
        // What stays is named by each answer anew.
        total = Removed { removed: total.removed + some.removed, ..some };
        progress.tell(|_| format!("removed {} messages", total.removed));
        if some.removed == 0 {
            break;
        }
    }
    Ok(total)
}

fn question(counted: &Removed, params: &RemoveParams, clock: &Clock) -> String {
    let with = params.peer.as_deref().map(|peer| format!(" with {}", clean_line(peer)));
    let before = params.until.as_deref().map(|until| format!(" before {}", clock.tell(until)));
    format!(
        "{}{}{} would be removed from this machine, for good{}.\nRemove {}? [y/N] ",
        messages(counted.removed),
        with.unwrap_or_default(),
        before.unwrap_or_default(),
        kept(counted, params.unread_too).map(|kept| format!("; {kept}")).unwrap_or_default(),
        if counted.removed == 1 { "it" } else { "them" },
    )
}

/// What the numbers are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Counted,
    Removed,
}

fn show(
    context: &mut Context,
    removed: &Removed,
    done: Done,
    unread_too: bool,
) -> Result<(), Failed> {
    match context.out.form {
        Form::Json => context.out.json(&Versioned::new(removed))?,
        Form::Quiet => context.out.line(&removed.removed.to_string())?,
        Form::Text => context.out.line(&text(removed, done, unread_too))?,
    }
    Ok(())
}

fn text(removed: &Removed, done: Done, unread_too: bool) -> String {
    let count = messages(removed.removed);
    let told = match (done, removed.removed) {
        (_, 0) => "nothing to remove".to_owned(),
        (Done::Counted, _) => format!("{count} would be removed"),
        (Done::Removed, _) => format!("removed {count}"),
    };
    match kept(removed, unread_too) {
        Some(kept) => format!("{told}; {kept}"),
        None => told,
    }
}

/// How many stay, and why.
fn kept(removed: &Removed, unread_too: bool) -> Option<String> {
    let (count, stay) = match removed.kept {
        0 => return None,
        1 => ("1".to_owned(), "stays"),
        count => (count.to_string(), "stay"),
    };
    Some(if unread_too {
        format!("{count} {stay}, still on the way")
    } else {
        format!("{count} {stay}: unread (remove them too with --unread-too) or still on the way")
    })
}

fn messages(count: u64) -> String {
    format!("{count} message{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn removed(removed: u64, kept: u64) -> Removed {
        Removed { removed, kept, more: false }
    }

    #[test]
    fn who_is_asked_sees_how_many_and_which() {
        let clock = crate::screen::View::at_noon().clock;
        let all = RemoveParams { all: true, ..RemoveParams::default() };
        insta::assert_snapshot!(question(&removed(1204, 0), &all, &clock), @r"
        1204 messages would be removed from this machine, for good.
        Remove them? [y/N]
        ");
        let some = RemoveParams {
            peer: Some("bob".into()),
            until: Some("2025-11-02T12:00:00.000Z".into()),
            ..RemoveParams::default()
        };
        insta::assert_snapshot!(question(&removed(1, 3), &some, &clock), @r"
        1 message with bob before 2025-11-02 12:00 would be removed from this machine, for good; 3 stay: unread (remove them too with --unread-too) or still on the way.
        Remove it? [y/N]
        ");
    }

    #[test]
    fn what_stays_is_told_with_the_reason() {
        insta::assert_snapshot!(text(&removed(120, 0), Done::Removed, false), @"removed 120 messages");
        insta::assert_snapshot!(text(&removed(120, 3), Done::Removed, false), @"removed 120 messages; 3 stay: unread (remove them too with --unread-too) or still on the way");
        insta::assert_snapshot!(text(&removed(120, 1), Done::Removed, true), @"removed 120 messages; 1 stays, still on the way");
        insta::assert_snapshot!(text(&removed(1, 0), Done::Counted, false), @"1 message would be removed");
        insta::assert_snapshot!(text(&removed(0, 2), Done::Counted, false), @"nothing to remove; 2 stay: unread (remove them too with --unread-too) or still on the way");
    }

    #[test]
    fn without_a_person_it_takes_a_word_beforehand() {
        let args = |yes, dry_run| RemoveArgs {
            peer: None,
            until: None,
            id: None,
            all: true,
            unread_too: false,
            dry_run,
            yes,
        };
        assert_eq!(Asking::of(&args(true, false), true), Ok(Asking::Never));
        assert_eq!(Asking::of(&args(false, false), true), Ok(Asking::First));
        assert_eq!(Asking::of(&args(false, true), false), Ok(Asking::OnlyCount));
        assert!(Asking::of(&args(false, false), false).is_err());
    }
}
