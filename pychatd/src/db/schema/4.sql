-- A server may have several nodes. `host` and `port` are of the link's first place; these are the others that the link
-- names, and those that the server told last, as HOST:PORT with commas between.
ALTER TABLE settings ADD COLUMN more_hosts TEXT NOT NULL DEFAULT '';
ALTER TABLE settings ADD COLUMN nodes TEXT NOT NULL DEFAULT '';
