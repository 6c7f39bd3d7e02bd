"""Rows of a stream: what they see, whose label they carry, and how markets are split."""

from __future__ import annotations

from daemon.core.scorer import FeatureSchema
from daemon.core.units import MINUTE, SECOND
from daemon.lab.samples import MarketSamples, collect, split_by_time
from tests.lab.tiny_stream import LIFE, START, spec, tiny_stream

SCHEMA = FeatureSchema(("mid", "seconds_to_close", "reference_vol_300s"))


def test_rows_lie_on_the_grid_and_carry_their_markets_result() -> None:
    """Every market gives a row per grid instant of its life, labelled with its own result."""
    found = list(collect(tiny_stream(1, 3), SCHEMA, frozenset({"mid"}), 10 * SECOND))
    assert [market.ticker for market in found] == ["T-0", "T-1", "T-2"]
    for market in found:
        left = [row[1] for row in market.rows]
        assert all(seconds is not None and seconds % 10 == 0 for seconds in left)
        assert left == sorted(left, reverse=True)  # type: ignore[type-var]
    assert (found[1].open_at, found[1].close_at) == (START + LIFE, START + 2 * LIFE)


def test_labels_are_the_outcome_or_what_a_simulation_tells() -> None:
    """Without a simulation's word a row's label is its market's outcome; with it, the word at its instant."""
    plain = next(iter(collect(tiny_stream(1, 1), SCHEMA, frozenset({"mid"}), 10 * SECOND)))
    told = next(
        iter(collect(tiny_stream(1, 1), SCHEMA, frozenset({"mid"}), 10 * SECOND, lambda _, at: at / 1e20))
    )
    assert {float(plain.is_yes)} == set(plain.expected)
    assert plain.rows == told.rows
    left = [row[1] for row in told.rows]
    assert [(told.close_at - round((seconds or 0) * SECOND)) / 1e20 for seconds in left] == list(
        told.expected
    )


def test_a_row_sees_nothing_of_its_future() -> None:
    """Rows up to an instant are the same when the stream ends there or goes on differently."""
    whole = next(iter(collect(tiny_stream(1, 1), SCHEMA, frozenset({"mid"}), 10 * SECOND)))
    # Cut in the market's middle: its determination alone follows, so that it is told.
    events = list(tiny_stream(1, 1))
    cut = [*events[:900], events[-1]]
    early = next(iter(collect(cut, SCHEMA, frozenset({"mid"}), 10 * SECOND)))
    known = (900 - 1) // 2 // 10
    assert whole.rows[:known] == early.rows[:known]


def test_rows_without_a_required_feature_are_left_out() -> None:
    """While the volatility warms up there is no row, for the daemon would not score it either."""
    optional = next(iter(collect(tiny_stream(1, 1), SCHEMA, frozenset({"mid"}), SECOND)))
    required = next(iter(collect(tiny_stream(1, 1), SCHEMA, frozenset({"reference_vol_300s"}), SECOND)))
    assert optional.rows[0][2] is None
    assert all(row[2] is not None for row in required.rows)
    assert list(required.rows) == [row for row in optional.rows if row[2] is not None]


def market(number: int) -> MarketSamples:
    listed = spec(number, 1)
    return MarketSamples(listed.ticker, listed.open_at, listed.close_at, True, ([0.5],), (1.0,))


def test_parts_are_purged() -> None:
    """No market spans two parts, none begins within the embargo after a boundary, and none is twice."""
    parts = split_by_time([market(number) for number in range(20)], (0.7, 0.15), 5 * MINUTE)
    names = [[found.ticker for found in part] for part in (parts.train, parts.stop, parts.test)]
    assert [f"T-{number}" for number in range(14)] == names[0]
    assert names[1] == ["T-15", "T-16"]
    assert names[2] == ["T-18", "T-19"]


def test_no_markets_are_three_empty_parts() -> None:
    """Nothing to split is no error here: the trainer says that there is too little."""
    parts = split_by_time([], (0.7, 0.15), 0)
    assert (parts.train, parts.stop, parts.test) == ((), (), ())
