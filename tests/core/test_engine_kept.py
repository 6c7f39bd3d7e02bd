"""All that is kept for speed, in one engine: it decides, scores and says what one that keeps nothing does.

The one that keeps is also asked at the moment of sending, as the queue asks it: that is in no journal, so it
must not change a later answer either.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.commands import AmendOrder, CancelOrder, Command, MakeOrderGroup, PlaceOrder
from daemon.core.engine import Engine, Slot
from daemon.core.features.catalogue import feature_of
from daemon.core.limits import Limits, TradingHours
from daemon.core.models import DEFAULT, Model
from daemon.core.scorer import FeatureSchema, Output
from daemon.core.strategy import MarketView, Target, Wanted
from daemon.core.units import DAY, HOUR, MILLISECOND, MINUTE, MONEY_ONE, SECOND, Ns, Price, Qty, Side
from tests.core.features.told import SCHEMA
from tests.core.worlds import CASH, CONFIG, LIMITS, T0, reconciled, snapshot, spec

TICKERS = ("KXBTC15M-26SEP251530-30", "KXBTC15M-26SEP251530-45")
KEPT = tuple(name for name in SCHEMA.names if feature_of(name)[1].changes != "always")
ROW = FeatureSchema((*KEPT, "ofi_10s", "message_rate_10s", "vwap_distance_60s", "high_distance_20m"))
"""With some that read the same streams and past at every instant."""
WAITS: tuple[Ns, ...] = (
    0, 1, MILLISECOND, 5 * MILLISECOND, 5 * MILLISECOND, 19 * MILLISECOND, 50 * MILLISECOND, SECOND,
    5 * SECOND, 16 * SECOND, MINUTE,
)  # fmt: skip
LEVELS: tuple[tuple[Side, Price, Qty], ...] = (
    ("yes", 4_000, 100), ("yes", 4_000, 9_700), ("yes", 4_000, 20_000), ("yes", 4_000, -10_000),
    ("yes", 4_100, 10_000), ("yes", 3_900, -100), ("no", 5_700, 100), ("no", 5_800, 100),
)  # fmt: skip
"""How levels change: what the book has, so that it is seldom lost."""
SHUT = TradingHours("never", (), 0, DAY, ())
LIMITS_OF: tuple[dict[str, object], ...] = (
    {}, {}, {"order_qty_max": 700}, {"feed_silent_max": 4 * MILLISECOND}, {"close_guard": 12 * MINUTE},
    {"hours": SHUT}, {"duplicate_window": 30 * SECOND}, {"duplicate_window": 2 * MILLISECOND},
    {"spread_max": 100}, {"stop_loss": 100}, {"refused_per_minute_max": 0}, {"orders_per_minute_max": 3},
)  # fmt: skip


class Mixes:
    """A model whose score hangs on every column that it is given."""

    name = "mixes"
    required = frozenset({"mid"})
    output: Output = "probability"

    def __init__(self, version: str, weight: float) -> None:
        self.version, self.weight = version, weight
        self.schema = ROW

    def score(self, row: Sequence[float | None]) -> float:
        """Return the fraction of a sum in which each value has a weight of its own."""
        known = ((place, value) for place, value in enumerate(row) if value is not None)
        return sum(value * (place + self.weight) for place, value in known) % 1.0


class Shelf:
    """Models by the version that a swap names."""

    def get(self, event: e.ModelSwapped) -> Model:
        """Return it, made anew."""
        return Model(Mixes(event.version, float(event.version)), event.sha256, event.expires_at)


class Wavers:
    """Wants what sizes, score, peers and capital say in coarse steps, so that it mostly stands."""

    features: tuple[str, ...] = ()
    book_changed_max: Ns | None = 2 * SECOND

    def __init__(self, name: str, away: int) -> None:
        self.name, self.away = name, away

    def wants(self, view: MarketView) -> Wanted:
        """Return a bid and an ask, one of them, an immediate order, or none."""
        book = view.book
        if book.bid is None or book.ask is None or book.bid_size is None or view.score is None:
            return Wanted((), "no quotes")
        if book.bid_size % 10_000 == 7_700:
            raise ArithmeticError("told to")
        step = book.bid_size // 20_000 % 5
        qty = 700 if view.score < 0.5 else 1_000
        words = f"{len(view.peers.of_series())} peers"
        bid = Target("bid", book.bid - self.away, qty, "rest", words, slack=100)
        ask = Target("ask", book.ask + self.away, 1_000, "rest", words)
        take = Target("bid", book.bid, 400, "take", words)
        return Wanted(((), (bid,), (bid, ask), (ask,), (take,))[step], f"step {step}")


class Terms:
    """Builds strategies from texts such as "near:100:KXBTC15M far:300:KXETHD"."""

    def slots_of(self, tables: str) -> Sequence[Slot]:
        """Return them."""
        parts = (table.split(":") for table in tables.split())
        return [Slot(Wavers(name, int(away)), frozenset({series})) for name, away, series in parts]


class Pair:
    """One engine that keeps, one that keeps nothing, and what both are told."""

    def __init__(self) -> None:
        self.keeping, self.anew = (self._engine() for _ in range(2))
        self.now = T0 + 10 * SECOND
        self.queued: list[PlaceOrder | AmendOrder] = []
        """What was decided last; it leaves when the next thing was told."""
        self.waiting: list[e.Event] = []
        self.placed = self.refused = 0
        told: list[e.Event] = [e.MarketListed(spec(ticker), T0) for ticker in TICKERS]
        told += [e.FeedConnected("kalshi", T0), reconciled(T0 + 3 * SECOND), reconciled(self.now)]
        told += [snapshot(self.now, ticker) for ticker in TICKERS]
        for event in told:
            self._tell(event)
        self.step([], random.Random(0))

    @staticmethod
    def _engine() -> Engine:
        limits = msgspec.structs.replace(
            LIMITS, orders_per_minute_max=1_000, transport_lag_max=20 * MILLISECOND, repeated_fills_max=3,
            duplicate_window=2 * MILLISECOND, order_qty_max=1_500,
        )  # fmt: skip
        config = msgspec.structs.replace(
            CONFIG, order_expiry=8 * SECOND, order_group_limit=100_000, limits=limits, remembers_day=True
        )
        slots = [
            Slot(Wavers("near", 100), frozenset({"KXBTC15M"})),
            Slot(Wavers("far", 300), frozenset({"KXBTC15M"}), close_guard=MINUTE, capital=50 * MONEY_ONE),
        ]
        subject = Engine(config, slots, {DEFAULT: Model(Mixes("1", 1.0), "one")}, ROW, Shelf())
        subject.changes.source = Terms()
        return subject

    def _tell(self, event: e.Event) -> None:
        self.keeping.handle(event)
        self.anew.handle(event)

    def step(self, told: list[e.Event], rng: random.Random) -> None:
        """Tell both, let both decide, and hold the one against the other."""
        for event in told:
            self._tell(event)
        for order in self.queued:
            self.refused += self.keeping.vouch(order, self.now) is not None
        for event in self.waiting:
            self._tell(event)
        self._forget()
        commands = self.keeping.decide(self.now)
        assert self.anew.decide(self.now) == commands, told
        assert self.anew.decisions.last == self.keeping.decisions.last
        assert self.anew.scores == self.keeping.scores
        assert self.anew.refusals == self.keeping.refusals
        self.queued = [one for one in commands if isinstance(one, PlaceOrder | AmendOrder)]
        self.placed += len(self.queued)
        self.waiting = [event for command in commands for event in answers(rng, command, self.now)]

    def _forget(self) -> None:
        """Leave the second engine nothing that it found before."""
        subject = self.anew
        subject._standing.forget()
        subject._upkeep._remembering._seen = None
        subject._calm_until = 0
        subject._asking._peers._listed_total = -1
        for source in subject.state.references.sources.values():
            for prices in source.symbols.values():
                prices._past_revision = -1
        for market in subject.state.markets.values():
            kept = market.features
            kept._mid_due_at = kept._trades_due_at = kept._due_at = 0
            kept._past, kept._spot_revision = None, -1
            kept._is_book_stale = kept._is_top_stale = kept._is_quote_stale = True

    def reading(self) -> e.Event:
        """The venue's lists, which say what we believe."""
        state = self.keeping.state
        orders = tuple(
            e.OrderSnapshot(
                one.order_id or "", name, one.ticker, one.side, one.price, one.filled, one.remaining
            )
            for name, one in state.orders.items()
            if one.state == "resting"
        )
        held = tuple(
            e.PositionSnapshot(ticker, one.qty, one.cost, 0, 0)
            for ticker, one in state.ledger.positions.items()
            if one.qty
        )
        cash = CASH if state.ledger.cash is None else state.ledger.cash
        return reconciled(self.now, cash, held, orders)


def answers(rng: random.Random, command: Command, now: Ns) -> list[e.Event]:
    """What the venue says to a command, most of the time; immediate orders trade now and then."""
    if isinstance(command, MakeOrderGroup):
        return [e.OrderGroupTold(command.exchange_index, "group", False, now)]
    if not isinstance(command, PlaceOrder | AmendOrder | CancelOrder):
        return []
    name, luck = command.client_order_id, rng.random()
    if isinstance(command, CancelOrder):
        return [e.OrderAccepted("cancel", name, command.order_id, None, 0, now, now)]
    if luck < 0.05:
        return [e.OrderRejected("place" if isinstance(command, PlaceOrder) else "amend", name, "x", "", now)]
    if isinstance(command, AmendOrder):
        return [e.OrderAccepted("amend", name, command.order_id, 0, command.qty, now, now)]
    if command.time_in_force != "immediate_or_cancel":
        return [e.OrderAccepted("place", name, f"id-{name}", 0, command.qty, now, now)]
    filled = command.qty if luck < 0.2 else 0
    fill = e.OrderFilled(
        f"t-{name}",
        f"id-{name}",
        name,
        command.ticker,
        command.side,
        command.price,
        filled,
        0,
        True,
        now,
        now,
    )
    return [e.OrderAccepted("place", name, f"id-{name}", filled, 0, now, now), *([fill] if filled else [])]


def limits_of(changes: dict[str, object], before: Limits) -> Limits:
    """Return limits with some of them changed; with none, those of the start are in force again."""
    return msgspec.structs.replace(before, **changes) if changes else Pair._engine().config.limits


def rare(kind: int, ticker: str, now: Ns, rng: random.Random, limits: Limits) -> list[e.Event]:
    """Anything that may stop us, or let us go on, or change the terms."""
    running = rng.choice((("near", "far"), ("near", "far"), ("near",), ("far",), ()))
    tables = rng.choice(("", "", "near:200:KXBTC15M", "far:100:KXETHD", "far:300:KXBTC15M near:100:KXBTC15M"))
    change = e.ConfigChanged("c", limits_of(rng.choice(LIMITS_OF), limits), running, tables, now)
    listed = msgspec.structs.replace(spec(ticker), close_at=now + 14 * MINUTE)
    kinds: list[list[e.Event]] = [
        [change], [change],
        [e.ModelSwapped(DEFAULT, "p", "mixes", str(rng.randrange(9)), "s", now, rng.choice((None, now + 9)))],
        [e.FrameRefused("kalshi", "x", now)] * 22,
        [e.BookLost(ticker, "gap", now), snapshot(now, ticker)], [e.BookLost(ticker, "gap", now)],
        [e.FeedDropped("kalshi", "test", now), e.FeedConnected("kalshi", now)],
        [e.FeedDropped("kraken", "test", now)], [e.FeedConnected("kraken", now)],
        [e.HaltRequested("test", now)], [e.ResumeRequested("test", now)], [e.ResumeRequested("test", now)],
        [e.StrategySwitched("near", rng.random() < 0.6, "test", now)],
        [e.StrategySwitched(name, True, "test", now) for name in ("near", "far")],
        [e.ExchangeStatusTold(True, rng.random() < 0.7, (), None, now)],
        [e.MaintenancePlanned(((now + 2 * MINUTE + 9 * MILLISECOND, now + 3 * MINUTE),), now)],
        [e.MaintenancePlanned((), now)], [e.AccountDoubted("test", now)],
        [e.MarketListed(listed, now), snapshot(now, ticker)],
        [e.MarketStatusChanged(ticker, rng.choice(("active", "inactive")), now)],
        [e.MarketCloseMoved(ticker, now + rng.choice((30 * SECOND, 14 * MINUTE)), now)],
        [e.MarketDropped(ticker, now)], [e.TradesLost("kalshi", "gap", now)],
        [e.CandleBackfilled(ticker, MINUTE, now // MINUTE * MINUTE, 3_900, 4_100, 0, now)],
    ]  # fmt: skip
    return kinds[kind % len(kinds)]


def happening(kind: int, now: Ns, rng: random.Random, limits: Limits) -> list[e.Event]:
    """A level of a book most of the time, a trade or a price of the underlying often, the rest rarely."""
    ticker = TICKERS[kind % 2]
    if kind < 60:
        side, price, qty = rng.choice(LEVELS)
        sent_at = now - (30 * MILLISECOND if rng.random() < 0.02 else 0)
        return [e.BookDeltaReceived(ticker, side, price, qty, now, sent_at)]
    if kind < 68:
        return [e.TradePrinted(ticker, str(now), 4_000, 100, "yes", now, now)]
    if kind < 76:
        price = (84_000 + rng.randrange(9)) * MONEY_ONE
        return [e.ReferencePriceReceived("kraken", "BTC/USD", price, now, now)]
    return rare(kind - 76, ticker, now, rng, limits)


def mended(now: Ns) -> list[e.Event]:
    """All is well again, and the markets are new ones."""
    tables = "far:300:KXBTC15M near:100:KXBTC15M"
    return [
        e.ConfigChanged("c", limits_of({}, LIMITS), ("near", "far"), tables, now),
        e.MaintenancePlanned((), now), e.ExchangeStatusTold(True, True, (), None, now),
        *(e.StrategySwitched(name, True, "test", now) for name in ("near", "far")),
        *(e.MarketListed(spec(ticker, close_at=now + HOUR), now) for ticker in TICKERS),
        *(snapshot(now, ticker) for ticker in TICKERS), e.ResumeRequested("test", now),
        e.ModelSwapped(DEFAULT, "p", "mixes", "1", "s", now),
    ]  # fmt: skip


def live(pair: Pair, steps: Sequence[tuple[int, Ns]], rng: random.Random) -> None:
    """Let both live through it."""
    for number, (kind, wait) in enumerate(steps):
        pair.now += wait
        told = happening(kind, pair.now, rng, pair.keeping.config.limits)
        if number % 40 == 39:
            told += mended(pair.now)
        pair.step([*told, pair.reading()] if number % 8 == 0 else told, rng)


@given(
    st.lists(st.tuples(st.integers(0, 99), st.sampled_from(WAITS)), min_size=1, max_size=60),
    st.integers(0, 999),
)
@settings(max_examples=60, deadline=None)
def test_what_is_kept_changes_nothing(steps: list[tuple[int, Ns]], seed: int) -> None:
    """Commands, scores, refusals and reasons are those of an engine that finds everything anew."""
    live(Pair(), steps, random.Random(seed))


def lived(seed: int, count: int) -> Pair:
    """Two engines after a random life in which most of all is a tick."""
    rng, pair = random.Random(seed), Pair()
    kinds = (*range(76), *range(60), *range(60), *range(60), *range(60), *range(100))
    waits = (*WAITS[:7], *WAITS[:6], *WAITS[:6], *WAITS)
    live(pair, [(rng.choice(kinds), rng.choice(waits)) for _ in range(count)], rng)
    return pair


@pytest.mark.parametrize("seed", range(3))
def test_nor_does_it_in_a_long_life(seed: int) -> None:
    """Orders are placed, and refused at the moment of sending, or nothing was shown."""
    pair = lived(seed, 600)
    assert pair.placed > 10
    assert pair.refused > 0


@pytest.mark.full
@pytest.mark.parametrize("seed", range(3, 60))
def test_nor_does_it_in_many_lives(seed: int) -> None:
    """As above."""
    lived(seed, 1_500)
