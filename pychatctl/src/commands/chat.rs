//! `chat [PEER]`: conversations on a full screen, or line by line.

use super::{Context, send::fresh_key};
use crate::{
    chat::{Colours, Glyphs, Look, run_plain, run_screen},
    cli::ChatArgs,
    names,
    output::{Failed, Form, on_terminal},
    screen::Paint,
};
use std::{
    env,
    ffi::{OsStr, OsString},
    io::{self, IsTerminal},
};

/// Chats until the person leaves.
pub(super) fn run(context: &mut Context, args: &ChatArgs) -> Result<(), Failed> {
    if let Some(peer) = &args.peer {
        names::check_user(peer)?;
    }
    if context.out.form != Form::Text {
        let hint = "follow messages with: pychatctl inbox --follow --json".to_owned();
        return Err(names::usage("chat is for people, and prints no data", Some(hint)).into());
    }
    let has_keys = io::stdin().is_terminal();
    let is_dumb = env::var_os("TERM").as_deref() == Some(OsStr::new("dumb"));
    if args.plain || is_dumb || !on_terminal() || !has_keys {
        if args.peer.is_none() && !has_keys {
            let hint = "name somebody: pychatctl chat --plain PEER".to_owned();
            return Err(names::usage("there is no terminal to choose a peer on", Some(hint)).into());
        }
        return run_plain(context, args.peer.clone(), fresh_key);
    }
    let colours =
        if context.out.view.paint == Paint::COLOURED { Colours::Some } else { Colours::None };
    let look = Look { colours, glyphs: glyphs(|name| env::var_os(name)) };
    Ok(run_screen(&context.settings, look, args.peer.as_deref(), &fresh_key())?)
}

/// What the terminal shows, by what the locale says of its encoding.
fn glyphs(variable: impl Fn(&str) -> Option<OsString>) -> Glyphs {
    if cfg!(windows) {
        return Glyphs::Unicode;
    }
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| variable(name).filter(|locale| !locale.is_empty()));
    let locale = locale.unwrap_or_default().to_string_lossy().to_lowercase();
    if locale.contains("utf-8") || locale.contains("utf8") {
        Glyphs::Unicode
    } else {
        Glyphs::Ascii
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_says_what_can_be_shown() {
        let shown = |locale: &'static [(&str, &str)]| {
            glyphs(|name| {
                locale.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
            })
        };
        assert_eq!(shown(&[("LANG", "de_DE.UTF-8")]), Glyphs::Unicode);
        assert_eq!(shown(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8")]), Glyphs::Unicode);
        assert_eq!(shown(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]), Glyphs::Ascii);
        assert_eq!(shown(&[]), Glyphs::Ascii);
    }
}
