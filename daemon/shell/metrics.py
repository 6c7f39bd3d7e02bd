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
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from daemon.core.units import MONEY_ONE
from daemon.shell.api_counts import ApiCounts
from daemon.shell.families import FAMILIES, OTHER, Family
from daemon.shell.histogram import Histogram
from daemon.shell.order_counts import OrderCounts
from daemon.shell.stage_watch import StageWatch

LABEL_VALUES_MAX = 20
SERIES_AT_ONCE = 25
"""About how many are rendered before the loop turns again: some 0.1 ms of work."""
_END = b"# EOF\n"
"""How OpenMetrics ends."""


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
Sample: TypeAlias = float | Labelled | Histogram | Mapping[str, Histogram]
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
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(name, family.help, labels=list(family.labels))
        for label, one in _histograms(sample):
            histogram.add_metric(label, one.prometheus(), one.sum_ns / 1e9)
        return histogram
    metric = (CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily)(
        name, family.help, labels=list(family.labels)
    )
    if isinstance(sample, Mapping):
        for values, number in sample.items():
            assert not isinstance(number, Histogram), f"{name} is no histogram"
            metric.add_metric([values] if isinstance(values, str) else list(values), number)
    else:
        assert not isinstance(sample, Histogram), f"{name} is no histogram"
        metric.add_metric([], sample)
    return metric


def _histograms(sample: Sample) -> Iterator[tuple[list[str], Histogram]]:
    """Return the histograms of a sample with their labels."""
    if isinstance(sample, Histogram):
        yield [], sample
    elif isinstance(sample, Mapping):
        for label, one in sample.items():
            assert isinstance(label, str), f"a histogram has one label, not {label}"
            assert isinstance(one, Histogram), f"{label}: a number, and no histogram"
            yield [label], one


def _pieces(sample: Sample | None) -> list[Sample | None]:
    """Return a sample in pieces that are rendered at once, one or more."""
    most = SERIES_AT_ONCE
    if not isinstance(sample, Mapping) or _series(sample) <= most:
        return [sample]
    labels = list(sample)
    at_once = max(1, most * len(labels) // _series(sample))
    return [
        {label: sample[label] for label in labels[start : start + at_once]}  # type: ignore[index, misc]
        for start in range(0, len(labels), at_once)
    ]


def _series(sample: Sample | None) -> int:
    """Return about how many series a sample is."""
    if isinstance(sample, Mapping):
        return sum(len(one.shown) if isinstance(one, Histogram) else 1 for one in sample.values())
    return len(sample.shown) if isinstance(sample, Histogram) else 1


def _copied(sample: Sample | None) -> Sample | None:
    """Return a sample that stays as it is now: histograms are counted on."""
    if isinstance(sample, Histogram):
        return sample.copy()
    if isinstance(sample, Mapping):
        histograms = {str(label): one.copy() for label, one in sample.items() if isinstance(one, Histogram)}
        return histograms or sample
    return sample


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
        self.api = ApiCounts()
        self.orders = OrderCounts()
        self.stages = StageWatch()
        self.latch_failures = 0
        """Halts that the disk did not take, or did not let go: each holds only as long as we live."""
        self.config_sha256 = ""
        """The fingerprint of the configuration in force; empty before one is."""
        self.config_loaded_at: int | None = None
        """When it was read, Unix ns."""
        self.is_config_loaded = True
        """Whether the last reload, or the start, brought into force what it read."""
        self._source: Source = dict
        # The process's own: memory, CPU, files, and when it started.
        self._process = ProcessCollector(registry=None)

    def count_latch_failure(self) -> None:
        """Count a halt that the disk did not take, or did not let go."""
        self.latch_failures += 1

    def serve(self, source: Source) -> None:
        """Take the source that is asked at every scrape."""
        self._source = source

    def render(self, *, is_open: bool = False) -> bytes:
        """Return the exposition text: Prometheus' own, or OpenMetrics, which alone has exemplars."""
        return b"".join(self._parts(is_open=is_open))

    async def render_in_turns(self, *, is_open: bool = False) -> bytes:
        """Return the exposition text as `render`, and let the loop turn after every few families.

        All samples are of one moment: they are read first, at once. A thread would not do better: while it
        renders, it holds the interpreter's lock for up to 5 ms at a time.
        """
        rendered = []
        for part in self._parts(is_open=is_open):
            rendered.append(part)
            await asyncio.sleep(0)
        return b"".join(rendered)

    def _parts(self, *, is_open: bool) -> Iterator[bytes]:
        samples = [(name, _copied(sample)) for name, sample in self._source().items()]
        generate = generate_openmetrics if is_open else generate_latest
        some: list[tuple[str, Sample | None]] = []
        series = 0
        for name, sample in samples:
            first, *others = _pieces(sample)
            some.append((name, first))
            series += _series(first)
            if others or series >= SERIES_AT_ONCE:
                yield generate(_Read(some)).removesuffix(_END)
                some, series = [], 0
            for piece in others:
                # The head of the family, its help and its kind, stands once.
                yield generate(_Read([(name, piece)])).removesuffix(_END).split(b"\n", 2)[2]
        yield generate(_Read(some)).removesuffix(_END)
        yield generate(self._process)
