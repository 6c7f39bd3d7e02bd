"""What Prometheus sees: plain integers, counted on the hot path and turned into metrics at scrape.

The path increments ints and log2 buckets (20-30 ns each); a custom collector reads them, and the core's
own counts, when somebody asks. Names follow the conventions: base units, `_total` on counters, labels
with few values only: what comes from outside, such as the shape of a refused frame, passes `BoundedLabels`.
`FAMILIES` is the table of all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, TypeAlias

import msgspec
from prometheus_client import ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from daemon.core.units import MONEY_ONE

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


class Family(msgspec.Struct, frozen=True):
    """One metric family: its kind, its help text and its labels, if it has any."""

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


FAMILIES: dict[str, Family] = {
    "kalshid_build_info": Family("gauge", "Always 1; the label is the version.", ("version",)),
    "kalshid_mode_info": Family("gauge", "Always 1; the label is the mode that it runs in.", ("mode",)),
    "kalshid_config_info": Family("gauge", "Always 1; the label is the configuration in force.", ("sha256",)),
    "kalshid_config_last_reload_successful": Family("gauge", "1 while the last reload was not refused."),
    "kalshid_config_last_reload_success_timestamp_seconds": Family(
        "gauge", "When the configuration in force was read."
    ),
    "kalshid_ready": Family("gauge", "1 when connected, reconciled and trading."),
    "kalshid_phase": Family("gauge", "1 for the phase that the engine is in.", ("phase",)),
    "kalshid_halted": Family("gauge", "1 for who halted it, while it is halted.", ("by",)),
    "kalshid_loop_lag_seconds": Family("histogram", "How late a timer of the event loop comes."),
    # --- the venue's connections, and Kraken's
    "kalshid_frames_total": Family("counter", "WebSocket frames taken in.", ("feed",)),
    "kalshid_feed_connected": Family("gauge", "1 while the connection is up.", ("feed",)),
    "kalshid_feed_connects_total": Family("counter", "Connections made.", ("feed",)),
    "kalshid_feed_drops_total": Family("counter", "Connections lost or given up.", ("feed",)),
    "kalshid_feed_last_heard_timestamp_seconds": Family(
        "gauge", "When anything last came over the connection, pings included.", ("feed",)
    ),
    "kalshid_transport_lag_seconds": Family(
        "gauge", "Delay of the last message above the best one.", ("feed",)
    ),
    "kalshid_clock_offset_seconds": Family(
        "gauge", "Our clock minus the exchange's, transport included.", ("feed",)
    ),
    "kalshid_channel_quiet": Family(
        "gauge", "1 while a channel is silent against its habit and others speak.", ("feed", "channel")
    ),
    "kalshid_session_total": Family("counter", "Gaps, duplicates, resets and refused frames.", ("kind",)),
    "kalshid_session_errors_total": Family("counter", "The venue's error messages by code.", ("code",)),
    "kalshid_refused_frames_total": Family("counter", "Frames that can't be read, by shape.", ("shape",)),
    "kalshid_refused_answers_total": Family(
        "counter", "REST answers that can't be read, by endpoint and shape.", ("shape",)
    ),
    "kalshid_schema_drift": Family("gauge", "1 while too many frames can't be read to trade on."),
    "kalshid_trades_lost_total": Family("counter", "Times that public trades may have been missed."),
    # --- markets and their books
    "kalshid_markets_watched": Family("gauge", "Markets that discovery has chosen."),
    "kalshid_markets_unplaced": Family("gauge", "Watched markets that no connection has room for."),
    "kalshid_listings_refused": Family("gauge", "Listed markets that can't be read or priced."),
    "kalshid_books_tracked": Family("gauge", "Markets with a book."),
    "kalshid_books_synced": Family("gauge", "Books that are vouched for."),
    "kalshid_books_unsynced": Family("gauge", "Books of open markets that are not vouched for."),
    "kalshid_audits_total": Family("counter", "Books compared with the venue's REST books.", ("verdict",)),
    "kalshid_audit_failures_total": Family("counter", "Books given up because audits differed in a row."),
    "kalshid_backfill_waiting": Family("gauge", "Markets that are not traded before their past is read."),
    "kalshid_backfilled_total": Family("counter", "Markets, trades and candles read over REST.", ("kind",)),
    "kalshid_backfill_failures_total": Family("counter", "Reads of the past that failed."),
    "kalshid_exchange_paused": Family(
        "gauge", "1 while the exchange, trading or a maintenance stops us.", ("reason",)
    ),
    "kalshid_exchange_resume_timestamp_seconds": Family("gauge", "When a paused exchange means to be back."),
    "kalshid_maintenance_start_timestamp_seconds": Family("gauge", "Start of the present or next window."),
    "kalshid_maintenance_end_timestamp_seconds": Family("gauge", "End of the present or next window."),
    # --- the reference price
    "kalshid_reference_in_force": Family("gauge", "1 for the source that is believed.", ("symbol", "source")),
    "kalshid_reference_preferred": Family(
        "gauge", "1 while the first source of the preference is believed.", ("symbol",)
    ),
    "kalshid_reference_last_heard_timestamp_seconds": Family(
        "gauge", "When a source was last heard.", ("source",)
    ),
    "kalshid_kraken_total": Family("counter", "What came of Kraken's stream.", ("kind",)),
    "kalshid_kraken_requests_total": Family("counter", "Requests for candles to Kraken.", ("kind",)),
    "kalshid_kraken_system": Family("gauge", "1 for what Kraken says of its trading system.", ("state",)),
    # --- decisions and orders
    "kalshid_events_total": Family(
        "counter", "Things the core counted: losses, fills, unknowns, ….", ("kind",)
    ),
    "kalshid_decisions_total": Family("counter", "Times that a strategy was asked."),
    "kalshid_model_scores_total": Family(
        "counter", "Rows that a slot's model was asked to score, by what came of it.", ("slot", "outcome")
    ),
    "kalshid_model_info": Family(
        "gauge", "Always 1; a slot's model and how its sha256 begins.", ("slot", "model", "sha256")
    ),
    "kalshid_model_scored_timestamp_seconds": Family("gauge", "When a slot last had a score.", ("slot",)),
    "kalshid_model_members_absent": Family(
        "gauge", "Members of a slot's ensemble that took no part in its last score.", ("slot",)
    ),
    "kalshid_model_challenger_difference": Family(
        "gauge", "Mean absolute difference of the challenger's scores from the default's."
    ),
    "kalshid_model_brier": Family(
        "gauge", "Mean Brier score over markets that ended: model, challenger, mid.", ("source",)
    ),
    "kalshid_model_drift_state": Family(
        "gauge", "A slot's model: 0 steady, 1 warned, 2 alarmed or taken out for it.", ("slot",)
    ),
    "kalshid_model_brier_excess": Family(
        "gauge", "Mean Brier score less the mid's over the last window of events.", ("slot",)
    ),
    "kalshid_model_psi_max": Family(
        "gauge", "Highest population stability index of a feature, of the last full window.", ("slot",)
    ),
    "kalshid_model_swaps_total": Family("counter", "Models exchanged while running.", ("outcome",)),
    "kalshid_refusals_total": Family("counter", "Proposals that risk refused, by reason.", ("reason",)),
    "kalshid_orders_total": Family("counter", "Orders approved and sent to the queue."),
    "kalshid_orders_open": Family("gauge", "Our orders that may still trade, by state.", ("state",)),
    "kalshid_orders_unresolved_oldest_timestamp_seconds": Family(
        "gauge", "Since when the longest unresolved order is unknown; absent while there is none."
    ),
    "kalshid_orders_limited_total": Family("counter", "Order requests refused for want of tokens (429)."),
    "kalshid_strategy_on": Family("gauge", "1 while the strategy is on; 0 switched off.", ("strategy",)),
    "kalshid_strategy_orders_total": Family("counter", "Orders approved, by strategy.", ("strategy",)),
    "kalshid_strategy_fills_total": Family("counter", "Fills of the strategy's orders.", ("strategy",)),
    "kalshid_strategy_pnl_dollars": Family(
        "gauge", "Marked profit and loss of the strategy's trades since the start, after fees.", ("strategy",)
    ),
    "kalshid_strategy_realized_dollars": Family("gauge", "Its closed part, after all fees.", ("strategy",)),
    "kalshid_strategy_staked_dollars": Family(
        "gauge", "What the strategy's positions cost and its orders may cost.", ("strategy",)
    ),
    "kalshid_queue_depth": Family("gauge", "Commands that wait in the order queue.", ("priority",)),
    "kalshid_order_batches_total": Family("counter", "Requests that carried more than one order or cancel."),
    "kalshid_queue_dropped_total": Family("counter", "Orders dropped by the queue before they were sent."),
    "kalshid_queue_wait_seconds": Family("histogram", "Time that sent commands waited in the queue."),
    "kalshid_decision_seconds": Family("histogram", "From a frame's arrival to the decision on it."),
    "kalshid_order_request_seconds": Family("histogram", "Round trip of order requests."),
    "kalshid_api_requests_total": Family("counter", "REST requests by outcome.", ("outcome",)),
    "kalshid_reads_total": Family("counter", "Reads let through by the gate.", ("line",)),
    "kalshid_reads_waiting": Family("gauge", "Reads that wait at the gate.", ("line",)),
    "kalshid_reads_limited_total": Family("counter", "Reads refused for want of tokens (429)."),
    "kalshid_read_wait_seconds": Family("histogram", "Time that reads waited at the gate."),
    "kalshid_rate_limit_tokens": Family("gauge", "Tokens in the bucket.", ("bucket",)),
    "kalshid_rate_limit_capacity_tokens": Family("gauge", "Tokens that the bucket can hold.", ("bucket",)),
    "kalshid_breaker_state": Family(
        "gauge", "A rule's worst breaker: 0 closed, 1 half open, 2 open.", ("breaker", "scope")
    ),
    "kalshid_breaker_opened_total": Family("counter", "Times that a rule's breakers opened.", ("breaker",)),
    "kalshid_latch_failures_total": Family("counter", "Halts that the disk did not take, or not let go."),
    # --- account and machine
    "kalshid_reconcile_findings_total": Family(
        "counter", "Beliefs that the venue did not share, by kind.", ("kind",)
    ),
    "kalshid_reconcile_last_success_timestamp_seconds": Family("gauge", "When the account was last read."),
    "kalshid_cash_dollars": Family("gauge", "Cash at the venue, as believed."),
    "kalshid_equity_dollars": Family("gauge", "Cash plus positions at the mid."),
    "kalshid_pnl_dollars": Family("gauge", "Marked profit and loss since the start."),
    "kalshid_fees_dollars_total": Family("counter", "Fees paid since the start."),
    "kalshid_positions_open": Family("gauge", "Markets in which a position is held."),
    "kalshid_risk_limit_dollars": Family("gauge", "The account's limits that are on.", ("limit",)),
    "kalshid_risk_taken_dollars": Family("gauge", "What is taken of each of them.", ("limit",)),
    "kalshid_journal_bytes_total": Family("counter", "Bytes written to the journal."),
    "kalshid_journal_fsync_seconds": Family("gauge", "How long the last fdatasync took."),
    "kalshid_disk_free_bytes": Family("gauge", "What the journal's file system has left for us."),
    "kalshid_store_failing": Family("gauge", "1 while nothing can be written to the store for reports."),
    "kalshid_notifications_total": Family(
        "counter",
        "Notices to people, by what became of them; one is whole when all targets took it.",
        ("outcome",),
    ),
    "kalshid_store_rows_total": Family("counter", "Rows for the store, written or lost.", ("outcome",)),
    "kalshid_inbox_depth": Family("gauge", "Events that wait for the core."),
}

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
