"""What the metrics say at this instant, read from the daemon's parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from importlib.metadata import version as installed_version
from platform import python_version
from typing import TypeAlias, get_args

import msgspec

from daemon.core import events as e
from daemon.core.breakers import BreakerState
from daemon.core.engine import Engine, Phase
from daemon.core.exchange_status import MAINTENANCE_GUARD
from daemon.core.exposure import marked_equity
from daemon.core.findings import FindingKind
from daemon.core.lifecycle import OPEN, STATES
from daemon.core.risk import Refusal
from daemon.core.state import State
from daemon.core.units import QTY_ONE, SECOND, Ns
from daemon.kalshi.channels import BOOKS, TRADES
from daemon.kalshi.rest import ReadingRest
from daemon.shell.audit import Audit
from daemon.shell.backfill import Backfill
from daemon.shell.discovery import Discovery
from daemon.shell.event_kinds import EVENT_KINDS
from daemon.shell.families import OTHER
from daemon.shell.feeds import Feeds
from daemon.shell.journal import Journal
from daemon.shell.loop import Inbox
from daemon.shell.market_samples import market_samples
from daemon.shell.metrics import BoundedLabels, Metrics, Sample, dollars
from daemon.shell.model_samples import model_samples, strategy_samples
from daemon.shell.notices import Notices
from daemon.shell.notifications import OUTCOMES
from daemon.shell.queue import OrderQueue
from daemon.shell.read_gate import ReadGate
from daemon.shell.reference import ReferenceSource
from daemon.shell.risk_samples import disk_free, risk_samples
from daemon.shell.store import Recorder

Samples: TypeAlias = dict[str, Sample | None]

REFUSALS: tuple[str, ...] = get_args(Refusal)
PHASES: tuple[str, ...] = get_args(Phase)
FINDING_KINDS: tuple[FindingKind, ...] = get_args(FindingKind)
SESSION_KINDS = ("gaps", "duplicates", "resets", "refused", "frames_of_unknown_sid")
PAUSES = ("exchange_paused", "trading_paused", "maintenance")
BREAKER_STATES: dict[BreakerState, float] = {"closed": 0.0, "half_open": 1.0, "open": 2.0}
CHANNELS = (BOOKS, TRADES)
"""The channels that every connection has; of others it is told while they are quiet."""
KRAKEN_SYSTEMS = ("online", "maintenance", "cancel_only", "post_only", "limit_only")
_REFUSED = "refused "
_ERROR = "error_"
_BY_FEED = ("_connects", "_drops")


class Sources(msgspec.Struct, frozen=True):
    """The parts of a run that its owner is told about."""

    engine: Engine
    metrics: Metrics
    journal: Journal
    inbox: Inbox
    rest: ReadingRest
    gate: ReadGate | None
    """None where reads go out at once: in lockstep with a tape."""
    queue: OrderQueue
    feeds: Feeds
    reference: ReferenceSource
    discovery: Discovery
    backfill: Backfill
    audit: Audit
    recorder: Recorder | None = None
    """None where nothing is kept for reports: on a tape."""
    notices: Notices | None = None
    """None where nobody is notified."""
    tickers_max: int = 0
    """Of so many markets a scrape tells by ticker."""


class Sampler:
    """Reads a sample for every family in `FAMILIES`; None where nothing is known yet."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        # Read once: it is the disk that is asked for the version.
        self._versions: tuple[str, ...] = (installed_version("kalshid"), python_version())
        self._frame_shapes = BoundedLabels()
        self._answer_shapes = BoundedLabels()
        self._codes = BoundedLabels()

    def read(self, now: Ns) -> Samples:
        """Return what all parts say now."""
        sources = self._sources
        return {
            "kalshid_build_info": {self._versions: 1.0},
            "kalshid_mode_info": {sources.metrics.mode: 1.0} if sources.metrics.mode else {},
            **_of_config(sources.metrics),
            "kalshid_loop_lag_seconds": sources.metrics.loop_lag,
            "kalshid_disk_free_bytes": disk_free(sources.journal.path),
            **risk_samples(sources.engine),
            **_of_feeds(sources),
            **self._of_sessions(),
            **_of_markets(sources, now),
            **_of_exchange(sources.engine.state, now),
            **_of_reference(sources, now),
            **_of_orders(sources),
            **model_samples(sources.engine.models),
            **strategy_samples(sources.engine),
            **market_samples(sources.engine, sources.tickers_max),
            **_of_requests(sources, now),
            "kalshid_cancels_total": _floats(sources.metrics.orders.cancels.items()),
            **_of_account(sources),
            **_of_store(sources.recorder),
            **_of_notices(sources.notices),
        }

    def _of_sessions(self) -> Samples:
        session = self._sources.feeds.counters
        answers = self._sources.rest.refused.counts
        errors = {name.removeprefix(_ERROR): n for name, n in session.items() if name.startswith(_ERROR)}
        return {
            "kalshid_session_total": {kind: float(session.get(kind, 0)) for kind in SESSION_KINDS},
            "kalshid_session_errors_total": self._codes.bound(errors),
            "kalshid_refused_frames_total": self._frame_shapes.bound(_shapes(session)),
            "kalshid_refused_answers_total": self._answer_shapes.bound(_shapes(answers)),
        }


def _of_config(metrics: Metrics) -> Samples:
    loaded_at = metrics.config_loaded_at
    return {
        "kalshid_config_info": {metrics.config_sha256[:12]: 1.0} if metrics.config_sha256 else {},
        "kalshid_config_last_reload_successful": float(metrics.is_config_loaded),
        "kalshid_config_last_reload_success_timestamp_seconds": None
        if loaded_at is None
        else loaded_at / SECOND,
    }


def watched_shards(state: State) -> dict[int, None]:
    """Return the exchange's shards on which we watch a market."""
    return dict.fromkeys(market.spec.exchange_index for market in state.markets.values())


def pauses_in_force(state: State, now: Ns) -> tuple[str, ...]:
    """Return what stops us on the exchange's side, wherever we watch a market: some of `PAUSES`."""
    exchange = state.exchange
    found = {exchange.pause(shard, now) for shard in (None, *watched_shards(state))}
    window = next_window(state, now)
    if window is not None and window[0] - MAINTENANCE_GUARD <= now:
        found.add("maintenance")
    return tuple(pause for pause in PAUSES if pause in found)


def next_window(state: State, now: Ns) -> tuple[Ns, Ns] | None:
    """Return start and end of the maintenance that is on, or of the next one; None when none is known."""
    return next((window for window in state.exchange.windows if window[1] > now), None)


def _of_feeds(sources: Sources) -> Samples:
    state, kraken = sources.engine.state, sources.reference.session
    frames: dict[e.Feed, int] = {feed: one.frames for feed, one in sources.feeds.sessions.items()}
    sizes: dict[e.Feed, int] = {feed: one.frame_bytes for feed, one in sources.feeds.sessions.items()}
    frames[kraken.feed], sizes[kraken.feed] = kraken.frames, kraken.frame_bytes
    feeds = (*state.feeds, kraken.feed)
    health = state.feeds
    heard = {feed: one.heard_at for feed, one in health.items()}
    source = state.references.sources.get("kraken")
    heard[kraken.feed] = None if source is None else source.told_at
    connected = {feed: float(one.is_connected) for feed, one in health.items()}
    connected[kraken.feed] = float(kraken.is_connected)
    quiet: dict[tuple[str, ...], float] = {
        **{(feed, channel): 0.0 for feed in health for channel in CHANNELS},
        **dict.fromkeys(state.quiet_channels, 1.0),
    }
    return {
        "kalshid_frames_total": _floats(frames.items()),
        "kalshid_frame_bytes_total": _floats(sizes.items()),
        "kalshid_feed_connected": connected,
        "kalshid_feed_connects_total": {feed: float(state.counts[f"{feed}_connects"]) for feed in feeds},
        "kalshid_feed_drops_total": {feed: float(state.counts[f"{feed}_drops"]) for feed in feeds},
        "kalshid_feed_last_heard_timestamp_seconds": _known(heard),
        "kalshid_transport_lag_seconds": _known({feed: one.lag.lag for feed, one in health.items()}),
        "kalshid_clock_offset_seconds": _known({feed: one.lag.offset for feed, one in health.items()}),
        "kalshid_channel_quiet": quiet,
    }


def _of_markets(sources: Sources, now: Ns) -> Samples:
    engine, backfill, audits = sources.engine, sources.backfill.counts, sources.audit.counts
    state = engine.state
    # One that is left, and kept for what we hold in it, has no book any more and misses none.
    watched = [market for market in state.markets.values() if not market.is_unwatched]
    unsynced = [market.spec for market in watched if not market.book.is_synced]
    is_drifting = state.connections.drift(engine.config.limits, now) is not None
    return {
        "kalshid_schema_drift": float(is_drifting),
        "kalshid_trades_lost_total": float(state.counts["trades_lost"]),
        "kalshid_markets_watched": float(sources.discovery.watched_count),
        "kalshid_markets_unplaced": float(len(sources.feeds.waiting)),
        "kalshid_listings_refused": float(sources.discovery.refused_count),
        "kalshid_books_tracked": float(len(watched)),
        "kalshid_books_synced": float(len(watched) - len(unsynced)),
        "kalshid_books_unsynced": float(
            sum(one.status == "active" and one.open_at <= now < one.close_at for one in unsynced)
        ),
        "kalshid_audits_total": _floats(audits.items()),
        "kalshid_audit_failures_total": float(state.counts["audit_failures"]),
        "kalshid_backfill_waiting": float(sum(market.is_backfill_due for market in watched)),
        "kalshid_backfilled_total": {
            kind: float(count) for kind, count in backfill.items() if kind != "failures"
        },
        "kalshid_backfill_failures_total": float(backfill["failures"]),
    }


def _of_exchange(state: State, now: Ns) -> Samples:
    pauses, window = pauses_in_force(state, now), next_window(state, now)
    return {
        "kalshid_exchange_paused": {pause: float(pause in pauses) for pause in PAUSES},
        "kalshid_exchange_resume_timestamp_seconds": _seconds(state.exchange.resume_at),
        "kalshid_maintenance_start_timestamp_seconds": None if window is None else _seconds(window[0]),
        "kalshid_maintenance_end_timestamp_seconds": None if window is None else _seconds(window[1]),
    }


def _of_reference(sources: Sources, now: Ns) -> Samples:
    state, config = sources.engine.state, sources.engine.config.reference
    session = sources.reference.session
    in_force = {one.kraken: state.reference_source(one.kraken, now) for one in config.underlyings}
    by_source: dict[tuple[str, ...], float] = {
        (symbol, source): float(source == believed)
        for symbol, believed in in_force.items()
        for source in config.prefer
    }
    told_at = {name: source.told_at for name, source in state.references.sources.items()}
    kraken = {kind: float(count) for kind, count in session.counters.items() if kind != "frames"}
    systems = dict.fromkeys((*KRAKEN_SYSTEMS, OTHER), 0.0)
    if session.system is not None:
        systems[session.system if session.system in systems else OTHER] = 1.0
    return {
        "kalshid_reference_in_force": by_source,
        "kalshid_reference_preferred": {
            symbol: float(believed in config.prefer[:1]) for symbol, believed in in_force.items()
        },
        "kalshid_reference_last_heard_timestamp_seconds": _known(told_at),
        "kalshid_kraken_total": kraken,
        "kalshid_kraken_requests_total": _floats(sources.reference.counts.items()),
        "kalshid_kraken_system": systems,
    }


def _of_breakers(engine: Engine) -> Samples:
    breakers = engine.breakers
    states: dict[tuple[str, ...], float] = {
        (name, breakers.rules[name].scope): BREAKER_STATES[state]
        for name, state in breakers.worst_by_rule().items()
    }
    return {
        "kalshid_breaker_state": states,
        "kalshid_breaker_opened_total": _floats(
            (name, breakers.opened_total[name]) for name in breakers.rules
        ),
    }


def _of_orders(sources: Sources) -> Samples:
    engine, metrics, queue = sources.engine, sources.metrics, sources.queue
    state = engine.state
    open_states = dict.fromkeys((state for state in STATES if state in OPEN), 0)
    open_states |= Counter(order.state for order in state.orders.values() if order.is_open)
    counts = {**dict.fromkeys(EVENT_KINDS, 0), **state.counts}
    events = {kind: count for kind, count in sorted(counts.items()) if not kind.endswith(_BY_FEED)}
    return {
        "kalshid_ready": float(engine.phase == "trading"),
        "kalshid_phase": {phase: float(phase == engine.phase) for phase in PHASES},
        "kalshid_events_total": _floats(events.items()),
        "kalshid_decisions_total": float(engine.decisions_total),
        "kalshid_refusals_total": _floats({**dict.fromkeys(REFUSALS, 0), **engine.refusals}.items()),
        "kalshid_orders_total": float(engine.orders_total),
        "kalshid_orders_open": _floats(open_states.items()),
        "kalshid_orders_limited_total": float(metrics.orders_limited),
        "kalshid_latch_failures_total": float(metrics.latch_failures),
        "kalshid_queue_depth": _floats(queue.depths.items()),
        "kalshid_order_batches_total": float(queue.batches_total),
        "kalshid_queue_dropped_total": float(queue.dropped_total),
        "kalshid_queue_wait_seconds": metrics.queue_wait,
        "kalshid_decision_seconds": metrics.decision,
        "kalshid_stage_seconds": metrics.stages.stages,
        "kalshid_tick_to_order_seconds": metrics.orders.tick_to_order,
        **_of_breakers(engine),
    }


def _of_requests(sources: Sources, now: Ns) -> Samples:
    metrics, gate = sources.metrics, sources.gate
    pacers = {"write": sources.queue.pacer} | ({} if gate is None else {"read": gate.pacer})
    return {
        "kalshid_order_requests_total": _floats_by(metrics.orders.requests.items()),
        "kalshid_order_ack_seconds": metrics.orders.ack,
        "kalshid_order_request_seconds": metrics.order_request,
        "kalshid_api_requests_total": _floats_by(metrics.api.requests.items()),
        "kalshid_api_request_seconds": metrics.api.seconds,
        "kalshid_reads_total": None if gate is None else _floats(gate.passed.items()),
        "kalshid_reads_waiting": None if gate is None else _floats(gate.depth.items()),
        "kalshid_reads_limited_total": None if gate is None else float(gate.limited),
        "kalshid_read_wait_seconds": None if gate is None else metrics.read_wait,
        "kalshid_rate_limit_tokens": {name: float(pacer.tokens(now)) for name, pacer in pacers.items()},
        "kalshid_rate_limit_capacity_tokens": {name: float(one.capacity) for name, one in pacers.items()},
    }


def _of_account(sources: Sources) -> Samples:
    engine, journal = sources.engine, sources.journal
    state, ledger, pnl = engine.state, engine.state.ledger, engine.gathering.pnl()
    realized = ledger.realized - ledger.fees
    return {
        "kalshid_reconcile_findings_total": _floats(
            (kind, state.account.log.by_kind[kind]) for kind in FINDING_KINDS
        ),
        "kalshid_reconcile_last_success_timestamp_seconds": _seconds(state.account.read_at),
        "kalshid_cash_dollars": dollars(ledger.cash),
        "kalshid_equity_dollars": dollars(marked_equity(state)),
        "kalshid_pnl_dollars": dollars(pnl),
        "kalshid_pnl_realized_dollars": dollars(realized),
        "kalshid_pnl_unrealized_dollars": dollars(None if pnl is None else pnl - realized),
        "kalshid_drawdown_dollars": dollars(engine.gathering.drawdown()),
        "kalshid_fees_dollars_total": dollars(ledger.fees),
        "kalshid_fills_total": {
            "maker": float(ledger.fills_total - ledger.fills_taken),
            "taker": float(ledger.fills_taken),
        },
        "kalshid_fill_contracts_total": ledger.traded_total / QTY_ONE,
        "kalshid_journal_bytes_total": float(journal.bytes_total),
        "kalshid_journal_append_seconds": sources.metrics.stages.journal_append,
        "kalshid_journal_fsync_seconds": journal.sync_seconds_last,
        "kalshid_inbox_depth": float(len(sources.inbox)),
    }


def _of_store(recorder: Recorder | None) -> Samples:
    return {
        "kalshid_store_failing": None if recorder is None else float(recorder.failure is not None),
        "kalshid_store_rows_total": None if recorder is None else _floats(recorder.rows.items()),
    }


def _of_notices(notices: Notices | None) -> Samples:
    counts: Mapping[str, int] = {} if notices is None else notices.queue.counts
    return {"kalshid_notifications_total": {name: float(counts.get(name, 0)) for name in OUTCOMES}}


def _shapes(counts: dict[str, int]) -> dict[str, int]:
    """Return the counts of refusals by shape, from among others."""
    return {name.removeprefix(_REFUSED): count for name, count in counts.items() if name.startswith(_REFUSED)}


def _floats(counts: Iterable[tuple[str, int]]) -> dict[str, float]:
    return {name: float(count) for name, count in counts}


def _floats_by(counts: Iterable[tuple[tuple[str, ...], int]]) -> dict[tuple[str, ...], float]:
    return {names: float(count) for names, count in counts}


def _known(instants: dict[str, Ns | None]) -> dict[str, float]:
    """Return instants or durations in seconds; what is not known is left out."""
    return {name: instant / SECOND for name, instant in instants.items() if instant is not None}


def _seconds(instant: Ns | None) -> float | None:
    return None if instant is None else instant / SECOND
