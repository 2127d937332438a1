//! A camera in front of a terminal: from the characters that were printed back to what a QR code
//! says.

/// What the terminal shows where the program leaves the colours to it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ground {
    /// Light characters on a dark ground, as most terminals have it.
    Dark,
    /// Dark characters on a light ground, as the program asks for.
    Light,
}

/// Reads the one QR code among the lines of `printed`.
pub(crate) fn read(printed: &str) -> String {
    let lines: Vec<(Ground, Vec<char>)> = printed.lines().filter_map(line_of_code).collect();
    let width = lines[0].1.len();
    assert!(lines.iter().all(|(ground, line)| (line.len(), *ground) == (width, lines[0].0)));
    // Two modules in each character, one above the other.
    let is_light = |x: usize, y: usize| {
        let (ground, line) = &lines[y / 2];
        let is_drawn = match (line[x], y % 2) {
            ('█', _) | ('▀', 0) | ('▄', 1) => true,
            (' ' | '▀' | '▄', _) => false,
            (other, _) => panic!("{other:?} is no half block"),
        };
        is_drawn == (*ground == Ground::Dark)
    };
    let margin = 2 * PIXELS;
    let (across, down) = (width * PIXELS + 2 * margin, lines.len() * 2 * PIXELS + 2 * margin);
    let mut seen = rqrr::PreparedImage::prepare_from_greyscale(across, down, |x, y| {
        let module = |at: usize, side: usize| {
            at.checked_sub(margin).map(|at| at / PIXELS).filter(|at| *at < side)
        };
        match module(x, width).zip(module(y, lines.len() * 2)) {
            Some((x, y)) if is_light(x, y) => 230,
            // Around the code is the terminal, the dark one: the harder case.
            _ => 20,
        }
    });
    let grids = seen.detect_grids();
    assert_eq!(grids.len(), 1, "one code is seen in:\n{printed}");
    grids[0].decode().expect("the code can be read").1
}

/// A line of half blocks, if it is one.
fn line_of_code(line: &str) -> Option<(Ground, Vec<char>)> {
    let (ground, blocks) = match line.strip_prefix("\u{1b}[30;47m") {
        Some(rest) => (Ground::Light, rest.strip_suffix("\u{1b}[0m")?),
        None => (Ground::Dark, line),
    };
    let is_code = !blocks.is_empty() && blocks.chars().all(|c| "█▀▄ ".contains(c));
    is_code.then(|| (ground, blocks.chars().collect()))
}

/// Of a module's side.
const PIXELS: usize = 4;
