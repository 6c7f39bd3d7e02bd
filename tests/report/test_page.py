"""The page: one file that loads nothing, well-formed, and honest about what is unknown or absent."""

from __future__ import annotations

import re
import stat
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from daemon.core.units import DAY, MINUTE
from daemon.report.facts import Incident
from daemon.report.figures import Figures
from daemon.report.page import dollars, headline, kind_of, render, write_page
from daemon.report.period import Period
from tests.report.days import DAY_0, NOON, fill, keep_store, run, small_day
from tests.report.test_figures import figures

VOID = {"meta"}


class Reader(HTMLParser):
    """Reads a page as a browser does; notes what isn't balanced, and every attribute."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open it."""
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """It is closed at once."""
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Close what was opened last."""
        assert tag == self.open.pop()


def texts_of(page: str) -> list[str]:
    """The texts that are shown, in order."""
    body = ElementTree.fromstring(page.removeprefix("<!doctype html>")).find("body")
    assert body is not None
    return [text.strip() for text in body.itertext() if text.strip()]


@pytest.fixture
def small(tmp_path: Path) -> Figures:
    """The small day's figures."""
    small_day(tmp_path)
    return figures(tmp_path)


def test_it_is_balanced_and_loads_nothing(small: Figures) -> None:
    """For a browser and as XML; no address anywhere, no script; light, dark, and a telephone's width."""
    page = render(small)
    reader = Reader(page)
    assert [] == reader.open
    assert texts_of(page)
    assert not re.search(r"https?://|<script|<link|<img|@import|url\(", page)
    assert not {"src", "href", "onclick", "style"} & {name for name, _ in reader.attributes}
    assert "prefers-color-scheme:dark" in page
    assert "width=device-width" in page


def test_every_section_has_its_figures(small: Figures) -> None:
    """Results, mark-outs, slippage, calibration, risk and incidents, each with a chart or a table."""
    texts = texts_of(render(small))
    for words in (
        "Account", "By strategy", "By event", "By market", "Mark-outs", "Slippage", "Calibration", "Risk",
        "Incidents", "+0.8200 $", "+0.7900 $", "0.0300 $", "+1.67c (3)", "-1.00c (2)",
        "Fills", "buy 1.00 at 40c", "sell 1.00 at 45c", "wide_spread", "latch by cli: a <test>",
        "kalshi away 3.0 s: gone", "5.00 $",
    ):  # fmt: skip
        assert any(words in text for text in texts), words
    page = render(small)
    assert 7 == page.count("<svg"), "equity, three results, mark-outs, slippage, calibration"
    assert not re.search(r"\b(None|nan|inf)\b", page)


def test_its_first_word_is_paper_or_live(small: Figures) -> None:
    """Of the page, its title and the command's first line."""
    assert "PAPER 2024-10-04: P&L +0.8200 $ with fees of 0.0300 $ off, 3 fills" == headline(small)
    live = msgspec.structs.replace(small, mode="live")
    assert [True] * 3 == [
        headline(live).startswith("LIVE "), "<title>LIVE " in render(live), "LIVE" == kind_of("live"),
    ]  # fmt: skip
    assert {"PAPER"} == {kind_of(mode) for mode in ("sandbox", "demo", "shadow")}
    assert headline(small) == texts_of(render(small))[0]


def test_an_empty_period_says_so(small: Figures, tmp_path: Path) -> None:
    """Nobody ran, or nothing was traded: in words, without empty tables."""
    next_day = Period("2024-10-05", DAY_0 + DAY, DAY_0 + 2 * DAY)
    nobody = figures(tmp_path, next_day)
    assert "PAPER 2024-10-05: no daemon in mode sandbox ran" == headline(nobody)
    assert "<section>" not in render(nobody)
    keep_store(tmp_path, (DAY_0 + DAY) // 1_000_000, run(DAY_0 + DAY))
    idle = render(figures(tmp_path, next_day))
    for words in ("no fills, P&amp;L +0.0000 $", "Nothing in this period.", "No fill whose book is known.",
                  "never reconciled", "Nothing was refused."):  # fmt: skip
        assert words in idle


def test_unknown_is_said_in_words(tmp_path: Path) -> None:
    """What nobody knows is neither 0 nor None."""
    keep_store(tmp_path, 1, run(DAY_0), fill("a", NOON, 4_000, predicted=None))
    found = figures(tmp_path, now=NOON + MINUTE)
    assert "unknown" == dollars(found.results.total.pnl)
    page = render(found)
    assert not re.search(r"\b(None|nan)\b", page)
    assert page.count("unknown") > 3


def test_names_are_escaped_and_long_lists_are_cut(small: Figures) -> None:
    """A market's name can't break the page; what is left out is said."""
    result = msgspec.structs.replace(small.results.by_market[0], name='<b>"&')
    many = tuple(msgspec.structs.replace(result, name=f"<{number}>", pnl=number) for number in range(300))
    cut = msgspec.structs.replace(
        small,
        results=msgspec.structs.replace(small.results, by_market=many, by_event=(result,)),
        incidents=(Incident(NOON, "halt", "x"),),
        incidents_total=9,
    )
    page = render(cut)
    assert [] == Reader(page).open
    assert "The best 200 of 300; all are in --json." in page
    assert "The first 1 of 9." in page


def test_it_is_written_for_its_owner_only(tmp_path: Path) -> None:
    """Whole or not at all, into a folder that is made, and over an older one."""
    path = tmp_path / "reports/a.html"
    write_page(path, "<p>1</p>")
    write_page(path, "<p>ü</p>")
    assert "<p>ü</p>" == path.read_text(encoding="utf-8")
    assert (0o600, [path]) == (stat.S_IMODE(path.stat().st_mode), list(path.parent.iterdir()))
