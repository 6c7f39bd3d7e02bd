"""Labels: their names, their values by hand, and where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.markets import MarketResult
from daemon.core.units import DAY, HOUR, MINUTE, SECOND
from daemon.lab.labels import Ints, Label, Mids, label_rows, mids_at, parse_label
from daemon.lab.sampling import UNKNOWN_MID


def ints(*values: int) -> Ints:
    return np.array(values, dtype=np.int64)


MIDS = Mids(ints(0, 10, 20, 30), ints(9_000, 9_100, UNKNOWN_MID, 8_800), 40)
CLOSE = 1_000 * DAY


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("settles_yes", Label("settles_yes", "settles_yes")),
        ("next_day_return", Label("next_day_return", "next_day_return")),
        ("change_30s", Label("change_30s", "change", 30 * SECOND)),
        ("direction_500ms", Label("direction_500ms", "direction", SECOND // 2)),
        ("moves_1m_1c", Label("moves_1m_1c", "moves", MINUTE, 100)),
        ("moves_1h_0.5c", Label("moves_1h_0.5c", "moves", HOUR, 50)),
    ],
)
def test_a_label_is_known_by_its_name(name: str, expected: Label) -> None:
    """What it says, over which time, and beyond what."""
    assert expected == parse_label(name)


@pytest.mark.parametrize("name", ["", "settles", "change", "change_0s", "change_5", "moves_5s", "moves_5s_1"])
def test_another_name_is_refused(name: str) -> None:
    """With what is allowed."""
    with pytest.raises(ValueError, match="there are: settles_yes, change_<h>"):
        parse_label(name)


def test_a_mid_holds_until_the_next_change() -> None:
    """Before the first, in a hole and behind the recording's end it is unknown."""
    assert [UNKNOWN_MID, 9_000, 9_000, 9_100, UNKNOWN_MID, 8_800, 8_800, UNKNOWN_MID] == MIDS.held(
        ints(-1, 0, 9, 10, 25, 30, 40, 41)
    ).tolist()


def test_another_session_may_know_what_one_does_not() -> None:
    """The first that knows is asked."""
    later = Mids(ints(35), ints(7_000), 60)

    assert [9_100, 7_000, UNKNOWN_MID] == mids_at([MIDS, later], ints(15, 50, 61)).tolist()
    assert [8_800] == mids_at([MIDS, later], ints(36)).tolist()


def labelled(name: str, at: Ints, mids: Mids, close_at: int = CLOSE) -> list[float]:
    label = parse_label(name)
    return [float(one) for one in label_rows(label, at, mids.held(at), [mids], close_at, None).value]


def test_labels_over_a_horizon_by_hand() -> None:
    """Change in dollars, its sign, and whether it was beyond a threshold: strictly beyond."""
    at = ints(0, SECOND, 2 * SECOND, 3 * SECOND)
    mids = Mids(ints(0, SECOND, 2 * SECOND, 3 * SECOND), ints(9_000, 9_100, 9_100, 8_899), 9 * SECOND)

    assert [0.005, 0.0, -0.01005, 0.0] == labelled("change_1s", at, mids)
    assert [1.0, 0.0, -1.0, 0.0] == labelled("direction_1s", at, mids)
    assert [0.0, 0.0, 1.0, 0.0] == labelled("moves_1s_1c", at, mids)
    assert [1.0, 0.0, 1.0, 0.0] == labelled("moves_1s_0.49c", at, mids)
    assert [0.0, 0.0, 1.0, 0.0] == labelled("moves_1s_0.5c", at, mids)


def test_a_label_needs_both_mids_and_an_open_market() -> None:
    """Unknown at either end, or closed by then: no label, and never a zero."""
    at = ints(0, 5, 12, 22, 38)
    mids = Mids(MIDS.at * SECOND, MIDS.double_mid, MIDS.end_at * SECOND)
    value = labelled("direction_10s", at * SECOND, mids, close_at=21 * SECOND)

    assert [True, True, False, False, False] == [not np.isnan(one) for one in value]


def test_the_next_day_is_the_whole_utc_day_after_the_rows() -> None:
    """Wherever in its day a row stands, it is labelled with the day that begins at the next midnight."""
    mids = Mids(ints(0, DAY, 2 * DAY), ints(9_000, 9_500, 9_900), 3 * DAY)
    found = label_rows(
        parse_label("next_day_return"), ints(0, DAY - 1), ints(9_000, 9_000), [mids], CLOSE, None
    )

    assert ([0.02, 0.02], [2 * DAY, 2 * DAY]) == (found.value.tolist(), found.until.tolist())


@pytest.mark.parametrize(("outcome", "expected"), [("yes", 1.0), ("no", 0.0), ("scalar", None), (None, None)])
def test_a_settlement_labels_all_rows_of_its_market(
    outcome: MarketResult | None, expected: float | None
) -> None:
    """Open until the close; a result that is no YES or NO, or not known, is no label."""
    found = label_rows(parse_label("settles_yes"), ints(1, 2), ints(1, 1), [], 50, outcome)

    assert [expected] * 2 == [None if np.isnan(one) else one for one in found.value]
    assert [50, 50] == found.until.tolist()


@given(
    steps=st.lists(st.tuples(st.integers(1, 5), st.integers(-1, 20_000)), min_size=1, max_size=20),
    probes=st.lists(st.integers(-5, 120), min_size=1),
)
def test_held_is_the_last_change_at_or_before(steps: list[tuple[int, int]], probes: list[int]) -> None:
    """As a loop over the changes says it."""
    at, changes = 0, []
    for wait, mid in steps:
        at += wait
        changes.append((at, mid))
    series = Mids(ints(*(one for one, _ in changes)), ints(*(mid for _, mid in changes)), at + 3)
    expected = [
        UNKNOWN_MID
        if probe > at + 3
        else next((mid for t, mid in reversed(changes) if t <= probe), UNKNOWN_MID)
        for probe in probes
    ]

    assert expected == series.held(ints(*probes)).tolist()
