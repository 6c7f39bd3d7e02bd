"""The set: cold start, loss and re-warm, order of stamps, schemas."""

from __future__ import annotations

import pytest

from daemon.core.features import FeatureSet, ReferenceFeatures, definition_of
from daemon.core.scorer import FeatureSchema
from daemon.core.units import SECOND
from tests.core.features.told import SCHEMA, Told, market, two_sided


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
