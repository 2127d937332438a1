#!/usr/bin/env python3
"""A bot that answers each message to it once, over restarts of itself and of the daemon.

It needs nothing but Python 3 and a running daemon that is logged in:

    PYCHAT_PROFILE=echo pychatctl connect echo 'Echo' --server pychat://HOST:PORT#KEY
    PYCHAT_PROFILE=echo python3 echo_bot.py

Two things make "once" true. The cursor of the last event that was dealt with is kept in a file, so
nothing is missed. The key of each answer is made from the message that it answers, so an answer that
is sent again (because the bot was killed before it wrote the cursor) is the same message to the
daemon. docs/CONTROL.md describes the protocol.
"""

import json
import os
import pathlib
import socket
import sys
import time

PROTOCOL = 1
CURSOR_FILE = "echo_bot.cursor"


class DaemonGone(Exception):
    """The daemon closed the connection."""


class Refused(Exception):
    """The daemon answered with an error."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.code = error["code"]


def state_dir():
    """The profile's directory, as docs/CONTROL.md, "Finding the socket", says."""
    profile = os.environ.get("PYCHAT_PROFILE") or "default"
    base = os.environ.get("PYCHAT_STATE_DIR")
    if not base:
        xdg = os.environ.get("XDG_STATE_HOME", "")
        home = xdg if os.path.isabs(xdg) else os.path.expanduser("~/.local/state")
        base = os.path.join(home, "pychat")
    return pathlib.Path(base).absolute() / profile


class Daemon:
    """A connection: requests with one answer each, and events in between."""

    def __init__(self, directory):
        address = json.loads((directory / "daemon.json").read_text())["address"]
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(address)
        self.lines = self.socket.makefile("r", encoding="utf-8", newline="\n")
        self.last_id = 0
        self.early = []
        self.call("hello", client="echo_bot", version="1",
                  protocol_min=PROTOCOL, protocol_max=PROTOCOL)

    def close(self):
        self.lines.close()
        self.socket.close()

    def call(self, method, **params):
        """Asks and waits for the answer; notifications meanwhile are kept for later."""
        self.last_id += 1
        request = {"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            line = self.read()
            if "method" in line:
                self.early.append(line)
            elif line.get("id") in (self.last_id, None):
                if "error" in line:
                    raise Refused(line["error"])
                return line["result"]

    def notification(self):
        """Waits for the next notification, as long as it takes."""
        while not self.early:
            line = self.read()
            if "method" in line:
                self.early.append(line)
        return self.early.pop(0)

    def read(self):
        line = self.lines.readline()
        if not line:
            raise DaemonGone
        return json.loads(line)


def load_cursor(path):
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return None


def save_cursor(path, cursor):
    """A reader finds the old number or the new one, even after a power cut in between."""
    fresh = path.with_suffix(".new")
    with open(fresh, "w", encoding="ascii") as file:
        file.write(str(cursor))
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)


def subscribe(daemon, path):
    cursor = load_cursor(path)
    params = {} if cursor is None else {"after": cursor}
    try:
        cursor = daemon.call("subscribe", **params)["cursor"]
    except Refused as refused:
        if cursor is None:
            raise
        # The daemon's database is another one now, or keeps events from so long ago no more.
        print(f"starting from now: {refused}", file=sys.stderr)
        cursor = daemon.call("subscribe")["cursor"]
    save_cursor(path, cursor)


def answer(daemon, message):
    try:
        daemon.call("send", to=message["from"], body=message["body"],
                    key=f"e:{message['from']}:{message['id']}", wait="queued", timeout_ms=10_000)
    except Refused as refused:
        if refused.code == 8:
            # The outbox is full: the cursor stays, so the message is answered later.
            raise
        print(f"no answer to {message['from']}: {refused}", file=sys.stderr)
    daemon.call("mark_read", ids=[message["id"]])


def serve(daemon, path):
    subscribe(daemon, path)
    while True:
        line = daemon.notification()
        if line["method"] == "cut_off":
            subscribe(daemon, path)
            continue
        if line["method"] != "event":
            continue
        event = line["params"]
        if event.get("event") == "message":
            answer(daemon, event["message"])
        if "cursor" in event:
            save_cursor(path, event["cursor"])


def main():
    directory = state_dir()
    told = False
    while True:
        daemon = None
        try:
            daemon = Daemon(directory)
            told = False
            serve(daemon, directory / CURSOR_FILE)
        except (DaemonGone, OSError, Refused) as error:
            if not told:
                print(f"waiting for the daemon: {str(error) or 'it ended'}", file=sys.stderr)
                told = True
        finally:
            if daemon is not None:
                daemon.close()
        time.sleep(1)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
