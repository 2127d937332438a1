//! What the network did, and what the programs made of it.

use crate::{Failure, person::Person};
use pychat_testkit::proxy::ProxyCounts;
use serde_json::Value;

/// Two tables.
pub(crate) fn print(counts: &ProxyCounts, people: &[&Person]) -> Result<(), Failure> {
    let (up, down) = (&counts.to_server, &counts.to_client);
    println!("{:<34}{:>12}{:>12}", "The network, datagrams:", "to server", "from server");
    for (what, up, down) in [
        ("sent", up.sent, down.sent),
        ("lost", up.lost, down.lost),
        ("doubled", up.duplicated, down.duplicated),
        ("held back, so that others overtook", up.reordered, down.reordered),
        ("sent to a dead server or client", up.unroutable, down.unroutable),
        ("arrived", up.delivered, down.delivered),
    ] {
        println!("{what:<34}{up:>12}{down:>12}");
    }
    println!();
    print!("{:<34}", "The daemons, since they started:");
    people.iter().for_each(|person| print!("{:>12}", person.name()));
    println!();
    let statuses = people.iter().map(|person| person.status()).collect::<Result<Vec<_>, _>>()?;
    row("frames sent again", &statuses, |status| text(&status["retransmitted"]));
    row("loss as they see it, percent", &statuses, |status| {
        status["loss_permille"]
            .as_u64()
            .map_or("-".into(), |share| format!("{}.{}", share / 10, share % 10))
    });
    row("round trip, ms", &statuses, |status| text(&status["rtt_ms"]));
    print!("{:<34}", "messages sent by the person");
    people.iter().for_each(|person| print!("{:>12}", person.said()));
    println!();
    row("messages not at the server yet", &statuses, |status| text(&status["queued"]));
    println!();
    Ok(())
}

fn row(what: &str, statuses: &[Value], value: impl Fn(&Value) -> String) {
    print!("{what:<34}");
    statuses.iter().for_each(|status| print!("{:>12}", value(status)));
    println!();
}

fn text(value: &Value) -> String {
    value.as_u64().map_or("-".into(), |number| number.to_string())
}
