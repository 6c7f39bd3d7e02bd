"""Logs: one line for each event, for people or for machines, without secrets, and never in the way."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from daemon.shell import log
from daemon.shell.log import REDACTED, Format, Level, LogWriter, configure, redact

PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END PRIVATE KEY-----"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """Leave structlog and logging as they were found."""
    found = list(logging.getLogger().handlers)
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = found


def lines_of(stream: io.StringIO, writer: LogWriter) -> list[str]:
    """Return what was written, once all of it was."""
    writer.close()
    return stream.getvalue().splitlines()


def test_machines_get_one_json_object_a_line() -> None:
    """Where the stream is no terminal: time in UTC to the microsecond, level, event, then the fields."""
    stream = io.StringIO()
    writer = configure(stream=stream)
    structlog.get_logger("any").info("order.filled", ticker="KX", qty=100, price=None, tags=("a", 1))
    (line,) = lines_of(stream, writer)
    fields = json.loads(line)
    assert ["timestamp", "level", "event"] == list(fields)[:3]
    assert {
        "level": "info",
        "event": "order.filled",
        "ticker": "KX",
        "qty": 100,
        "price": None,
        "tags": ["a", 1],
    } == {key: value for key, value in fields.items() if key != "timestamp"}
    assert len("2026-11-21T05:00:00.000000Z") == len(fields["timestamp"])


def test_people_get_a_console_line() -> None:
    """Where the stream is a terminal the line reads as text with the event's name."""
    stream = Terminal()
    writer = configure(stream=stream)
    structlog.get_logger().warning("book.lost", ticker="KX")
    (line,) = lines_of(stream, writer)
    assert not line.startswith("{")
    assert "book.lost" in line


@pytest.mark.parametrize(("style", "is_json"), [("json", True), ("console", False)])
def test_a_named_style_overrules_the_stream(style: Format, is_json: bool) -> None:
    """JSON on a terminal and a console in a file, if asked for."""
    stream = Terminal() if is_json else io.StringIO()
    writer = configure(style=style, stream=stream)
    structlog.get_logger().info("book.synced")
    (line,) = lines_of(stream, writer)
    assert is_json is line.startswith("{")


@pytest.mark.parametrize(("level", "expected"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_lines_below_the_level_are_not_written(level: Level, expected: int) -> None:
    """The level is the lowest that is seen."""
    stream = io.StringIO()
    writer = configure(level, stream=stream)
    logger = structlog.get_logger()
    for method in (logger.debug, logger.info, logger.warning, logger.error):
        method("test.said")
    assert expected == len(lines_of(stream, writer))


def test_the_level_changes_for_loggers_that_were_made_before() -> None:
    """At once, up and down, and where it goes to stays."""
    stream = io.StringIO()
    writer, logger = configure("warning", stream=stream), structlog.get_logger("a.module")
    for level in ("debug", "error", "info"):
        log.set_level(level)
        logger.debug("a.line", at=level)
        logger.info("a.line", at=level)
    said = [json.loads(line) for line in lines_of(stream, writer)]
    assert [("debug", "debug"), ("info", "debug"), ("info", "info")] == [
        (one["level"], one["at"]) for one in said
    ]


@pytest.mark.parametrize(
    "key",
    ["KALSHI-ACCESS-KEY", "KALSHI-ACCESS-SIGNATURE", "kalshi_access_timestamp", "signature", "private_key",
     "private-key-pem", "password", "Authorization", "api_key", "client_secret", "credentials"],
)  # fmt: skip
def test_telling_keys_are_redacted_at_any_depth(key: str) -> None:
    """What stands under such a key never reaches a log."""
    assert {"request": [{"headers": {key: REDACTED, "Host": "h"}}]} == redact(
        {"request": [{"headers": {key: "abc", "Host": "h"}}]}
    )


@pytest.mark.parametrize("key", ["ticker", "tokens", "private_key_path", "key_id", "keys", "reason"])
def test_ordinary_keys_are_kept(key: str) -> None:
    """Redaction that hides what a person needs would be switched off."""
    assert {key: "abc"} == redact({key: "abc"})


def test_a_private_key_is_redacted_wherever_it_stands() -> None:
    """A PEM block inside a text, or bytes, or cut short, is taken out of it."""
    assert f"bad key {REDACTED} in file" == redact(f"bad key {PEM} in file")
    assert REDACTED == redact(PEM.encode())
    assert REDACTED == redact(PEM[:40])


def test_secrets_do_not_reach_the_stream() -> None:
    """The whole way: fields, nested fields, and the text of an exception."""
    stream = io.StringIO()
    writer = configure(stream=stream)
    try:
        raise ValueError(PEM)
    except ValueError:
        structlog.get_logger().exception("key.refused", headers={"KALSHI-ACCESS-SIGNATURE": "c2ln"})
    (line,) = lines_of(stream, writer)
    assert "c2ln" not in line
    assert "MC4C" not in line
    assert "ValueError" in json.loads(line)["exception"]


def test_what_libraries_log_is_in_the_same_stream() -> None:
    """Warnings of other packages become lines that name the package; their chatter doesn't."""
    stream = io.StringIO()
    writer = configure(stream=stream)
    logging.getLogger("some.package").warning("lost %d frames", 3)
    logging.getLogger("some.package").info("connected")
    (line,) = lines_of(stream, writer)
    fields: dict[str, Any] = json.loads(line)
    assert ("warning", "library.logged") == (fields["level"], fields["event"])
    assert ("some.package", "lost 3 frames") == (fields["library"], fields["message"])


def test_a_blocked_stream_blocks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a pipe that nobody reads, logging goes on at once, drops lines, and says so when it can."""
    monkeypatch.setattr(log, "LINES_MAX", 10)
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        writer = configure(stream=stream)
        logger = structlog.get_logger()
        for _ in range(200):
            logger.info("test.said", text="x" * 1_000)
        dropped = writer.dropped_total
        assert dropped > 0
        received: list[bytes] = []
        reader = threading.Thread(target=lambda: received.extend(iter(lambda: os.read(reading, 65_536), b"")))
        reader.start()
        while writer.dropped_total == dropped and not writer.is_idle:
            threading.Event().wait(0.01)
        logger.info("test.ended")
        writer.close()
    reader.join(60)
    os.close(reading)
    lines = [json.loads(line) for line in b"".join(received).splitlines()]
    assert dropped == sum(line["lines"] for line in lines if line["event"] == "log.dropped")
    assert "test.ended" == lines[-1]["event"]


def test_a_stream_that_is_gone_costs_lines_not_the_daemon(tmp_path: Path) -> None:
    """Writing to a closed stream is counted, nothing more."""
    stream = (tmp_path / "log").open("w")
    writer = configure(style="json", stream=stream)
    stream.close()
    structlog.get_logger().info("test.said")
    writer.close()
    assert 1 == writer.dropped_total


def test_a_field_that_can_not_be_rendered_does_not_end_the_log() -> None:
    """The line says what went wrong, and the next one is written."""

    class Unreadable:
        def __repr__(self) -> str:
            raise RuntimeError("no words")

    stream = io.StringIO()
    writer = configure(stream=stream)
    structlog.get_logger().info("test.said", thing=Unreadable())
    structlog.get_logger().info("test.ended", thing=object)
    first, second = lines_of(stream, writer)
    assert "log.unreadable event='test.said' error=RuntimeError: no words" == first
    assert "test.ended" == json.loads(second)["event"]


def test_the_last_words_of_a_process_are_written() -> None:
    """A process that exits without closing the log has lost no line."""
    script = (
        "import sys, structlog; from daemon.shell.log import configure; configure()\n"
        "for number in range(1000): structlog.get_logger().info('test.said', number=number)\n"
        "sys.exit(3)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, timeout=60)
    assert 3 == done.returncode
    assert list(range(1_000)) == [json.loads(line)["number"] for line in done.stderr.splitlines()]


def test_a_line_logged_after_closing_is_not_an_error() -> None:
    """Whatever is said during the last moments of a process is dropped in silence."""
    stream = io.StringIO()
    writer = configure(stream=stream)
    writer.close()
    structlog.get_logger().info("test.said")
    assert "" == stream.getvalue()
