"""Logs: dotted events with typed fields; a console for people, JSON lines for machines, systemd's journal.

The caller's thread filters by level, stamps and queues; a thread redacts, renders and writes. So a slow
terminal or a blocked pipe costs the hot path nothing: when the queue is full, lines are dropped and
counted, and the next line that gets through says how many. Fields are rendered later: log values, not
objects that change.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO, TypeAlias

import msgspec
import structlog

from daemon.core.units import SECOND
from daemon.shell import journald

Level: TypeAlias = Literal["debug", "info", "warning", "error"]
Format: TypeAlias = Literal["auto", "console", "json"]
Fields: TypeAlias = MutableMapping[str, Any]

LINES_MAX = 10_000
REDACTED = "[redacted]"
_SECRET_KEY = re.compile(
    r"kalshi[-_]access|private[-_]?key(?![-_]?(path|file))|api[-_]?key"
    r"|(^|[-_])(signature|secret|password|passphrase|authorization|credential)s?($|[-_])",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def redact(value: Any) -> Any:
    """Return a logged value without secrets: what stands under a telling key, at any depth, and PEM keys."""
    if isinstance(value, str):
        return _SECRET_TEXT.sub(REDACTED, value) if "PRIVATE KEY" in value else value
    if isinstance(value, bytes):
        return redact(value.decode("utf-8", "replace"))
    if isinstance(value, Mapping):
        return {
            str(key): REDACTED if _SECRET_KEY.search(str(key)) else redact(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(inner) for inner in value]
    return value


class LogWriter:
    """The thread that turns queued fields into lines. `dropped_total` counts what did not fit."""

    def __init__(self, sink: Callable[[Fields], None]) -> None:
        self.dropped_total = 0
        self._sink = sink
        self._told = 0
        self._lines: queue.Queue[Fields | None] = queue.Queue(LINES_MAX)
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def put(self, fields: Fields) -> None:
        """Queue one line. Never blocks: a full queue drops it."""
        try:
            self._lines.put_nowait(fields)
        except queue.Full:
            self.dropped_total += 1

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be written."""
        return self._lines.empty()

    def close(self, timeout_s: float = 2.0) -> None:
        """Write what is queued and end the thread; give up after `timeout_s` if the stream blocks."""
        try:
            self._lines.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._thread.join(timeout_s)

    def _write(self) -> None:
        while (fields := self._lines.get()) is not None:
            if self.dropped_total > self._told:
                dropped, self._told = self.dropped_total - self._told, self.dropped_total
                self._emit(
                    {
                        "timestamp": fields["timestamp"],
                        "level": "warning",
                        "event": "log.dropped",
                        "lines": dropped,
                    }
                )
            self._emit(fields)

    def _emit(self, fields: Fields) -> None:
        try:
            self._sink(fields)
        except (OSError, ValueError):
            # Nobody reads any more (a closed pipe, a closed stream). Trading goes on without a log.
            self.dropped_total += 1


def _lines_to(stream: TextIO, render: Callable[[Fields], str]) -> Callable[[Fields], None]:
    def write(fields: Fields) -> None:
        stream.write(_line(fields, render) + "\n")
        stream.flush()

    return write


def _line(fields: Fields, render: Callable[[Fields], str]) -> str:
    event = fields.get("event")
    try:
        return render(fields)
    except Exception as error:  # noqa: BLE001  a field that can't be rendered must not end the log
        return f"log.unreadable event={event!r} error={type(error).__name__}: {error}"


class _QueuedLogger:
    """The end of structlog's chain: hands the fields to the writer's thread."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer

    def _put(self, fields: Fields) -> None:
        self._writer.put(fields)

    debug = info = warning = warn = error = critical = exception = fatal = log = msg = _put


class _LibraryLines(logging.Handler):
    """Brings what libraries log through `logging` into the same stream."""

    def __init__(self, writer: LogWriter) -> None:
        super().__init__(logging.WARNING)
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        fields: Fields = {
            "timestamp": time.time_ns(),
            "level": record.levelname.lower(),
            "event": "library.logged",
            "library": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        self._writer.put(fields)


def configure(level: Level = "info", style: Format = "auto", stream: TextIO | None = None) -> LogWriter:
    """Set structlog up for the whole process, once, and return the writer.

    Closing the writer writes what is queued; the end of the process does so by itself.

    Args:
        level: lines below it cost one comparison.
        style: "auto" is the console where the stream is a terminal, fields where it is systemd's journal,
            JSON lines elsewhere.
        stream: standard error if None.
    """
    stream = sys.stderr if stream is None else stream
    writer = LogWriter(_sink(stream, style))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _stamp,
            _pass_on,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_names: _QueuedLogger(writer),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _LibraryLines)]:
        root.removeHandler(old)
    root.addHandler(_LibraryLines(writer))
    atexit.register(writer.close)  # a process that just ends has said its last words too
    return writer


def set_level(level: Level) -> None:
    """From now on drop the lines below another level, in the whole process."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]))


def _sink(stream: TextIO, style: Format) -> Callable[[Fields], None]:
    """Return what writes: to systemd's journal where the stream ends there and nobody asked for a form."""
    if style == "auto" and journald.is_connected(stream, os.environ):
        return journald.JournalSocket(lambda fields: _line(fields, _json_line), _readable).write
    is_console = style == "console" or (style == "auto" and stream.isatty())
    has_colors = stream.isatty() and not os.environ.get("NO_COLOR")
    return _lines_to(stream, _console(has_colors=has_colors) if is_console else _json_line)


def _stamp(_logger: Any, _method: str, fields: Fields) -> Fields:
    """Take what must be taken now: the time, and the exception in flight."""
    fields["timestamp"] = time.time_ns()
    if fields.get("exc_info") is True:
        fields["exc_info"] = sys.exc_info()
    return fields


def _pass_on(_logger: Any, _method: str, fields: Fields) -> tuple[tuple[Fields], dict[str, Any]]:
    return (fields,), {}


def _readable(fields: Fields) -> Fields:
    """Return the fields in reading order, exceptions as text, without secrets."""
    if fields.get("exc_info"):
        fields = structlog.processors.format_exc_info(None, "", fields)
    fields.pop("exc_info", None)
    at = fields.pop("timestamp")
    instant = datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    head = {"timestamp": f"{instant}.{at % SECOND // 1000:06d}Z"}
    for key in ("level", "event"):
        head[key] = fields.pop(key, None)
    redacted: dict[str, Any] = redact(fields)
    return head | redacted


def _json_line(fields: Fields) -> str:
    return msgspec.json.encode(_readable(fields), enc_hook=repr).decode()


def _console(*, has_colors: bool) -> Callable[[Fields], str]:
    renderer = structlog.dev.ConsoleRenderer(colors=has_colors, sort_keys=False)

    def render(fields: Fields) -> str:
        return renderer(None, "", _readable(fields))

    return render
