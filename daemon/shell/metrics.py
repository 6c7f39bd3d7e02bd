"""What Prometheus sees: plain integers, counted on the hot path and turned into metrics at scrape.

The path increments ints and log2 buckets (20-30 ns each); a custom collector reads them, and the core's
own counts, when somebody asks. Names follow the conventions: base units, `_total` on counters, labels
with few values only: what comes from outside, such as the shape of a refused frame, passes `BoundedLabels`.
`families` has the table of all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

from prometheus_client import ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from daemon.core.units import MONEY_ONE
from daemon.shell.families import FAMILIES, Family

BUCKETS = 24
"""Log2 buckets from 1 µs to 8 s; what is above goes to +Inf."""
LABEL_VALUES_MAX = 20
FAMILIES_AT_ONCE = 4
"""How many are rendered before the loop turns again: some 0.1 ms of work."""
OTHER = "other"


class Histogram:
    """Durations in log2 buckets of microseconds, exact sum and count."""

    __slots__ = ("buckets", "count", "longest_ns", "sum_ns")

    def __init__(self) -> None:
        self.buckets = [0] * (BUCKETS + 1)
        self.count = 0
        self.sum_ns = 0
        self.longest_ns = 0

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
        copied = Histogram()
        copied.buckets = self.buckets.copy()
        copied.count, copied.sum_ns, copied.longest_ns = self.count, self.sum_ns, self.longest_ns
        return copied

    def prometheus(self) -> list[tuple[str, float]]:
        """Return the cumulative buckets as Prometheus wants them."""
        total, rows = 0, []
        for index, number in enumerate(self.buckets[:-1]):
            total += number
            rows.append((repr(_bound_s(index)), float(total)))
        rows.append(("+Inf", float(self.count)))
        return rows


def _bound_s(index: int) -> float:
    return (1 << index) / 1_000_000


class BoundedLabels:
    """Label values that come from outside: the first ones keep their name, the rest count as "other".

    A name that was shown once stays: a counter must not move from one series to another.
    """

    def __init__(self, most: int = LABEL_VALUES_MAX) -> None:
        self._most = most
        self._shown: dict[str, None] = {}

    def bound(self, counts: Mapping[str, int]) -> dict[str, float]:
        """Return the counts by the names that are shown; of names that are new, the largest count first."""
        new = sorted((-count, name) for name, count in counts.items() if name not in self._shown)
        self._shown.update((name, None) for _, name in new[: self._most - len(self._shown)])
        samples = {name: float(counts.get(name, 0)) for name in self._shown}
        others = [count for name, count in counts.items() if name not in self._shown]
        return {**samples, OTHER: float(sum(others))} if others else samples


Labelled: TypeAlias = Mapping[str, float] | Mapping[tuple[str, ...], float]
"""Values by their label, or by their labels where there are several."""
Sample: TypeAlias = float | Labelled | Histogram
Source: TypeAlias = Callable[[], dict[str, Sample | None]]


def dollars(money: int | None) -> float | None:
    """Return Money as float dollars for people and graphs; None stays None."""
    return None if money is None else money / MONEY_ONE


class _Read(Collector):
    """What the source said at one moment, for the exposition; unknown values are left out."""

    def __init__(self, samples: Iterable[tuple[str, Sample | None]]) -> None:
        self._samples = samples

    def collect(self) -> Iterator[Metric]:
        for name, sample in self._samples:
            if sample is not None:
                yield _metric(name, FAMILIES[name], sample)


def _metric(name: str, family: Family, sample: Sample) -> Metric:
    if isinstance(sample, Histogram):
        histogram = HistogramMetricFamily(name, family.help)
        histogram.add_metric([], sample.prometheus(), sample.sum_ns / 1e9)
        return histogram
    metric = (CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily)(
        name, family.help, labels=list(family.labels)
    )
    if isinstance(sample, Mapping):
        for values, number in sample.items():
            metric.add_metric([values] if isinstance(values, str) else list(values), number)
    else:
        metric.add_metric([], sample)
    return metric


class Metrics:
    """The histograms and counts of the path, and what a scrape renders.

    `mode` is the mode that the daemon runs in, by name; empty where nothing runs.
    """

    def __init__(self, mode: str = "") -> None:
        self.mode = mode
        self.decision = Histogram()
        self.queue_wait = Histogram()
        self.order_request = Histogram()
        self.read_wait = Histogram()
        self.loop_lag = Histogram()
        self.orders_limited = 0
        """Order requests that the venue refused for want of tokens (429): it should stay at 0."""
        self.latch_failures = 0
        """Halts that the disk did not take, or did not let go: each holds only as long as we live."""
        self.config_sha256 = ""
        """The fingerprint of the configuration in force; empty before one is."""
        self.config_loaded_at: int | None = None
        """When it was read, Unix ns."""
        self.is_config_loaded = True
        """Whether the last reload, or the start, brought into force what it read."""
        self.api_outcomes: dict[str, float] = dict.fromkeys(("ok", "refused", "failed"), 0.0)
        self._source: Source = dict
        # The process's own: memory, CPU, files, and when it started.
        self._process = ProcessCollector(registry=None)

    def count_latch_failure(self) -> None:
        """Count a halt that the disk did not take, or did not let go."""
        self.latch_failures += 1

    def serve(self, source: Source) -> None:
        """Take the source that is asked at every scrape."""
        self._source = source

    def render(self) -> bytes:
        """Return the exposition text."""
        return b"".join(self._parts())

    async def render_in_turns(self) -> bytes:
        """Return the exposition text, and let the loop turn after every few families.

        All samples are of one moment: they are read first, at once. A thread would not do better: while it
        renders, it holds the interpreter's lock for up to 5 ms at a time.
        """
        rendered = []
        for part in self._parts():
            rendered.append(part)
            await asyncio.sleep(0)
        return b"".join(rendered)

    def _parts(self) -> Iterator[bytes]:
        samples = [
            (name, sample.copy() if isinstance(sample, Histogram) else sample)
            for name, sample in self._source().items()
        ]
        for start in range(0, len(samples), FAMILIES_AT_ONCE):
            yield generate_latest(_Read(samples[start : start + FAMILIES_AT_ONCE]))
        yield generate_latest(self._process)
