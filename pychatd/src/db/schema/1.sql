-- Who we are, where the server is, and how far both directions have come. One row.
CREATE TABLE settings (
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    user          TEXT,
    name          TEXT,
    host          TEXT,
    port          INTEGER,
    server_key    BLOB,             -- pinned, once known
    stream        BLOB,             -- the outbox's stream
    logged_in     INTEGER NOT NULL, -- whether this user ever logged in at this server
    next_seq      INTEGER NOT NULL, -- the outbox's next free record number
    committed_seq INTEGER NOT NULL, -- the last record that the server holds
    cursor        INTEGER NOT NULL, -- the last mailbox entry stored here
    wants_link    INTEGER NOT NULL, -- connect, now and after a restart
    rtt_hint_us   INTEGER,
    CHECK ((user IS NULL) = (name IS NULL) AND (user IS NULL) = (host IS NULL)
       AND (user IS NULL) = (port IS NULL) AND (user IS NULL) = (stream IS NULL))
) STRICT;
INSERT INTO settings (id, logged_in, next_seq, committed_seq, cursor, wants_link)
VALUES (1, 0, 1, 0, 0, 0);

-- Both directions. A message to oneself has two rows.
CREATE TABLE messages (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    direction    TEXT NOT NULL CHECK (direction IN ('in', 'out')),
    message_id   TEXT NOT NULL,
    sender       TEXT NOT NULL,
    recipient    TEXT NOT NULL,
    peer         TEXT NOT NULL,     -- the sender of an 'in', the recipient of an 'out'
    sender_name  TEXT NOT NULL,
    body         TEXT NOT NULL,
    sent_at      INTEGER NOT NULL,  -- Unix milliseconds, as all times here
    received_at  INTEGER,
    state        TEXT NOT NULL,
    refused_code INTEGER,
    reason       TEXT,
    client_key   TEXT UNIQUE,       -- the key given to `send`
    UNIQUE (message_id, sender, direction)
) STRICT;
CREATE INDEX messages_of_peer ON messages (peer, id);
CREATE INDEX messages_unread ON messages (id) WHERE state = 'unread';

-- Records on their way to the server, and those that it took lately.
CREATE TABLE outbox (
    first_seq    INTEGER PRIMARY KEY,
    last_seq     INTEGER NOT NULL,
    message      INTEGER REFERENCES messages (id),
    kind         TEXT NOT NULL CHECK (kind IN ('text', 'receipt')),
    payload      BLOB NOT NULL,
    tried        INTEGER NOT NULL,  -- was or may have been handed to the network
    given_up     INTEGER NOT NULL,  -- refused, cancelled or expired: the server is told to move on
    expires_at   INTEGER,
    committed_at INTEGER
) STRICT;
CREATE INDEX outbox_of_message ON outbox (message) WHERE message IS NOT NULL;
CREATE INDEX outbox_expiring ON outbox (expires_at)
    WHERE expires_at IS NOT NULL AND tried = 0 AND given_up = 0;

-- What happened: a message's life, and the cursor of subscribers.
CREATE TABLE events (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    message INTEGER NOT NULL REFERENCES messages (id),
    what    TEXT NOT NULL,
    detail  TEXT
) STRICT;
CREATE INDEX events_of_message ON events (message, id);
