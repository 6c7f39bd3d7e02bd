"""The fair-value strategy: when it takes, when it rests, when it wants nothing, and that it says why."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.book import Book
from daemon.core.sizing import edge, kelly_qty
from daemon.core.strategy import MarketView, Target, Wanted
from daemon.core.units import MILLISECOND, MONEY_ONE, PRICE_ONE, QTY_ONE, SECOND, PriceGrid
from strategies.fair_value import REST_AWAY_MAX, FairValue, Params
from tests.core.worlds import NOW, TICKER, snapshot, spec

PARAMS = Params()
EQUITY = 10_000 * MONEY_ONE


def view(
    score: float | None,
    bid: int | None = 4_000,
    ask: int | None = 4_200,
    *,
    sizes: tuple[int, int] = (40_000, 30_000),
    position: int = 0,
    equity: int = EQUITY,
    **changes: object,
) -> MarketView:
    """A market whose model says `score`; None for a side without a quote."""
    book = Book(TICKER)
    yes = () if bid is None else ((bid, sizes[0]),)
    no = () if ask is None else ((PRICE_ONE - ask, sizes[1]),)
    book.apply_snapshot(snapshot(NOW, yes=yes, no=no))
    market = spec()
    shown = MarketView(
        now=NOW,
        spec=market,
        grid=PriceGrid(market.bands),
        book=book,
        features={"mid": 0.41, "spread": None},
        score=score,
        missing=() if score is not None else ("spread",),
        position=position,
        equity=equity,
    )
    return msgspec.structs.replace(shown, **changes)


def wants(shown: MarketView, params: Params = PARAMS) -> Wanted:
    return FairValue(params).wants(shown)


# --- nothing -------------------------------------------------------------------------------------


def test_without_a_score_it_wants_nothing_and_says_what_is_missing() -> None:
    """A model that warms up is no opinion."""
    assert Wanted((), "no score: spread unknown yet") == wants(view(None))
    assert Wanted((), "no score: the model gives none") == wants(view(None, missing=()))


def test_it_is_quiet_before_the_close() -> None:
    """The last seconds belong to those who see the price first."""
    shown = view(0.9)
    quiet = PARAMS.quiet_before_close_s * SECOND
    last = msgspec.structs.replace(shown, now=shown.spec.close_at - quiet + 1)
    assert Wanted((), "quiet before the close") == wants(last)
    assert () != wants(msgspec.structs.replace(shown, now=shown.spec.close_at - quiet)).targets


@pytest.mark.parametrize(("bid", "ask"), [(None, 4_200), (4_000, None), (None, None), (4_200, 4_200)])
def test_a_book_without_two_sides_is_no_market(bid: int | None, ask: int | None) -> None:
    """One-sided, empty or locked: nothing to compare a value with."""
    assert Wanted((), "one-sided or crossed book") == wants(view(0.5, bid, ask))


# --- taking --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("score", "side", "price"), [(0.55, "bid", 4_200), (0.28, "ask", 4_000)], ids=["buy YES", "buy NO"]
)
def test_a_clear_edge_is_taken_at_the_best_price(score: float, side: str, price: int) -> None:
    """At once, at the quoted price, never above what is offered there, with the edge as the reason."""
    wanted = wants(view(score))
    (target,) = wanted.targets
    assert ("take", side, price) == (target.style, target.side, target.price)
    gain = edge(score, price, target.side, spec().fees, is_taker=True)
    assert gain >= PARAMS.edge_min
    assert f"edge {gain * 100:.1f}c after fee" == target.reason == wanted.reason


def test_the_fee_counts_against_the_edge() -> None:
    """An edge that the taker's fee eats is none: just below it waits, just above it takes."""
    fee = 0.07 * 0.42 * 0.58
    least = 0.42 + fee + PARAMS.edge_min
    below, above = wants(view(least - 0.001)), wants(view(least + 0.001))
    assert "take" not in {target.style for target in below.targets}
    assert ["take"] == [target.style for target in above.targets]


def test_no_more_is_taken_than_is_offered() -> None:
    """The rest would have to be taken at a worse price, or would not trade."""
    (target,) = wants(view(0.6, sizes=(40_000, 700))).targets
    assert 700 == target.qty


def test_the_stake_is_the_fraction_of_kelly_up_to_the_caps() -> None:
    """Small accounts are bound by Kelly, large ones by the order's cap."""
    small, large = view(0.6, equity=20 * MONEY_ONE), view(0.6)
    (target,) = wants(small).targets
    unbound = 1_000_000
    expected = kelly_qty(
        0.6,
        4_200,
        "bid",
        spec().fees,
        is_taker=True,
        equity=20 * MONEY_ONE,
        fraction=PARAMS.kelly_fraction,
        qty_max=unbound,
    )
    assert 0 < expected == target.qty < PARAMS.order_contracts_max * QTY_ONE
    (target,) = wants(large).targets
    assert PARAMS.order_contracts_max * QTY_ONE == target.qty


def test_its_own_capital_is_what_it_sizes_by() -> None:
    """Like a small account: an order beyond its capital would be refused whole, and none would be sent."""
    small, own = view(0.6, equity=20 * MONEY_ONE), view(0.6, capital=20 * MONEY_ONE)
    assert wants(small) == wants(own)
    assert wants(view(0.6)) == wants(view(0.6, capital=2 * EQUITY))


def test_what_is_held_counts_towards_the_stake() -> None:
    """A position as large as Kelly's wants no more of it, far below the limit, and says that it is held."""
    (target,) = wants(view(0.6, equity=20 * MONEY_ONE)).targets
    (rest,) = wants(view(0.6, equity=20 * MONEY_ONE, position=target.qty - 40)).targets
    assert 40 == rest.qty
    wanted = wants(view(0.6, equity=20 * MONEY_ONE, position=target.qty))
    assert "take" not in {one.style for one in wanted.targets}
    assert "what is held is stake enough" in wanted.reason


def test_a_full_position_wants_no_more_of_that_side() -> None:
    """And the reason says so, though the edge is there; the other side is still open."""
    cap = PARAMS.position_contracts_max * QTY_ONE
    wanted = wants(view(0.6, position=cap))
    assert "bid" not in {target.side for target in wanted.targets}
    assert "limit" in wanted.reason
    (target,) = wants(view(0.6, position=cap - 300)).targets
    assert 300 == target.qty
    assert "ask" not in {target.side for target in wants(view(0.1, position=-cap)).targets}


# --- resting -------------------------------------------------------------------------------------


def test_without_an_edge_it_rests_around_the_models_value() -> None:
    """A margin below and above it, on the grid, post-only, with the distance as the reason."""
    wanted = wants(view(0.41))
    assert [("rest", "bid", 3_800), ("rest", "ask", 4_400)] == [
        (target.style, target.side, target.price) for target in wanted.targets
    ]
    assert "below 2.0c" in wanted.reason
    assert all("3.0c from fair value" in target.reason for target in wanted.targets)


def test_what_rests_is_a_fraction_of_kelly_too() -> None:
    """On both sides, at the maker's fee, where the account is small."""
    small, fees = 100 * MONEY_ONE, spec().fees
    targets = wants(view(0.41, equity=small)).targets
    sizes = [
        kelly_qty(0.41, one.price, one.side, fees, False, small, PARAMS.kelly_fraction, 1_000_000)
        for one in targets
    ]
    assert ["bid", "ask"] == [one.side for one in targets]
    assert sizes == [one.qty for one in targets]
    assert max(sizes) < PARAMS.order_contracts_max * QTY_ONE


@pytest.mark.parametrize(
    ("score", "expected"),
    [(0.45, [("bid", 4_100), ("ask", 4_800)]), (0.37, [("bid", 3_400), ("ask", 4_100)])],
    ids=["value less margin at the ask", "value and margin at the bid"],
)
def test_an_edge_too_thin_to_take_waits_just_inside_the_spread(
    score: float, expected: list[tuple[str, int]]
) -> None:
    """A margin from the value would cross, and the venue refuse it as post-only: it rests one step before."""
    wanted = wants(view(score))
    assert [("rest", *terms) for terms in expected] == [
        (target.style, target.side, target.price) for target in wanted.targets
    ]


def test_what_would_rest_too_far_away_is_not_wanted() -> None:
    """Nothing would come of it soon, and risk would refuse the distance."""
    assert {"bid"} == {
        target.side
        for target in wants(view(0.415, 4_000, 4_100), Params(margin=0.02, edge_min=0.5)).targets
        if target.side == "bid"
    }
    assert () == wants(view(0.41), Params(margin=0.2)).targets


# --- always --------------------------------------------------------------------------------------

PRICES = st.integers(1, 99).map(lambda cents: cents * 100)


@given(
    score=st.floats(0, 1),
    bid=PRICES,
    ask=PRICES,
    sizes=st.tuples(st.integers(1, 100_000), st.integers(1, 100_000)),
    position=st.integers(-30_000, 30_000),
    equity=st.integers(0, 100_000 * MONEY_ONE),
    margin=st.floats(0, 0.2),
)
def test_whatever_it_wants_is_sane(
    score: float, bid: int, ask: int, sizes: tuple[int, int], position: int, equity: int, margin: float
) -> None:
    """On the grid, of a positive size within the caps, with an edge, never resting across the spread."""
    params = Params(margin=margin)
    shown = view(score, bid, ask, sizes=sizes, position=position, equity=equity)
    wanted = wants(shown, params)
    assert wanted.reason
    assert wanted == wants(shown, params)
    cap = params.position_contracts_max * QTY_ONE
    for target in wanted.targets:
        assert shown.grid.contains(target.price)
        assert 0 < target.qty <= params.order_contracts_max * QTY_ONE
        after = position + (target.qty if target.side == "bid" else -target.qty)
        assert abs(after) <= max(cap, abs(position))
        gain = edge(score, target.price, target.side, shown.spec.fees, is_taker=target.style == "take")
        if target.style == "take":
            assert gain >= params.edge_min
            assert target.qty <= (sizes[1] if target.side == "bid" else sizes[0])
        else:
            assert target.price < ask if target.side == "bid" else target.price > bid
            assert abs(target.price - (ask if target.side == "bid" else bid)) <= REST_AWAY_MAX
            assert gain >= margin - 0.0002  # the margin and the value are rounded to 0.01 c
    assert len({(target.side, target.style) for target in wanted.targets}) == len(wanted.targets)
    assert not wanted.targets or bid < ask


def test_the_limit_on_an_unchanged_book_can_be_switched_off() -> None:
    """In the words that a configuration file has: a number, or "off"."""
    assert 500 * MILLISECOND == FairValue(Params()).book_changed_max
    assert FairValue(Params(book_changed_max_ms="off")).book_changed_max is None
    for wrong in ("on", 0, -1, 1.5):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"book_changed_max_ms": wrong}, Params)


def test_targets_are_plain() -> None:
    """Comparable with ==, so that a replay is."""
    assert isinstance(wants(view(0.6)).targets[0], Target)
    assert wants(view(0.6)) == wants(view(0.6))


# --- signals of the next seconds -----------------------------------------------------------------

LEANING = Params(skew=0.02, cancel_imbalance=0.6)


def rests(imbalance: float | None, params: Params = LEANING) -> list[tuple[str, int]]:
    """Side and price of what rests at an imbalance."""
    wanted = wants(view(0.41, features={"top_imbalance": imbalance}), params)
    return [(target.side, target.price) for target in wanted.targets]


def test_as_shipped_it_reads_no_feature_and_leans_on_none() -> None:
    """The defaults decide as before there were such signals."""
    assert () == FairValue(Params()).features
    assert ("top_imbalance",) == FairValue(LEANING).features
    assert rests(0.9, Params()) == [("bid", 3_800), ("ask", 4_400)] == rests(None)


def test_a_heavier_side_leans_both_quotes_towards_where_the_price_goes() -> None:
    """By the skew at an imbalance of 1, in proportion below."""
    assert rests(0.5) == [("bid", 3_900), ("ask", 4_500)]
    assert rests(-0.5) == [("bid", 3_700), ("ask", 4_300)]


def test_the_side_that_is_about_to_be_run_over_is_cancelled() -> None:
    """From the limit on; an unknown imbalance is no signal."""
    assert ["bid"] == [side for side, _ in rests(0.6)]
    assert ["ask"] == [side for side, _ in rests(-0.6)]
    assert ["bid", "ask"] == [side for side, _ in rests(0.59)]
    assert ["bid", "ask"] == [side for side, _ in rests(-1.0, Params(skew=0.02))]
