"""What a scrape shows of risk: what limits allow and what is used of them, halts, orders without an end."""

from __future__ import annotations

import shutil
from pathlib import Path

from daemon.core.engine import Engine
from daemon.core.exposure import event_losses, exposure_total
from daemon.core.second_line import GUARD
from daemon.core.state import State
from daemon.core.units import MONEY_ONE, SECOND, Money
from daemon.shell.families import OTHER
from daemon.shell.metrics import Sample

HALTERS = ("cli", "page", "signal", "file", "latch", "breaker", GUARD, OTHER)
"""Who halts, as the label says it; of a breaker not which one: `kalshid_breaker_state` has that."""


def risk_samples(engine: Engine) -> dict[str, Sample | None]:
    """Return the samples of the account's limits, in dollars; a limit that is off has neither series."""
    state, gathering = engine.state, engine.gathering
    limits = gathering.limits
    pairs: dict[str, tuple[Money | None, Money]] = {
        "total_loss": (limits.total_loss_max, sum(event_losses(state).values())),
        "exposure": (limits.exposure_max, exposure_total(state)),
        "daily_loss": (limits.daily_loss_max, -gathering.pnl_today()),
        "drawdown": (limits.drawdown_max, gathering.drawdown()),
    }
    known = {name: (most, used) for name, (most, used) in pairs.items() if most is not None}
    return {
        "kalshid_risk_limit_dollars": {name: most / MONEY_ONE for name, (most, _) in known.items()},
        # A gain uses nothing of a limit on losses.
        "kalshid_risk_taken_dollars": {name: max(0, used) / MONEY_ONE for name, (_, used) in known.items()},
        "kalshid_positions_open": float(sum(one.qty != 0 for one in state.ledger.positions.values())),
        "kalshid_halted": _halted(state),
        "kalshid_orders_unresolved_oldest_timestamp_seconds": _oldest_unknown(state),
    }


def disk_free(journal: Path) -> float | None:
    """Return the bytes that the journal's file system has left for us; None when it does not say."""
    try:
        return float(shutil.disk_usage(journal.parent).free)
    except OSError:
        return None


def _halted(state: State) -> dict[str, float]:
    halted = dict.fromkeys(HALTERS, 0.0)
    if state.halt_reason is not None:
        by = "breaker" if state.halt_by.startswith("breaker ") else state.halt_by
        halted[by if by in halted else OTHER] = 1.0
    return halted


def _oldest_unknown(state: State) -> float | None:
    """Return since when the longest unknown order is; None while there is none."""
    unknown = [order.touched_at for order in state.orders.values() if order.state == "unknown"]
    return min(unknown) / SECOND if unknown else None
