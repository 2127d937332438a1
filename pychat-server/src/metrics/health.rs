//! Whether the server does what it is there for, and what is wrong otherwise.

use crate::run::{ANSWER_MAX, NoAnswer, Reins};

/// What each thread answered.
pub(super) struct Heard {
    /// Whether each shard keeps everybody away.
    pub(super) shards: Vec<Result<bool, NoAnswer>>,
    pub(super) committer: Result<StoreHealth, NoAnswer>,
}

/// What the committer says of its store.
pub(super) struct StoreHealth {
    /// Whether the last transaction failed.
    pub(super) is_failing: bool,
    /// Why it cannot be read, if it cannot.
    pub(super) unreadable: Option<String>,
}

/// Asks all threads.
pub(super) async fn hear(reins: &Reins) -> Heard {
    let shards = reins.each_shard_for_itself(|visited| visited.shard.is_drained());
    let committer = reins.committer(|committer| StoreHealth {
        is_failing: committer.stats().is_failing,
        unreadable: committer.store().size().err().map(|error| error.to_string()),
    });
    let (shards, committer) = tokio::join!(shards, committer);
    Heard { shards, committer }
}

/// What is wrong, a line each; none: all is well.
pub(super) fn faults(heard: &Heard) -> Vec<String> {
    let mut faults = Vec::new();
    for (shard, answer) in heard.shards.iter().enumerate() {
        if let Err(error) = answer {
            faults.push(format!("shard {shard}: {}", said(*error)));
        }
    }
    if heard.shards.contains(&Ok(true)) {
        faults.push("drained: nobody is let in until `pychat-server admin resume`".to_owned());
    }
    match &heard.committer {
        Err(error) => faults.push(format!("the store's thread: {}", said(*error))),
        Ok(StoreHealth { unreadable: Some(why), .. }) => {
            faults.push(format!("the store cannot be read: {why}"));
        }
        Ok(StoreHealth { is_failing: true, .. }) => {
            faults.push("the store fails: senders keep their messages and try again".to_owned());
        }
        Ok(StoreHealth { is_failing: false, unreadable: None }) => {}
    }
    faults
}

fn said(error: NoAnswer) -> String {
    match error {
        NoAnswer::Silent => format!("no answer within {} s", ANSWER_MAX.as_secs()),
        NoAnswer::Unasked(unasked) => unasked.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::committer::Unasked;

    fn heard() -> Heard {
        let works = StoreHealth { is_failing: false, unreadable: None };
        Heard { shards: vec![Ok(false), Ok(false)], committer: Ok(works) }
    }

    #[test]
    fn nothing_is_wrong_with_a_server_that_answers_and_writes() {
        assert_eq!(faults(&heard()), [] as [&str; 0]);
    }

    #[test]
    fn each_fault_is_told_with_where_it_is() {
        let mut heard = heard();
        heard.shards = vec![Ok(true), Err(NoAnswer::Silent), Err(Unasked.into())];
        heard.committer = Err(NoAnswer::Silent);
        let told = faults(&heard);
        assert_eq!(told.len(), 4);
        assert_eq!(told[0], "shard 1: no answer within 5 s");
        assert!(told[1].starts_with("shard 2: the server has too much to do"), "{told:?}");
        assert!(told[2].starts_with("drained: "), "{told:?}");
        assert_eq!(told[3], "the store's thread: no answer within 5 s");
        let failing = StoreHealth { is_failing: true, unreadable: None };
        let unreadable = StoreHealth { is_failing: true, unreadable: Some("torn".into()) };
        for (store, starts) in
            [(failing, "the store fails: "), (unreadable, "the store cannot be read: torn")]
        {
            let told = faults(&Heard { shards: vec![Ok(false)], committer: Ok(store) });
            assert!(told.len() == 1 && told[0].starts_with(starts), "{told:?}");
        }
    }
}
