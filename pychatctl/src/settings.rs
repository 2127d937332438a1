//! What holds for a command: flag, else `PYCHAT_*` variable, else the profile's file, else the
//! user's file, else the default.

use crate::{
    cli::Globals,
    config::{ColorWhen, Config},
    defaults, names,
    output::{ErrorForm, Form, on_terminal},
    screen::{Paint, View},
};
use pychat_control::{
    ErrorCode, Failure, Place, Profile, State, StateBase, config_dir, profile_file, user_file,
};
use std::{path::PathBuf, time::Duration};

/// The outcome of all that.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Where every profile's state is.
    pub(crate) base: StateBase,
    /// The profile's state.
    pub(crate) place: Place,
    /// The file in place of the user's configuration.
    pub(crate) config_file: Option<PathBuf>,
    /// Where the configuration is.
    pub(crate) config_dir: Option<PathBuf>,
    /// The form of data.
    pub(crate) form: Form,
    /// Whether remarks beside the data are wanted.
    pub(crate) remarks: bool,
    /// Whether steps on the way are told.
    pub(crate) verbose: bool,
    /// How long a command waits.
    pub(crate) timeout: Duration,
    /// After which time what goes on until interrupted ends.
    pub(crate) ends_after: Option<Duration>,
    /// Whether the daemon is started when it is needed.
    pub(crate) autostart: bool,
    /// The server that `connect` takes where none is typed.
    pub(crate) server: Option<String>,
    /// What `send` waits for where nothing is typed.
    pub(crate) wait: State,
    /// When to colour.
    pub(crate) color: ColorWhen,
}

impl Settings {
    /// Merges what was typed with the files.
    pub(crate) fn resolve(globals: &Globals) -> Result<Self, Failure> {
        let config_dir = config_dir();
        let user = match (&globals.config, &config_dir) {
            (Some(path), _) => Config::read(path),
            (None, Some(dir)) => Config::read_if_there(&user_file(dir)),
            (None, None) => Ok(Config::default()),
        };
        let user = user.map_err(|error| names::usage(error.to_string(), None))?;
        let profile = globals.profile.clone().or(user.profile).unwrap_or_default();
        let own = match &config_dir {
            Some(dir) => Config::read_if_there(&profile_file(dir, &profile)),
            None => Ok(Config::default()),
        };
        let own = own.map_err(|error| names::usage(error.to_string(), None))?;
        let base = StateBase::from_env().map_err(|error| Failure {
            code: ErrorCode::Other,
            message: error.to_string(),
            hint: Some("set PYCHAT_STATE_DIR to a directory of yours".into()),
            sent: None,
        })?;
        let json = globals.json.or(own.json).or(user.json).unwrap_or(false);
        let quiet = globals.quiet.or(own.quiet).or(user.quiet).unwrap_or(false);
        Ok(Self {
            place: Place::new(&base, profile),
            base,
            config_file: globals.config.clone(),
            config_dir,
            form: if json {
                Form::Json
            } else if quiet {
                Form::Quiet
            } else {
                Form::Text
            },
            remarks: !json && !quiet,
            verbose: globals.verbose,
            timeout: globals.timeout.or(own.timeout).or(user.timeout).unwrap_or(defaults::TIMEOUT),
            ends_after: globals.ends_after,
            autostart: globals
                .no_autostart
                .map(|no| !no)
                .or(own.autostart)
                .or(user.autostart)
                .unwrap_or(true),
            server: own.server.or(user.server),
            wait: own.wait.or(user.wait).unwrap_or(defaults::WAIT),
            color: globals.color.or(own.color).or(user.color).unwrap_or(ColorWhen::Auto),
        })
    }

    /// The profile.
    pub(crate) const fn profile(&self) -> &Profile {
        self.place.profile()
    }

    /// How errors are written.
    pub(crate) const fn error_form(&self) -> ErrorForm {
        match self.form {
            Form::Json => ErrorForm::Json,
            Form::Text | Form::Quiet => ErrorForm::Lines,
        }
    }

    /// How data is laid out for people.
    pub(crate) fn view(&self) -> View {
        let terminal = on_terminal();
        let paint = match self.color {
            ColorWhen::Always => Paint::COLOURED,
            ColorWhen::Never => Paint::PLAIN,
            ColorWhen::Auto => Paint::detect(terminal),
        };
        View::detect(terminal, paint)
    }
}
