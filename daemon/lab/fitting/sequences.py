"""The features of a sequence by name: steps x channels, the oldest step first, as the daemon feeds a network.

A channel is a family of past minutes with "#" for how many minutes ago, such as `candle_mid_#`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from daemon.core.features.candles import HISTORY_STEPS
from daemon.lab.fitting.rows import FitRows, NotFitted

STEPS_MAX = HISTORY_STEPS
_NUMBER = re.compile(r"[0-9]+$")


def sequence_names(channels: Sequence[str], steps: int) -> tuple[str, ...]:
    """Return the features of a sequence, step by step, oldest first.

    Args:
        channels: families of `core.features.candle_history`, such as "candle_mid_#".
        steps: how many minutes, the last closed one included.

    Raises:
        NotFitted: a channel without its "#", or named twice.
    """
    if wrong := [name for name in channels if name.count("#") != 1]:
        raise NotFitted(f'{wrong[0]}: a channel is a family with one "#", such as candle_mid_#')
    if len(set(channels)) != len(channels) or not channels or steps < 1:
        raise NotFitted(f"{len(channels)} channels, {steps} steps: one or more of each, none of them twice")
    return tuple(channel.replace("#", str(ago)) for ago in range(steps, 0, -1) for channel in channels)


def channels_of(names: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """Return the channels and the number of steps of a sequence's features.

    Raises:
        NotFitted: they are none, or not in the order of `sequence_names`.
    """
    channels = tuple(dict.fromkeys(_NUMBER.sub("#", name) for name in names))
    steps = len(names) // max(1, len(channels))
    if not all("#" in name for name in channels) or tuple(names) != sequence_names(channels, steps):
        raise NotFitted(
            f"names: {len(names)} features are no sequence: steps in order, the oldest first, each with the"
            " same channels, as sequence_names gives them"
        )
    return channels, steps


def expanded(names: Iterable[str]) -> tuple[str, ...]:
    """Return features in which a channel stands for all its minutes, oldest first; others as they are."""
    return tuple(
        one for name in names for one in (sequence_names((name,), STEPS_MAX) if "#" in name else (name,))
    )


def sequence_rows(rows: FitRows, channels: Sequence[str], steps: int) -> FitRows:
    """Return the same rows with a sequence's features alone.

    Raises:
        NotFitted: one of them is not among the rows' features.
    """
    names = sequence_names(channels, steps)
    if absent := [name for name in names if name not in rows.names]:
        raise NotFitted(
            f"{absent[0]}: not in the rows ({len(absent)} of {len(names)} are absent): build the dataset with"
            f" --feature '{_NUMBER.sub('#', absent[0])}'"
        )
    places = [rows.names.index(name) for name in names]
    return FitRows(names, rows.x[:, places], rows.y, rows.weight, rows.span)
