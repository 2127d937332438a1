//! What a cluster's streams say of a migration: it stands in the configuration of the stream of bans and invites,
//! which every node looks at before it uses any of them.

use super::{
    Nats, OpenError,
    api::Api,
    connect::{self, Opening},
    stream_config, stream_name,
};
use crate::store::{
    jetstream::options::Options,
    whole::{Begun, Start},
};
use serde_json::{Map, Value, json};

/// Where the stream of bans and invites says what is being moved here.
const FROM_KEY: &str = "pychat-migrating-from";

/// Where it says where the mailboxes went.
const MOVED_KEY: &str = "pychat-moved-to";

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// What is there is not complete.
    From(String),
    /// Its mailboxes went there.
    MovedTo(String),
}

impl Mark {
    const fn key(&self) -> &'static str {
        match self {
            Self::From(_) => FROM_KEY,
            Self::MovedTo(_) => MOVED_KEY,
        }
    }

    fn value(&self) -> &str {
        match self {
            Self::From(place) | Self::MovedTo(place) => place,
        }
    }

    /// What a stream's configuration says.
    pub(super) fn of(config: &Value) -> Option<Self> {
        let text = |key: &str| {
            let text = config.get("metadata")?.get(key)?.as_str()?;
            Some(text.to_owned())
        };
        text(FROM_KEY).map(Self::From).or_else(|| text(MOVED_KEY).map(Self::MovedTo))
    }

    /// The refusal of whoever would serve from there.
    pub(super) fn refusal(self) -> OpenError {
        match self {
            Self::From(from) => OpenError::Unfinished { from },
            Self::MovedTo(to) => OpenError::Moved { to },
        }
    }
}

/// A configuration with this mark, or with none.
fn marked(mut config: Value, mark: Option<&Mark>) -> Value {
    if let Some(fields) = config.as_object_mut() {
        let metadata = fields.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.remove(FROM_KEY);
            metadata.remove(MOVED_KEY);
            if let Some(mark) = mark {
                metadata.insert(mark.key().to_owned(), json!(mark.value()));
            }
        }
    }
    config
}

/// Makes the streams ready to be filled from a place: they are empty and say so, or an earlier try has left them.
pub(super) async fn begin(
    api: &Api,
    options: &Options,
    from: &str,
    start: Start,
) -> Result<Begun, OpenError> {
    let name = stream_name(&options.prefix, None);
    let mark = Mark::From(from.to_owned());
    let found = connect::look(api, &name).await?;
    let is_marked = found.as_ref().is_some_and(|(config, _)| Mark::of(config).is_some());
    if start == Start::GoOn && !is_marked {
        return Err(OpenError::Gone { stream: name });
    }
    let Some((config, state)) = found else {
        refuse_filled(api, options).await?;
        let wanted = marked(stream_config(options, None), Some(&mark));
        connect::find_or_make(api, &name, &wanted).await?;
        return Ok(Begun::Now);
    };
    connect::check(&name, &config, options)?;
    match Mark::of(&config) {
        Some(found) if found == mark => return Ok(Begun::Before),
        Some(found) => return Err(found.refusal()),
        None => {}
    }
    // Rules are written behind each other by number, so none of that may have been used.
    if state.last > 0 {
        return Err(OpenError::Occupied { stream: name });
    }
    refuse_filled(api, options).await?;
    update(api, &name, config, Some(&mark)).await?;
    Ok(Begun::Now)
}

async fn refuse_filled(api: &Api, options: &Options) -> Result<(), OpenError> {
    for stream in 0..options.streams {
        let name = stream_name(&options.prefix, Some(stream));
        if connect::look(api, &name).await?.is_some_and(|(_, state)| state.messages > 0) {
            return Err(OpenError::Occupied { stream: name });
        }
    }
    Ok(())
}

async fn update(
    api: &Api,
    name: &str,
    config: Value,
    mark: Option<&Mark>,
) -> Result<(), OpenError> {
    let (config, what) = (marked(config, mark), format!("STREAM.UPDATE.{name}"));
    connect::ask(name, || async { api.api(&what, config.clone()).await.map(drop) }).await
}

impl Nats {
    /// Connects to streams that are there, to read them; and where their mailboxes went, if they did.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing was changed.
    pub(crate) fn open_to_read(options: &Options) -> Result<(Self, Option<String>), OpenError> {
        let nats = Self::connect(options)?;
        nats.prepare(options, Opening::Read)?;
        let config = nats.rules_config()?;
        match Mark::of(&config) {
            None => Ok((nats, None)),
            Some(Mark::MovedTo(to)) => Ok((nats, Some(to))),
            Some(mark @ Mark::From(_)) => Err(mark.refusal()),
        }
    }

    /// Connects to streams that are to be filled from a place, and makes those that are missing.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub(crate) fn open_to_fill(
        options: &Options,
        from: &str,
        start: Start,
    ) -> Result<(Self, Begun), OpenError> {
        let nats = Self::connect(options)?;
        let begun = nats.runtime.block_on(begin(&nats.api, options, from, start))?;
        nats.prepare(options, Opening::Make)?;
        Ok((nats, begun))
    }

    /// The streams are complete: from here on nodes may use them.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub(crate) fn finish_filling(&self) -> Result<(), OpenError> {
        self.mark(None)
    }

    /// Has the streams say that their mailboxes went elsewhere, or that they did not.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub(crate) fn set_moved(&self, to: Option<&str>) -> Result<(), OpenError> {
        self.mark(to.map(|to| Mark::MovedTo(to.to_owned())).as_ref())
    }

    fn mark(&self, mark: Option<&Mark>) -> Result<(), OpenError> {
        let config = self.rules_config()?;
        let name = stream_name(&self.prefix, None);
        self.runtime.block_on(update(&self.api, &name, config, mark))
    }

    fn rules_config(&self) -> Result<Value, OpenError> {
        let name = stream_name(&self.prefix, None);
        let found = self.runtime.block_on(connect::look(&self.api, &name))?;
        found.map(|(config, _)| config).ok_or(OpenError::NoStore { stream: name })
    }
}
