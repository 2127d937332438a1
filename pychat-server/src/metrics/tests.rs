//! What is told can be read, and is what the documents say.

use super::families::render;
use crate::{
    admin::stats::Collected,
    committer::{CommitStats, SECONDS},
    store::StoreSize,
};
use pychat_proto::{CloseCode, Fill, RefuseCode};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

/// A metric as somebody reads it who knows the format only.
#[derive(Debug, Default)]
struct Parsed {
    kind: String,
    help: String,
    /// By the sample's name and labels.
    samples: BTreeMap<String, f64>,
}

/// Reads an exposition, and checks that it is one.
fn parse(text: &str) -> BTreeMap<String, Parsed> {
    assert!(text.ends_with('\n'), "the last line ends, too");
    let mut families: BTreeMap<String, Parsed> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').expect("a help has words");
            assert!(is_name(name), "{name}");
            let new = Parsed { help: help.into(), ..Parsed::default() };
            assert!(families.insert(name.into(), new).is_none(), "{name} comes twice");
            current = name.into();
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a type has a word");
            assert_eq!(name, current, "the type comes after the help");
            families.get_mut(name).expect("it has begun").kind = kind.into();
        } else {
            let (sample, value) = line.rsplit_once(' ').expect("a sample has a value");
            let (name, labels) = sample.split_at(sample.find('{').unwrap_or(sample.len()));
            let family = families.get_mut(&current).expect("a sample has a help before it");
            let ends: &[&str] =
                if family.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            let of_family = ends.iter().any(|end| name == format!("{current}{end}"));
            assert!(of_family && !family.kind.is_empty(), "{line} is below {current}");
            assert!(labels.is_empty() || is_labels(labels), "{line}");
            let value = value.parse().expect("a value is a number");
            assert!(family.samples.insert(sample.into(), value).is_none(), "{sample} comes twice");
        }
    }
    families
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn is_labels(labels: &str) -> bool {
    let inside = labels.strip_prefix('{').and_then(|labels| labels.strip_suffix("\"}"));
    inside.is_some_and(|inside| {
        inside
            .split("\",")
            .all(|label| label.split_once("=\"").is_some_and(|(name, _)| is_name(name)))
    })
}

/// Of a server that has everything.
fn collected() -> Collected {
    let fill = Fill::of_session("packets in flight", 64, 72);
    let mut all = Collected {
        sessions: vec![3, 4],
        tables: vec![vec![Fill::new("unconfirmed sessions", 1, 4096)]; 2],
        session_tables: BTreeMap::from([(fill.table, fill)]),
        store: Some(StoreSize { accounts: 1, recent: 2, bytes: 3 }),
        memory_bytes: Some(1 << 20),
        open_files: Some(9),
        open_files_max: Some(1024),
        cpu_seconds: 0.25,
        ..Collected::default()
    };
    all.commits = CommitStats { seconds: 1.5, commands: 70, failed: 1, ..CommitStats::default() };
    all.commits.by_duration = std::array::from_fn(|class| class as u64);
    all.relay.refused_messages = BTreeMap::from([(RefuseCode::MailboxFull.code(), 5), (77, 2)]);
    all.relay.refused_logins = BTreeMap::from([(CloseCode::Busy.code(), 6), (u16::MAX, 1)]);
    all
}

/// All metrics that there can be.
fn families() -> BTreeMap<String, Parsed> {
    parse(&render(&collected(), 1_700_000_000_500))
}

#[test]
fn metrics_are_well_formed_and_named_by_the_conventions() {
    let families = families();
    assert!(families.len() > 35, "{}", families.len());
    for (name, Parsed { kind, help, samples }) in &families {
        let is_total = name.ends_with("_total");
        assert_eq!(kind == "counter", is_total, "{name} is a {kind}");
        assert!(name.starts_with("pychat_") || name.starts_with("process_"), "{name}");
        assert!(help.ends_with('.') && help.len() > 15, "{name}: {help}");
        assert!(!samples.is_empty(), "{name}");
    }
    let of = |name: &str| &families[name].samples;
    assert_eq!(of("pychat_sessions")["pychat_sessions{shard=\"1\"}"], 4.0);
    assert_eq!(of("process_start_time_seconds")["process_start_time_seconds"], 1_700_000_000.5);
    let table = "pychat_table_limit{shard=\"0\",table=\"unconfirmed_sessions\"}";
    assert_eq!(of("pychat_table_limit")[table], 4096.0);
}

#[test]
fn the_histogram_is_cumulative_and_its_last_class_is_the_count() {
    let samples = &families()["pychat_commit_duration_seconds"].samples;
    let bucket =
        |bound: &str| samples[&format!("pychat_commit_duration_seconds_bucket{{le=\"{bound}\"}}")];
    let bounds: Vec<String> =
        SECONDS.iter().map(ToString::to_string).chain(["+Inf".into()]).collect();
    let counts: Vec<f64> = bounds.iter().map(|bound| bucket(bound)).collect();
    assert!(counts.is_sorted(), "{counts:?}");
    assert_eq!(samples.len(), counts.len() + 2);
    assert_eq!(bucket("+Inf"), samples["pychat_commit_duration_seconds_count"]);
    assert_eq!(bucket("+Inf"), (0..=SECONDS.len() as u64).sum::<u64>() as f64);
    assert_eq!(samples["pychat_commit_duration_seconds_sum"], 1.5);
}

#[test]
fn each_reason_begins_at_nothing_and_unknown_ones_are_one() {
    let fresh = parse(&render(&Collected::default(), 0));
    for (name, count) in [("messages", 5), ("logins", 11)] {
        let samples = &fresh[&format!("pychat_{name}_refused_total")].samples;
        assert!(
            samples.len() == count && samples.values().all(|value| *value == 0.0),
            "{samples:?}"
        );
    }
    let families = families();
    let refused = |what: &str, reason: &str| {
        let name = format!("pychat_{what}_refused_total");
        families[&name].samples[&format!("{name}{{reason=\"{reason}\"}}")]
    };
    assert_eq!(refused("messages", "mailbox_full"), 5.0);
    assert_eq!(refused("messages", "unknown"), 2.0);
    assert_eq!((refused("logins", "busy"), refused("logins", "unknown")), (6.0, 1.0));
}

#[test]
fn a_store_that_cannot_be_read_fails_and_has_no_size() {
    let mut collected = collected();
    collected.store = None;
    let families = parse(&render(&collected, 0));
    assert_eq!(families["pychat_store_failing"].samples["pychat_store_failing"], 1.0);
    assert!(!families.contains_key("pychat_store_bytes"));
}

fn document(name: &str) -> String {
    let path = format!("{}/../docs/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_documents_list_each_metric_and_no_other() {
    let document = document("METRICS.md");
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let rows = rows.filter(|(name, _)| name.starts_with("pychat_") || name.starts_with("process_"));
    let mut listed = BTreeMap::new();
    for (name, rest) in rows {
        let (name, labels) = name.split_at(name.find('{').unwrap_or(name.len()));
        let (kind, _) = rest.split_once(" | ").expect("a row has a type and a meaning");
        assert!(listed.insert(name, (labels, kind)).is_none(), "{name} is listed twice");
    }
    let families = families();
    let told: BTreeMap<&str, (String, &str)> = families
        .iter()
        .map(|(name, it)| (name.as_str(), (labels_of(name, it), it.kind.as_str())))
        .collect();
    let names: [BTreeSet<&str>; 2] =
        [listed.keys().copied().collect(), told.keys().copied().collect()];
    assert_eq!(names[0], names[1]);
    for (name, (labels, kind)) in told {
        assert_eq!(listed[name], (labels.as_str(), kind), "{name}");
    }
}

/// The labels of a metric, as `{a,b}`.
fn labels_of(name: &str, parsed: &Parsed) -> String {
    let sample = parsed.samples.keys().next().expect("it has a sample");
    let labels = sample.strip_prefix(name).filter(|rest| rest.starts_with('{')).unwrap_or_default();
    let names: Vec<&str> = labels
        .trim_matches(['{', '}'])
        .split("\",")
        .filter_map(|label| label.split_once("=\"").map(|(name, _)| name))
        .collect();
    if names.is_empty() { String::new() } else { format!("{{{}}}", names.join(",")) }
}

/// Names of our metrics in an expression, those of a histogram's parts as the histogram's.
fn used(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("pychat_") || word.starts_with("process_"));
    let ours = ours.map(|word| {
        let part = |end| word.strip_suffix(end).filter(|name| name.ends_with("_seconds"));
        part("_bucket").or(part("_count")).or(part("_sum")).unwrap_or(word).to_owned()
    });
    ours.collect()
}

fn assert_told(place: &str, text: &str) -> BTreeSet<String> {
    let families = families();
    let used = used(text);
    // Prometheus's own metric of whether it could scrape is none of ours.
    assert!(
        !used.is_empty() || text.starts_with("up{"),
        "{place}: {text} asks for nothing of ours"
    );
    for name in &used {
        assert!(families.contains_key(name), "{place}: there is no {name}");
    }
    used
}

#[test]
fn the_dashboard_is_json_and_asks_for_metrics_that_there_are() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&document("examples/grafana-dashboard.json")).unwrap();
    assert!(dashboard["schemaVersion"].as_u64().is_some_and(|version| version >= 38));
    let panels = dashboard["panels"].as_array().unwrap();
    let mut all = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id is another's");
        let place = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        assert!(place[0] + place[2] <= 24, "{title} is too far right");
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let opened = expression.matches(['(', '{', '[']).count();
            assert_eq!(
                opened,
                expression.matches([')', '}', ']']).count(),
                "{title}: {expression}"
            );
            all.append(&mut assert_told(title, expression));
        }
    }
    assert!(all.len() > 20, "it shows most of them: {all:?}");
}

#[test]
fn alerts_have_all_that_a_rule_needs_and_ask_for_metrics_that_there_are() {
    // No crate here reads YAML: lines are looked at, in the shape that the file keeps to.
    let rules = document("examples/alerts.yml");
    let lines = rules.lines().filter(|line| !line.trim_start().starts_with('#'));
    let lines: Vec<&str> = lines.filter(|line| !line.trim().is_empty()).collect();
    assert_eq!(lines[..2], ["groups:", "  - name: pychat"]);
    assert_eq!(lines[2], "    rules:");
    let mut alerts: Vec<Vec<&str>> = Vec::new();
    for line in &lines[3..] {
        assert!(!line.contains('\t') && line.starts_with("      "), "{line:?}");
        if line.starts_with("      - alert: ") {
            alerts.push(Vec::new());
        }
        alerts.last_mut().expect("a rule begins with its name").push(line);
    }
    assert!(alerts.len() >= 6, "{}", alerts.len());
    let explained = document("METRICS.md");
    for alert in alerts {
        let name = alert[0].trim_start_matches("      - alert: ");
        assert!(explained.contains(&format!("| `{name}` | ")), "{name} is not explained");
        let value = |key: &str| {
            let found = alert.iter().find_map(|line| line.trim_start().strip_prefix(key));
            found.unwrap_or_else(|| panic!("{name} has no {key}"))
        };
        let expression = value("expr: ");
        assert!(["critical", "warning"].contains(&value("severity: ")), "{name}");
        assert!(value("for: ").ends_with(['m', 'h']), "{name}");
        assert!(value("summary: ").len() > 10 && value("description: ").len() > 20, "{name}");
        assert_told(name, expression);
        // A plain scalar ends at these.
        for line in &alert {
            let (_, text) = line.split_once(": ").unwrap_or((line, ""));
            let is_quoted = text.starts_with(['\'', '"']) || text.is_empty();
            assert!(is_quoted || !text.contains(": ") && !text.contains(" #"), "{line}");
            assert!(is_quoted || !text.starts_with(['{', '[', '*', '&', '%', '@', '`']), "{line}");
        }
    }
}
