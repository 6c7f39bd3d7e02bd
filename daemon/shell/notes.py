"""What is not as it should be, a line each, for the foot of the screen. When all is well there is none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from daemon.core.reference import Source
from daemon.core.state import State
from daemon.core.units import HOUR, MINUTE, SECOND, Ns
from daemon.shell.samples import Sources, next_window, pauses_in_force

MAINTENANCE_TOLD_AHEAD: Ns = HOUR
TICKERS_NAMED = 3
BREAKERS_NAMED = 5
_WORDS = {
    "feed_down": "is down",
    "feed_silent": "is silent",
    "transport_lag": "is late",
    "clock_skew": "has another clock than we",
}


def notes_of(sources: Sources, now: Ns) -> tuple[str, ...]:
    """Return what a person should know about now, the gravest first."""
    state = sources.engine.state
    return (
        *_halt(state),
        *_strategies(state),
        *_breakers(sources),
        *_exchange(state, now),
        *_connections(sources, now),
        *_markets(sources),
        *_reference(sources, now),
        *_requests(sources),
        *_notices(sources),
    )


def _halt(state: State) -> Iterator[str]:
    if state.halt_reason is not None:
        yield f"halted by {state.halt_by}: {state.halt_reason}"
    if state.flatten is not None:
        yield "flat: nothing is held" if state.is_flat else "flattening: closing all positions"


def _strategies(state: State) -> Iterator[str]:
    for name, off in state.switches.off.items():
        yield f"strategy {name} is off ({off.by}): {off.reason}"


def _breakers(sources: Sources) -> Iterator[str]:
    for opened in sources.engine.breakers.not_closed()[:BREAKERS_NAMED]:
        yield f"breaker {opened.state.replace('_', ' ')}: {opened.words}"


def _exchange(state: State, now: Ns) -> Iterator[str]:
    pauses, window = pauses_in_force(state, now), next_window(state, now)
    resume_at = state.exchange.resume_at
    back = "" if resume_at is None else f", back at {_clock(resume_at)}"
    if "exchange_paused" in pauses:
        yield f"the exchange is paused{back}"
    elif "trading_paused" in pauses:
        yield f"trading is paused{back}"
    if window is None:
        return
    start, end = window
    if start <= now:
        yield f"maintenance until {_clock(end)}"
    elif start - now <= MAINTENANCE_TOLD_AHEAD:
        yield f"maintenance at {_clock(start)}, in {_span(start - now)}"


def _connections(sources: Sources, now: Ns) -> Iterator[str]:
    state, limits = sources.engine.state, sources.engine.config.limits
    for feed, health in state.feeds.items():
        refusal = health.vouch(limits, now)
        if refusal is not None:
            yield f"connection {feed} {_WORDS.get(refusal, refusal)}"
    for (feed, channel), silent_for in state.quiet_channels.items():
        yield f"connection {feed}: {channel} fell silent, against its habit, for {_span(silent_for)}"
    if state.connections.drift(limits, now) is not None:
        yield f"schema drift: more than {limits.refused_per_minute_max} frames in a minute can't be read"


def _markets(sources: Sources) -> Iterator[str]:
    markets = sources.engine.state.markets
    waiting = [ticker for ticker, one in markets.items() if one.is_backfill_due and not one.is_unwatched]
    if waiting:
        yield f"{_named(waiting)} not traded before the past is read"
    if sources.feeds.waiting:
        yield f"{_named(sources.feeds.waiting)} without a connection: none has room"
    if differing := [ticker for ticker, one in markets.items() if one.audit_differences]:
        yield f"{_named(differing)} differed from the venue's REST book"


def _reference(sources: Sources, now: Ns) -> Iterator[str]:
    state, config = sources.engine.state, sources.engine.config.reference
    underlyings = {one.kraken: one for one in config.underlyings}
    for symbol, one in underlyings.items():
        believed = state.reference_source(symbol, now)
        ahead = config.prefer if believed is None else config.prefer[: config.prefer.index(believed)]
        if not ahead:
            continue
        known = state.references.sources
        ill = ", ".join(f"{name} {_illness(known[name], one.symbols[name], now)}" for name in ahead)
        which = "reference" if len(underlyings) == 1 else f"reference of {symbol}"
        yield f"{which}: {believed or 'none'}, {ill}"


def _illness(source: Source, symbol: str, now: Ns) -> str:
    if not source.is_connected:
        return "is not connected" if source.told_at is None else "is down"
    if now < source.well_until(symbol):
        return "has yet to settle"
    return "is silent" if source.is_trading else "does not trade"


def _requests(sources: Sources) -> Iterator[str]:
    reads = 0 if sources.gate is None else sources.gate.limited
    for count, what in ((reads, "reads"), (sources.metrics.orders_limited, "order requests")):
        if count:
            yield f"{count:,} {what} refused by the venue for want of tokens (429)"


def _notices(sources: Sources) -> Iterator[str]:
    if sources.notices is not None and sources.notices.queue.failure is not None:
        yield f"notification: {sources.notices.queue.failure}"


def _named(tickers: list[str] | tuple[str, ...]) -> str:
    """Return a few tickers by name, and more than that by their number."""
    return ", ".join(tickers) if len(tickers) <= TICKERS_NAMED else f"{len(tickers):,} markets"


def _clock(at: Ns) -> str:
    return f"{datetime.fromtimestamp(at / SECOND, UTC):%H:%M} UTC"


def _span(length: Ns) -> str:
    return f"{length // SECOND} s" if length < MINUTE else f"{length // MINUTE} min"
