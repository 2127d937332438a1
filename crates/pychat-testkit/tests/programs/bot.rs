//! The example of a bot, as people run it.

use crate::stage::{DEADLINE, Stage, received, run, seed, send, until};
use pychat_testkit::{dice::Dice, harness::Profile};
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

const MESSAGES: usize = 40;

/// A running bot; killed when dropped.
struct Bot(Child);

impl Bot {
    fn start(profile: &Profile, script: &Path) -> Self {
        let mut command = Command::new("python3");
        command
            .arg(script)
            .env("PYCHAT_PROFILE", profile.name())
            .env("PYCHAT_STATE_DIR", profile.state().parent().expect("a profile is in a directory"))
            .stdin(Stdio::null());
        Self(command.spawn().expect("python3 can be started"))
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        // The hard way: it has no chance to write anything down.
        let _ended = self.0.kill();
        let _code = self.0.wait();
    }
}

fn python_is_there() -> bool {
    let version = Command::new("python3").arg("--version").output();
    let there = version.is_ok_and(|output| output.status.success());
    if !there {
        println!("skipped: there is no python3");
    }
    there
}

#[test]
fn the_example_bot_answers_each_message_once_over_kills() {
    let seed = seed(7);
    if !python_is_there() {
        return;
    }
    let script: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "../../docs/examples/echo_bot.py"].iter().collect();
    assert!(script.is_file(), "{} is not there", script.display());
    let stage = Stage::new();
    let alice = stage.join("alice", "Alice");
    let echo = stage.join("echo", "Echo");
    let mut dice = Dice::new(seed);
    let mut bot = Some(Bot::start(&echo, &script));
    // It answers what comes after its first start.
    let cursor = echo.state().join("echo_bot.cursor");
    until("the bot listens", DEADLINE, || cursor.exists().then_some(()));
    let texts: Vec<String> = (0..MESSAGES).map(|number| format!("ping {number}")).collect();
    for text in &texts {
        send(&alice, "echo", text, "queued");
        match dice.below(8) {
            0 => bot = None,
            1 => echo.kill_daemon9(),
            _ => {}
        }
        if bot.is_none() && dice.below(2) == 0 {
            bot = Some(Bot::start(&echo, &script));
        }
        // What starts the daemon again, as its next command would.
        run(&echo, &["daemon", "start"]);
    }
    let _bot = bot.unwrap_or_else(|| Bot::start(&echo, &script));
    assert_eq!(received(&alice, "echo", texts.len()), texts);
    // Nothing is answered twice: the next answer is that to the next message.
    send(&alice, "echo", "and now?", "delivered");
    let answers = received(&alice, "echo", texts.len() + 1);
    assert_eq!(answers[texts.len()..], ["and now?"]);
}
