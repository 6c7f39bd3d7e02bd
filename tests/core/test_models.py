"""Models in the engine: the union row, doubted scores, the challenger's bounded cost, swaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.commands import AmendOrder, CancelOrder, Command, PlaceOrder
from daemon.core.engine import Engine, Slot
from daemon.core.models import (
    CHALLENGER,
    COMPARED_EVERY,
    DEFAULT,
    Model,
    Models,
    Range,
    ScorerSource,
    without_entries,
)
from daemon.core.scorer import FeatureSchema, Output
from daemon.core.strategy import MarketView, Target, Wanted
from daemon.core.units import PRICE_ONE, SECOND
from tests.core.worlds import CONFIG, NOW, T0, TICKER, Scripted, reconciled, snapshot, spec

MID = 0.41
"""Of the book of `worlds.snapshot`."""
BUY = Target("bid", 4_000, 1_000, "rest", "because")
SELL = Target("ask", 4_200, 1_000, "rest", "because")


class Said:
    """A model that says what the test says, and remembers the rows that it was asked about."""

    def __init__(
        self,
        says: float = 0.5,
        names: tuple[str, ...] = ("mid", "spread"),
        *,
        required: tuple[str, ...] = ("mid",),
        output: Output = "probability",
        version: str = "1",
    ) -> None:
        self.name = "said"
        self.version = version
        self.schema = FeatureSchema(names)
        self.required = frozenset(required)
        self.output: Output = output
        self.says = says
        self.rows: list[tuple[float | None, ...]] = []

    def score(self, row: Sequence[float | None]) -> float:
        """Return what was said."""
        self.rows.append(tuple(row))
        return self.says


class Broken(Said):
    """A model that raises."""

    def score(self, row: Sequence[float | None]) -> float:  # noqa: ARG002
        """Raise."""
        raise ValueError("a broken model")


def lived(
    models: Mapping[str, Model], strategies: Sequence[Slot] | None = None, source: ScorerSource | None = None
) -> Engine:
    """An engine with these models that trades at NOW."""
    slots = [Slot(Scripted(), frozenset({"KXBTC15M"}))] if strategies is None else strategies
    subject = Engine(CONFIG, slots, models, FeatureSchema(()), source)
    for event in (
        e.MarketListed(spec(), T0),
        e.FeedConnected("kalshi", T0),
        snapshot(),
        reconciled(T0 + 3 * SECOND),
        reconciled(NOW),
        snapshot(NOW),
    ):
        subject.handle(event)
    return subject


def scripted(subject: Engine) -> Scripted:
    """Its one strategy."""
    strategy = subject.slots[0].strategy
    assert isinstance(strategy, Scripted)
    return strategy


def sent(commands: Sequence[Command]) -> list[type]:
    """The kinds of a decision's order commands."""
    kinds = (PlaceOrder, AmendOrder, CancelOrder)
    return [type(command) for command in commands if isinstance(command, kinds)]


def test_a_market_that_waits_for_readings_is_scored_and_nothing_is_sent() -> None:
    """Before the account is believed and the past is whole there is a score; the reason is what it awaits."""
    config = msgspec.structs.replace(CONFIG, is_backfilled=True)
    strategy = Scripted()
    strategy.targets = (BUY,)
    slots = [Slot(strategy, frozenset({"KXBTC15M"}))]
    subject = Engine(config, slots, {DEFAULT: Model(Said())}, FeatureSchema(()))
    scores = []
    for event in (
        e.MarketListed(spec(), T0),
        e.FeedConnected("kalshi", T0),
        snapshot(),
        reconciled(T0 + 3 * SECOND),
        reconciled(NOW),
        snapshot(NOW),
    ):
        subject.handle(event)
        assert sent(subject.decide(event.received_at)) == []
        scores.append(subject.scores.get(TICKER))
    assert scores[:2] == [None, None]
    assert None not in scores[2:]
    assert strategy.views == []
    assert subject.decisions.last[-1].reason == "not_backfilled"
    subject.handle(e.MarketBackfilled(TICKER, NOW))
    assert sent(subject.decide(NOW)) == [PlaceOrder]


# --- the union row -------------------------------------------------------------------------------


def test_each_model_reads_its_own_columns_of_one_row() -> None:
    """Each feature once: the default's, then the others', then what strategies read."""
    first, second = Said(names=("spread", "mid")), Said(names=("seconds_to_close", "spread"), required=())

    class Reader(Scripted):
        features: tuple[str, ...] = ("mid", "ofi_1s")

    slots = [
        Slot(Reader(), frozenset({"KXBTC15M"})),
        Slot(named(Scripted(), "other"), frozenset({"KXBTC15M"}), model="slow"),
    ]
    subject = lived({"slow": Model(second), DEFAULT: Model(first)}, slots)
    assert ("spread", "mid", "seconds_to_close", "ofi_1s") == subject.schema.names
    subject.decide(NOW)
    (row,) = first.rows
    (other,) = second.rows
    assert (0.02, pytest.approx(MID)) == row
    assert (pytest.approx(830.0), 0.02) == other


def named(strategy: Scripted, name: str) -> Scripted:
    """A scripted strategy under another name."""
    strategy.name = name
    return strategy


def test_a_strategy_reads_the_scores_of_its_own_model() -> None:
    """Two strategies, two models, one market."""
    one, two = Scripted(), named(Scripted(), "other")
    series = frozenset({"KXBTC15M"})
    subject = lived(
        {DEFAULT: Model(Said(0.3)), "slow": Model(Said(0.7))},
        [Slot(one, series), Slot(two, series, model="slow")],
    )
    subject.decide(NOW)
    assert (0.3, 0.7) == (one.views[-1].score, two.views[-1].score)
    assert (0.3, 0.7) == tuple(subject.models.probability(name, TICKER) for name in ("scripted", "other"))


def test_only_what_a_strategy_reads_is_scored() -> None:
    """A model that nobody reads costs nothing, and neither does a market where nothing may be done."""
    idle, read = Said(), Said()
    subject = lived({DEFAULT: Model(read), "idle": Model(idle)})
    subject.handle(e.BookLost(TICKER, "gap", NOW))
    subject.decide(NOW)
    assert ([], []) == (idle.rows, read.rows)
    subject.handle(snapshot(NOW + 1))
    subject.decide(NOW + 1)
    assert (0, 1) == (len(idle.rows), len(read.rows))


def test_two_strategies_of_one_model_are_one_score() -> None:
    """Nothing is computed twice in one decision."""
    model, series = Said(), frozenset({"KXBTC15M"})
    subject = lived(
        {DEFAULT: Model(model)}, [Slot(Scripted(), series), Slot(named(Scripted(), "other"), series)]
    )
    subject.decide(NOW)
    assert 1 == len(model.rows)


@pytest.mark.parametrize("slot", [CHALLENGER, "nobody"])
def test_no_strategy_reads_a_challenger_or_a_model_that_is_none(slot: str) -> None:
    """It is said when the engine is built, with what there is."""
    with pytest.raises(ValueError, match=f"strategy s: no model '{slot}'; there are: default"):
        Models({CHALLENGER: Model(Said())}, readers={"s": slot})


# --- scores that are doubted ---------------------------------------------------------------------


def test_a_missing_required_feature_is_no_score() -> None:
    """Named in the view; the model is not asked."""
    model = Said(required=("mid", "reference_return_5s"), names=("mid", "reference_return_5s"))
    subject = lived({DEFAULT: Model(model)})
    subject.decide(NOW)
    view = scripted(subject).views[-1]
    assert (None, ("reference_return_5s",), []) == (view.score, view.missing, model.rows)
    assert {"unknown_features": 1} == subject.models.default.counts


@pytest.mark.parametrize("model", [Broken(), Said(float("nan")), Said(1.5), Said(-0.1)])
def test_a_model_that_fails_has_no_score_and_ends_nothing(model: Said) -> None:
    """What raises, or says no probability, is counted, and how it failed is kept for people."""
    subject = lived({DEFAULT: Model(model)})
    subject.decide(NOW)
    assert scripted(subject).views[-1].score is None
    assert {"model_failed": 1} == subject.models.default.counts
    assert subject.models.default.failure is not None
    subject.models.default.take(Model(Said(0.5)), subject.models.places)
    assert subject.models.default.failure is None


class Members(Said):
    """Two models in one, the second of which expires."""

    members_absent = 0

    def expire(self, now: int) -> None:
        """Do without the second from NOW on."""
        self.members_absent = int(now >= NOW)


def test_an_ensemble_is_told_the_time_before_it_scores() -> None:
    """Its members expire by the decision's time; how many are absent can be seen."""
    subject = lived({DEFAULT: Model(Members()), CHALLENGER: Model(Said())})
    found = []
    for now in (NOW - 1, NOW):
        subject.models.default.score(TICKER, (0.4, 0.02), now)
        found.append(subject.models.default.members_absent)
    assert [0, 1] == found
    assert subject.models.challenger.members_absent is None


def test_an_expected_change_is_no_probability() -> None:
    """It may be negative, and no price is held against it."""
    subject = lived({DEFAULT: Model(Said(-0.2, output="change"))})
    scripted(subject).targets = (BUY,)
    assert [PlaceOrder] == sent(subject.decide(NOW))
    assert -0.2 == scripted(subject).views[-1].score
    assert subject.models.probability("scripted", TICKER) is None


RANGED = Model(Said(), ranges=(Range("mid", 0.2, 0.3), Range("spread", 0.5, 0.6)))
"""`mid` is beyond; `spread` is too, and not required."""


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (RANGED, "score_out_of_range: mid 0.41, above the 0.3 of its training"),
        (Model(Said(), expires_at=NOW), "model_expired"),
    ],
)
def test_a_doubted_score_enters_nothing(model: Model, text: str) -> None:
    """Named and counted; the strategy is still given the score."""
    subject = lived({DEFAULT: model})
    scripted(subject).targets = (BUY,)
    assert [] == sent(subject.decide(NOW))
    assert 0.5 == scripted(subject).views[-1].score
    assert {text.partition(":")[0]: 1} == subject.refusals
    assert text == subject.decisions.last[-1].reason


def test_what_rests_on_a_score_goes_when_it_is_doubted() -> None:
    """An order that was right in the model's world is not left behind in another one."""
    model = Model(Said(), ranges=(Range("mid", 0.4, 0.42),))
    subject = lived({DEFAULT: model})
    scripted(subject).targets = (BUY,)
    (placed,) = [c for c in subject.decide(NOW) if isinstance(c, PlaceOrder)]
    assert subject.vouch(placed, NOW) is None
    subject.handle(e.OrderAccepted("place", placed.client_order_id, "id", 0, 1_000, NOW, NOW))
    moved = e.BookSnapshotReceived(TICKER, ((4_600, 50_000),), ((5_200, 50_000),), NOW + 1, NOW + 1)
    subject.handle(moved)
    assert [CancelOrder] == sent(subject.decide(NOW + 1))
    assert "score_out_of_range" == subject.vouch(placed, NOW + 1)
    subject.handle(snapshot(NOW + 2))
    subject.decide(NOW + 2)
    assert subject.vouch(placed, NOW + 2) is None


def test_reducing_is_never_stopped() -> None:
    """Of what is held so much may be sold, and nothing beyond."""
    subject = lived({DEFAULT: RANGED})
    subject.handle(e.OrderFilled("t", "old", None, TICKER, "bid", 4_000, 400, 0, True, NOW, None))
    scripted(subject).targets = (BUY, SELL)
    orders = [c for c in subject.decide(NOW) if isinstance(c, PlaceOrder)]
    assert [("ask", 400, "reduce")] == [(order.side, order.qty, order.purpose) for order in orders]


@given(
    st.integers(-2_000, 2_000),
    st.lists(st.tuples(st.sampled_from(["bid", "ask"]), st.integers(1, 1_500)), max_size=5),
)
def test_what_is_left_of_targets_gives_up_no_more_than_is_held(
    held: int, wanted: list[tuple[str, int]]
) -> None:
    """One side, in order, together at most the position; all of it where enough is wanted."""
    targets = [Target(side, 4_000, qty, "rest", "because") for side, qty in wanted]  # type: ignore[arg-type]
    left = without_entries(targets, held)
    closing = "ask" if held > 0 else "bid"
    total = sum(qty for side, qty in wanted if side == closing)
    assert sum(target.qty for target in left) == min(total, abs(held))
    assert all(target.side == closing and target.qty > 0 for target in left)


# --- the challenger ------------------------------------------------------------------------------


def test_a_challenger_is_scored_so_often_and_no_more() -> None:
    """By the clock of events: a thousand ticks a second cost it one score; the default has a thousand."""
    model, other = Said(0.3), Said(0.8)
    subject = lived({DEFAULT: Model(model), CHALLENGER: Model(other)})
    ticks = 50
    for number in range(ticks):
        at = NOW + number * COMPARED_EVERY * 2 // ticks
        subject.handle(snapshot(at))
        subject.decide(at)
    assert (ticks, 2) == (len(model.rows), len(other.rows))
    assert other.rows[0] == model.rows[0]
    assert (2, 0.5) == (subject.models.record.comparisons, subject.models.record.difference_mean)
    assert 0.3 == scripted(subject).views[-1].score, "and no strategy reads it"


def test_a_challenger_changes_no_decision() -> None:
    """With one, without one, or with one that raises: the same commands."""

    def decided(**challenger: Model) -> list[Command]:
        subject = lived({DEFAULT: Model(Said()), **challenger})
        scripted(subject).targets = (BUY,)
        return subject.decide(NOW)

    expected = decided()
    assert [PlaceOrder] == sent(expected)
    assert expected == decided(challenger=Model(Said(0.9))) == decided(challenger=Model(Broken()))


def test_model_challenger_and_mid_are_judged_when_the_market_ends() -> None:
    """By the squares of their distances to what it paid."""
    subject = lived({DEFAULT: Model(Said(0.5)), CHALLENGER: Model(Said(1.0))})
    subject.decide(NOW)
    subject.handle(e.MarketDetermined(TICKER, "yes", PRICE_ONE, NOW + SECOND))
    assert {
        "model": 0.25,
        "mid": pytest.approx((1 - MID) ** 2),
        "challenger": 0.0,
    } == subject.models.record.brier()
    (judged,) = subject.models.record.last
    assert (TICKER, 1, NOW + SECOND) == (judged.ticker, judged.instants, judged.at)


def test_markets_that_are_gone_are_forgotten() -> None:
    """Nothing is kept of them for as long as we live."""
    subject = lived({DEFAULT: RANGED, CHALLENGER: Model(Said())})
    subject.decide(NOW)
    models = subject.models
    assert (
        [TICKER]
        == list(models.default.scores)
        == list(models.default.doubted)
        == list(models.default.compared_at)
    )
    models.forget_gone({})
    assert [] == [*models.default.scores, *models.default.doubted, *models.default.compared_at]
    assert [] == list(models.challenger.scores)


def test_markets_of_a_named_model_are_forgotten_though_nobody_reads_the_default() -> None:
    """Else each market of a recurring series would be kept for ever."""
    models = Models({DEFAULT: Model(Said()), "mine": Model(Said())})
    for number in range(3):
        models.slots["mine"].score(f"T{number}", (0.5,), NOW)
    models.forget_gone({"T2": None})
    assert ["T2"] == list(models.slots["mine"].scores)


def test_a_strategy_that_wants_nothing_is_left_alone() -> None:
    """Nothing is refused where nothing is wanted."""
    models = Models({DEFAULT: Model(Said(), expires_at=1)})
    subject = lived({DEFAULT: Model(Said(), expires_at=1)})
    subject.decide(NOW)
    assert {} == subject.refusals
    found: MarketView = scripted(subject).views[-1]
    assert Wanted((), "x") == models.vet(Wanted((), "x"), "scripted", found, subject.refusals)
