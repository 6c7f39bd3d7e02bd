"""A stream that brings nothing is asked, and one that does not answer is stalled."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.probe import LOOKS_APART_MAX, Probe, doubted_after
from daemon.core.units import SECOND

LIMIT = 12 * SECOND


def verdicts(probe: Probe, frames: list[int]) -> list[str]:
    """Look once a second, from second 1 on, at these counts of frames."""
    return [probe.look(count, second * SECOND) for second, count in enumerate(frames, 1)]


def test_a_stream_that_flows_is_never_asked() -> None:
    """As long as frames come, nothing is sent for it."""
    assert {"well"} == set(verdicts(Probe(LIMIT), list(range(1, 100))))


def test_a_quiet_stream_is_asked_once_and_then_given_the_limit() -> None:
    """Asked after a quarter of the limit, stalled at the limit, neither before."""
    assert ["well"] * 2 + ["ask"] + ["well"] * 8 + ["stalled"] == verdicts(Probe(LIMIT), [0] * 12)


def test_an_answer_ends_the_silence() -> None:
    """A quiet stream that answers is asked again and again, and is never stalled."""
    answered = [0, 0, 0] + [1] * 4 + [2] * 4 + [3] * 4
    assert {"well", "ask"} == set(verdicts(Probe(LIMIT), answered))
    assert 4 == verdicts(Probe(LIMIT), answered).count("ask")


def test_an_answer_at_the_last_moment_counts() -> None:
    """A frame that came by the look that would have told of the stall: there is none."""
    assert "well" == verdicts(Probe(LIMIT), [0] * 11 + [1])[-1]


def test_a_new_connection_has_the_whole_limit() -> None:
    """What the old one was silent for says nothing of the new one."""
    probe = Probe(LIMIT)
    verdicts(probe, [0] * 11)
    probe.restart(0, 11 * SECOND)
    assert "well" == probe.look(0, 12 * SECOND)


def test_whoever_was_away_asks_again() -> None:
    """Frames may lie unread after our own pause: the stream is asked once more, and has half the limit."""
    probe = Probe(LIMIT)
    verdicts(probe, [0] * 4)
    back = 4 * SECOND + LOOKS_APART_MAX + 60 * SECOND
    after = [probe.look(0, back + second * SECOND) for second in range(7)]
    assert ["ask"] + ["well"] * 5 + ["stalled"] == after


def test_without_a_limit_nothing_is_asked() -> None:
    """None: any silence is in order."""
    assert {"well"} == set(verdicts(Probe(None), [0] * 100))


@given(arrivals=st.lists(st.booleans(), max_size=60))
def test_a_stall_is_told_exactly_of_a_silence_that_was_asked_about(arrivals: list[bool]) -> None:
    """Looking every second: stalled from the limit on since the last frame, whatever came before."""
    probe, frames, heard = Probe(LIMIT), 0, 0
    for second, comes in enumerate(arrivals, 1):
        frames += comes
        heard = second if comes else heard
        silent = second - heard
        expected = "stalled" if silent >= 12 else "ask" if silent == 3 else "well"
        assert expected == probe.look(frames, second * SECOND)


def test_a_stream_is_doubted_before_it_is_given_up_and_after_it_was_asked() -> None:
    """Half of the limit, with room for a late look where the limit is short."""
    assert [1, 3, 3, 7.5] == [doubted_after(limit * SECOND) / SECOND for limit in (1, 3, 5, 15)]
