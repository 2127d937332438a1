//! The texts.

use super::Page;

const fn page(
    path: &'static str,
    notes: &'static str,
    examples: &'static [(&'static str, &'static str)],
) -> Page {
    Page { path, notes, examples }
}

/// All of them, as the help lists the commands.
pub(super) const PAGES: &[Page] = &[
    page(
        "connect",
        "",
        &[
            (
                "pychatctl connect alice 'Alice Doe' --server pychat://chat.example.org:7420#KEY",
                "the first time, with the link that the server's operator gave you",
            ),
            ("pychatctl connect alice 'Alice on the road'", "later, with another display name"),
        ],
    ),
    page("disconnect", "", &[("pychatctl disconnect", "what you send stays queued meanwhile")]),
    page(
        "users",
        "",
        &[
            ("pychatctl users --all", "who is offline, too"),
            ("pychatctl users --quiet", "names alone, one a line"),
        ],
    ),
    page(
        "chat",
        CHAT,
        &[
            ("pychatctl chat", "all conversations"),
            ("pychatctl chat bob", "begins with bob"),
            ("pychatctl chat --plain bob", "line by line"),
        ],
    ),
    page(
        "send",
        SEND,
        &[
            ("pychatctl send bob 'Hello!'", ""),
            ("journalctl -n 20 | pychatctl send bob -", "the end of a log"),
            ("pychatctl send bob done --wait delivered --timeout 1h", "fails if it did not arrive"),
        ],
    ),
    page(
        "inbox",
        INBOX,
        &[
            ("pychatctl inbox", "shows what is new, and marks it read"),
            ("pychatctl inbox --follow", "then waits for more"),
            ("pychatctl inbox --reader bot --follow --json", "for a script"),
        ],
    ),
    page(
        "watch",
        WATCH,
        &[
            ("pychatctl watch", "everything from now on"),
            ("pychatctl watch --events presence,connection", "who comes and goes"),
            ("pychatctl watch --json --after 41", "for a script that was at event 41"),
        ],
    ),
    page(
        "history",
        "A user called `rm` or `export` goes after --, or after --with.",
        &[
            ("pychatctl history bob -n 100", ""),
            ("pychatctl history --since 2d --from bob", ""),
            ("pychatctl history -- rm", "with the user called rm"),
        ],
    ),
    page(
        "history export",
        EXPORT_HISTORY,
        &[
            ("pychatctl history export bob bob.md", "a document"),
            ("pychatctl history export -o all.jsonl", "with everybody, for programs"),
            ("pychatctl history export --since 30d | wc -l", ""),
        ],
    ),
    page(
        "history rm",
        REMOVE,
        &[
            ("pychatctl history rm bob", "asks first"),
            ("pychatctl history rm --until 90d --dry-run", "how many are older than 90 days"),
            ("pychatctl history rm --until 90d --yes", "for cron"),
        ],
    ),
    page(
        "search",
        SEARCH,
        &[
            ("pychatctl search ship noon", "both words, anywhere in a message"),
            ("pychatctl search 'at noon' --with bob -C 2", "what was said around it, too"),
            ("pychatctl search 'invoice*' --from carol --since 30d", ""),
        ],
    ),
    page(
        "status",
        "",
        &[
            ("pychatctl status", ""),
            ("pychatctl status --quiet", "one word: connected, connecting, ..."),
        ],
    ),
    page(
        "doctor",
        DOCTOR,
        &[
            ("pychatctl doctor", ""),
            (
                "pychatctl doctor --quiet || mail -s 'chat is down' me",
                "from cron: only what is bad",
            ),
        ],
    ),
    page(
        "unread",
        UNREAD,
        &[
            ("pychatctl unread --format '{total} from {names}'", ""),
            ("pychatctl unread --if-any --no-autostart", "for a status bar"),
            ("pychatctl unread --follow --format '{total}'", "a line on each change"),
        ],
    ),
    page(
        "readers",
        READERS,
        &[
            ("pychatctl readers", "how many messages wait for each"),
            ("pychatctl readers rm bot", "its script is no longer used"),
        ],
    ),
    page("readers rm", "", &[("pychatctl readers rm bot", "")]),
    page(
        "trace",
        "",
        &[
            ("pychatctl trace 01KG9Z5J6W3V8Q4T7N2R1M0XYC", "by its id"),
            ("pychatctl trace backup-2026-01-31", "by the key that was given to send --id"),
        ],
    ),
    page("cancel", "", &[("pychatctl cancel 01KG9Z5J6W3V8Q4T7N2R1M0XYC", "")]),
    page(
        "verify",
        VERIFY,
        &[
            ("pychatctl verify bob", "and bob: verify alice"),
            ("pychatctl verify bob --code '02866 37825 ...'", "what bob reads out to you"),
        ],
    ),
    page(
        "trust",
        TRUST,
        &[
            ("pychatctl verify bob", "compare the number of the new key with bob"),
            ("pychatctl trust bob", "then accept it: what is held goes out"),
            ("pychatctl trust bob --yes", "the same in a script"),
        ],
    ),
    page("contacts", CONTACTS, &[("pychatctl contacts", "")]),
    page("daemon start", "", &[("pychatctl daemon start", "returns once it answers")]),
    page("daemon stop", "", &[("pychatctl daemon stop", "the next command starts it again")]),
    page("daemon restart", "", &[("pychatctl daemon restart", "after an update")]),
    page("daemon status", "", &[("pychatctl daemon status && echo yes", "")]),
    page(
        "daemon logs",
        "",
        &[
            ("pychatctl daemon logs -n 200", ""),
            ("pychatctl daemon logs --follow", "each line as it comes, over midnight too"),
        ],
    ),
    page("profile list", "", &[("pychatctl profile list --quiet", "names alone, one a line")]),
    page("profile show", "", &[("pychatctl --profile work profile show", "")]),
    page("profile path", "", &[("du -sh \"$(pychatctl profile path)\"", "")]),
    page(
        "profile export",
        EXPORT,
        &[
            ("pychatctl profile export ~/pychat.age", ""),
            (
                "pychatctl profile export ~/pychat.age --force --passphrase-file ~/secret",
                "for cron",
            ),
        ],
    ),
    page(
        "profile import",
        IMPORT,
        &[
            ("pychatctl profile import ~/pychat.age", ""),
            ("pychatctl --profile work profile import ~/work.age", ""),
        ],
    ),
    page(
        "completions",
        COMPLETIONS,
        &[
            (
                "pychatctl completions bash > ~/.local/share/bash-completion/completions/pychatctl",
                "bash, from the next shell on",
            ),
            ("pychatctl completions zsh > ~/.zfunc/_pychatctl", "zsh, where ~/.zfunc is in fpath"),
            ("pychatctl completions fish > ~/.config/fish/completions/pychatctl.fish", "fish"),
        ],
    ),
    page(
        "man",
        "",
        &[
            ("pychatctl man history export | man -l -", "the page of one command"),
            ("pychatctl man --dir ~/.local/share/man/man1", "all of them, for man"),
        ],
    ),
];

const CHAT: &str = "\
F1 shows the keys, F2 what the numbers of the last line mean. Ctrl-Q leaves;
what was sent goes out all the same. With --plain, and where the terminal
cannot be drawn on (TERM=dumb, a pipe), /help shows the commands.";

const SEND: &str = "\
A text that begins with a dash goes after --, such as:
  pychatctl send bob -- '-5 degrees'
A message that is queued goes out by itself, over restarts and lost connections.
With --id KEY the command may be repeated: nothing is sent twice.";

const INBOX: &str = "\
A reader is a name for a script's own place among the messages. Each message is
shown to it once over all runs, and once more only where the script was killed
in between. Nothing is marked read for it; forget one with `readers rm`.";

const WATCH: &str = "\
Each kept event has a cursor, which --json shows: with --after CURSOR nothing is
missed between two runs. It goes on when the daemon ends and comes back.
Exit code 6: --timeout came before -n N events.";

const EXPORT_HISTORY: &str = "\
Messages come page by page, oldest first, so there may be any number of them.
A FILE is there as a whole or not at all, and only you can read it.";

const REMOVE: &str = "\
What is named must fit all of PEER, --until and --id. Unread messages and those
on the way stay, unless --unread-too. Nobody else's copy is touched.";

const SEARCH: &str = "\
All the words have to be there. What the shell takes as one word is looked for in
this order; a * ends the beginning of a word. The newest are last.";

const DOCTOR: &str = "\
It tells apart: no DNS, no network, a server that is not there, blocked UDP,
a wrong key, a name that is taken, versions that do not fit, a full disk,
wrong permissions, a clock that is off, a daemon that ends when you log out.
Exit code 1: something stands in the way.";

const UNREAD: &str = "\
With --no-autostart a status bar is not kept waiting where no daemon runs: the
exit code is 3 at once. With --follow and --if-any, none is an empty line.";

const READERS: &str = "\
A reader begins with the first: pychatctl inbox --reader NAME";

const VERIFY: &str = "\
Both of you see the same 60 digits if nobody stands between you. Compare them
by voice or camera, not over the chat itself.
Exit code 7: the numbers differ, or the key changed.";

const TRUST: &str = "\
A key changes when somebody starts anew on another machine, or when somebody
poses as them. What you send is held until you decide.";

const CONTACTS: &str = "\
pinned    the key is the first one that came; nobody compared it
verified  you compared it: pychatctl verify USER
CHANGED   another key presents itself, and what you send is held:
          pychatctl verify USER, then pychatctl trust USER";

const EXPORT: &str = "\
In the file are the identity, the server, the people known by key, and all
messages; those that wait to be sent go out from the machine that imports it.
It is an age file (age-encryption.org) of JSON lines: age -d FILE | jq

A move; nothing arrives here any more after the first command:
  pychatctl disconnect
  pychatctl profile export - | ssh laptop 'cat > pychat.age'
  ssh -t laptop pychatctl profile import pychat.age";

const IMPORT: &str = "\
The profile must not be in use yet. It is not connected before you say so: a
server serves an identity on one machine at a time.";

const COMPLETIONS: &str = "\
Users' names are completed too, as far as the daemon knows them. It is not started
for that.";
