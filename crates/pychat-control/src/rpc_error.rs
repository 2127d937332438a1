//! Errors on the socket: our numbers, and JSON-RPC's own for lines that are no request.

use crate::{ErrorCode, Failure, Sent};
use serde::{Deserialize, Serialize};

/// The `error` of a JSON-RPC answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct RpcError {
    /// An [`ErrorCode`]'s number, or one of JSON-RPC's own (below zero).
    pub code: i64,
    /// What failed and why, for a person.
    pub message: String,
    /// What a program may want to know besides.
    #[serde(default, rename = "data", skip_serializing_if = "Option::is_none")]
    pub detail: Option<RpcErrorDetail>,
}

/// The `data` of a JSON-RPC error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpcErrorDetail {
    /// The code as a word.
    pub name: String,
    /// What to do next, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Where the message is that the request was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Sent>,
}

impl RpcError {
    /// JSON-RPC's number for a line that is no JSON.
    pub const PARSE_ERROR: i64 = -32700;
    /// JSON-RPC's number for JSON that is no request.
    pub const INVALID_REQUEST: i64 = -32600;
    /// JSON-RPC's number for a method that the daemon does not know.
    pub const UNKNOWN_METHOD: i64 = -32601;
    /// JSON-RPC's number for parameters that the method does not take.
    pub const INVALID_PARAMS: i64 = -32602;

    /// One of JSON-RPC's own errors.
    #[must_use]
    pub fn protocol(code: i64, message: impl Into<String>) -> Self {
        let name = match code {
            Self::PARSE_ERROR => "parse_error",
            Self::INVALID_REQUEST => "invalid_request",
            Self::UNKNOWN_METHOD => "unknown_method",
            _ => "invalid_params",
        };
        let detail = RpcErrorDetail { name: name.into(), hint: None, sent: None };
        Self { code, message: message.into(), detail: Some(detail) }
    }
}

impl From<Failure> for RpcError {
    fn from(failure: Failure) -> Self {
        let Failure { code, message, hint, sent } = failure;
        let detail = RpcErrorDetail { name: code.name().into(), hint, sent };
        Self { code: code.number().into(), message, detail: Some(detail) }
    }
}

impl From<RpcError> for Failure {
    fn from(error: RpcError) -> Self {
        let RpcError { code, message, detail } = error;
        let (mut hint, sent) = detail.map_or((None, None), |detail| (detail.hint, detail.sent));
        let code = match code {
            // Only a daemon of another version does not know what this one asks.
            RpcError::UNKNOWN_METHOD => {
                hint.get_or_insert_with(|| "restart the daemon: pychatctl daemon restart".into());
                ErrorCode::VersionMismatch
            }
            RpcError::PARSE_ERROR | RpcError::INVALID_REQUEST | RpcError::INVALID_PARAMS => {
                ErrorCode::Usage
            }
            number => ErrorCode::from_number(number),
        };
        Self { code, message, hint, sent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::State;

    const ALL: [ErrorCode; 10] = [
        ErrorCode::Other,
        ErrorCode::Usage,
        ErrorCode::DaemonUnreachable,
        ErrorCode::NotConnected,
        ErrorCode::NoSuchUser,
        ErrorCode::TimedOut,
        ErrorCode::KeyChanged,
        ErrorCode::LimitReached,
        ErrorCode::VersionMismatch,
        ErrorCode::Refused,
    ];

    #[test]
    fn every_failure_survives_the_socket() {
        for code in ALL {
            let key = Some("0123 4567".to_owned());
            let queued = Sent { id: "01".into(), state: State::Queued, first_contact: key };
            for sent in [None, Some(queued)] {
                let failure =
                    Failure { code, message: "why".into(), hint: Some("do".into()), sent };
                let json = serde_json::to_string(&RpcError::from(failure.clone())).unwrap();
                let back: RpcError = serde_json::from_str(&json).unwrap();
                assert_eq!(Failure::from(back), failure, "{json}");
            }
        }
    }

    #[test]
    fn an_error_of_another_program_is_other() {
        let error: RpcError = serde_json::from_str(r#"{"code":-32000,"message":"x"}"#).unwrap();
        assert_eq!(Failure::from(error).code, ErrorCode::Other);
    }

    #[test]
    fn an_unknown_method_means_that_the_versions_differ() {
        let failure = Failure::from(RpcError::protocol(RpcError::UNKNOWN_METHOD, "no x"));
        assert_eq!(failure.code, ErrorCode::VersionMismatch);
        assert!(failure.hint.unwrap().contains("daemon restart"));
    }
}
