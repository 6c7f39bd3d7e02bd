"""The features of the clock."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from tests.core.feature_twins.history import DAY, SECOND, History


def calendar_row(history: History, now: int) -> dict[str, float | None]:
    angle = 2 * math.pi * (now % DAY) / DAY
    weekday = 2 * math.pi * datetime.fromtimestamp(now // SECOND, UTC).weekday() / 7
    coming = [at for at in history.releases if at >= now]
    return {
        "weekday_sin": math.sin(weekday),
        "weekday_cos": math.cos(weekday),
        "seconds_to_release": (min(coming) - now) / SECOND if coming else None,
        "seconds_to_close": (history.close_at - now) / SECOND,
        "tod_sin": math.sin(angle),
        "tod_cos": math.cos(angle),
    }
