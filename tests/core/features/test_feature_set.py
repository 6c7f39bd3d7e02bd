"""The set: cold start, loss and re-warm, order of stamps, schemas."""

from __future__ import annotations

import random
from math import isnan

import pytest

from daemon.core.features import FeatureSet, ReferenceFeatures, definition_of
from daemon.core.features.catalogue import feature_of
from daemon.core.scorer import FeatureSchema
from daemon.core.units import MINUTE, SECOND
from tests.core.features.told import SCHEMA, STRIKE, Told, market, two_sided

PASSED = (0, 1, SECOND - 1, SECOND, SECOND, SECOND, 4 * SECOND, 5 * SECOND, 20 * SECOND, MINUTE)
"""Parts of windows, and a nanosecond less: they add up to where a window begins."""
KEPT = [name for name in SCHEMA.names if feature_of(name)[1].changes != "always"]


def test_a_cold_set_knows_only_the_clock_and_the_listing() -> None:
    """Before any event all but the clock, the calendar and the listing is None: unknown is never zero."""
    told = Told()
    known = {name for name, value in told.row().items() if value is not None}
    clock = {"seconds_to_close", "tod_sin", "tod_cos", "weekday_sin", "weekday_cos", "TS"}
    assert {*clock, "seconds_to_release", "ladder_rank", "ladder_place"} == known


def test_windows_end_with_the_book_and_warm_up_again() -> None:
    """A loss makes all book features None; after the next snapshot the windows must fill anew."""
    told = Told()
    two_sided(told)
    told.now += 2 * SECOND
    assert told.row()["ofi_1s"] == 0.0
    told.lose()
    assert all(told.row()[name] is None for name in SCHEMA.names if definition_of(name).source == "book")
    told.now += 2 * SECOND
    two_sided(told)
    assert told.row()["ofi_1s"] is None
    assert told.row()["mid"] == 0.41
    told.now += SECOND
    assert told.row()["ofi_1s"] == 0.0


def test_an_earlier_stamp_counts_as_now() -> None:
    """Stamps of two feeds may be handled out of order: time doesn't go back, and nothing breaks."""
    told = Told()
    two_sided(told)
    told.now += 2 * SECOND
    told.delta("yes", 4_000, 500)
    assert told.features.row(told.now) == told.features.row(told.now - 3 * SECOND)


def test_an_unknown_feature_is_refused_by_name() -> None:
    """A schema that names a feature which doesn't exist is an error that says so and what there is."""
    with pytest.raises(ValueError, match=r"no such features: rsi_14; there are: spread, mid"):
        FeatureSet(FeatureSchema(("mid", "rsi_14")), market(), ReferenceFeatures())


def test_a_subset_has_the_same_values_in_its_own_order() -> None:
    """A model's order is the row's order, and no feature depends on another one's presence."""
    told = Told()
    schema = FeatureSchema(("mid", "spread", "ofi_1s"))
    features = FeatureSet(schema, market(), told.reference)
    two_sided(told)
    features.on_book(told.book, told.now)
    told.now += SECOND
    assert [told.row()[name] for name in schema.names] == features.row(told.now)


def _tell(told: Told, what: str, amount: int) -> None:
    match what:
        case "best":
            told.delta("yes", 4_000, 100 * amount)
        case "mid":
            told.delta("yes", 4_000 + 10 * amount, 100)
        case "trade":
            told.trade(100 * amount, "yes" if amount % 2 else "no")
        case "price":
            told.price(STRIKE + 1_000_000 * amount)
        case "candle":
            told.candle((told.now // MINUTE - amount) * MINUTE, 4_000 - amount, 4_200)
        case "lose":
            told.lose()
            told.lose_reference()
            told.now += 3 * SECOND
            told.features.row(told.now)
            two_sided(told)


@pytest.mark.parametrize("name", KEPT)
def test_what_is_kept_is_what_would_be_computed(name: str) -> None:
    """An answer is used again only as long as it is the answer, at every instant and however long that is."""
    rng, told = random.Random(5), Told()
    features = told.features = FeatureSet(FeatureSchema((name,)), market(), told.reference)
    two_sided(told)
    words = ["nothing"] * 3 + ["best", "mid", "trade", "candle", *["price"] * 4]
    for step in range(1_500):
        told.now += rng.choice(PASSED)
        _tell(told, "lose" if step % 300 == 299 else rng.choice(words), rng.randrange(1, 10))
        kept = features.row(told.now)
        features._mid_due_at = features._trades_due_at = features._due_at = 0
        features._past, features._spot_revision, told.reference._past_revision = None, -1, -1
        features._is_book_stale = features._is_top_stale = True
        assert features.row(told.now) == kept, f"step {step}"


def test_values_are_the_row_with_nan_for_what_is_unknown() -> None:
    """An array has no None; it is the caller's own."""
    told = Told()
    two_sided(told)
    values, row = told.features.values(told.now), told.features.row(told.now)
    assert row == [None if isnan(value) else value for value in values]
    assert None in row
    values[0] = 9.0
    assert row == told.features.row(told.now)
