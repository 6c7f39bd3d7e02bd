"""Charts are well-formed, say in words what they show, and put a point where its figures are."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from daemon.lab.judging.blocks import Interval
from daemon.lab.judging.charts import (
    bar_chart,
    interval_chart,
    line_chart,
    reliability_chart,
    signed_bar_chart,
)
from daemon.lab.judging.reliability import ReliabilityBin

BIN = ReliabilityBin(low=0.2, high=0.3, rows=9, blocks=4, said=0.25, rate=0.5, rate_low=0.3, rate_high=0.7)


def test_a_bin_is_where_it_says() -> None:
    """A quarter across and half way up, its whisker from .3 to .7."""
    tree = ElementTree.fromstring(reliability_chart([("model", [BIN])]))
    (dot,) = tree.iter("circle")
    assert (44 + 0.25 * 280, 12 + 0.5 * 280) == (float(dot.attrib["cx"]), float(dot.attrib["cy"]))
    (band,) = [line for line in tree.iter("line") if line.attrib["class"] == "band s0"]
    assert [12 + 0.7 * 280, 12 + 0.3 * 280] == pytest.approx(
        [float(band.attrib["y1"]), float(band.attrib["y2"])]
    )
    assert "Reliability of model" in tree.attrib["aria-label"]


def test_an_unknown_interval_has_no_point() -> None:
    """Its name stays; one that is known has a point and a whisker."""
    found = [("fold 0", Interval(0.1, -0.1, 0.2, 30)), ("fold <1>", Interval(None, None, None, 0))]
    tree = ElementTree.fromstring(interval_chart(found, "gain & loss"))
    assert (1, 1) == (
        len(list(tree.iter("circle"))),
        sum(line.attrib["class"] == "band s0" for line in tree.iter("line")),
    )
    assert "fold <1>" in [text.text for text in tree.iter("text")]
    assert "gain & loss" == tree.attrib["aria-label"]


def test_a_line_has_every_value() -> None:
    """The highest at the top, the lowest at the bottom; a constant one is no error."""
    (line,) = ElementTree.fromstring(line_chart([1.0, 3.0, 2.0], "worth")).iter("polyline")
    heights = [float(point.split(",")[1]) for point in line.attrib["points"].split()]
    assert [162.0, 12.0, 87.0] == heights
    assert "polyline" in line_chart([5.0], "worth")


def test_bars_are_as_long_as_their_values() -> None:
    """The longest fills the room; names are escaped, figures stand beside; nothing to show is no error."""
    tree = ElementTree.fromstring(bar_chart([("a<b", 0.5), ("c", 0.25), ("d", 0.0)], "what & why"))
    long, half, none = (float(bar.attrib["width"]) for bar in tree.iter("rect"))
    assert (280.0, 140.0, 0.5) == (long, half, none)
    assert ["a<b", "0.5000", "c", "0.2500", "d", "0.0000"] == [text.text for text in tree.iter("text")]
    assert "what & why" == tree.attrib["aria-label"]
    assert "<rect" not in bar_chart([], "nothing")


def test_a_loss_is_to_the_left_and_a_gain_to_the_right() -> None:
    """From one middle, as long as they are large; what is unknown has no bar, and says so."""
    found = [("won & kept", 4.0), ("lost", -2.0), ("open", None), ("even", 0.0)]
    tree = ElementTree.fromstring(signed_bar_chart(found, "profit", "{:+.1f}".format))
    won, lost = tree.iter("rect")
    left, width = float(lost.attrib["x"]), float(lost.attrib["width"])
    assert float(won.attrib["x"]) == left + width == 180
    assert float(won.attrib["width"]) == pytest.approx(2 * width)
    assert ("bar", "bar under") == (won.attrib["class"], lost.attrib["class"])
    assert ["won & kept", "+4.0", "lost", "-2.0", "open", "unknown", "even", "+0.0"] == [
        text.text for text in tree.iter("text")
    ]
