"""The page is self-contained, well-formed, says the verdict first, and escapes what it was told."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import numpy as np

from daemon.lab.judging.page import render
from daemon.lab.judging.record import trading_record
from daemon.lab.judging.report import Importance, Report, judge
from tests.lab.judging.market_rows import market_rows


def report(**given: Any) -> Report:
    return judge(market_rows(events=60), model="btc <15m>/3", seed=1, **given)


def read(page: str) -> list[str]:
    """The texts of the page's body, in order; the page must be well-formed."""
    body = ElementTree.fromstring(page.removeprefix("<!doctype html>")).find("body")
    assert body is not None
    return [text.strip() for text in body.itertext() if text.strip()]


def test_its_first_line_is_the_verdict() -> None:
    """Before any other text, and the model's name is escaped."""
    found = report()
    texts = read(render(found))
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
    whole = read(render(report(trading=record, importance=importance, notes=("a <b> note",))))
    for title in ("Forecasts", "Comparisons", "Calibration", "Folds", "Events", "Net value per contract"):
        assert title in whole
    assert {"Trading", "Features", "mid & more", "a <b> note"} <= set(whole)
    assert "Sharpe, daily equity, 365 days" in whole
    plain = read(render(report()))
    assert not {"Trading", "Features"} & set(plain)


def test_unknown_is_said_in_words() -> None:
    """Never as None, nan or 0."""
    page = render(judge(market_rows(events=1), model="m", seed=1))
    assert "unknown" in page
    assert not re.search(r"\b(None|nan)\b", page)


def test_features_are_a_chart_and_a_table_of_the_first() -> None:
    """Thirty at most are on the page, by the order of the report; it says how many there are."""
    many = tuple(Importance(f"feature_{number}", 0.01, 1 - number / 100) for number in range(40))
    page = render(report(importance=many))
    assert 30 == page.count('<rect class="bar"')
    assert "Of 40 features the first 30; all are in report.json." in page
    assert ("feature_29<" in page, "feature_30<" in page) == (True, False)
    assert "Of 1 features" not in render(report(importance=many[:1]))
