//! Facts about the chat.
