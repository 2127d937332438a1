//! The full-screen chat: a conversation, somebody who waits to be read, somebody who is gone, and a
//! text that waits at the server.

use crate::{
    cast::{DEADLINE, Then, join, run, say},
    svg,
};
use pychat_testkit::harness::{Options, Server, Tmux};

const SIZE: (u16, u16) = (100, 28);

/// Plays the scene, and draws the screen.
pub(crate) fn take() -> String {
    let server = Server::start(&Options::default());
    let ann = join(&server, "ann", "Ann Example");
    let bob = join(&server, "bob", "Bob Miller");
    let carol = join(&server, "carol", "Carol Diaz");
    let dave = join(&server, "dave", "Dave Okoye");

    say(&dave, &ann, "The keys are at the front desk.", Then::Read);
    say(&ann, &dave, "Thanks, got them.", Then::Read);
    run(&dave, &["disconnect"]);
    say(&bob, &ann, "morning! did you see the build?", Then::Read);
    say(&bob, &ann, "it is green, on all four targets", Then::Read);
    say(&ann, &bob, "finally :)", Then::Read);
    say(&ann, &bob, "I am on the train, so this comes and goes with the tunnels", Then::Read);
    say(&bob, &ann, "no matter, it all arrives", Then::Read);
    say(
        &bob,
        &ann,
        "the notes for the release are in the repository, under docs/.\n\
         could you read over them before noon?",
        Then::Read,
    );

    let terminal = Tmux::start(&ann.command(&[]), SIZE.0, SIZE.1);
    terminal.run(&ann.command(&["chat", "bob"]));
    terminal.wait_for("before noon?", DEADLINE);
    terminal.wait_for("connected", DEADLINE);
    for text in ["reading them now", "two typos, the rest is fine. I shall tag it, then"] {
        terminal.type_text(text);
        terminal.press(&["Enter"]);
        terminal.wait_until("it is delivered", DEADLINE, |screen| {
            screen.contains(&format!("✓✓ {text}"))
        });
        if text.starts_with("reading") {
            run(&bob, &["inbox"]);
            terminal.wait_for(&format!("◉  {text}"), DEADLINE);
        }
    }
    say(&bob, &ann, "great", Then::Unread);
    terminal.wait_for("great", DEADLINE);
    say(&carol, &ann, "Lunch at noon?", Then::Unread);
    say(&carol, &ann, "The usual place.", Then::Unread);
    terminal.type_text("see you at lu");
    terminal.wait_for("> see you at lu", DEADLINE);
    terminal.wait_until("carol waits to be read", DEADLINE, |screen| {
        screen.lines().any(|line| line.contains("carol") && line.contains(" 2"))
    });
    svg::draw(&terminal.screen_in_colour(), SIZE, "ann: pychatctl chat")
}
