"""What a tape's session holds, counted while it is written: rows by kind, and breaks of its sequences."""

from __future__ import annotations

from daemon.exchange.tape import (
    TapeCounts,
    TapeDecided,
    TapeDelta,
    TapeRecord,
    TapeSnapshot,
    TapeSpot,
    TapeTicker,
    TapeTold,
    TapeTrade,
)


class TapeCounter:
    """Counts the rows of a session and where its streams' sequence numbers didn't rise by one."""

    def __init__(self) -> None:
        kinds = (TapeSnapshot, TapeDelta, TapeTrade, TapeTicker, TapeSpot, TapeTold, TapeDecided)
        self._rows: dict[type[TapeRecord], int] = dict.fromkeys(kinds, 0)
        self._seqs: dict[int, int] = {}
        self._jumps = self._backward_steps = self._repeats = 0

    def add(self, record: TapeRecord) -> None:
        """Take one record in; the marks of a session's start and end count as nothing."""
        kind = type(record)
        if kind in self._rows:
            self._rows[kind] += 1
        if isinstance(record, (TapeDelta, TapeSnapshot)):
            last = self._seqs.get(record.conn)
            if last is not None and record.seq != last + 1:
                self._jumps += record.seq > last
                self._backward_steps += record.seq < last
                self._repeats += record.seq == last
            self._seqs[record.conn] = record.seq

    def counts(self) -> TapeCounts:
        """Return what was counted so far."""
        rows = self._rows
        return TapeCounts(
            snapshots=rows[TapeSnapshot],
            deltas=rows[TapeDelta],
            trades=rows[TapeTrade],
            tickers=rows[TapeTicker],
            spots=rows[TapeSpot],
            told=rows[TapeTold],
            decided=rows[TapeDecided],
            jumps=self._jumps,
            backward_steps=self._backward_steps,
            repeats=self._repeats,
        )
