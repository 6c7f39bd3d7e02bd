"""The reliability diagram from a store that the daemon's own writer made; why there is none, where so."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.shell.page.reliability import BINS, read_reliability, wilson
from daemon.shell.store.rows import Intent, JudgedMarket
from daemon.shell.store.writer import Store
from tests.core.worlds import NOW


def intent(ticker: str, score: float | None, action: str = "place") -> Intent:
    """An order that was decided at this score."""
    return Intent(NOW, "kd-1", action, ticker, "bid", 4_000, 100, "rest", "enter", "one", "why", score)


def judged(ticker: str, outcome: float) -> JudgedMarket:
    """A market that paid this much."""
    return JudgedMarket(NOW, ticker, 10, outcome, 0.2, 0.2, None)


def store_of(folder: Path, rows: list[Intent | JudgedMarket]) -> Path:
    """A store with these rows."""
    path = folder / "store.sqlite"
    store = Store(path, 1)
    store.put(rows)
    store.close()
    return path


def test_each_market_counts_once_by_its_mean_score(tmp_path: Path) -> None:
    """However often it was traded; what has not ended, had no score or was no new order does not count."""
    path = store_of(
        tmp_path,
        [
            intent("A", 0.60), intent("A", 0.64), intent("A", 0.1, "amend"), intent("A", None),
            judged("A", 1.0),
            intent("B", 0.68), judged("B", 0.0), judged("B", 0.0),
            intent("C", 1.0), judged("C", 1.0),
            intent("D", 0.5), judged("E", 1.0), intent("F", -0.2), judged("F", 1.0),
        ],
    )  # fmt: skip
    found = read_reliability(path)
    assert None is found.why_none
    middle, top = found.bins
    assert (2, pytest.approx(0.65), 0.5) == (middle.count, middle.score, middle.paid)
    assert (1, 1.0, 1.0) == (top.count, top.score, top.paid)


def test_why_there_is_none_is_said(tmp_path: Path) -> None:
    """No store, nothing in it yet, no database, no time."""
    assert "nothing is kept" in str(read_reliability(tmp_path / "store.sqlite").why_none)
    path = store_of(tmp_path, [intent("A", 0.5)])
    assert "no market that was traded has ended" in str(read_reliability(path).why_none)
    broken = tmp_path / "broken.sqlite"
    broken.write_bytes(b"no database at all" * 100)
    assert "can't be read" in str(read_reliability(broken).why_none)
    many: list[Intent | JudgedMarket] = [intent(f"T{number}", 0.5) for number in range(5_000)]
    assert "can't be read now: interrupted" in str(
        read_reliability(store_of(tmp_path, many), within_s=-1.0).why_none
    )


def test_it_changes_nothing(tmp_path: Path) -> None:
    """The store has one writer, and it is not the page."""
    path = store_of(tmp_path, [intent("A", 0.5), judged("A", 1.0)])
    before = path.read_bytes()
    assert 1 == len(read_reliability(path).bins) < BINS
    assert before == path.read_bytes()


@given(count=st.integers(1, 10_000), seen=st.floats(0, 1))
def test_an_interval_holds_the_share_and_stays_within_0_and_1(count: int, seen: float) -> None:
    """And is narrower the more there is to go by."""
    share = round(seen * count) / count
    low, high = wilson(share, count)
    assert 0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1
    again_low, again_high = wilson(share, 4 * count)
    assert again_high - again_low < high - low
