"""What the metrics say at this instant, read from the daemon's parts."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import version as installed_version

from daemon.core.engine import Engine
from daemon.core.exposure import marked_equity
from daemon.core.units import SECOND, Ns
from daemon.shell.journal import Journal
from daemon.shell.loop import Inbox
from daemon.shell.metrics import Metrics, Sample, dollars
from daemon.shell.queue import OrderQueue

PHASES = ("starting", "trading", "halted", "stopping", "stopped")
SESSION_KINDS = ("gaps", "duplicates", "resets", "refused")


def read_samples(
    engine: Engine, metrics: Metrics, queue: OrderQueue, journal: Journal, inbox: Inbox,
    *, now: Ns, frames: dict[str, int], session: dict[str, int],
) -> dict[str, Sample | None]:  # fmt: skip
    """Return a sample for every family in `FAMILIES`; None where nothing is known yet.

    `frames` counts the frames taken in, by feed; `session` are the venue session's counters.
    """
    state = engine.state
    lag = state.feed.lag
    open_states = Counter(order.state for order in state.orders.values() if order.is_open)
    return {
        "kalshid_build_info": {installed_version("kalshid"): 1.0},
        "kalshid_ready": float(engine.phase == "trading"),
        "kalshid_phase": {phase: float(phase == engine.phase) for phase in PHASES},
        "kalshid_frames_total": {feed: float(count) for feed, count in frames.items()},
        "kalshid_feed_connects_total": {
            feed: float(state.counts[f"{feed}_connects"]) for feed in (*state.feeds, "kraken")
        },
        "kalshid_feed_last_heard_timestamp_seconds": _seconds(state.feed.heard_at),
        "kalshid_transport_lag_seconds": _seconds(lag.lag),
        "kalshid_clock_offset_seconds": _seconds(lag.offset),
        "kalshid_session_total": {kind: float(session[kind]) for kind in SESSION_KINDS},
        "kalshid_books_tracked": float(len(state.markets)),
        "kalshid_books_synced": float(sum(market.book.is_synced for market in state.markets.values())),
        "kalshid_events_total": {kind: float(count) for kind, count in sorted(state.counts.items())},
        "kalshid_decisions_total": float(engine.decisions_total),
        "kalshid_refusals_total": {reason: float(count) for reason, count in engine.refusals.items()},
        "kalshid_orders_total": float(engine.orders_total),
        "kalshid_orders_open": {state_: float(count) for state_, count in open_states.items()},
        "kalshid_queue_depth": float(queue.depth),
        "kalshid_queue_dropped_total": float(queue.dropped_total),
        "kalshid_queue_wait_seconds": metrics.queue_wait,
        "kalshid_decision_seconds": metrics.decision,
        "kalshid_order_request_seconds": metrics.order_request,
        "kalshid_api_requests_total": dict(metrics.api_outcomes),
        "kalshid_rate_limit_tokens": float(queue.pacer.tokens(now)),
        "kalshid_breaker_open": float(engine.breaker.state != "closed"),
        "kalshid_breaker_opened_total": float(engine.breaker.opened_total),
        "kalshid_reconcile_findings_total": float(len(state.account.findings)),
        "kalshid_reconcile_last_success_timestamp_seconds": _seconds(state.account.read_at),
        "kalshid_cash_dollars": dollars(state.ledger.cash),
        "kalshid_equity_dollars": dollars(marked_equity(state)),
        "kalshid_pnl_dollars": dollars(engine.pnl()),
        "kalshid_fees_dollars_total": dollars(state.ledger.fees),
        "kalshid_journal_bytes_total": float(journal.bytes_total),
        "kalshid_journal_fsync_seconds": journal.sync_seconds_last,
        "kalshid_inbox_depth": float(len(inbox)),
    }


def _seconds(instant: Ns | None) -> float | None:
    return None if instant is None else instant / SECOND
