"""Entries of systemd's journal, read as its own daemon reads them: from a datagram socket."""

from __future__ import annotations

import io
import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from daemon.shell.journald import JournalSocket, is_connected


class Journal:
    """A socket in the place of the journal's, and what its protocol says of a datagram."""

    def __init__(self, path: Path) -> None:
        self.place = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.place)
        self.socket.settimeout(5)

    def entry(self) -> dict[str, str]:
        """The next entry's fields, by the rules of systemd's documentation of its native protocol."""
        rest, fields = self.socket.recv(1_000_000), {}
        while rest:
            line, _, rest = rest.partition(b"\n")
            name, has_value, value = line.partition(b"=")
            if not has_value:
                size = int.from_bytes(rest[:8], "little")
                value, rest = rest[8 : 8 + size], rest[9 + size :]
            fields[name.decode()] = value.decode()
        return fields


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Who listens."""
    journal = Journal(tmp_path / "socket")
    yield journal
    journal.socket.close()


def written(journal: Journal, **fields: Any) -> dict[str, str]:
    """What the journal gets of some fields."""
    with closing(JournalSocket(lambda told: json.dumps(told, default=str), dict, journal.place)) as sender:
        sender.write(fields)
    return journal.entry()


def test_a_field_can_be_asked_for(journal: Journal) -> None:
    """In capitals, with our prefix; the message is the whole line; the priority is syslog's."""
    entry = written(journal, level="warning", event="order.dropped", client_order_id="kd-1", price=4_200)
    assert {
        "MESSAGE": json.dumps(
            {"level": "warning", "event": "order.dropped", "client_order_id": "kd-1", "price": 4_200}
        ),
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "kalshid",
        "KALSHID_EVENT": "order.dropped",
        "KALSHID_CLIENT_ORDER_ID": "kd-1",
        "KALSHID_PRICE": "4200",
    } == entry


def test_what_somebody_writes_makes_no_field_of_his(journal: Journal) -> None:
    """A reason with a line break, or a strange name, stays one value of one name."""
    entry = written(journal, level="info", reason="a\nPRIORITY=0\nb", **{"new\nname=x": "y"})
    assert "6" == entry["PRIORITY"]
    assert "a\nPRIORITY=0\nb" == entry["KALSHID_REASON"]
    assert "y" == entry["KALSHID_NEW_NAME_X"]


def test_what_is_long_is_cut(journal: Journal) -> None:
    """A datagram has its bounds: of values, of fields, of the message."""
    entry = written(journal, level="info", words="x" * 300_000, **{f"field_{n}": n for n in range(100)})
    assert 1_000 == len(entry["KALSHID_WORDS"])
    assert len(entry) <= 3 + 24
    assert 100_000 == len(entry["MESSAGE"])


def test_what_is_no_plain_value_stands_in_the_message_alone(journal: Journal) -> None:
    """Lists and unknowns are for readers of the line."""
    entry = written(journal, level="info", tags=["a"], price=None)
    assert {"MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER"} == set(entry)


def test_a_journal_that_is_gone_is_an_error_of_its_own_kind(tmp_path: Path) -> None:
    """The log's writer counts it and goes on."""
    sender = JournalSocket(str, dict, str(tmp_path / "nobody"))
    with closing(sender), pytest.raises(OSError, match="No such file"):
        sender.write({"level": "info"})


def test_only_a_stream_that_ends_in_the_journal_is_connected(tmp_path: Path) -> None:
    """JOURNAL_STREAM is inherited by whoever redirects his output elsewhere; then it names another file."""
    with (tmp_path / "a").open("w") as stream, (tmp_path / "b").open("w") as other:
        status = os.fstat(stream.fileno())
        environment = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert is_connected(stream, environment)
        assert not is_connected(other, environment)
        assert not is_connected(stream, {})
        assert not is_connected(io.StringIO(), environment)
