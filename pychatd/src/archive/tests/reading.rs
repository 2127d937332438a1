//! Lines that are refused: newer, damaged, cut off, beyond a bound.

use super::*;

#[test]
fn a_newer_form_is_refused_as_such() {
    let mut lines = lines();
    let next = FORMAT_VERSION + 1;
    lines[0] =
        format!(r#"{{"format":"pychat-profile","version":{next},"all":["is","different"]}}"#);
    insta::assert_snapshot!(read_error(&joined(&lines)), @"it was made by a newer version of PyChat (its form is 2, this version knows up to 1)");
}

#[test]
fn what_is_no_archive_is_told_as_that() {
    for other in ["", "\n", "{}", "hello\n", "[1]\n", "{\"format\":\"tar\",\"version\":1}\n"] {
        let error = entries(other.as_bytes(), Limits::default()).unwrap_err();
        assert!(
            matches!(error, ReadError::OtherContent | ReadError::Line { .. }),
            "{other:?}: {error}"
        );
    }
}

#[test]
fn an_archive_that_ends_early_is_never_taken_for_whole() {
    let whole = joined(&lines());
    for length in 0..whole.len() {
        assert!(entries(&whole[..length], Limits::default()).is_err(), "{length} bytes");
    }
    assert_eq!(entries(&whole, Limits::default()).unwrap().len(), 15);
}

#[test]
fn a_line_that_makes_no_sense_is_named() {
    let message = 6;
    let altered = |number: usize, from: &str, to: &str| {
        let mut lines = lines();
        assert!(lines[number].contains(from), "{}", lines[number]);
        lines[number] = lines[number].replace(from, to);
        read_error(&joined(&lines))
    };
    let mut errors = vec![
        altered(0, "\"alice\"", "\"ALICE\""),
        altered(0, "pychat://", "http://"),
        altered(1, "Wlpa", "!!!!"),
        altered(1, "WlpaWlpa", "Wlpa"),
        altered(1, "{\"identity", "{\"identities"),
        altered(2, "\"bob\"", "\"\""),
        altered(2, "\"login\":\"B", "\"login\":\"BB"),
        altered(message, "\"out\"", "\"in\""),
        altered(message, "\"read\"", "\"unread\""),
        altered(message, "\"read\"", "\"lost\""),
        altered(message, "\"to\":\"bob\"", "\"to\":\"BOB\""),
        altered(message, "\"id\":\"0", "\"id\":\"!"),
        altered(message, "\"key\":\"key-1\"", &format!("\"key\":\"{}\"", "k".repeat(65))),
        altered(message, "text 1", &"x".repeat(TEXT_BYTES_MAX)),
        altered(message, "\"sent_at\"", "\"trust\":\"unopened\",\"sent_at\""),
    ];
    let mut order = lines();
    order.swap(1, 2);
    errors.push(read_error(&joined(&order)));
    let mut twice = lines();
    twice.insert(3, twice[1].clone());
    errors.push(read_error(&joined(&twice)));
    let mut fewer = lines();
    fewer.remove(message);
    errors.push(read_error(&joined(&fewer)));
    let mut more = lines();
    more.push(more[message].clone());
    errors.push(read_error(&joined(&more)));
    insta::assert_snapshot!(errors.join("\n"), @r"
    it is damaged: line 1 names no user
    it is damaged: line 1 names no server
    it is damaged: line 2 holds no identity
    it is damaged: line 2 holds no identity
    it is damaged: line 2 cannot be read
    it is damaged: line 3 names no user
    it is damaged: line 3 holds no key
    it is damaged: line 7 says what there is only of the other direction
    it is damaged: line 7 has a state that does not fit its direction
    it is damaged: line 7 cannot be read
    it is damaged: line 7 names no recipient
    it is damaged: line 7 has no id
    it is damaged: line 7 holds a key that is too long
    it is damaged: line 7 holds a text that is too long
    it is damaged: line 7 says what there is only of the other direction
    it is damaged: line 2 holds no identity
    it is damaged: line 4 holds a second identity
    it is damaged: line 17 counts other lines than there are
    it is damaged: line 19 follows the end
    ");
}

#[test]
fn an_error_tells_nothing_of_what_is_in_the_archive() {
    let mut lines = lines();
    lines[1] = lines[1].replace("{\"key\":", "{\"key\":1,\"keys\":");
    let said = format!("{:?}", entries(&joined(&lines), Limits::default()).unwrap_err());
    assert!(!said.contains("Wlpa") && said.contains("line: 2"), "{said}");
}

#[test]
fn lines_are_read_up_to_their_bounds() {
    let whole = lines();
    let count = whole.len() as u64;
    assert!(entries(&joined(&whole), Limits { lines: count }).is_ok());
    let beyond = entries(&joined(&whole), Limits { lines: count - 1 }).unwrap_err();
    assert!(matches!(beyond, ReadError::TooLong(_)), "{beyond}");

    // A member that nobody knows makes a line of any length.
    let padded = |length: usize| {
        let mut lines = lines();
        let more = length - lines[6].len() - ",\"x\":\"\"".len();
        let padding = format!(",\"x\":\"{}\"}}}}", "x".repeat(more));
        lines[6] = format!("{}{padding}", lines[6].strip_suffix("}}").unwrap());
        assert_eq!(lines[6].len(), length);
        entries(&joined(&lines), Limits::default())
    };
    assert!(padded(LINE_BYTES_MAX).is_ok());
    let longer = padded(LINE_BYTES_MAX + 1).unwrap_err();
    assert_eq!(longer.to_string(), "it is damaged: line 7 is too long");
}
