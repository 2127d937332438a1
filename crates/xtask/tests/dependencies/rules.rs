//! The rules, and what breaks them.

use crate::graph::Graph;

/// What one crate of the workspace may know.
struct Rule {
    /// The crate.
    name: &'static str,
    /// The crates of the workspace that it may ask for.
    may_need: &'static [&'static str],
    /// Crates on which it may not rest, however far down.
    never: &'static [&'static str],
    /// Crates that neither it nor one of ours below it may ask for. (Others' crates may: the
    /// handshake's library has a source of randomness that we do not use.)
    never_through_ours: &'static [&'static str],
}

/// For tests and measurements: these may know everything, and no program may know them.
const TOOLS: &[&str] = &[
    "pychat-attack",
    "pychat-fuzz",
    "pychat-testkit",
    "pychat-sim",
    "pychat-torture",
    "pychat-bench",
    "xtask",
];

const RULES: &[Rule] = &[
    Rule {
        name: "pychat-proto",
        may_need: &[],
        never: &["tokio", "mio", "socket2", "quinn-udp", "rusqlite", "interprocess"],
        never_through_ours: &["getrandom", "rand", "rustix", "libc"],
    },
    Rule {
        name: "pychat-udp",
        may_need: &["pychat-proto"],
        never: &["rusqlite", "interprocess"],
        never_through_ours: &["getrandom"],
    },
    Rule {
        name: "pychat-sqlite",
        may_need: &[],
        never: &["tokio", "snow", "quinn-udp", "interprocess"],
        never_through_ours: &["getrandom"],
    },
    Rule {
        name: "pychat-e2e",
        may_need: &["pychat-proto"],
        never: &["tokio", "mio", "socket2", "quinn-udp", "rusqlite", "interprocess"],
        // Its library draws keys by itself.
        never_through_ours: &["getrandom"],
    },
    Rule {
        name: "pychat-windows",
        may_need: &[],
        never: &["snow", "quinn-udp", "rusqlite"],
        never_through_ours: &["getrandom"],
    },
    Rule {
        name: "pychat-control",
        may_need: &["pychat-windows"],
        never: &["snow", "quinn-udp", "rusqlite"],
        never_through_ours: &["getrandom"],
    },
    Rule {
        name: "pychatctl",
        may_need: &["pychat-control"],
        never: &["pychat-proto", "pychat-udp", "snow", "quinn-udp", "rusqlite"],
        never_through_ours: &[],
    },
    Rule {
        name: "pychatd",
        may_need: &[
            "pychat-control",
            "pychat-e2e",
            "pychat-udp",
            "pychat-proto",
            "pychat-sqlite",
            "pychat-windows",
        ],
        never: &["pychat-server"],
        never_through_ours: &[],
    },
    Rule {
        name: "pychat-server",
        may_need: &["pychat-udp", "pychat-proto", "pychat-sqlite", "pychat-windows"],
        // What opens texts has no place in it.
        never: &["pychatd", "pychat-control", "pychat-e2e", "vodozemac"],
        never_through_ours: &[],
    },
];

/// Every broken rule, as a sentence.
pub(crate) fn violations(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for name in graph.ours().filter(|name| !TOOLS.contains(name)) {
        match RULES.iter().find(|rule| rule.name == name) {
            Some(rule) => check(graph, rule, &mut found),
            None => found.push(format!("{name} has no rule: say what it may need")),
        }
    }
    found
}

fn check(graph: &Graph, rule: &Rule, found: &mut Vec<String>) {
    let name = rule.name;
    for needed in graph.needs_of(name).filter(|needed| graph.ours().any(|ours| ours == *needed)) {
        if !rule.may_need.contains(&needed) {
            found.push(format!("{name} needs {needed}"));
        }
    }
    for never in rule.never.iter().filter(|never| graph.reaches(name, never)) {
        found.push(format!("{name} rests on {never}"));
    }
    for never in rule.never_through_ours {
        if graph.reaches_through_ours(name, never) {
            found.push(format!("{name}, or one of ours below it, needs {never}"));
        }
    }
}

mod tests {
    use super::violations;
    use crate::graph::Graph;

    const OURS: [&str; 7] = [
        "pychat-proto",
        "pychat-udp",
        "pychat-control",
        "pychatctl",
        "pychatd",
        "pychat-server",
        "pychat-testkit",
    ];

    /// A graph that keeps the rules, with `more` needs on top.
    fn graph_with(more: &[(&str, &str)]) -> Graph {
        let mut graph = Graph::default();
        OURS.iter().for_each(|name| graph.add_ours(name));
        let allowed = [
            ("pychat-proto", "snow"),
            ("snow", "getrandom"),
            ("pychat-udp", "pychat-proto"),
            ("pychat-udp", "tokio"),
            ("tokio", "mio"),
            ("pychat-control", "tokio"),
            ("pychatctl", "pychat-control"),
            ("pychatd", "pychat-control"),
            ("pychatd", "pychat-udp"),
            ("pychatd", "pychat-proto"),
            ("pychat-server", "pychat-udp"),
            ("pychat-server", "pychat-proto"),
            ("pychat-testkit", "pychat-server"),
            ("pychat-testkit", "pychatd"),
        ];
        for (from, to) in allowed.iter().chain(more) {
            graph.add_need(from, to);
        }
        graph
    }

    #[test]
    fn what_is_drawn_keeps_the_rules() {
        assert_eq!(violations(&graph_with(&[])), Vec::<String>::new());
    }

    #[test]
    fn the_command_line_may_not_speak_the_wire_protocol() {
        let found = violations(&graph_with(&[("pychatctl", "pychat-proto")]));
        assert!(found.contains(&"pychatctl needs pychat-proto".to_owned()), "{found:?}");
    }

    #[test]
    fn the_command_line_may_not_speak_it_through_another_crate_either() {
        let found = violations(&graph_with(&[("pychat-control", "pychat-proto")]));
        assert!(found.contains(&"pychat-control needs pychat-proto".to_owned()), "{found:?}");
        assert!(found.contains(&"pychatctl rests on pychat-proto".to_owned()), "{found:?}");
    }

    #[test]
    fn the_protocol_may_not_know_the_runtime_however_far_down() {
        for needs in [&[("pychat-proto", "tokio")][..], &[("snow", "a"), ("a", "tokio")]] {
            let found = violations(&graph_with(needs));
            assert!(found.contains(&"pychat-proto rests on tokio".to_owned()), "{found:?}");
            assert!(found.contains(&"pychat-proto rests on mio".to_owned()), "{found:?}");
        }
    }

    #[test]
    fn the_protocol_may_not_ask_for_randomness_itself() {
        let found = violations(&graph_with(&[("pychat-proto", "getrandom")]));
        let sentence = "pychat-proto, or one of ours below it, needs getrandom".to_owned();
        assert!(found.contains(&sentence), "{found:?}");
    }

    #[test]
    fn programs_may_not_rest_on_the_testkit_or_on_each_other() {
        let found = violations(&graph_with(&[("pychatd", "pychat-testkit")]));
        assert!(found.contains(&"pychatd needs pychat-testkit".to_owned()), "{found:?}");
        let found = violations(&graph_with(&[("pychat-server", "pychatd")]));
        assert!(found.contains(&"pychat-server needs pychatd".to_owned()), "{found:?}");
    }

    #[test]
    fn a_new_crate_needs_a_rule() {
        let mut graph = graph_with(&[]);
        graph.add_ours("pychat-new");
        assert_eq!(violations(&graph), ["pychat-new has no rule: say what it may need"]);
    }
}
