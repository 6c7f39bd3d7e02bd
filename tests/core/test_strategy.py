"""The strategy's contract: it reads one market's view, and what it answers can be compared and kept."""

from __future__ import annotations

from array import array
from math import nan

import msgspec
import pytest

from daemon.core.book import Book
from daemon.core.strategy import FeatureRow, MarketView, Strategy, Target, Wanted
from daemon.core.units import MINUTE, Ns, PriceGrid
from tests.core.test_markets import SPEC


def view(now: Ns) -> MarketView:
    """Return a view of a market whose book is unknown."""
    return MarketView(
        now=now,
        spec=SPEC,
        grid=PriceGrid(SPEC.bands),
        book=Book(SPEC.ticker),
        features={"mid": None},
        missing=(),
        score=None,
        position=0,
        equity=0,
    )


class Patient:
    """Bids one contract at 1 cent in the first ten minutes of a market."""

    name = "patient"
    features: tuple[str, ...] = ()
    book_changed_max: Ns | None = None

    def wants(self, view: MarketView) -> Wanted:
        """Return the bid, or nothing near the close."""
        if view.time_to_close < 5 * MINUTE:
            return Wanted((), "too near the close")
        return Wanted((Target("bid", 100, 100, "rest", "cheap"),), "bids low")


def test_time_to_close_counts_down_and_goes_negative() -> None:
    """A view says how long the market stays open, and since when it is closed."""
    assert 15 * MINUTE == view(0).time_to_close
    assert -MINUTE == view(16 * MINUTE).time_to_close


def test_a_view_says_why_there_is_no_score() -> None:
    """What is not known yet, or that the model gives none: it may have failed, or there is none."""
    blind = msgspec.structs.replace(view(0), score=None)
    assert "no score: the model gives none" == blind.why_no_score
    warming = msgspec.structs.replace(blind, missing=("mid", "ofi_5s"))
    assert "no score: mid, ofi_5s unknown yet" == warming.why_no_score


def test_a_view_can_not_be_written() -> None:
    """A strategy reads: no field of its view can be set."""
    with pytest.raises(AttributeError, match="immutable"):
        view(0).position = 100  # type: ignore[misc]


def test_a_class_without_a_base_is_a_strategy() -> None:
    """The protocol asks for a name, a limit and `wants`; the same view gives an equal answer."""
    strategy: Strategy = Patient()
    assert strategy.wants(view(0)) == strategy.wants(view(0))
    assert Wanted((), "too near the close") == strategy.wants(view(11 * MINUTE))


def test_an_answer_is_plain_frozen_values() -> None:
    """Targets can be encoded, compared and not be changed after they were given."""
    wanted = Patient().wants(view(0))
    assert wanted == msgspec.msgpack.decode(msgspec.msgpack.encode(wanted), type=Wanted)
    with pytest.raises(AttributeError, match="immutable"):
        wanted.targets[0].qty = 1  # type: ignore[misc]


def test_a_feature_row_is_a_mapping_without_a_copy() -> None:
    """By name, in schema order; an unknown name is an error, an unknown value is None."""
    row = FeatureRow({"mid": 0, "spread": 1}, [0.5, None])
    assert dict(row) == {"mid": 0.5, "spread": None}
    assert dict(FeatureRow({"mid": 0, "spread": 1}, array("d", [0.5, nan]))) == dict(row)
    assert len(row) == 2
    with pytest.raises(KeyError):
        row["nonsense"]
