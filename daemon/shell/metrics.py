"""What Prometheus sees: plain integers, counted on the hot path and turned into metrics at scrape.

The path increments ints and log2 buckets (20-30 ns each); a custom collector reads them, and the core's
own counts, when somebody asks. Names follow the conventions: base units, `_total` on counters, labels
with few values only. `FAMILIES` is the table of all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from daemon.core.units import MONEY_ONE

BUCKETS = 24
"""Log2 buckets from 1 µs to 8 s; what is above goes to +Inf."""


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


class Family(msgspec.Struct, frozen=True):
    """One metric family: its kind, its help text and its label, if it has one."""

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    label: str | None = None


FAMILIES: dict[str, Family] = {
    "kalshid_build_info": Family("gauge", "Always 1; the label is the version.", "version"),
    "kalshid_ready": Family("gauge", "1 when connected, reconciled and trading."),
    "kalshid_phase": Family("gauge", "1 for the phase that the engine is in.", "phase"),
    "kalshid_frames_total": Family("counter", "WebSocket frames taken in.", "feed"),
    "kalshid_feed_connects_total": Family("counter", "Connections made.", "feed"),
    "kalshid_feed_last_heard_timestamp_seconds": Family("gauge", "When the venue was last heard."),
    "kalshid_transport_lag_seconds": Family("gauge", "Delay of the last message above the best one."),
    "kalshid_clock_offset_seconds": Family("gauge", "Our clock minus the exchange's, transport included."),
    "kalshid_session_total": Family("counter", "Gaps, duplicates, resets and refused frames.", "kind"),
    "kalshid_books_tracked": Family("gauge", "Markets watched."),
    "kalshid_books_synced": Family("gauge", "Books that are vouched for."),
    "kalshid_events_total": Family("counter", "Things the core counted: losses, fills, unknowns, ….", "kind"),
    "kalshid_decisions_total": Family("counter", "Times that a strategy was asked."),
    "kalshid_refusals_total": Family("counter", "Proposals that risk refused, by reason.", "reason"),
    "kalshid_orders_total": Family("counter", "Orders approved and sent to the queue."),
    "kalshid_orders_open": Family("gauge", "Our orders that may still trade, by state.", "state"),
    "kalshid_queue_depth": Family("gauge", "Commands that wait in the order queue."),
    "kalshid_queue_dropped_total": Family("counter", "Orders dropped by the queue before they were sent."),
    "kalshid_queue_wait_seconds": Family("histogram", "Time that sent commands waited in the queue."),
    "kalshid_decision_seconds": Family("histogram", "From a frame's arrival to the decision on it."),
    "kalshid_order_request_seconds": Family("histogram", "Round trip of order requests."),
    "kalshid_api_requests_total": Family("counter", "REST requests by outcome.", "outcome"),
    "kalshid_rate_limit_tokens": Family("gauge", "Write tokens in the bucket."),
    "kalshid_breaker_open": Family("gauge", "1 while the circuit breaker is open or half open."),
    "kalshid_breaker_opened_total": Family("counter", "Times that the breaker opened."),
    "kalshid_reconcile_findings_total": Family("counter", "Beliefs that the venue did not share."),
    "kalshid_reconcile_last_success_timestamp_seconds": Family("gauge", "When the account was last read."),
    "kalshid_cash_dollars": Family("gauge", "Cash at the venue, as believed."),
    "kalshid_equity_dollars": Family("gauge", "Cash plus positions at the mid."),
    "kalshid_pnl_dollars": Family("gauge", "Marked profit and loss since the start."),
    "kalshid_fees_dollars_total": Family("counter", "Fees paid since the start."),
    "kalshid_journal_bytes_total": Family("counter", "Bytes written to the journal."),
    "kalshid_journal_fsync_seconds": Family("gauge", "How long the last fdatasync took."),
    "kalshid_inbox_depth": Family("gauge", "Events that wait for the core."),
}

Sample = float | dict[str, float] | Histogram
Source = Callable[[], dict[str, Sample | None]]


def dollars(money: int | None) -> float | None:
    """Return Money as float dollars for people and graphs; None stays None."""
    return None if money is None else money / MONEY_ONE


class _FromSource(Collector):
    """Asks the source at scrape and renders what it knows; unknown values are left out."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        samples = self._source()
        for name, sample in samples.items():
            if sample is not None:
                yield _metric(name, FAMILIES[name], sample)


def _metric(name: str, family: Family, sample: Sample) -> Metric:
    if isinstance(sample, Histogram):
        histogram = HistogramMetricFamily(name, family.help)
        histogram.add_metric([], sample.prometheus(), sample.sum_ns / 1e9)
        return histogram
    labels = [family.label] if family.label is not None else []
    metric = (CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily)(
        name, family.help, labels=labels
    )
    if isinstance(sample, dict):
        for value, number in sample.items():
            metric.add_metric([value], number)
    else:
        metric.add_metric([], sample)
    return metric


class Metrics:
    """The histograms of the path, and the registry that a scrape renders."""

    def __init__(self) -> None:
        self.decision = Histogram()
        self.queue_wait = Histogram()
        self.order_request = Histogram()
        self.api_outcomes: dict[str, float] = dict.fromkeys(("ok", "refused", "failed"), 0.0)
        self.registry = CollectorRegistry()

    def serve(self, source: Source) -> None:
        """Take the source that is asked at every scrape."""
        self.registry.register(_FromSource(source))

    def render(self) -> bytes:
        """Return the exposition text."""
        return generate_latest(self.registry)
