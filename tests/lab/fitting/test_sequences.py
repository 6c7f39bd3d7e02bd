"""Sequences by name: oldest first, all channels of a step beside each other, and nothing is guessed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.features import definition_of
from daemon.lab.fitting.rows import NotFitted
from daemon.lab.fitting.sequences import channels_of, expanded, sequence_names, sequence_rows
from tests.lab.fitting.made_sequences import CHANNELS, NAMES, STEPS, made_sequences

ALL = ("candle_mid_#", "candle_volume_#", "reference_candle_return_#", "reference_candle_range_#")


@given(st.lists(st.sampled_from(ALL), min_size=1, unique=True), st.integers(1, 60))
def test_names_tell_channels_and_steps_again(channels: list[str], steps: int) -> None:
    """For any channels and steps; and each name is a feature of the daemon's."""
    names = sequence_names(channels, steps)
    assert (tuple(channels), steps) == channels_of(names)
    assert all(definition_of(name).name == name for name in names[:: len(names) // 4 + 1])


def test_the_oldest_step_is_first() -> None:
    """Step by step, each with all channels."""
    assert ("candle_mid_2", "candle_volume_2", "candle_mid_1", "candle_volume_1") == sequence_names(
        ALL[:2], 2
    )


@pytest.mark.parametrize("names", [NAMES[::-1], NAMES[1:], ("mid", "spread"), ()])
def test_another_order_is_no_sequence(names: tuple[str, ...]) -> None:
    """A network that was fed so would read the past backwards."""
    with pytest.raises(NotFitted, match=r"no sequence|one or more"):
        channels_of(names)


def test_what_is_no_channel_is_refused() -> None:
    """A family without its "#", and one named twice."""
    with pytest.raises(NotFitted, match='mid: a channel is a family with one "#"'):
        sequence_names(("mid",), 3)
    with pytest.raises(NotFitted, match="none of them twice"):
        sequence_names(("candle_mid_#", "candle_mid_#"), 3)


def test_a_channel_stands_for_all_its_minutes() -> None:
    """Beside features that are named one by one."""
    names = expanded(("mid", "candle_mid_#"))
    assert ("mid", "candle_mid_60", "candle_mid_1", 61) == (names[0], names[1], names[-1], len(names))


def test_rows_are_put_into_the_order_of_the_sequence() -> None:
    """By name, wherever the columns stand; what lacks one says how to have it."""
    rows = made_sequences(events=20)
    turned = rows.__class__(rows.names[::-1], rows.x[:, ::-1], rows.y, rows.weight, rows.span)
    np.testing.assert_array_equal(rows.x, sequence_rows(turned, CHANNELS, STEPS).x)
    with pytest.raises(
        NotFitted, match=r"_13: not in the rows \(2 of 26 .*--feature 'reference_candle_return_#'"
    ):
        sequence_rows(turned, CHANNELS, STEPS + 1)
