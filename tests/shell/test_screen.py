"""The screen: what a person must see is there, at 80 columns as at 160, and unknown looks unknown."""

from __future__ import annotations

import io
import time
from typing import get_type_hints

import msgspec
import pytest
from rich.console import Console

from daemon.core import events as e
from daemon.core.engine import Engine
from daemon.core.units import MINUTE, Ns
from daemon.shell.metrics import Metrics
from daemon.shell.screen import MARKETS_SHOWN, REFRESH_S, MarketRow, Picture, Screen, picture, render
from tests.core.worlds import NOW, T0, TICKER, Scripted, engine, spec
from tests.shell.beliefs import LATER, SECOND_TICKER, lived

WIDTHS = pytest.mark.parametrize("width", [80, 160])


def taken(subject: Engine, now: Ns = LATER, notes: tuple[str, ...] = ()) -> Picture:
    metrics = Metrics()
    metrics.decision.observe(70_000)
    return picture(
        subject, metrics, mode="sandbox", now=now, frames=123_456, frames_per_s=812.3, gaps=2, notes=notes
    )


def drawn(shown: Picture, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(render(shown))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@WIDTHS
def test_a_person_sees_what_matters(width: int) -> None:
    """Phase, health, books with prices, model and edge, orders, position and P&L, decisions and reasons."""
    subject = lived()
    subject.scores[TICKER] = 0.4312
    text = drawn(taken(subject), width)
    lines = text.splitlines()
    for word in ("trading", "connected", "812 msg/s", "123,456", "lag 0 ms", "breaker closed", "sandbox"):
        assert word in text, word
    for word in (
        "cash 9,998.38",
        "equity 10,000.02",
        "P&L +0.02",
        "fees 0.02",
        "orders 1",
        "fills 1",
        "128 µs",
    ):
        assert word in text, word
    (first, *_) = [line for line in lines if TICKER[-12:] in line and "40.0" in line]
    for cell in ("synced", "13:47", "40.0", "42.0", "41.00", "43.1", "+2.1c", " 1 ", "+4", "+0.04"):
        assert cell in first, cell
    assert any(SECOND_TICKER[-12:] in line and "not open" in line for line in lines)
    for reason in ("rests 3.0c from fair value 43.0c", "book_unsynced", "qty_out_of_range"):
        assert any(reason in line and "scripted" in line for line in lines), reason
    assert "refused: qty_out_of_range 1" in text


@WIDTHS
def test_cells_stand_under_their_titles(width: int) -> None:
    """Each column's cell ends or begins where its title does."""
    subject = lived()
    subject.scores[TICKER] = 0.4312
    lines = drawn(taken(subject), width).splitlines()
    title = next(line for line in lines if "closes" in line)
    row = next(line for line in lines if "40.0" in line)
    assert title.index("book") == row.index("synced")
    for name, cell in (
        ("closes", "13:47"),
        ("bid", "40.0"),
        ("ask", "42.0"),
        ("mid", "41.00"),
        ("edge", "+2.1c"),
    ):
        assert title.index(f" {name}") + len(name) == row.index(cell) + len(cell) - 1, name


@WIDTHS
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Nothing wraps in a way that would tear the picture."""
    text = drawn(taken(lived()), width)
    assert max(len(line) for line in text.splitlines()) <= width


@WIDTHS
def test_before_anything_is_known_it_says_so(width: int) -> None:
    """A dash where a number is not known, never a zero; a lost connection is named."""
    subject = engine(Scripted())
    subject.handle(e.MarketListed(spec(), T0))
    text = drawn(taken(subject, T0), width)
    assert "starting" in text
    assert "down" in text
    assert "cash –" in text
    assert "P&L –" in text
    assert "BTC –" in text
    row = next(line for line in text.splitlines() if TICKER[-12:] in line)
    assert "unsynced" in row
    assert 5 == row.count("–")


@WIDTHS
def test_words_in_brackets_are_shown_as_they_are(width: int) -> None:
    """Text from outside is text, never the drawing library's markup."""
    subject = lived()
    old = subject.decisions.last[-1]
    subject.decisions.last.append(msgspec.structs.replace(old, reason="[/bold] [red]x[/]", ticker="[b]T"))
    text = drawn(taken(subject, notes=("see [log] for [/more]",)), width)
    for word in ("[/bold] [red]x[/]", "[b]T", "see [log] for [/more]"):
        assert word in text


@WIDTHS
def test_findings_about_the_account_are_shown_when_there_are_any(width: int) -> None:
    """Nothing is said of none."""
    shown = taken(lived())
    told = [drawn(msgspec.structs.replace(shown, findings=count), width) for count in (0, 3)]
    assert [False, True] == ["findings 3" in " ".join(text.split()) for text in told]
    assert "findings" not in told[0]


def test_the_open_markets_come_first() -> None:
    """Those that are over don't push the one that trades off the screen."""
    subject = engine(Scripted())
    for number in range(2 * MARKETS_SHOWN):
        closes_at = T0 - MINUTE - number
        subject.handle(
            e.MarketListed(spec(f"OVER-{number}", open_at=T0 - 20 * MINUTE, close_at=closes_at), T0)
        )
    subject.handle(e.MarketListed(spec(), T0))
    shown = taken(subject, T0).markets
    assert MARKETS_SHOWN == len(shown)
    assert TICKER == shown[0].ticker
    assert shown[1].closes_in_s < 0
    assert "-1:00" in drawn(taken(subject, T0), 160)


def test_the_newest_decision_is_on_top() -> None:
    """The eye falls on what just happened."""
    text = drawn(taken(lived()), 160)
    assert text.index("qty_out_of_range") < text.index("book_unsynced")


def test_a_picture_holds_plain_values_only() -> None:
    """It is drawn by another thread: nothing in it can change, and no key, path or address is in it."""
    for kind in (Picture, MarketRow):
        names = set(get_type_hints(kind))
        assert not any(word in name for name in names for word in ("key", "secret", "path", "url", "config"))
        assert kind.__struct_config__.frozen
    hash(taken(lived()))


def test_the_thread_draws_until_stopped_and_leaves_the_last_picture() -> None:
    """The newest picture is drawn a few times a second, and once more at the end."""
    terminal = io.StringIO()
    pictures = [taken(lived(), NOW)]
    screen = Screen(Console(width=100, height=50, file=terminal, force_terminal=True), lambda: pictures[-1])
    screen.start()
    deadline = time.monotonic() + 20
    while "trading" not in terminal.getvalue():
        assert time.monotonic() < deadline
        time.sleep(REFRESH_S / 5)
    pictures.append(msgspec.structs.replace(pictures[0], phase="halted"))
    screen.stop()
    assert "halted" in terminal.getvalue()
    size = len(terminal.getvalue())
    time.sleep(2 * REFRESH_S)
    assert size == len(terminal.getvalue())


def test_without_a_picture_nothing_is_drawn() -> None:
    """The first moments of a run have nothing to show, and that is no error."""
    terminal = io.StringIO()
    screen = Screen(Console(width=100, file=terminal, force_terminal=True), lambda: None)
    screen.start()
    screen.stop()
    assert "kalshid" not in terminal.getvalue()


@WIDTHS
@pytest.mark.parametrize(("mode", "words"), [("shadow", "PAPER · shadow"), ("live", "LIVE · real money")])
def test_whether_the_money_is_real_is_in_the_first_line(width: int, mode: str, words: str) -> None:
    """Nobody takes the one for the other."""
    shown = msgspec.structs.replace(taken(lived()), mode=mode)
    assert words in drawn(shown, width).splitlines()[1], "inside the frame's upper edge"
