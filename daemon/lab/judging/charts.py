"""Charts as inline SVG: no library, no script, no file beside the page.

Colours are the page's own (classes, in light and in dark), sizes are of a viewBox, so that a chart fills a
telephone's width as it fills a desk's. Each says in words what it shows, for who can't see it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from math import isfinite, sqrt

from daemon.lab.judging.blocks import Interval
from daemon.lab.judging.reliability import ReliabilityBin

_SIDE, _LEFT, _TOP = 280.0, 44.0, 12.0
_WIDTH = 360.0
_DOT_MAX = 9.0


def _svg(height: float, words: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH:g} {height:g}" role="img" aria-label="{escape(words, quote=True)}">'
        + "".join(parts)
        + "</svg>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, words: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def reliability_chart(series: Sequence[tuple[str, Sequence[ReliabilityBin]]]) -> str:
    """Return the reliability diagram: what happened over what was said, dots by count, bands as whiskers.

    Args:
        series: up to two, each a name and its bins; the first is drawn on top.
    """
    parts = []
    for tenth in range(0, 11, 2):
        share = tenth / 10
        x, y = _LEFT + share * _SIDE, _TOP + (1 - share) * _SIDE
        parts += [_line(_LEFT, y, _LEFT + _SIDE, y, "grid"), _text(_LEFT - 6, y + 4, f"{share:.1f}", "end")]
        parts += [_line(x, _TOP, x, _TOP + _SIDE, "grid"), _text(x, _TOP + _SIDE + 16, f"{share:.1f}")]
    parts.append(_line(_LEFT, _TOP + _SIDE, _LEFT + _SIDE, _TOP, "ideal"))
    parts.append(_text(_LEFT + _SIDE / 2, _TOP + _SIDE + 34, "said (across), happened (up)"))
    rows_max = max((found.rows for _, bins in series for found in bins), default=1)
    for number, (_, bins) in reversed(list(enumerate(series))):
        for found in bins:
            x, y = _LEFT + found.said * _SIDE, _TOP + (1 - found.rate) * _SIDE
            if found.rate_low is not None and found.rate_high is not None:
                low, high = (_TOP + (1 - rate) * _SIDE for rate in (found.rate_low, found.rate_high))
                parts.append(_line(x, low, x, high, f"band s{number}"))
            radius = 2 + (_DOT_MAX - 2) * sqrt(found.rows / rows_max)
            parts.append(f'<circle class="dot s{number}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>')
    names = " and ".join(name for name, _ in series)
    return _svg(_TOP + _SIDE + 42, f"Reliability of {names}: what happened over what was said", parts)


def interval_chart(found: Sequence[tuple[str, Interval]], words: str) -> str:
    """Return one line per interval around 0, with its name; an unknown interval has none, its name stays."""
    known = [interval for _, interval in found if interval.value is not None]
    ends = [abs(end) for interval in known for end in (interval.value, interval.low, interval.high) if end]
    reach = max((end for end in ends if isfinite(end)), default=1.0)
    left, row = 110.0, 22.0
    middle, half = left + (_WIDTH - left - 10) / 2, (_WIDTH - left - 10) / 2
    height = row * len(found) + 30
    parts = [_line(middle, 4, middle, height - 22, "ideal")]
    for number, (name, interval) in enumerate(found):
        y = row * number + 16
        parts.append(_text(left - 8, y + 4, name, "end"))
        if interval.low is not None and interval.high is not None:
            low, high = (middle + end / reach * half for end in (interval.low, interval.high))
            parts.append(_line(low, y, high, y, "band s0"))
        if interval.value is not None:
            x = middle + interval.value / reach * half
            parts.append(f'<circle class="dot s0" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
    parts += [_text(middle - half, height - 6, f"{-reach:.4f}", "start"), _text(middle, height - 6, "0")]
    parts.append(_text(middle + half, height - 6, f"{reach:+.4f}", "end"))
    return _svg(height, words, parts)


def line_chart(values: Sequence[float], words: str) -> str:
    """Return a line through values at equal steps, its lowest and highest value written beside it."""
    low, high = min(values), max(values)
    room, width, height = (high - low) or 1.0, _WIDTH - _LEFT - 28, 150.0
    step = width / max(1, len(values) - 1)
    left = _LEFT + 20
    points = " ".join(
        f"{left + step * number:.1f},{_TOP + (high - value) / room * height:.1f}"
        for number, value in enumerate(values)
    )
    parts = [
        _line(left, _TOP, left + width, _TOP, "grid"),
        _line(left, _TOP + height, left + width, _TOP + height, "grid"),
        _text(left - 6, _TOP + 4, f"{high:,.2f}", "end"),
        _text(left - 6, _TOP + height + 4, f"{low:,.2f}", "end"),
        f'<polyline class="curve s0" points="{points}"/>',
    ]
    return _svg(_TOP + height + 14, words, parts)


def bar_chart(found: Sequence[tuple[str, float]], words: str) -> str:
    """Return a bar per value from 0, its name above it and its figure beside it; no value is below 0."""
    longest = max((value for _, value in found), default=0.0) or 1.0
    left, room, row = 8.0, _WIDTH - 80, 30.0
    parts = []
    for number, (name, value) in enumerate(found):
        y, width = row * number + 14, value / longest * room
        parts.append(_text(left, y, name, "start"))
        parts.append(
            f'<rect class="bar" x="{left:.1f}" y="{y + 4:.1f}" width="{max(width, 0.5):.1f}" height="9"/>'
        )
        parts.append(_text(left + max(width, 0.5) + 6, y + 12, f"{value:.4f}", "start"))
    return _svg(row * len(found) + 4, words, parts)


def signed_bar_chart(
    found: Sequence[tuple[str, float | None]], words: str, write: Callable[[float], str]
) -> str:
    """Return a bar per value to the left or right of 0, its name above it and its figure beside that.

    Args:
        found: names and values; what is unknown has no bar, and says so.
        words: what the chart shows.
        write: how a value is written.
    """
    longest = max((abs(value) for _, value in found if value is not None), default=0.0) or 1.0
    middle, room, row = _WIDTH / 2, _WIDTH / 2 - 8, 32.0
    parts = [_line(middle, 4, middle, row * len(found) + 2, "ideal")]
    for number, (name, value) in enumerate(found):
        y = row * number + 14
        parts.append(_text(8, y, name, "start"))
        parts.append(_text(_WIDTH - 8, y, "unknown" if value is None else write(value), "end"))
        if value:
            width = max(abs(value) / longest * room, 0.5)
            x, kind = (middle, "bar") if value > 0 else (middle - width, "bar under")
            parts.append(f'<rect class="{kind}" x="{x:.1f}" y="{y + 4:.1f}" width="{width:.1f}" height="9"/>')
    return _svg(row * len(found) + 4, words, parts)
