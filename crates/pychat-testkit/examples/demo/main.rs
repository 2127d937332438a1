//! Two people chat through a network that loses datagrams, while programs are killed: what
//! `cargo xtask demo` shows. Called as `demo LOSS_PERCENT SEED`.
//!
//! Everything lives in temporary directories and ends with the demonstration, however it ends.

mod interrupt;
mod numbers;
mod person;

use interrupt::{Interrupt, Interrupted};
use person::{Person, Said};
use pychat_testkit::{
    dice::Chance,
    faults::Faults,
    harness::{Options, Server},
    proxy::Proxy,
};
use std::{
    panic,
    process::ExitCode,
    time::{Duration, Instant},
};

/// Messages that each sends in one go.
const BURST: usize = 40;

/// Messages that each sends while the server is dead.
const INTO_THE_VOID: usize = 3;

/// The exit code of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// A demonstration that did not go as it should, and why.
type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    // The harness panics with all that the programs said; where in its source is of no interest.
    panic::set_hook(Box::new(|panic| {
        let text = panic.payload().downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.payload().downcast_ref::<&str>().copied());
        eprintln!("\nThe demonstration failed: {}", text.unwrap_or("no reason was given"));
    }));
    let mut arguments = std::env::args().skip(1).map(|word| word.parse::<u64>());
    let (Some(Ok(loss_percent @ 0..=100)), Some(Ok(seed)), None) =
        (arguments.next(), arguments.next(), arguments.next())
    else {
        eprintln!("usage: demo LOSS_PERCENT SEED");
        return ExitCode::from(2);
    };
    match panic::catch_unwind(|| show(loss_percent, seed)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) if failure.is::<Interrupted>() => ExitCode::from(INTERRUPTED),
        Ok(Err(failure)) => {
            eprintln!("\nThe demonstration failed: {failure}");
            ExitCode::FAILURE
        }
        Err(_shown_already) => ExitCode::FAILURE,
    }
}

fn show(loss_percent: u64, seed: u64) -> Result<(), Failure> {
    let (interrupt, begun) = (Interrupt::watch()?, Instant::now());
    let mut server = Server::start(&Options::default());
    let proxy = Proxy::start(server.address(), seed)?;
    proxy.set_all_faults(bad_network(loss_percent));
    let link = server.link_via(proxy.address());
    heading(&format!(
        "A private server. Between it and everybody: {loss_percent}% of the datagrams are lost each\n\
         way, each takes 30 to 60 ms, one in 50 comes twice, one in 20 late. (seed {seed})"
    ));
    let mut alice = Person::new("alice", "Alice", &interrupt);
    let mut bob = Person::new("bob", "Bob", &interrupt);
    alice.connects(&link)?;
    bob.connects(&link)?;
    alice.waits_to_see(&bob)?;
    alice.types(&["users"])?;

    heading("They talk.");
    let first = alice.sends_for_id(&bob, "Can you hear me?")?;
    bob.types(&["inbox"])?;
    bob.sends(&alice, "Loud and clear.", Said::Delivered)?;
    alice.types(&["inbox"])?;

    heading("The server is killed (kill -9). They type on; it is all kept.");
    server.kill9();
    alice.sends_in_vain(&bob, "Still there?")?;
    for number in 1..=INTO_THE_VOID {
        alice.sends(&bob, &format!("Into the void, {number}"), Said::Queued)?;
        bob.sends(&alice, &format!("Into the dark, {number}"), Said::Queued)?;
    }

    heading("Bob's daemon is killed too. His next command starts it again.");
    bob.profile().kill_daemon9();
    bob.sends(&alice, "Typed to a new daemon.", Said::Queued)?;

    heading("The server comes back.");
    server.restart();
    alice.sends(&bob, "Did all of that arrive?", Said::Delivered)?;
    bob.types(&["inbox"])?;
    bob.sends(&alice, "All of it.", Said::Delivered)?;
    alice.types(&["inbox"])?;

    heading(&format!("Each sends {BURST} messages as fast as the command line goes."));
    for number in 1..=BURST {
        alice.sends_quietly(&bob, &format!("Alice counts: {number}"))?;
        bob.sends_quietly(&alice, &format!("Bob counts: {number}"))?;
    }
    bob.sends(&alice, "That was my last one.", Said::Delivered)?;
    alice.sends(&bob, "And mine.", Said::Delivered)?;
    bob.types(&["unread"])?;
    alice.types(&["trace", &first])?;

    heading("What happened.");
    numbers::print(&proxy.counts(), &[&alice, &bob])?;
    bob.has_all_from(&alice)?;
    alice.has_all_from(&bob)?;
    let seconds = begun.elapsed().as_secs_f64();
    println!("\nEvery message arrived once and in order. All that took {seconds:.1} s.");
    Ok(())
}

fn bad_network(loss_percent: u64) -> Faults {
    // A whole number of percent up to 100 is exact as a float.
    let wire = Faults::delayed(Duration::from_millis(30)).losing(loss_percent as f64);
    Faults {
        jitter: Duration::from_millis(30),
        duplication: Chance::percent(2.0),
        reordering: Chance::percent(5.0),
        reordering_delay: Duration::from_millis(40),
        ..wire
    }
}

fn heading(text: &str) {
    println!("\n### {}", text.replace('\n', "\n### "));
}
