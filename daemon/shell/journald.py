"""systemd's journal, spoken to by its own protocol: a line with fields that `journalctl` can ask for.

    journalctl -u kalshid KALSHID_CLIENT_ORDER_ID=kd-…

One datagram an entry, `NAME=value` lines; a value of several lines is framed by its length. Fields of ours
are KALSHID_ and the name in capitals; what is not a plain value stands in the message alone.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, TextIO

SOCKET = "/run/systemd/journal/socket"
PREFIX = "KALSHID_"
_PRIORITIES = {"debug": "7", "info": "6", "warning": "4", "error": "3", "critical": "2"}
_FIELDS_MAX = 24
_VALUE_CHARS_MAX = 1_000
_NAME_CHARS_MAX = 64
"""What the journal takes."""
_ENTRY_BYTES_MAX = 100_000
"""Of one datagram; a longer message is cut."""


def is_connected(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Return whether what is written to the stream goes to the journal: JOURNAL_STREAM names its file."""
    told = environment.get("JOURNAL_STREAM", "")
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False  # a stream of no file, or a closed one
    return told == f"{status.st_dev}:{status.st_ino}"


class JournalSocket:
    """Sends entries; each is one datagram.

    Args:
        line: the entry's message, such as the JSON line of the same fields.
        fields: what becomes fields of their own: redacted, without time.
        place: the journal's socket.
    """

    def __init__(
        self,
        line: Callable[[MutableMapping[str, Any]], str],
        fields: Callable[[MutableMapping[str, Any]], Mapping[str, Any]],
        place: str = SOCKET,
    ) -> None:
        self._line = line
        self._fields = fields
        self._place = place
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def write(self, fields: MutableMapping[str, Any]) -> None:
        """Send one entry. Raises OSError when the journal does not take it."""
        told = self._fields(dict(fields))
        message = self._line(dict(fields)).encode()[:_ENTRY_BYTES_MAX]
        parts = [
            _framed("MESSAGE", message),
            _framed("PRIORITY", _PRIORITIES.get(str(told.get("level")), "5").encode()),
            _framed("SYSLOG_IDENTIFIER", b"kalshid"),
        ]
        for name, value in list(told.items())[:_FIELDS_MAX]:
            if isinstance(value, str | int | float) and name not in ("timestamp", "level"):
                text = str(value)[:_VALUE_CHARS_MAX]
                parts.append(_framed(_name(name), text.encode(errors="replace")))
        self._socket.sendto(b"".join(parts), self._place)

    def close(self) -> None:
        """Close our end; nothing more can be sent."""
        self._socket.close()


def _name(name: str) -> str:
    capitals = "".join(char if char.isascii() and char.isalnum() else "_" for char in name.upper())
    return f"{PREFIX}{capitals}"[:_NAME_CHARS_MAX]


def _framed(name: str, value: bytes) -> bytes:
    if b"\n" not in value:
        return b"%s=%s\n" % (name.encode(), value)
    return b"%s\n%s%s\n" % (name.encode(), len(value).to_bytes(8, "little"), value)
