"""Counting, and what a refused frame still says."""

from __future__ import annotations

from daemon.kalshi.refusals import SHAPES_MAX, Suspect, Tally, identify


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


def test_a_refused_frame_still_says_whose_it_was() -> None:
    """Type, sid, number and market are found where they are; the rest is None."""
    frame = b'{"type":"orderbook_delta","sid":1,"seq":7,"msg":{"market_ticker":"A","side":5}}'
    assert identify(frame) == Suspect("orderbook_delta", 1, 7, "A")
    assert identify(b'{"type":"new","msg":[1]}') == Suspect("new", None, None, None)
    assert identify(b'{"sid":"1"}') is None
    assert identify(b"\xff\x00") is None
