//! The control protocol between `pychatctl` and `pychatd`: JSON-RPC 2.0, one object a line.
//!
//! `api` holds the requests and answers, `line` and `rpc` their form on the socket (sans-IO, so that
//! the blocking client and the daemon's asynchronous server share them), `place` where the socket
//! and the daemon's files are, and `client` a blocking client. `docs/CONTROL.md` is the
//! specification.

mod api;
mod archived;
mod client;
mod daemon_config;
mod daemon_file;
mod limits;
mod line;
mod owner;
mod place;
mod profile;
mod rpc;
mod rpc_error;
mod settings_file;
mod span;

pub use api::*;
pub use archived::{ARCHIVE_STDIO, Archived, EXPORT_JOB, IMPORT_JOB, REPORT_PREFIX};
pub use client::{Asked, CallError, Client, ConnectError};
pub use daemon_config::{DaemonConfig, HISTORY_BYTES_MIN, HOOK_TIME_MAX, NOTIFY_JOB, Notify};
pub use daemon_file::{DaemonFile, DaemonFileError};
pub use limits::{
    CODE_BYTES_MAX, DISPLAY_NAME_CHARS_MAX, INVITE_CHARS_MAX, InvalidInput, KEY_CHARS_MAX,
    SAFETY_DIGITS, TEXT_BYTES_MAX, USER_NAME_CHARS_MAX, check_code, check_display_name,
    check_invite, check_key, check_text, check_user_name,
};
pub use line::{LineBuffer, LineTooLong};
pub use owner::{Untrusted, check_private_dir};
pub use place::{Address, NOTICE_FILE, NoPlace, Place, SOCKET_PATH_BYTES_MAX, StateBase};
pub use profile::{InvalidProfile, Profile};
pub use rpc::{
    Call, FromDaemon, Id, InvalidLine, Rejected, call_line, error_line, notification_line,
    parse_call, parse_from_daemon, result_line,
};
pub use rpc_error::{RpcError, RpcErrorDetail};
pub use settings_file::{
    ConfigError, config_dir, parse_config, profile_file, read_config, read_config_if_there,
    user_file,
};
pub use span::{InvalidSpan, parse_span};
