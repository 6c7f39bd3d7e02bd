"""The features of the reference price, by hand; against their twin they are compared in test_catalogue."""

from __future__ import annotations

from daemon.core.features import FeatureSet
from daemon.core.scorer import FeatureSchema
from daemon.core.units import MONEY_ONE
from tests.core.features.told import START, STRIKE, Told, market


def test_the_basis_is_the_price_over_the_index() -> None:
    """Known while both are; positive when the price in force is the higher one."""
    told = Told()
    told.price(STRIKE + 85 * MONEY_ONE)
    assert told.row()["reference_basis"] is None
    told.index_price(STRIKE)
    assert told.row()["reference_basis"] == 0.001
    told.index_price(None)
    assert told.row()["reference_basis"] is None


def test_a_single_source_has_no_index_beside_it() -> None:
    """Nothing is compared with itself."""
    told = Told()
    features = FeatureSet(FeatureSchema(("reference_basis",)), market(), told.reference)
    told.price(STRIKE)
    assert features.row(START) == [None]
