"""A tape of the simulated traders: the same schema as a recorded one, ours to share and to train on.

It begins with a snapshot of every open market, as a subscription does, and has what a recorder of the
public channels would have seen: snapshots, deltas, trades, spot ticks, and the summary of every traded
market once a second. Seed, start and duration determine it to the byte.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Final

from daemon.core.markets import MarketResult
from daemon.core.units import SECOND, Ns
from daemon.exchange.exchange import Exchange
from daemon.exchange.facts import BookReplaced, Determined, LevelChanged, Traded
from daemon.exchange.market import Market
from daemon.exchange.tape import (
    TapeDelta,
    TapeManifest,
    TapeMarket,
    TapeSnapshot,
    TapeSpot,
    TapeTicker,
    TapeTrade,
)
from daemon.lab.tape_writer import SessionWriter, TapeWriter
from daemon.sandbox.flow import STEP, Resumed, SpotPrinted, Telling
from daemon.sandbox.flows.traders import TradersFlow

START_AT: Final[Ns] = 1_767_225_600 * SECOND
"""2026-01-01 00:00 UTC: where a synthetic tape begins unless told otherwise."""

_SOURCE = "sandbox"
_FOLLOWED = 600 * SECOND
"""How long behind the end markets are still followed to their results, unrecorded."""


class _Recorder:
    """Turns what the traders do into the records of one session."""

    def __init__(self, exchange: Exchange, writer: SessionWriter) -> None:
        self._exchange = exchange
        self._writer = writer
        self._seq = 0
        self._changed: dict[str, None] = {}
        self.tickers: dict[str, None] = {}

    def take(self, told: list[Telling]) -> None:
        """Record the public part of what happened."""
        writer = self._writer
        for fact in told:
            if isinstance(fact, LevelChanged):
                if fact.ticker not in self.tickers:
                    # Its first sign of life: a subscription starts with a snapshot, here an empty one.
                    self._snapshot(fact.ticker, BookReplaced(fact.ticker, (), (), fact.at))
                self._changed[fact.ticker] = None
                self._seq += 1
                writer.add(
                    TapeDelta(fact.ticker, fact.side, fact.price, fact.delta, self._seq, 0, fact.at, fact.at)
                )
            elif isinstance(fact, Traded):
                writer.add(
                    TapeTrade(
                        fact.ticker, fact.trade_id, fact.price, fact.qty, fact.taker_side, 0, fact.at, fact.at
                    )
                )
            elif isinstance(fact, BookReplaced):
                self._snapshot(fact.ticker, fact)
            elif isinstance(fact, SpotPrinted):
                writer.add(TapeSpot(_SOURCE, fact.symbol, fact.price, str(fact.trade_id), fact.at, fact.at))

    def subscribe(self, now: Ns) -> None:
        """Record the books as they stand."""
        for ticker, market in self._exchange.markets.items():
            if market.is_open(now):
                book = market.book
                self._snapshot(ticker, BookReplaced(ticker, book.levels("yes"), book.levels("no"), now))

    def summarise(self, now: Ns) -> None:
        """Record the summaries of the markets that changed since the last time."""
        for ticker in self._changed:
            self._writer.add(_summary(self._exchange.markets[ticker], now))
        self._changed = {}

    def _snapshot(self, ticker: str, fact: BookReplaced) -> None:
        self.tickers[ticker] = None
        self._seq += 1
        self._writer.add(TapeSnapshot(ticker, fact.yes, fact.no, self._seq, 0, fact.at, fact.at))


def _summary(market: Market, now: Ns) -> TapeTicker:
    book = market.book
    yes, no = book.levels("yes"), book.levels("no")
    return TapeTicker(
        ticker=market.ticker,
        bid=book.bid,
        ask=book.ask,
        bid_size=yes[-1][1] if yes else 0,
        ask_size=no[-1][1] if no else 0,
        last=market.last,
        last_qty=None,
        volume=market.volume,
        open_interest=market.open_interest,
        conn=0,
        received_at=now,
        sent_at=now,
    )


def synthetic_tape(
    seed: int,
    duration: Ns,
    target: Path,
    start_at: Ns = START_AT,
) -> TapeManifest:
    """Record one session of the simulated traders as a tape folder, and return its manifest.

    Args:
        seed: of the traders.
        duration: of the session.
        target: the tape folder; made when absent.
        start_at: the sandbox time at which the session begins.

    Raises:
        FileExistsError: `target` holds a tape already.
    """
    assert duration >= STEP, f"a tape of {duration} ns"
    ids = count(1)
    exchange = Exchange(lambda: f"synthetic-{next(ids)}")
    flow = TradersFlow(Resumed(now=start_at, seed=seed, spot=None, markets=()))
    flow.advance(exchange, start_at)
    with TapeWriter(target, origin=f"kalshid's simulated traders, seed {seed}") as tape:
        writer = tape.session(f"synthetic-{seed}", ("traders",), start_at)
        recorder = _Recorder(exchange, writer)
        recorder.subscribe(start_at)
        outcomes: dict[str, MarketResult] = {}
        now = start_at
        while now < start_at + duration:
            now = min(now + STEP, start_at + duration)
            told = flow.advance(exchange, now)
            outcomes |= _outcomes(told)
            recorder.take(told)
            if now % SECOND == 0:
                recorder.summarise(now)
        markets = [(ticker, exchange.markets[ticker]) for ticker in recorder.tickers]
        followed_to = max((market.spec.close_at for _, market in markets), default=now) + _FOLLOWED
        # One long step: the traders sleep, the markets live on to their results.
        outcomes |= _outcomes(flow.advance(exchange, followed_to))
        return tape.finish(tuple(_tape_market(market, outcomes.get(ticker)) for ticker, market in markets))


def _outcomes(told: list[Telling]) -> dict[str, MarketResult]:
    return {fact.ticker: fact.result for fact in told if isinstance(fact, Determined)}


def _tape_market(market: Market, outcome: MarketResult | None) -> TapeMarket:
    spec = market.spec
    return TapeMarket(
        ticker=spec.ticker,
        event_ticker=spec.event_ticker,
        series_ticker=spec.series_ticker,
        title=spec.title,
        open_at=spec.open_at,
        close_at=spec.close_at,
        strike=spec.strike,
        strike_type=spec.strike_type,
        bands=spec.bands,
        fees=spec.fees,
        exchange_index=spec.exchange_index,
        outcome=outcome,
    )
