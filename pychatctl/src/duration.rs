//! Spans of time as people type them.

pub(crate) use pychat_control::parse_span as parse;
