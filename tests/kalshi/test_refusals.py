"""Counting, and what a refused frame still says."""

from __future__ import annotations

from daemon.core.events import FrameRefused
from daemon.core.units import MILLISECOND, MINUTE, SECOND
from daemon.kalshi.refusals import SHAPES_MAX, TOLD_PER_S_MAX, Refusals, Suspect, Tally, identify


def test_names_start_at_zero_and_others_appear() -> None:
    """A count that never happened reads 0, not nothing."""
    tally = Tally("gaps")
    tally.count("error_26")
    assert tally.counts == {"gaps": 0, "refused": 0, "error_26": 1}


def test_shapes_are_bounded_and_their_sum_is_not() -> None:
    """A server that sends ever new shapes can't grow our memory; each refusal still counts."""
    tally = Tally()
    for number in range(10 * SHAPES_MAX):
        tally.refuse(f"shape {number}")
    assert tally.counts["refused"] == 10 * SHAPES_MAX
    assert len(tally.counts) <= SHAPES_MAX + 2


def test_a_flood_of_one_shape_is_told_in_part_and_counted_in_full() -> None:
    """A venue that changed a field of every delta does not fill the journal with the news."""
    tally = Tally()
    refusals = Refusals("kalshi", tally)
    told = [event for ms in range(2_000) for event in refusals.refuse("delta", ms * MILLISECOND)]
    assert 2 * TOLD_PER_S_MAX == len(told)
    assert FrameRefused("kalshi", "delta", 0) == told[0]
    assert 2_000 == tally.counts["refused delta"]


def test_one_shape_does_not_hide_another() -> None:
    """Each shape has its own share."""
    refusals = Refusals("kalshi", Tally())
    for _ in range(100):
        refusals.refuse("delta", 0)
    assert [FrameRefused("kalshi", "trade", 0)] == refusals.refuse("trade", 0)


def test_what_does_not_concern_us_is_told_once_a_minute() -> None:
    """It is a novelty of the protocol, and no danger to what we trade."""
    refusals = Refusals("kalshi", Tally())
    told = [second for second in range(180) if refusals.refuse("new", second * SECOND, is_ours=False)]
    assert [0, MINUTE // SECOND, 2 * MINUTE // SECOND] == told


def test_a_shape_does_not_depend_on_where_in_the_text_it_was_seen() -> None:
    """Positions in the text would make a new shape of each frame."""
    tally = Tally()
    assert "JSON is malformed" == tally.refuse("JSON is malformed (byte 17)")
    assert "JSON is malformed" == tally.refuse("JSON is malformed (byte 18)")


def test_a_refused_frame_still_says_whose_it_was() -> None:
    """Type, sid, number and market are found where they are; the rest is None."""
    frame = b'{"type":"orderbook_delta","sid":1,"seq":7,"msg":{"market_ticker":"A","side":5}}'
    assert identify(frame) == Suspect("orderbook_delta", 1, 7, "A")
    assert identify(b'{"type":"new","msg":[1]}') == Suspect("new", None, None, None)
    assert identify(b'{"sid":"1"}') is None
    assert identify(b"\xff\x00") is None
