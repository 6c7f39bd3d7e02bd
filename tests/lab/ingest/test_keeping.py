"""Rows first, then the note that they were read: whatever fails, nothing is noted that isn't on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daemon.lab.ingest import keeping as module
from daemon.lab.ingest.coverage import Coverage, Covered
from daemon.lab.ingest.keeping import Keeping
from daemon.lab.store import Store, open_store
from daemon.lab.store_tables import StoreError
from daemon.lab.store_writer import Added


def row(number: int, **changes: Any) -> dict[str, Any]:
    return {"series": "s", "event_at": number, "known_at": number, "value": 1.0, **changes}


def keeping_in(folder: Path) -> tuple[Store, Keeping]:
    store = open_store(folder / "store", may_create=True)
    return store, Keeping(store, Coverage(folder / "s.jsonl"))


def test_rows_gather_until_they_are_flushed(tmp_path: Path) -> None:
    """Neither rows nor spans are there before; both are afterwards, and counted."""
    store, subject = keeping_in(tmp_path)
    with store:
        subject.keep("outside", [row(1), row(2)], [Covered("a", 0, 5)])
        assert (0, ()) == (len(store.rows("SELECT * FROM outside")), subject.coverage.of("a"))
        subject.flush()
        subject.keep("outside", [row(2), row(3)])
        subject.flush()
        assert (3, ((0, 5),)) == (
            len(store.rows("SELECT * FROM outside")),
            Coverage(tmp_path / "s.jsonl").of("a"),
        )
        assert {"outside": Added(3, 0)} == subject.added


@pytest.mark.parametrize(("name", "value"), [("ROWS_MAX", 2), ("GATHERED_MAX_S", 0.0)])
def test_many_rows_or_old_ones_go_by_themselves(
    tmp_path: Path, name: str, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So memory is bounded, and a kill loses little."""
    store, subject = keeping_in(tmp_path)
    monkeypatch.setattr(module, name, value)
    with store:
        subject.keep("outside", [row(1), row(2)])
        assert 2 == len(store.rows("SELECT * FROM outside"))


def test_what_could_not_be_written_is_not_noted(tmp_path: Path) -> None:
    """A bad row is an error, and its span is asked for again."""
    store, subject = keeping_in(tmp_path)
    with store:
        subject.keep("outside", [row(1, value="much")], [Covered("a", 0, 5)])
        with pytest.raises(StoreError, match="a value of another type"):
            subject.flush()
        assert () == Coverage(tmp_path / "s.jsonl").of("a")
