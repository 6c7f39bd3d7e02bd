"""How far a source has been read: for each stream the spans of time that are in the store.

Kept as lines of JSON, appended after the rows that they speak of are on disk: a line that a crash tore is
one that was never written, and what it spoke of is read again. Spans are in whole seconds (Unix), their
ends touch, and what stands at an end may be read twice: the store knows a row again by its key.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import msgspec

from daemon.lab.store_tables import StoreError

Span: TypeAlias = tuple[int, int]
"""From a second up to another, later one."""
_TOO_MANY = 3
"""A file with so many lines for each span that they make is written anew when it is opened."""


class Covered(msgspec.Struct, frozen=True, array_like=True):
    """A line: a stream (such as `candles/60/KXBTC-26SEP2516-B74250`) was read over a span."""

    stream: str
    since: int
    until: int


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Covered).decode


class Coverage:
    """The spans of one source's streams, and the file that says them."""

    def __init__(self, path: Path) -> None:
        """Read the file, if there is one.

        Raises:
            StoreError: a line in it, other than the last, is none.
        """
        self._path = path
        self._spans: dict[str, tuple[Span, ...]] = {}
        lines = 0
        for line in _read(path):
            lines += 1
            self._spans[line.stream] = joined((*self.of(line.stream), (line.since, line.until)))
        if lines > _TOO_MANY * sum(len(spans) for spans in self._spans.values()):
            self._compact()

    def of(self, stream: str) -> tuple[Span, ...]:
        """Return what was read of a stream, in order, none touching another."""
        return self._spans.get(stream, ())

    def missing(self, stream: str, wanted: Span) -> list[Span]:
        """Return what of a span was not read."""
        return without(wanted, self.of(stream))

    def add(self, covered: Iterable[Covered]) -> None:
        """Take note of spans whose rows are on disk."""
        written = b""
        for one in covered:
            assert one.since < one.until, f"a span that ends before it begins: {one}"
            self._spans[one.stream] = joined((*self.of(one.stream), (one.since, one.until)))
            written += _encode(one) + b"\n"
        if written:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.write(written)

    def _compact(self) -> None:
        lines = [_encode(Covered(stream, *span)) for stream, spans in self._spans.items() for span in spans]
        draft = self._path.with_name(f".{self._path.name}.draft")
        with draft.open("wb") as file:
            file.write(b"".join(line + b"\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)


def _read(path: Path) -> Iterator[Covered]:
    if not path.exists():
        return
    text = path.read_bytes()
    whole, _, torn = text.rpartition(b"\n")
    if torn:
        # What is appended next begins a line of its own.
        os.truncate(path, len(text) - len(torn))
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            yield _decode(line)
        except msgspec.MsgspecError as error:
            raise StoreError(f"{path}:{number}: not a span that was read: {error}") from error


def joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return spans as few as possible, in order: those that overlap or touch are one."""
    found: list[Span] = []
    for since, until in sorted(spans):
        if found and since <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], until))
        else:
            found.append((since, until))
    return tuple(found)


def without(wanted: Span, spans: Iterable[Span]) -> list[Span]:
    """Return the parts of a span that lie in none of others, which are in order and apart."""
    left: list[Span] = []
    since, end = wanted
    for start, until in spans:
        if since < min(start, end):
            left.append((since, min(start, end)))
        since = max(since, until)
    if since < end:
        left.append((since, end))
    return left
