use super::*;

const MILLISECOND: Duration = Duration::from_millis(1);
const ROUNDS: u32 = 50_000;

/// Sends a numbered datagram each millisecond; what arrives, by its number and in order of arrival.
fn run(seed: u64, faults: Faults) -> (Vec<(u32, Instant, Vec<u8>)>, Counts) {
    println!("seed {seed}");
    let (mut dice, mut wire) = (Dice::new(seed), Wire::new(faults));
    let mut arrived = Vec::new();
    for number in 0..ROUNDS {
        let now = Instant::ZERO + MILLISECOND * number;
        for copy in wire.carry(&mut dice, now, number.to_be_bytes().to_vec()) {
            arrived.push((number, copy.at, copy.bytes));
        }
    }
    arrived.sort_by_key(|(_, at, _)| *at);
    (arrived, wire.counts())
}

fn assert_share(what: &str, count: u64, percent: f64) {
    let share = count as f64 * 100.0 / f64::from(ROUNDS);
    assert!((share - percent).abs() < 1.0, "{what}: {share}% instead of {percent}%");
}

#[test]
fn a_wire_without_faults_delivers_each_datagram_at_once() {
    let (arrived, counts) = run(1, Faults::NONE);
    assert_eq!(counts, Counts { sent: ROUNDS.into(), ..Counts::default() });
    for (place, (number, at, bytes)) in arrived.iter().enumerate() {
        assert_eq!((*number as usize, bytes.as_slice()), (place, number.to_be_bytes().as_slice()));
        assert_eq!(*at, Instant::ZERO + MILLISECOND * *number);
    }
}

#[test]
fn random_loss_takes_its_share() {
    let (arrived, counts) = run(2, Faults::NONE.losing(20.0));
    assert_share("loss", counts.lost, 20.0);
    assert_eq!(arrived.len() as u64 + counts.lost, counts.sent);
}

#[test]
fn bursts_have_the_length_and_share_that_their_chances_give() {
    let bursts = Loss::Bursts {
        worsen: Chance::percent(2.5),
        recover: Chance::percent(10.0),
        good: Chance::NEVER,
        bad: Chance::ALWAYS,
    };
    let (arrived, counts) = run(3, Faults { loss: bursts, ..Faults::NONE });
    // The share of bad times is worsen / (worsen + recover); a bad time lasts 1 / recover.
    assert_share("loss", counts.lost, 20.0);
    let gaps = arrived.windows(2).map(|pair| pair[1].0 - pair[0].0 - 1).filter(|gap| *gap > 0);
    let lengths: Vec<u32> = gaps.collect();
    let mean = f64::from(lengths.iter().sum::<u32>()) / lengths.len() as f64;
    assert!((mean - 10.0).abs() < 1.0, "a burst is {mean} datagrams long instead of 10");
}

#[test]
fn duplication_delivers_its_share_twice() {
    let (arrived, counts) = run(4, Faults { duplication: Chance::percent(5.0), ..Faults::NONE });
    assert_share("duplication", counts.duplicated, 5.0);
    assert_eq!(arrived.len() as u64, counts.sent + counts.duplicated);
}

#[test]
fn jitter_delays_within_its_bounds_and_keeps_the_order() {
    let (delay, jitter) = (MILLISECOND * 50, MILLISECOND * 20);
    let (arrived, _) = run(5, Faults { jitter, ..Faults::delayed(delay) });
    assert!(arrived.windows(2).all(|pair| pair[0].0 < pair[1].0));
    for (number, at, _) in arrived {
        let took = at.since(Instant::ZERO + MILLISECOND * number);
        assert!(took >= delay && took <= delay + jitter, "{took:?}");
    }
}

#[test]
fn reordering_holds_its_share_back_behind_later_ones() {
    let faults = Faults {
        reordering: Chance::percent(10.0),
        reordering_delay: MILLISECOND * 5,
        ..Faults::delayed(MILLISECOND * 10)
    };
    let (arrived, counts) = run(6, faults);
    assert_share("reordering", counts.reordered, 10.0);
    let overtaken = arrived.windows(2).filter(|pair| pair[0].0 > pair[1].0).count() as u64;
    assert!(overtaken > counts.reordered * 3 / 4, "{overtaken} of {}", counts.reordered);
}

#[test]
fn corruption_flips_one_bit_in_its_share() {
    let (arrived, counts) = run(7, Faults { corruption: Chance::percent(30.0), ..Faults::NONE });
    assert_share("corruption", counts.corrupted, 30.0);
    let flipped = |(number, _, bytes): &(u32, Instant, Vec<u8>)| {
        let arrived = u32::from_be_bytes(bytes.as_slice().try_into().unwrap());
        (arrived ^ number).count_ones()
    };
    let bits: Vec<u32> = arrived.iter().map(flipped).collect();
    assert!(bits.iter().all(|bits| *bits <= 1));
    assert_eq!(u64::from(bits.iter().sum::<u32>()), counts.corrupted);
}

#[test]
fn without_a_carrier_nothing_arrives() {
    let (arrived, counts) = run(8, Faults::BLACKOUT);
    assert!(arrived.is_empty());
    assert_eq!(counts.blocked, u64::from(ROUNDS));
}
