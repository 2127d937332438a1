//! Hits with what is around them, put together where they touch, as grep does.

use pychat_control::{Hit, Message};

/// One message to show.
pub(super) enum Line<'a> {
    /// It was found.
    Hit(&'a Hit),
    /// It stands around one that was.
    Around(&'a Message),
}

impl<'a> Line<'a> {
    const fn message(&self) -> &'a Message {
        match self {
            Line::Hit(hit) => &hit.message,
            Line::Around(message) => message,
        }
    }
}

/// Groups of what belongs together, oldest first; `hits` come oldest first.
pub(super) fn groups(hits: &[Hit]) -> Vec<Vec<Line<'_>>> {
    let mut groups: Vec<Vec<Line<'_>>> = Vec::new();
    for hit in hits {
        let first = hit.before.first().unwrap_or(&hit.message);
        let joins = groups.last_mut().filter(|group| place(group, first).is_some());
        let group = match joins {
            Some(group) => group,
            None => {
                groups.push(Vec::new());
                groups.last_mut().unwrap_or_else(|| unreachable!("one was just added"))
            }
        };
        let before = hit.before.iter().map(Line::Around);
        let after = hit.after.iter().map(Line::Around);
        for line in before.chain([Line::Hit(hit)]).chain(after) {
            match (place(group, line.message()), line) {
                (None, line) => group.push(line),
                (Some(at), line @ Line::Hit(_)) => group[at] = line,
                (Some(_), Line::Around(_)) => {}
            }
        }
    }
    groups
}

/// Where a message is in a group.
fn place(group: &[Line<'_>], message: &Message) -> Option<usize> {
    group.iter().rposition(|line| {
        let there = line.message();
        there.id == message.id && there.from == message.from
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn message(number: u32) -> Value {
        json!({
            "id": format!("m{number}"), "from": "bob", "to": "alice", "name": "Bob", "body": "x",
            "sent_at": "2026-01-31T11:54:00.000Z", "state": "read",
        })
    }

    fn hit(number: u32, around: u32) -> Hit {
        let before: Vec<Value> = (number - around..number).map(message).collect();
        let after: Vec<Value> = (number + 1..=number + around).map(message).collect();
        let hit = json!({
            "message": message(number), "matches": [[0, 1]], "before": before, "after": after,
        });
        serde_json::from_value(hit).unwrap()
    }

    fn shape(hits: &[Hit]) -> Vec<String> {
        let word = |line: &Line<'_>| match line {
            Line::Hit(hit) => hit.message.id.to_uppercase(),
            Line::Around(message) => message.id.clone(),
        };
        groups(hits)
            .iter()
            .map(|group| group.iter().map(word).collect::<Vec<_>>().join(" "))
            .collect()
    }

    #[test]
    fn hits_that_touch_are_one_group_and_each_message_is_shown_once() {
        let hits = [hit(10, 2), hit(12, 2), hit(20, 2)];
        assert_eq!(shape(&hits), ["m8 m9 M10 m11 M12 m13 m14", "m18 m19 M20 m21 m22"]);
    }

    #[test]
    fn without_others_around_each_hit_stands_alone() {
        assert_eq!(shape(&[hit(1, 0), hit(2, 0)]), ["M1", "M2"]);
    }
}
