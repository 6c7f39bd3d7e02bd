"""The page is self-contained, well-formed, says the verdict first, and escapes what it was told."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np

from daemon.lab.judging.page import render
from daemon.lab.judging.record import trading_record
from daemon.lab.judging.report import Importance, Report, judge
from tests.lab.judging.market_rows import market_rows

VOID = {"meta", "line", "circle", "polyline"}


class Reader(HTMLParser):
    """Collects text, and fails on a tag that isn't closed by its own."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len({name for name, _ in attrs}), "an attribute is there twice"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"style", "title"} and data.strip():
            self.texts.append(data.strip())


def report(**given: Any) -> Report:
    return judge(market_rows(events=60), model="btc <15m>/3", seed=1, **given)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert [] == reader.open
    return reader


def test_its_first_line_is_the_verdict() -> None:
    """Before any other text, and the model's name is escaped."""
    found = report()
    texts = read(render(found)).texts
    assert [found.headline, "btc <15m>/3"] == texts[:2]


def test_it_loads_nothing() -> None:
    """No script, no address, no file beside it; it fits a telephone and has a dark side."""
    page = render(report())
    assert not re.search(r"<script|https?:|src=|href=|@import|url\(", page)
    assert "width=device-width" in page
    assert "prefers-color-scheme:dark" in page


def test_tables_scroll_by_themselves() -> None:
    """Each stands in a frame of its own, so that the page never scrolls sideways."""
    page = render(report())
    assert page.count("<table>") == page.count('<div class="wide" tabindex="0"><table>') > 5


def test_every_part_is_there() -> None:
    """Sections come with what they are about, and only then."""
    record = trading_record(
        np.array([1, 2]), [101.0, 99.0], 100.0, event_profits=[1.0], notional=[9.0], fees=0.5, trials=4
    )
    importance = (Importance("mid & more", 0.9, 0.1),)
    whole = read(render(report(trading=record, importance=importance, notes=("a <b> note",)))).texts
    for title in ("Forecasts", "Comparisons", "Calibration", "Folds", "Events", "Net value per contract"):
        assert title in whole
    assert {"Trading", "Features", "mid & more", "a <b> note"} <= set(whole)
    assert "Sharpe, daily equity, 365 days" in whole
    plain = read(render(report())).texts
    assert not {"Trading", "Features"} & set(plain)


def test_unknown_is_said_in_words() -> None:
    """Never as None, nan or 0."""
    page = render(judge(market_rows(events=1), model="m", seed=1))
    assert "unknown" in page
    assert not re.search(r"\b(None|nan)\b", page)
