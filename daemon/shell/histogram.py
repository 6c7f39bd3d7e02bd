"""Durations in buckets: counting one is cheap enough for the hot path, rendering them is for the scrape."""

from __future__ import annotations

from prometheus_client.core import Exemplar

from daemon.core.units import SECOND, Ns

BUCKETS = 24
"""Log2 buckets from 1 µs to 8 s; what is above goes to +Inf."""


class Histogram:
    """Durations in log2 buckets of microseconds, exact sum and count.

    `shown` says which bounds a scrape shows, by index: where there are many series, not all of them.
    """

    __slots__ = ("buckets", "count", "exemplars", "longest_ns", "shown", "sum_ns")

    def __init__(self, shown: range = range(BUCKETS)) -> None:
        self.shown = shown
        self.buckets = [0] * (BUCKETS + 1)
        self.count = 0
        self.sum_ns = 0
        self.longest_ns = 0
        self.exemplars: dict[int, Exemplar] = {}
        """By bucket, the last one that was told with its order."""

    def observe(self, duration_ns: int) -> None:
        """Count one duration, in nanoseconds, not negative."""
        assert duration_ns >= 0, f"a duration of {duration_ns} ns"
        # A bound is part of its bucket, as Prometheus has it: 1 µs is counted under le="1e-06".
        index = (max(duration_ns - 1, 0) // 1000).bit_length()
        self.buckets[min(BUCKETS, index)] += 1
        self.count += 1
        self.sum_ns += duration_ns
        if duration_ns > self.longest_ns:
            self.longest_ns = duration_ns

    def observe_order(self, duration_ns: int, client_order_id: str, at: Ns) -> None:
        """Count one duration, and whose it was: the exemplar of its bucket."""
        self.observe(duration_ns)
        index = min(BUCKETS, (max(duration_ns - 1, 0) // 1000).bit_length())
        labels = {"client_order_id": client_order_id}
        self.exemplars[index] = Exemplar(labels, duration_ns / SECOND, at / SECOND)

    def quantile_s(self, share: float) -> float | None:
        """Return an upper bound of a quantile in seconds, by bucket; None while empty."""
        if not self.count:
            return None
        wanted, seen = max(1.0, share * self.count), 0
        for index, number in enumerate(self.buckets[:-1]):
            seen += number
            if seen >= wanted:
                return _bound_s(index)
        return self.longest_ns / 1e9  # above the last bound there is no other

    def copy(self) -> Histogram:
        """Return one that says what this one says now, and counts no further."""
        copied = Histogram(self.shown)
        copied.buckets, copied.exemplars = self.buckets.copy(), self.exemplars.copy()
        copied.count, copied.sum_ns, copied.longest_ns = self.count, self.sum_ns, self.longest_ns
        return copied

    def prometheus(self) -> list[tuple[str, float] | tuple[str, float, Exemplar]]:
        """Return the cumulative buckets as Prometheus wants them, each with its exemplar if it has one."""
        total, rows = 0, list[tuple[str, float] | tuple[str, float, Exemplar]]()
        exemplar: Exemplar | None = None
        for index, number in enumerate(self.buckets):
            total += number
            exemplar = self.exemplars.get(index, exemplar)
            if index < BUCKETS and index not in self.shown:
                continue
            bound = repr(_bound_s(index)) if index < BUCKETS else "+Inf"
            rows.append((bound, float(total)) if exemplar is None else (bound, float(total), exemplar))
            exemplar = None
        return rows


def _bound_s(index: int) -> float:
    return (1 << index) / 1_000_000
