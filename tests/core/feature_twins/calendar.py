"""The features of the clock."""

from __future__ import annotations

import math

from tests.core.feature_twins.history import DAY, SECOND, History


def calendar_row(history: History, now: int) -> dict[str, float | None]:
    angle = 2 * math.pi * (now % DAY) / DAY
    return {
        "seconds_to_close": (history.close_at - now) / SECOND,
        "tod_sin": math.sin(angle),
        "tod_cos": math.cos(angle),
    }
