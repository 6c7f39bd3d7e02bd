"""What happened lately, for the page's search: facts and commands, market data apart.

They are the journal's own structs, kept as they are: nothing is made of them before somebody asks. What they
say is found by a plain piece of text, newest first, a few at a time between which the loop has its turn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

import msgspec

from daemon.core import events as e
from daemon.core.commands import Command
from daemon.core.units import Ns

KEPT = 2000
FOUND_MAX = 100
WORDS_CHARS_MAX = 300
_AT_ONCE = 25
"""So many are read between two turns of the loop: some tenths of a millisecond."""
_MARKET_FACTS = (
    e.BookDeltaReceived,
    e.BookSnapshotReceived,
    e.TradePrinted,
    e.TradesBackfilled,
    e.CandleBackfilled,
    e.DailyBarRead,
    e.ReferenceCandleClosed,
    e.ReferencePriceReceived,
    e.FeedHeard,
)
"""What comes many times a second, and which the journal alone keeps."""


class Note(msgspec.Struct, frozen=True):
    """One thing that happened: its kind, and its fields as text. `at` is our clock; None where unsaid."""

    at: Ns | None
    kind: str
    words: str


def note_of(one: e.Event | Command) -> Note:
    """Return a fact or a command as text."""
    fields = msgspec.structs.asdict(one)
    at = fields.pop("received_at", None) or fields.pop("decided_at", None)
    told = (f"{name}={value}" for name, value in fields.items() if value is not None and value != ())
    words = " ".join(told)
    cut = words if len(words) <= WORDS_CHARS_MAX else f"{words[:WORDS_CHARS_MAX]}…"
    return Note(at, type(one).__name__, cut)


class Recent:
    """The last facts and commands."""

    def __init__(self) -> None:
        self.kept: deque[e.Event | Command] = deque(maxlen=KEPT)

    def on_batch(self, events: Sequence[e.Event], commands: Sequence[Command]) -> None:
        """Keep what a turn of the pump took in and decided."""
        keep = self.kept.append
        for event in events:
            if type(event) not in _MARKET_FACTS:
                keep(event)
        for command in commands:
            keep(command)

    async def find(self, text: str) -> list[Note]:
        """Return the newest notes that hold this text, in small letters or large; at most FOUND_MAX."""
        wanted, found = text.casefold(), list[Note]()
        for number, one in enumerate(reversed(tuple(self.kept)), start=1):
            note = note_of(one)
            if wanted in f"{note.kind} {note.words}".casefold():
                found.append(note)
                if len(found) == FOUND_MAX:
                    break
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        return found
