-- Which words are in which text, by the message's id. `body` holds a text's words as `words.rs` cuts them, `who`
-- the peer as `p:name` and the sender as `f:name`; neither is kept, only where each word is. A message comes in
-- some time after it was stored: `search_state` tells up to which id all are in.
CREATE VIRTUAL TABLE search USING fts5 (
    body, who, content = '', contentless_delete = 1,
    tokenize = "unicode61 remove_diacritics 0 categories 'L* M* N* P* S* C*'"
);
CREATE TABLE search_state (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    indexed INTEGER NOT NULL
) STRICT;
INSERT INTO search_state (id, indexed) VALUES (1, 0);

-- Messages that were removed here lately: one that comes again stays away, a key given to `send` stays taken.
CREATE TABLE removed (
    message_id TEXT NOT NULL,
    sender     TEXT NOT NULL,
    direction  TEXT NOT NULL CHECK (direction IN ('in', 'out')),
    state      TEXT NOT NULL,
    client_key TEXT UNIQUE,
    at         INTEGER NOT NULL,   -- when it was removed
    PRIMARY KEY (message_id, sender, direction)
) STRICT, WITHOUT ROWID;
CREATE INDEX removed_at ON removed (at);

-- Who takes each message once, and how far it came.
CREATE TABLE readers (
    reader  TEXT PRIMARY KEY,
    place   INTEGER NOT NULL,      -- the id of the last message that it is done with
    used_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Unread ones by sender are counted from the index alone.
CREATE INDEX messages_unread_of_sender ON messages (sender, id) WHERE state = 'unread';
