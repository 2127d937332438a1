-- Ours of end-to-end encryption. One row, once there is an account.
CREATE TABLE device (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    account     BLOB NOT NULL,     -- the Olm account, sealed under a key that comes from identity.key
    user        TEXT NOT NULL,     -- whose name the signature holds for
    signed      BLOB NOT NULL,     -- the device key as it is published
    fallback    BLOB NOT NULL,     -- the fallback key as it is published
    fallback_at INTEGER NOT NULL,  -- when it was made
    batch_first INTEGER NOT NULL   -- the number of the first one-time key that may not be at the server yet
) STRICT;

-- Whom we know, at which server: the key that was there first, and one that presents itself in its place.
CREATE TABLE contacts (
    server      BLOB NOT NULL,     -- the server's public key
    user        TEXT NOT NULL,
    login       BLOB NOT NULL,     -- the pinned login key
    since       INTEGER NOT NULL,  -- of the newest device key that the pinned key signed
    offered     BLOB,              -- another login key, not trusted
    changed_at  INTEGER,           -- when that one was seen first
    verified_at INTEGER,           -- when the safety number was compared
    pinned_at   INTEGER NOT NULL,
    PRIMARY KEY (server, user)
) STRICT;

-- Ratchets, sealed as the account is. Of one contact's, the one used last is what we write with.
CREATE TABLE sessions (
    server  BLOB NOT NULL,
    user    TEXT NOT NULL,
    session TEXT NOT NULL,
    login   BLOB NOT NULL,         -- the login key that it was begun with
    state   BLOB NOT NULL,
    used    INTEGER NOT NULL,      -- ascending with each use
    PRIMARY KEY (server, user, session)
) STRICT;

-- Texts of ours that wait for the recipient's keys, or until a changed key is trusted.
CREATE TABLE waiting (
    message    INTEGER PRIMARY KEY REFERENCES messages (id),
    recipient  TEXT NOT NULL,
    expires_at INTEGER
) STRICT;
CREATE INDEX waiting_of_recipient ON waiting (recipient, message);
CREATE INDEX waiting_expiring ON waiting (expires_at) WHERE expires_at IS NOT NULL;

-- Others' texts that no session here opened, and how often we asked for them anew.
CREATE TABLE unopened (
    sender     TEXT NOT NULL,
    message_id TEXT NOT NULL,
    tries      INTEGER NOT NULL,
    asked      INTEGER NOT NULL,   -- of these tries
    at         INTEGER NOT NULL,
    PRIMARY KEY (sender, message_id)
) STRICT;

-- Others' messages that are not texts and were taken, so that one that comes twice is known.
CREATE TABLE taken (
    sender     TEXT NOT NULL,
    message_id TEXT NOT NULL,
    PRIMARY KEY (sender, message_id)
) STRICT;

-- When another machine was seen to have published keys for this identity.
ALTER TABLE settings ADD COLUMN other_machine_at INTEGER;

-- What is to be known of a text's key: first_contact, key_changed, unopened; nothing for most.
ALTER TABLE messages ADD COLUMN trust TEXT;
-- How often a text of ours was sealed anew because its recipient could not open it.
ALTER TABLE messages ADD COLUMN resealed INTEGER NOT NULL DEFAULT 0;

-- What is not at the server yet is not sealed: it waits for keys. Its records are given up.
INSERT INTO waiting (message, recipient, expires_at)
SELECT outbox.message, messages.recipient, outbox.expires_at
FROM outbox JOIN messages ON messages.id = outbox.message
WHERE outbox.kind = 'text' AND outbox.committed_at IS NULL AND outbox.given_up = 0;
UPDATE outbox SET given_up = 1, payload = x''
WHERE kind = 'text' AND committed_at IS NULL AND given_up = 0;
