"""The public trades of one market over the longest window asked for: each once, and only without a hole.

Trades and books come over different subscriptions, so a trade window is valid by its own continuity:

    begin ──▶ observing ──▶ interrupted (a gap in the trades) ──▶ resumed by the connection's next trade
                  └───────▶ ended (the connection is gone) ─────▶ begin

A stretch of observation ends where the stream was surely whole, which is before a gap or a drop is noticed.
What lies between two stretches is a hole. REST fills it (`fill`): with a whole interval that
joins the stretches, the window reaches back over it; with less, it stays unknown until it has warmed up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from daemon.core.events import TradePrinted
from daemon.core.features.totals import AmountStream, SumWindow, grain_of
from daemon.core.units import MINUTE, Ns, Qty

SEEN_FOR: Ns = 2 * MINUTE
"""A trade's id is known for so long, for the stream may repeat one. While a hole may still be filled they are
known as far back as a window reaches: REST repeats what was streamed just before the hole and after it."""
_SKEW_MAX: Ns = SEEN_FOR // 4
"""REST says when the exchange traded, the stream when we heard of it: they differ by less than this."""


def signed_qty(trade: TradePrinted) -> Qty:
    """Return the contracts of a trade: positive where the taker bought YES."""
    return trade.qty if trade.taker_side == "yes" else -trade.qty


class PeriodVolumes:
    """The contracts traded in each of the last whole periods of the clock."""

    __slots__ = ("_count", "_tape", "_volumes", "period", "revision")

    def __init__(self, tape: TradeTape, period: Ns, count: int) -> None:
        self._tape = tape
        self.period = period
        self._count = count
        self._volumes: dict[int, Qty] = {}
        self.revision = 0
        """Grows with every trade."""

    def add(self, at: Ns, qty: Qty) -> None:
        """Count a trade; late ones only in periods that are still looked at."""
        index = at // self.period
        volumes = self._volumes
        self.revision += 1
        if index in volumes:
            volumes[index] += qty
            return
        volumes[index] = qty
        if len(volumes) > self._count + 1:
            del volumes[min(volumes)]

    def is_whole(self, now: Ns) -> bool:
        """Whether every trade of the last whole periods is known."""
        since = self._tape.since
        return since is not None and since <= (now // self.period - self._count) * self.period

    def back(self, now: Ns, number: int) -> Qty | None:
        """Return the volume of the whole period so many periods ago; None unless all its trades are known."""
        index, since = now // self.period - number, self._tape.since
        return None if since is None or since > index * self.period else self._volumes.get(index, 0)

    def last(self, now: Ns) -> list[Qty]:
        """Return the volumes of the last whole periods, oldest first."""
        end = now // self.period
        get = self._volumes.get
        return [get(index, 0) for index in range(end - self._count, end)]


class TradeTape:
    """The trades' amounts as streams, and since when nothing of them is missing."""

    __slots__ = (
        "_forgotten_until", "_reach", "_resume_at", "_seen", "_stretches", "count", "notional", "periods",
        "signed", "since", "volume",
    )  # fmt: skip

    def __init__(self) -> None:
        self.signed = AmountStream()
        """Contracts that takers bought as YES, minus those that they bought as NO."""
        self.volume = AmountStream()
        self.notional = AmountStream()
        """Contracts times their YES price."""
        self.count = AmountStream()
        self.periods: dict[tuple[Ns, int], PeriodVolumes] = {}
        self._reach: Ns = 0
        """How far back the longest window looks; 0 while nobody asked for one."""
        self._seen: dict[str, Ns] = {}
        self._forgotten_until: Ns = -_SKEW_MAX
        """The last trade whose id is known no more: as far as a window reaches, all before it has counted."""
        self.since: Ns | None = None
        """The start of the stretch that reaches up to now; None while not observing."""
        self._stretches: list[tuple[Ns, Ns]] = []
        """Whole intervals [start, end) of the past that don't touch the present one; in order."""
        self._resume_at: Ns | None = None
        """From when on the stream is whole again if its next message proves that it flows."""

    def window(self, stream: AmountStream, window: Ns) -> SumWindow:
        """Return a window over one of the streams here; asked for before the first trade."""
        self._reach = max(self._reach, window + grain_of(window))
        return stream.window(window)

    def volumes(self, period: Ns, count: int) -> PeriodVolumes:
        """Return the volumes of so many periods; asked for before the first trade."""
        self._reach = max(self._reach, (count + 1) * period)
        return self.periods.setdefault((period, count), PeriodVolumes(self, period, count))

    def begin(self, at: Ns) -> None:
        """Observe from this instant on, unless that is so already or a gap waits for its proof."""
        if self.since is None and self._resume_at is None:
            self.since = at
            self._join()

    def end(self, whole_until: Ns) -> None:
        """The connection is gone; before `whole_until` nothing is missing. `begin` begins anew."""
        if self.since is not None and self.since < whole_until:
            self._stretches.append((self.since, whole_until))
        self.since = self._resume_at = None
        self._tell_since()

    def interrupt(self, at: Ns, whole_until: Ns) -> None:
        """Trades between the two instants are missing. The stream goes on: its next trade proves it."""
        if self.since is None and self._resume_at is None:
            return
        self.end(whole_until)
        self._resume_at = at

    def resume(self) -> None:
        """The stream flows: nothing is missing since the interruption."""
        if self._resume_at is not None:
            self.since, self._resume_at = self._resume_at, None
            self._join()

    def on_trade(self, at: Ns, trade: TradePrinted) -> None:
        """Count a trade that came over the stream, once."""
        self.resume()
        self.begin(at)
        if not self._reach or trade.trade_id in self._seen:
            return
        self._seen[trade.trade_id] = at
        self._forget(at)
        qty = trade.qty
        for stream, amount in self._amounts(trade):
            stream.add(at, amount)
        for volumes in self.periods.values():
            volumes.add(at, qty)

    def fill(self, since: Ns, until: Ns, trades: Iterable[TradePrinted], now: Ns) -> None:
        """Take all trades of [since, until) as REST tells them, in any order; known ones count once.

        They count when the exchange says that they happened, though never after `now`: the stream's count
        when they arrived, so the two differ by the transport and the clocks' skew. An interval may reach
        back over what was streamed long ago, to a hole that nobody could fill: that has counted.
        """
        fresh: list[tuple[Ns, TradePrinted]] = []
        before = max(now - self._reach, self._forgotten_until + _SKEW_MAX)
        for trade in trades:
            at = min(now, trade.received_at if trade.sent_at is None else trade.sent_at)
            if at > before and trade.trade_id not in self._seen:
                self._seen[trade.trade_id] = at
                fresh.append((at, trade))
        if fresh:
            self._insert(fresh)
        if since < until:
            self._stretches.append((since, until))
            self._join()
        self._forget(now)

    def _insert(self, fresh: Sequence[tuple[Ns, TradePrinted]]) -> None:
        # Ids are forgotten by their age, oldest first, so they stand in that order.
        self._seen = dict(sorted(self._seen.items(), key=lambda one: one[1]))
        rows = [(at, self._amounts(trade)) for at, trade in fresh]
        for place, (stream, _) in enumerate(rows[0][1]):
            stream.insert([(at, amounts[place][1]) for at, amounts in rows])
        for volumes in self.periods.values():
            for at, trade in sorted(fresh, key=lambda row: row[0]):
                volumes.add(at, trade.qty)

    def _amounts(self, trade: TradePrinted) -> list[tuple[AmountStream, int]]:
        """Return what a trade adds to each stream that is read."""
        amounts = (
            (self.signed, signed_qty(trade)),
            (self.volume, trade.qty),
            (self.notional, trade.qty * trade.price),
            (self.count, 1),
        )
        return [(stream, amount) for stream, amount in amounts if stream.is_read]

    def _forget(self, now: Ns) -> None:
        seen = self._seen
        is_whole = self.since is not None and self.since <= now - self._reach
        before = now - SEEN_FOR if is_whole else now - SEEN_FOR - self._reach
        while seen and seen[oldest := next(iter(seen))] <= before:
            self._forgotten_until = seen.pop(oldest)
        while self._stretches and self._stretches[0][1] <= now - self._reach:
            del self._stretches[0]

    def _join(self) -> None:
        """Merge the stretches that touch, and those that touch the present one into it."""
        merged: list[tuple[Ns, Ns]] = []
        for start, end in sorted(self._stretches):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        while self.since is not None and merged and merged[-1][1] >= self.since:
            self.since = min(self.since, merged.pop()[0])
        self._stretches = merged
        self._tell_since()

    def _tell_since(self) -> None:
        for stream in (self.signed, self.volume, self.notional, self.count):
            stream.observe(self.since)
