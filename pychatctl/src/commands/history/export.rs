//! `history export`: all messages, oldest first, page by page, so that it takes no more memory for more of
//! them.

use super::PAGE_LEN;
use crate::{
    cli::{ExportFormat, ExportHistoryArgs},
    commands::{
        Context,
        doubts::Doubts,
        new_file::{Existing, NewFile},
    },
    names,
    output::{Failed, Form, Versioned},
    screen::{Markdown, Progress},
};
use jiff::tz::TimeZone;
use pychat_control::{Failure, HistoryParams, List, Message, Request};
use serde::Serialize;
use std::{
    io::{BufWriter, Write},
    path::Path,
};

/// What was exported, as JSON.
#[derive(Debug, Serialize)]
struct Exported<'a> {
    file: &'a str,
    messages: u64,
}

/// Writes them.
pub(super) fn run(context: &mut Context, args: &ExportHistoryArgs) -> Result<(), Failed> {
    let params = params(args)?;
    let file = args.file.as_deref().or(args.output.as_deref());
    let file = file.filter(|file| *file != Path::new("-"));
    let existing = if args.force { Existing::Replace } else { Existing::Keep };
    let mut export = Export {
        form: Written::new(args.format.unwrap_or_else(|| usual(file))),
        to: match file {
            Some(file) => To::File(BufWriter::new(NewFile::create(file, existing)?)),
            None => To::Stdout,
        },
        messages: 0,
    };
    let mut doubts = Doubts::default();
    export.all(context, params, &mut doubts)?;
    let messages = export.messages;
    export.to.finish()?;
    let told = format!("exported {messages} message{}", if messages == 1 { "" } else { "s" });
    match (file, context.out.form) {
        (None, _) => {
            context.out.flush()?;
            context.out.remark(&told)?;
            // Only what was printed is taken for the sender's by somebody who reads along.
            doubts.end()
        }
        (Some(file), Form::Json) => {
            let file = &file.to_string_lossy();
            Ok(context.out.json(&Versioned::new(Exported { file, messages }))?)
        }
        (Some(_), Form::Quiet) => Ok(()),
        (Some(file), Form::Text) => {
            Ok(context.out.line(&format!("{told} to {}", file.display()))?)
        }
    }
}

fn params(args: &ExportHistoryArgs) -> Result<HistoryParams, Failure> {
    if let Some(peer) = &args.peer {
        names::check_user(peer)?;
    }
    Ok(HistoryParams {
        peer: args.peer.clone(),
        since: args.since.as_deref().map(names::time).transpose()?,
        until: args.until.as_deref().map(names::time).transpose()?,
        limit: PAGE_LEN,
        // From the first one on.
        after: Some(0),
        ..HistoryParams::default()
    })
}

fn usual(file: Option<&Path>) -> ExportFormat {
    let extension = file.and_then(Path::extension);
    if extension.is_some_and(|extension| extension == "md") {
        ExportFormat::Markdown
    } else {
        ExportFormat::Jsonl
    }
}

struct Export {
    form: Written,
    to: To,
    messages: u64,
}

/// How it is written.
enum Written {
    Jsonl,
    Markdown(Markdown),
}

/// Whereto.
enum To {
    Stdout,
    File(BufWriter<NewFile>),
}

impl Export {
    fn all(
        &mut self,
        context: &mut Context,
        mut params: HistoryParams,
        doubts: &mut Doubts,
    ) -> Result<(), Failed> {
        let mut session = context.session()?;
        let mut progress = Progress::detect(context.out.remarks);
        if let Written::Markdown(_) = self.form {
            self.to.write(context, &Markdown::title(params.peer.as_deref()))?;
        }
        loop {
            let page: List<Message> = session.call(&Request::History(params.clone()))?;
            for message in &page.items {
                let text = self.form.text(message);
                self.to.write(context, &text)?;
            }
            self.messages += page.items.len() as u64;
            doubts.note(&page.items);
            let reached = page.items.last().map(|last| last.sent_at.as_str()).unwrap_or_default();
            let day = reached.get(..DAY_BYTES).unwrap_or_default();
            progress.tell(|_| format!("exported {} messages, up to {day}", self.messages));
            let Some(next) = page.next else { return Ok(()) };
            params.next = Some(next);
        }
    }
}

/// The day of a time in RFC 3339: `2026-01-31`.
const DAY_BYTES: usize = 10;

impl Written {
    fn new(format: ExportFormat) -> Self {
        match format {
            ExportFormat::Jsonl => Self::Jsonl,
            ExportFormat::Markdown => Self::Markdown(Markdown::new(TimeZone::system())),
        }
    }

    fn text(&mut self, message: &Message) -> String {
        match self {
            Self::Jsonl => {
                let line = serde_json::to_string(message);
                line.unwrap_or_else(|_| unreachable!("texts and numbers are always JSON")) + "\n"
            }
            Self::Markdown(markdown) => markdown.message(message),
        }
    }
}

impl To {
    fn write(&mut self, context: &mut Context, text: &str) -> Result<(), Failed> {
        match self {
            Self::Stdout => Ok(context.out.text(text)?),
            Self::File(file) => {
                let written = file.write_all(text.as_bytes());
                written.map_err(|error| file.get_ref().failed(&error).into())
            }
        }
    }

    fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Stdout => Ok(()),
            Self::File(mut file) => {
                file.flush().map_err(|error| file.get_ref().failed(&error))?;
                let (file, _) = file.into_parts();
                file.finish()
            }
        }
    }
}
