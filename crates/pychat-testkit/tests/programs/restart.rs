//! Sessions outlive the server and their own addresses.

use crate::{
    crowd::Crowd,
    stage::{DEADLINE, SLOW_DEADLINE, Stage, seed},
};
use pychat_testkit::{faults::Faults, harness::Server, proxy::Proxy};
use std::{
    fs, thread,
    time::{Duration, Instant},
};

/// Sessions at a time.
const SESSIONS: usize = 200;

/// Everybody is back so soon after the server is.
const BACK_WITHIN: Duration = Duration::from_secs(5);

/// Restarts the server in some way while 200 people are connected and write.
fn restart_under_a_crowd(seed: u64, stop: impl FnOnce(&mut Server)) {
    let mut stage = Stage::new();
    let server = &mut stage.server;
    let mut crowd = Crowd::new(SESSIONS, server.printed_link(), server.address(), seed);
    crowd.log_in(DEADLINE);
    crowd.everybody_writes("long before");
    crowd.run_until("everybody reads", DEADLINE, |crowd| {
        crowd.is_committed() && crowd.received().all(|texts| texts.len() == 1)
    });

    crowd.everybody_writes("just before");
    // Some of it is under way.
    crowd.run_until("it begins", DEADLINE, |crowd| crowd.first_committed() > 0);
    stop(server);
    crowd.everybody_writes("meanwhile");
    server.restart();
    let start = Instant::now();
    crowd.run_until("everybody is back", BACK_WITHIN, |crowd| crowd.logins().all(|it| it >= 2));
    println!("{SESSIONS} sessions were back after {:?}", start.elapsed());
    crowd.everybody_writes("after");
    crowd.run_until("everybody reads", DEADLINE, |crowd| {
        crowd.is_committed() && crowd.received().all(|texts| texts.len() == 4)
    });
    for texts in crowd.received() {
        assert_eq!(texts, ["long before", "just before", "meanwhile", "after"]);
    }
    assert!(crowd.logins().all(|it| it == 2), "each logged in once more");
}

#[test]
fn a_crowd_is_back_soon_after_the_server_was_killed() {
    restart_under_a_crowd(seed(31), Server::kill9);
}

#[test]
fn a_crowd_is_back_soon_after_the_server_was_stopped() {
    restart_under_a_crowd(seed(32), |server| assert_eq!(server.terminate(), 0));
}

/// Restarts the server in some way in the middle of 10,000 texts from 100 sessions, which are written at
/// a steady pace all the while.
fn restart_in_the_middle(seed: u64, stop: impl FnOnce(&mut Server) + Send) {
    const WRITERS: usize = 100;
    const TEXTS_EACH: usize = 100;
    const EVERY: Duration = Duration::from_millis(40);
    let mut stage = Stage::new();
    let server = &mut stage.server;
    let mut crowd = Crowd::new(WRITERS, server.printed_link(), server.address(), seed);
    crowd.log_in(DEADLINE);
    let arrived = |crowd: &Crowd| crowd.received().map(<[String]>::len).sum::<usize>();
    crowd.write_steadily(TEXTS_EACH, EVERY);
    crowd.run_until("two fifths are read", DEADLINE, |crowd| {
        arrived(crowd) >= WRITERS * TEXTS_EACH * 2 / 5
    });
    let before = arrived(&crowd);
    let gone = thread::scope(|scope| {
        // Clients go on with what they do while the server ends and starts.
        let restart = scope.spawn(|| {
            let began = Instant::now();
            stop(server);
            server.restart();
            began.elapsed()
        });
        crowd.run_until("the server is there again", SLOW_DEADLINE, |_| restart.is_finished());
        restart.join().expect("the server starts again")
    });
    let written_meanwhile = crowd.written() - before;
    crowd.run_until("all of it is read", SLOW_DEADLINE, |crowd| {
        crowd.is_committed() && arrived(crowd) >= WRITERS * TEXTS_EACH
    });
    let expected: Vec<String> = (0..TEXTS_EACH).map(|number| number.to_string()).collect();
    assert!(crowd.received().all(|texts| texts == expected), "each once and in order");
    assert!(crowd.logins().all(|it| it == 2), "each logged in once more");
    assert!(before < WRITERS * TEXTS_EACH && written_meanwhile > 0, "it was in the middle");
    println!(
        "of {} texts {before} were read before, {written_meanwhile} were under way or written in the {gone:?} \
         without a server; {} came again and were known; nobody waited for longer than {:?}",
        arrived(&crowd),
        crowd.repeats(),
        crowd.longest_pause(),
    );
}

#[test]
fn a_stop_in_the_middle_of_ten_thousand_texts_loses_none() {
    restart_in_the_middle(seed(35), |server| assert_eq!(server.terminate(), 0));
}

#[test]
fn a_kill_in_the_middle_of_ten_thousand_texts_loses_none() {
    restart_in_the_middle(seed(36), Server::kill9);
}

#[test]
fn an_idle_crowd_is_told_that_a_killed_server_is_back() {
    let seed = seed(34);
    let mut stage = Stage::new();
    let server = &mut stage.server;
    let mut crowd = Crowd::new(SESSIONS, server.printed_link(), server.address(), seed);
    crowd.log_in(DEADLINE);
    let data = server.data().to_owned();
    let known = || -> usize {
        let files = fs::read_dir(&data).expect("the data directory is there").flatten();
        let journals =
            files.filter(|file| file.file_name().to_string_lossy().starts_with("clients."));
        let texts = journals.filter_map(|file| fs::read_to_string(file.path()).ok());
        texts.map(|text| text.lines().count()).sum()
    };
    crowd.run_until("the server has noted everybody", DEADLINE, |_| known() == SESSIONS);
    server.kill9();
    server.restart();
    let start = Instant::now();
    crowd.run_until("everybody is back", BACK_WITHIN, |crowd| crowd.logins().all(|it| it >= 2));
    println!("{SESSIONS} idle sessions were back after {:?}", start.elapsed());
}

#[test]
fn a_changed_address_loses_nothing_and_needs_no_new_login() {
    const TEXTS: u64 = 1_000;
    const TEXTS_PER_ADDRESS: u64 = 100;
    let seed = seed(33);
    let stage = Stage::new();
    let proxy = Proxy::start(stage.server.address(), seed).expect("a proxy can be started");
    proxy.set_all_faults(Faults::delayed(Duration::from_millis(5)));
    let mut crowd = Crowd::new(2, stage.server.printed_link(), proxy.address(), seed);
    crowd.log_in(DEADLINE);
    let texts: Vec<String> = (0..TEXTS).map(|number| number.to_string()).collect();
    texts.iter().for_each(|text| crowd.everybody_writes(text));
    for moved in 1..TEXTS / TEXTS_PER_ADDRESS {
        crowd.run_until("the stream flows", DEADLINE, |crowd| {
            crowd.first_committed() >= moved * TEXTS_PER_ADDRESS
        });
        proxy.rebind();
    }
    crowd.run_until("all of it is read", SLOW_DEADLINE, |crowd| {
        crowd.is_committed() && crowd.received().all(|read| read.len() == texts.len())
    });
    assert!(crowd.received().all(|read| read == texts));
    assert!(crowd.logins().all(|it| it == 1), "nobody had to log in again");
}
