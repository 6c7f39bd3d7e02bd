"""Many markets: what a delta costs with 20 of them and with 10,000, and what a market keeps in memory.

The daemon's path from bytes to a decision (session, journal, book, features, LightGBM, strategy), every
market watched, traded and scored. Traffic is uniform: each delta is of any market, and both sizes get as
many a second. They are measured in turns, in the state that they stay in: each market had its first delta
after the snapshot, whose row finds what all later ones keep; all windows are whole, and out of those of up to
ten seconds as much leaves as comes in. A start is measured apart (`test_bench_start`).
"""

from __future__ import annotations

import gc
import json
import random
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import msgspec

from daemon.assembly import setup_of
from daemon.config import load_config
from daemon.core import events as e
from daemon.core.commands import Command
from daemon.core.engine import Engine, Slot
from daemon.core.models import Model
from daemon.core.strategy import MarketView, Wanted
from daemon.core.units import MILLISECOND, MONEY_ONE, SECOND, Ns, format_price, format_qty
from daemon.kalshi.session import Session
from daemon.scoring.lightgbm import LightGBMScorer
from daemon.shell.journal import Journal, JournalHeader
from daemon.shell.loop import Inbox, Pump
from tests.bench.walk import OPEN_AT, listing
from tests.bench.wide_model import NAME, SCHEMA, VERSION, model_ref, model_text

ROOT = Path(__file__).parents[2]
SERIES = "KXSCALE"
EVENT_SIZE = 20
"""Markets of one event."""
LEVELS = 10
APART: Ns = 100_000
"""Between two batches: 10,000 a second, as a storm brings them."""


class Watching:
    """Looks at every market's score, and wants nothing: what is measured is the way there."""

    name = "watching"
    features: tuple[str, ...] = ()
    book_changed_max: Ns | None = None

    def wants(self, view: MarketView) -> Wanted:
        """Return no target."""
        return Wanted((), "no score" if view.score is None else "scored")


def ticker_of(number: int) -> str:
    """Return the ticker of a market by its number."""
    return f"{SERIES}-{number // EVENT_SIZE:04d}-T{number % EVENT_SIZE:02d}"


class _Nobody:
    """Stands where commands go: nothing is ordered here, and what is read is told at the start."""

    def put(self, command: Command, offset: int | None = None) -> None:
        """Take a command and leave it."""


class ManyMarkets:
    """The daemon's path from bytes to a decision, over many markets. `close` it."""

    def __init__(self, count: int, folder: Path) -> None:
        config = load_config(ROOT / "config.toml")
        setup = setup_of(config, model_ref(folder), OPEN_AT // MILLISECOND)
        scorer = LightGBMScorer(model_text(), NAME, VERSION, SCHEMA, frozenset({"mid"}))
        slot = Slot(Watching(), frozenset({SERIES}))
        self.engine = Engine(setup.engine, [slot], {"default": Model(scorer)}, SCHEMA)
        header = JournalHeader(
            kalshid_version="bench", instance="bench", epoch=setup.engine.epoch,
            engine=msgspec.Raw(msgspec.msgpack.encode(setup)),
        )  # fmt: skip
        self.journal = Journal.create(folder / "journal", header)
        self.session = Session(is_private=False)
        self.inbox, self.now = Inbox(), OPEN_AT + 60 * SECOND
        self.pump = Pump(
            self.engine, self.inbox, self.journal, _Nobody(), _Nobody(),  # type: ignore[arg-type]
            now=lambda: self.now, is_followed=True, on_latency=lambda _ns: None,
            on_batch=lambda _events, _commands: None,
        )  # fmt: skip
        self.tickers = [ticker_of(number) for number in range(count)]
        self._seq = 0
        self._sizes: dict[tuple[str, str, int], int] = {}
        self._chance = random.Random(count)
        self._begin()

    def _begin(self) -> None:
        now = OPEN_AT
        self.session.watch(self.tickers)
        events: list[e.Event] = []
        for ticker in self.tickers:
            spec = msgspec.structs.replace(
                listing(), ticker=ticker, event_ticker=ticker.rpartition("-")[0], series_ticker=SERIES,
                close_at=OPEN_AT + 86_400 * SECOND,
            )  # fmt: skip
            events.append(e.MarketListed(spec, now))
        events += self.session.connected(now)
        events += self.session.receive(
            b'{"type":"subscribed","id":1,"msg":{"channel":"orderbook_delta","sid":1}}', now
        )
        events += [
            e.AccountReconciled(at, at, 10_000 * MONEY_ONE, (), (), ())
            for at in (now + 10 * SECOND, now + 20 * SECOND)
        ]
        for ticker in self.tickers:
            events += self.session.receive(self._snapshot(ticker), self.now)
        self.pump.turn(events)

    def _frame(self, kind: str, msg: dict[str, object]) -> bytes:
        self._seq += 1
        frame = {
            "type": kind,
            "sid": 1,
            "seq": self._seq,
            "msg": msg,
            "sending_ts_ms": self.now // MILLISECOND,
        }
        return json.dumps(frame, separators=(",", ":")).encode() + b"\n"

    def _snapshot(self, ticker: str) -> bytes:
        levels = {
            side: {4_800 - 100 * step: 40_000 + 1_000 * step for step in range(LEVELS)}
            for side in ("yes", "no")
        }
        told = {
            f"{side}_dollars_fp": [[format_price(price), format_qty(size)] for price, size in ladder.items()]
            for side, ladder in levels.items()
        }
        return self._frame("orderbook_snapshot", {"market_ticker": ticker, "market_id": "m", **told})

    def delta(self, ticker: str) -> bytes:
        """Return a frame that changes one of a market's best levels, now."""
        side, price = self._chance.choice(("yes", "no")), self._chance.choice((4_600, 4_700, 4_800))
        size = self._sizes.get((ticker, side, price), 40_000)
        delta = self._chance.randrange(1, 50) * 100 * self._chance.choice((-1, 1))
        delta = abs(delta) if size + delta <= 0 else delta
        self._sizes[ticker, side, price] = size + delta
        msg: dict[str, object] = {
            "market_ticker": ticker, "market_id": "ef0ce114-eb71-419d-9563-c670d1859d5d",
            "price_dollars": format_price(price), "delta_fp": format_qty(delta), "side": side,
            "ts": "2026-09-25T19:13:44.342537Z", "ts_ms": self.now // MILLISECOND,
        }  # fmt: skip
        return self._frame("orderbook_delta", msg)

    def any_ticker(self) -> str:
        """Return one of the markets, each as likely."""
        return self._chance.choice(self.tickers)

    def batches(self, count: int, size: int) -> list[list[bytes]]:
        """Return so many batches of frames, each frame of any market."""
        return [[self.delta(self.any_ticker()) for _ in range(size)] for _ in range(count)]

    def take(self, batches: Sequence[list[bytes]], apart: Ns = APART) -> int:
        """Take batches as the pump drains them; return the nanoseconds that it took."""
        receive, turn = self.session.receive, self.pump.turn
        began = time.perf_counter_ns()
        for frames in batches:
            self.now += apart
            events: list[e.Event] = []
            for frame in frames:
                events += receive(frame, self.now)
            turn(events)
        return time.perf_counter_ns() - began

    def settle(self, deltas: int) -> None:
        """Come to the state that many markets stay in: a delta of each over six minutes, then so many."""
        count = len(self.tickers)
        for ticker in self.tickers:
            self.take([[self.delta(ticker)]], 360 * SECOND // count)
        for _ in range(deltas // count):
            self.take(self.batches(count, 1))

    def close(self) -> None:
        """Close the journal."""
        self.journal.close()


def delta_costs(
    few: int = 20,
    many: int = 10_000,
    *,
    rounds: int = 15,
    deltas: int = 600,
    size: int = 1,
    settling: int = 110_000,
) -> dict[str, float]:
    """Return microseconds per delta with few markets and with many, in turns, and their ratio.

    `deltas` each round, `size` in a batch, after `settling` ones: eleven seconds' worth. `scored_share` of
    the last round's markets had a score.
    """
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        small, large = ManyMarkets(few, Path(one)), ManyMarkets(many, Path(other))
        for subject in (small, large):
            subject.settle(settling)
        gc.collect()
        gc.freeze()  # as the daemon does once it has started
        took: dict[int, list[float]] = {few: [], many: []}
        for _ in range(rounds):
            for subject in (small, large):
                batches = subject.batches(deltas // size, size)
                took[len(subject.tickers)].append(subject.take(batches) / deltas / 1e3)
        synced = sum(market.book.is_synced for market in large.engine.state.markets.values())
        scored = sum(score is not None for score in large.engine.scores.values())
        small.close()
        large.close()
        gc.unfreeze()
    return {
        "few_us": statistics.median(took[few]),
        "many_us": statistics.median(took[many]),
        "ratio": statistics.median(b / a for a, b in zip(took[few], took[many], strict=True)),
        "synced_share": synced / many,
        "scored_share": scored / many,
    }


def memory_per_market(idle: int = 1_000, active: int = 2, deltas: int = 12_000) -> dict[str, float]:
    """Return the bytes that a market keeps, as `tracemalloc` counts them: idle, and after traffic.

    An idle one is listed, subscribed, scored, and has its snapshot. An active one had `deltas` in ten
    minutes.
    """
    model_text()
    kept = {}
    for name, count in (("idle", idle), ("active", active)):
        with tempfile.TemporaryDirectory() as folder:
            first = ManyMarkets(1, Path(folder) / "warm")
            first.close()
            gc.collect()
            tracemalloc.start()
            subject = ManyMarkets(count, Path(folder) / "measured")
            if name == "active":
                apart = 600 * SECOND // (deltas * count)
                for _ in range(deltas):
                    batches = [[subject.delta(ticker)] for ticker in subject.tickers]
                    subject.take(batches, apart)
            subject._sizes.clear()  # the exchange's memory, not the daemon's
            gc.collect()
            kept[f"{name}_bytes"] = tracemalloc.get_traced_memory()[0] / count
            tracemalloc.stop()
            subject.close()
    return kept
