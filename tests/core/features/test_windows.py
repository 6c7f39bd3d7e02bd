"""Windows against recomputation, and their edges by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.features.windows import Lag, SampledChanges

EVENTS = st.lists(st.tuples(st.integers(0, 9), st.integers(-50, 50)), max_size=80)


@given(events=EVENTS)
def test_a_lag_is_the_value_in_force_a_window_ago(events: list[tuple[int, int]]) -> None:
    """After every step the lag equals a search of all steps."""
    lag = Lag(20)
    now, seen = 0, []
    for passed, value in events:
        now += passed
        step = None if value == 0 else value
        lag.add(now, step)
        seen.append((now, step))
        past = [v for at, v in seen if at <= now - 20]
        assert (past[-1] if past else None) == lag.get(now)


def test_samples_go_on_through_silence() -> None:
    """A silent stream's samples repeat: its changes are zero, and old changes leave the window."""
    changes = SampledChanges(step=10, count_min=2, count_max=4)
    changes.add(5, 100)
    changes.add(15, 103)
    assert changes.get(30) is None
    assert changes.get(31) == (9, 2)
    assert changes.get(51) == (9, 4)
    assert changes.get(61) == (0, 4)
    assert changes.get(10**12) == (0, 4)
    changes.add(10**12 + 5, 101)
    assert changes.get(10**12 + 11) == (4, 4)


def test_a_sample_lies_strictly_before_now() -> None:
    """At a grid instant itself the value may still change, so the sample is taken just after it."""
    changes = SampledChanges(step=10, count_min=1, count_max=4)
    changes.add(10, 100)
    changes.add(20, 200)
    assert changes.get(20) is None
    changes.add(20, 101)
    assert changes.get(21) == (1, 1)
