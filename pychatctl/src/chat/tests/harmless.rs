//! What a peer writes changes nothing outside its own rows.

use super::stage::{Stage, from_bob, three_conversations, user};
use crate::chat::{
    input::{Answer, Ask, Beyond},
    terminal::Careful,
};
use pychat_control::{Message, Presence};
use ratatui::{
    Terminal, TerminalOptions, Viewport, backend::CrosstermBackend, buffer::Buffer, layout::Rect,
};

/// What people send to see what a terminal does with it.
const ATTACKS: [(&str, &str); 32] = [
    ("clear the screen", "\u{1b}[2J\u{1b}[3J\u{1b}[H"),
    ("full reset", "\u{1b}c"),
    ("soft reset", "\u{1b}[!p"),
    ("title", "\u{1b}]0;owned\u{7}"),
    ("title without an end", "\u{1b}]0;owned"),
    ("clipboard", "\u{1b}]52;c;cm0gLXJmIH4=\u{7}"),
    ("hyperlink", "\u{1b}]8;;http://evil.example\u{1b}\\click\u{1b}]8;;\u{1b}\\"),
    ("cursor", "\u{1b}[1;1Hover the list\u{1b}[24;1H"),
    ("save and restore", "\u{1b}7\u{1b}8\u{1b}[s\u{1b}[u"),
    ("alternate screen", "\u{1b}[?1049l"),
    ("mouse off", "\u{1b}[?1000l\u{1b}[?1006l"),
    ("report", "\u{1b}[6n\u{1b}[c\u{1b}[>c\u{5}"),
    ("title report", "\u{1b}[21t"),
    ("window", "\u{1b}[8;1;1t"),
    ("colours that stay", "\u{1b}[31;5;7m"),
    ("palette", "\u{1b}]4;0;#ff0000\u{1b}\\"),
    ("character sets", "\u{e}\u{1b}(0lqqk\u{f}"),
    ("scroll region", "\u{1b}[2;3r"),
    ("device control", "\u{1b}P+q544e\u{1b}\\"),
    ("program command", "\u{1b}_Ga=T;AAAA\u{1b}\\"),
    ("eight-bit controls", "\u{9b}2J\u{9d}0;x\u{9c}\u{90}q\u{9c}"),
    ("carriage return", "safe\revil\u{8}\u{8}\u{b}\u{c}\u{7f}"),
    ("nul and bell", "\u{0}\u{7}"),
    ("overrides", "\u{202e}\u{2066}\u{2067}\u{2068}\u{200f}\u{61c}abc\u{2069}\u{202c}"),
    ("zero width only", "\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}\u{ad}"),
    ("tags", "\u{e0001}\u{e0041}\u{e0042}\u{e007f}"),
    (
        "a heap of marks",
        "Z\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}\u{308}\u{309}\u{30a}\u{30b}\u{30c}\u{30d}\u{30e}",
    ),
    ("a mark on nothing", "\u{20dd}\u{489}x"),
    (
        "endless emoji",
        "👩\u{200d}👩\u{200d}👩\u{200d}👩\u{200d}👩\u{200d}👩\u{200d}👩\u{200d}👩\u{200d}👩",
    ),
    ("selectors", "x\u{fe0f}\u{fe0f}❤\u{fe0f}\u{fe0e}\u{fe0f}"),
    ("very wide", "﷽𒐫⸻꧅"),
    ("separators", "a\u{2028}b\u{2029}c\u{85}d"),
];

/// The screen with bob's text among harmless ones.
fn screen(body: &str) -> Stage {
    let mut stage = Stage::with(80, 60, three_conversations());
    let messages = vec![from_bob(100, "before"), from_bob(101, body), from_bob(102, "behind")];
    stage.answer_page(messages, Beyond::Nothing, Beyond::Nothing);
    stage
}

/// The rows that the attack's own text takes, and whether it takes them with its text only.
fn own_rows(buffer: &Buffer) -> std::ops::Range<u16> {
    let row_with = |text: &str| {
        let row = |row| -> String {
            (0..buffer.area.width).map(|column| buffer[(column, row)].symbol()).collect()
        };
        (0..buffer.area.height).find(|at| row(*at).contains(text)).expect("it is there")
    };
    row_with("before") + 1..row_with("behind")
}

#[test]
fn an_attack_changes_no_cell_outside_its_own_rows() {
    for (what, attack) in ATTACKS {
        for body in [attack.to_owned(), format!("head {attack} tail"), attack.repeat(8)] {
            let attacked = screen(&body).buffer();
            let own = own_rows(&attacked);
            let harmless = vec!["x"; usize::from(own.end - own.start)].join("\n");
            let expected = screen(&harmless).buffer();
            assert_eq!(own_rows(&expected), own, "{what}: other rows");
            for row in (0..attacked.area.height).filter(|row| !own.contains(row)) {
                for column in 0..attacked.area.width {
                    let at = (column, row);
                    assert_eq!(attacked[at], expected[at], "{what}: cell {at:?}");
                }
            }
            // Nor what stands beside it: the list, the divider, and what we say before it.
            for row in own {
                for column in 0..22 {
                    assert_eq!(attacked[(column, row)], expected[(column, row)], "{what}");
                }
            }
        }
    }
}

#[test]
fn names_and_reasons_are_as_harmless_as_texts() {
    for (what, attack) in ATTACKS {
        let mut stage = screen("x");
        stage.answer(Ask::Users, Answer::Users(vec![user("bob", attack, Presence::Online)]));
        stage.chat.tell(attack, stage.chat.now.at + std::time::Duration::from_secs(9));
        assert_no_control(&stage.buffer(), what);
    }
}

fn assert_no_control(buffer: &Buffer, what: &str) {
    for cell in &buffer.content {
        assert!(!cell.symbol().contains(char::is_control), "{what}: {:?}", cell.symbol());
    }
}

/// What is written to a terminal for a screen with this text.
fn written(body: &str) -> String {
    let stage = screen(body);
    let mut out = Vec::new();
    {
        let options = TerminalOptions { viewport: Viewport::Fixed(Rect::new(0, 0, 80, 60)) };
        let backend = Careful(CrosstermBackend::new(&mut out));
        let mut terminal = Terminal::with_options(backend, options).unwrap();
        terminal.draw(|frame| crate::chat::view::draw(&stage.chat, frame)).unwrap();
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn only_our_own_sequences_reach_the_terminal() {
    for (what, attack) in ATTACKS {
        for sequence in written(&format!("head {attack} tail")).split('\u{1b}').skip(1) {
            // Placing the cursor, colours, showing and hiding the cursor.
            let parameters =
                sequence.strip_prefix('[').unwrap_or_else(|| panic!("{what}: {sequence:?}"));
            let end = parameters.find(|c: char| c.is_ascii_alphabetic());
            let last = end.map(|at| &parameters[at..=at]);
            assert!(matches!(last, Some("H" | "m" | "h" | "l")), "{what}: {sequence:?}");
        }
    }
}

#[test]
fn behind_a_picture_of_unsure_width_the_cursor_is_placed_anew() {
    let out = written("👩‍👩‍👧 tail");
    let behind = &out[out.find("👩‍👩‍👧").unwrap() + "👩‍👩‍👧".len()..];
    let moved = behind.find("tail").is_some_and(|tail| behind[..tail].contains('H'));
    assert!(moved, "{behind:?}");
}

#[test]
fn a_text_cannot_pass_for_a_line_of_ours() {
    let body = "hi\n─── unread ───\nyou · just now\n✓✓ fake";
    let picture = screen(body).picture();
    for line in ["─── unread", "you · just now", "✓✓ fake"] {
        let row = picture.lines().find(|row| row.contains(line)).unwrap();
        assert!(row.split('│').nth(1).unwrap().starts_with("   "), "{row}");
    }
    let message = Message { from: "bob\n\u{1b}[2Jcarol".into(), ..from_bob(1, "x") };
    let mut stage = Stage::with(80, 24, three_conversations());
    stage.answer_page(vec![message], Beyond::Nothing, Beyond::Nothing);
    assert!(stage.picture().contains("bob carol · "), "{}", stage.picture());
}
