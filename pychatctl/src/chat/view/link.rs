//! How the link is: one line, and what each number means.

use super::{put, put_at, style::Styles};
use crate::{
    chat::model::{Chat, Daemon, Us},
    screen::{clean_line, columns, cut},
};
use pychat_control::{Link, Status};
use ratatui::{buffer::Buffer, layout::Rect, style::Style};

pub(super) fn draw(chat: &Chat, area: Rect, styles: &Styles, buffer: &mut Buffer) {
    let width = usize::from(area.width);
    if let Some(notice) = &chat.notice {
        put(buffer, area, 0, &" ".repeat(width), Styles::chosen());
        put(
            buffer,
            area,
            0,
            &cut(&format!(" {}", clean_line(&notice.text)), width),
            Styles::chosen(),
        );
        return;
    }
    let (word, style) = word(chat, styles);
    let end = put(buffer, area, 0, &format!(" {word}"), style);
    let numbers = numbers(chat, styles.dot());
    let room = usize::from(area.width.saturating_sub(end));
    let end = put_at(buffer, area, end, 0, &cut(&numbers, room), Style::new());
    // As many of the keys as fit.
    let left = usize::from(area.width.saturating_sub(end + 1));
    let keys: &[&str] = if matches!(chat.us, Us::User(_)) { &KEYS } else { &["Ctrl-Q leaves "] };
    let keys = keys.iter().find(|keys| columns(keys) <= left).unwrap_or(&"");
    let start = area.width.saturating_sub(u16::try_from(columns(keys)).unwrap_or(0));
    put_at(buffer, area, start, 0, keys, Styles::faint());
}

/// The longest first.
const KEYS: [&str; 4] = [
    "F1 keys  F2 link  Ctrl-K people  Ctrl-F search  Ctrl-Q leave ",
    "F1 keys  F2 link  Ctrl-K people ",
    "F1 keys  F2 link ",
    "F1 keys ",
];

/// The link as a word.
pub(super) fn word(chat: &Chat, styles: &Styles) -> (&'static str, Style) {
    match (chat.daemon, chat.link) {
        (Daemon::Gone, _) => ("no daemon", styles.bad()),
        (Daemon::Here, None) => ("asking the daemon", Styles::faint()),
        (Daemon::Here, Some(Link::Connected)) => ("connected", styles.good()),
        (Daemon::Here, Some(Link::Connecting)) => ("connecting", styles.fair()),
        (Daemon::Here, Some(Link::Disconnected)) => ("disconnected", styles.bad()),
        (Daemon::Here, Some(Link::Refused)) => ("refused", styles.bad()),
    }
}

fn numbers(chat: &Chat, dot: &str) -> String {
    let Some(status) = chat.status.as_ref().filter(|_| chat.daemon == Daemon::Here) else {
        return String::new();
    };
    let mut facts = Vec::new();
    if chat.link == Some(Link::Connected) {
        if let Some(rtt_ms) = status.rtt_ms {
            facts.push(format!("{rtt_ms} ms"));
        }
        facts.push(format!("{} lost", percent(status)));
        facts.push(format!("{} sent again", status.retransmitted));
    }
    if status.queued > 0 {
        facts.push(format!("{} queued", status.queued));
    }
    facts.into_iter().map(|fact| format!("{dot}{fact}")).collect()
}

fn percent(status: &Status) -> String {
    format!("{}.{} %", status.loss_permille / 10, status.loss_permille % 10)
}

/// Each number in a sentence, and what to do.
pub(super) fn explained(chat: &Chat) -> Vec<String> {
    let Some(status) = &chat.status else {
        return vec!["The daemon has not told anything of the link yet.".into()];
    };
    let mut told = vec![link_sentence(chat, status)];
    if let Some(error) = &status.last_error {
        told.push(format!("What went wrong last: {}.", clean_line(error).trim_end_matches('.')));
    }
    if let Some(rtt_ms) = status.rtt_ms {
        let feel = match rtt_ms {
            0..150 => "which nobody notices",
            150..600 => "which one notices",
            600.. => "which is slow; nothing is lost by it",
        };
        told.push(format!("Round trip {rtt_ms} ms: to the server and back, {feel}."));
    }
    told.push(loss_sentence(status));
    told.push(format!(
        "Sent again: {}. What got lost on the way was repeated this often, by itself.",
        status.retransmitted
    ));
    told.push(match status.queued {
        0 => "Queued: 0. The server holds everything that you sent.".into(),
        queued => format!(
            "Queued: {queued}. These are on this machine's disk and go out by themselves, once there is a \
             way, also after a restart."
        ),
    });
    if let Some(server) = &status.server {
        let server = clean_line(server);
        told.push(format!("Server: {}", server.split('#').next().unwrap_or_default()));
    }
    told.push("More: pychatctl status, pychatctl daemon logs.".into());
    told
}

fn link_sentence(chat: &Chat, status: &Status) -> String {
    match chat.link.unwrap_or(status.link) {
        Link::Connected => "Connected: what you send leaves at once.".into(),
        Link::Connecting => "Connecting: the server does not answer, or the network is away. Go on typing: \
                             texts are queued and go out by themselves. If it stays so, look at the network \
                             of this machine, then ask whoever runs the server."
            .into(),
        Link::Disconnected => format!(
            "Disconnected: you logged out. Texts are queued until you log in again, in another terminal: {}",
            chat.connect_command()
        ),
        Link::Refused => format!(
            "Refused: the server does not let you in. Log in anew, in another terminal: {}",
            chat.connect_command()
        ),
    }
}

fn loss_sentence(status: &Status) -> String {
    let percent = percent(status);
    let feel = match status.loss_permille {
        0..10 => "a good network",
        10..50 => "a fair one; texts arrive all the same, some a little later",
        50..150 => "a poor one; texts arrive all the same, some later",
        150.. => "a bad one; texts arrive all the same, but later",
    };
    let of = match status.packets_sent {
        0 => String::new(),
        sent => format!(" of {sent} packets"),
    };
    format!("Lost: {percent}{of} did not arrive: {feel}.")
}
