//! Facts about what a search shows.

use super::*;
use crate::screen::Width;
use proptest::prelude::*;
use pychat_control::State;

fn message(body: &str) -> Message {
    Message {
        id: "01".into(),
        from: "bob".into(),
        to: "alice".into(),
        name: "Bob".into(),
        body: body.into(),
        sent_at: "2026-01-31T11:54:00.000Z".into(),
        received_at: Some("2026-01-31T11:55:00.000Z".into()),
        state: State::Read,
        reason: None,
        trust: None,
        place: Some(7),
    }
}

/// As colours, but readable.
fn readable(text: &str) -> String {
    text.replace("\u{1b}[1;4m", "<<").replace("\u{1b}[0m", ">>").replace("\u{1b}", "^")
}

fn shown(body: &str, matches: &[(u32, u32)], columns: usize) -> String {
    let width = Width::Columns(columns);
    let view = View { paint: Paint::COLOURED, width, ..View::at_noon() };
    let text = of_search(&message(body), matches, Among::Hits, &view);
    let (_, text) = text.split_once(": ").unwrap();
    readable(text)
}

#[test]
fn what_was_looked_for_stands_out() {
    assert_eq!(shown("one two three", &[(4, 7)], 80), "one <<two>> three\n");
    assert_eq!(shown("one two three", &[(0, 3), (8, 13)], 80), "<<one>> two <<three>>\n");
    assert_eq!(shown("é日 x", &[(0, 5)], 80), "<<é日>> x\n");
}

#[test]
fn places_are_those_of_the_text_before_it_was_cleaned() {
    let raw = "\u{1b}[31mred\u{1b}[0m\tx\u{202e}two";
    let at = u32::try_from(raw.find("two").unwrap()).unwrap();
    assert_eq!(shown(raw, &[(5, 8), (at, at + 3)], 80), "<<red>>    x<<two>>\n");
}

#[test]
fn places_that_make_no_sense_mark_nothing() {
    assert_eq!(shown("one", &[(2, 1), (0, 99), (7, 9)], 80), "one\n");
    assert_eq!(shown("é", &[(1, 2)], 80), "é\n");
    // Within an escape sequence that hides its text.
    assert_eq!(shown("\u{1b}]0;title\u{7}x", &[(4, 9)], 80), "x\n");
}

#[test]
fn a_match_that_is_broken_is_painted_on_both_lines_and_the_indent_is_not() {
    assert_eq!(
        shown("it is three four five", &[(6, 16)], 36),
        "it is <<three>>\n    <<four>> five\n"
    );
    assert_eq!(shown("one\n  two", &[(0, 9)], 80), "<<one>>\n      <<two>>\n");
}

#[test]
fn without_colours_hits_among_others_are_marked() {
    let view = View::at_noon();
    insta::assert_snapshot!(of_search(&message("one two"), &[(4, 7)], Among::Others, &view), @"> 5 min ago  bob -> alice: one two");
    insta::assert_snapshot!(around(&message("one\ntwo"), &view), @r"
    5 min ago  bob -> alice: one
      two
    ");
}

#[test]
fn more_matches_than_the_bound_are_text() {
    let body = "a ".repeat(MATCHES_MAX + 1);
    let matches: Vec<(u32, u32)> = (0..=u32::try_from(MATCHES_MAX).unwrap())
        .map(|number| (2 * number, 2 * number + 1))
        .collect();
    assert_eq!(shown(&body, &matches, 10_000).matches("<<").count(), MATCHES_MAX);
}

proptest! {
    #[test]
    fn marking_changes_nothing_but_colours(
        body in "[\\x1b\\[\\]0-9;a-zé日 \\n\\x07m]{0,60}",
        matches in prop::collection::vec((0_u32..70, 0_u32..70), 0..6),
        columns in 20_usize..60,
    ) {
        let view = View { width: Width::Columns(columns), ..View::at_noon() };
        let coloured = View { paint: Paint::COLOURED, ..view.clone() };
        let plain = of_search(&message(&body), &matches, Among::Hits, &view);
        let painted = of_search(&message(&body), &matches, Among::Hits, &coloured);
        prop_assert_eq!(clean_text(&painted), plain);
    }
}
