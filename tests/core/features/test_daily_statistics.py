"""The daily pipeline, by hand; against its twin it is compared in test_catalogue."""

from __future__ import annotations

import pytest

from daemon.core.features import CATALOGUE, definition_of
from daemon.core.units import DAY
from tests.core.features.told import Told

PIPELINE = (
    *(f"{name}_{back}" for name in ("RET", "VOL_YES", "VOL_NO", "VOL_TOTAL") for back in range(1, 11)),
    *(f"{name}_{span}" for name in ("RET_MEAN", "RET_STD", "VOL_MEAN") for span in (5, 10)),
    "DIST_50", "DIST_MIN_20", "DIST_MAX_20", "VOL_IMBALANCE",
)  # fmt: skip
OLDER = ("TS", *(f"{name}_{back}" for name in ("RET", "VOLUME") for back in range(1, 11)))


def test_the_names_of_both_pipelines_are_exactly_these() -> None:
    """Fifty and twenty-one: they are the names of a request's parameters."""
    assert (len(PIPELINE), len(OLDER)) == (50, 21)
    daily = {name for name, one in CATALOGUE.items() if one.source == "daily"}
    assert {*PIPELINE, *OLDER} == daily


@pytest.fixture
def told() -> Told:
    """Twenty-one days: 0.50 yesterday, a cent less for each day before, 10 contracts, 80 % of them to YES."""
    subject = Told()
    for back in range(1, 22):
        subject.bar(back, 1_000, 5_000 - 100 * (back - 1), 80)
    return subject


def test_a_day_by_hand(told: Told) -> None:
    """Returns in dollars, values by taker side, distances of yesterday's price."""
    row = told.row()
    assert row["RET_1"] == row["RET_10"] == row["RET_MEAN_5"] == 0.01
    assert row["RET_STD_10"] == 0
    assert (row["VOL_YES_1"], row["VOL_NO_1"], row["VOL_TOTAL_1"]) == (4.0, 1.0, 5.0)
    assert row["VOL_IMBALANCE"] == 0.6
    assert (row["DIST_50"], row["DIST_MIN_20"], row["DIST_MAX_20"]) == (0.0, 1.0, 0.0)
    assert (row["VOLUME_1"], row["TS"]) == (10.0, told.now // DAY * 86_400)


def test_a_price_that_only_bounces_has_no_return(told: Told) -> None:
    """A percentage of it would: +4 % a day of a contract at 5 cents that bounces by one."""
    for back in range(1, 12):
        told.bar(back, 1_000, 600 if back % 2 else 400, 50)
    assert told.row()["RET_MEAN_10"] == 0


def test_what_a_day_says_is_that_of_the_days_before_it(told: Told) -> None:
    """Past midnight yesterday is unknown until its bar is in, and so is what needs it; nothing else is."""
    before = told.row()
    told.now = (told.now // DAY + 1) * DAY
    row = told.row()
    assert (row["RET_1"], row["DIST_50"], row["VOL_MEAN_5"], row["RET_2"]) == (
        None,
        None,
        None,
        before["RET_1"],
    )
    told.bar(1, 1_000, 4_800, 50)
    assert (told.row()["RET_1"], told.row()["RET_2"]) == (-0.02, before["RET_1"])


def test_a_day_without_a_trade_has_a_volume_and_no_price(told: Told) -> None:
    """What it takes part in as a price is unknown; its volume is zero, which is known."""
    told.bar(3, 0, 0, 0)
    row = told.row()
    assert (row["VOL_TOTAL_3"], row["VOLUME_3"]) == (0.0, 0.0)
    assert (row["RET_2"], row["RET_3"], row["RET_MEAN_5"], row["RET_1"]) == (None, None, None, 0.01)
    assert row["DIST_MIN_20"] == 1.0


@pytest.mark.parametrize("name", ["RET_0", "RET_11", "RET_MEAN_7", "VOL_MEAN_15"])
def test_other_days_are_refused(name: str) -> None:
    """Ten days back, means over five and ten: no more is kept."""
    with pytest.raises(ValueError, match="takes days from"):
        definition_of(name)
