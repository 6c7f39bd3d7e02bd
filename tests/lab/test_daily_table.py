"""The daily table: read back as it was written, beside its model; what is none is refused by name."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from daemon.lab.daily_table import (
    FILE,
    DailyRow,
    DailyTable,
    NoDailyTable,
    read_daily_table,
    write_daily_table,
)
from daemon.lab.registry import report_folder

ROW = DailyRow("2026-11-20", "KXCPI-A-T0.3", "KXCPI-A", 0.415, 0.02, None, 1.0, 12.0, None)
TABLE = DailyTable(1, "daily/1", "0" * 64, ("KXCPI",), "Nothing beats it.", 1000.0, 0.2, 0.0, (ROW,))


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    """It stands beside the model's folder, unknown stays unknown, and nothing half-written stays behind."""
    folder = tmp_path / "daily/1"
    path = write_daily_table(TABLE, folder)
    assert report_folder(folder) / FILE == path
    assert TABLE == read_daily_table(folder)
    assert [path] == list(path.parent.iterdir())


def test_no_table_says_what_writes_one(tmp_path: Path) -> None:
    """The file is named, and the command."""
    with pytest.raises(NoDailyTable, match=r"daily_table\.json: no daily table; `kalshid lab daily`"):
        read_daily_table(tmp_path / "daily/1")


@pytest.mark.parametrize("change", [{"format": 2}, {"profit": "much"}, {"more": 1}])
def test_what_is_no_table_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    """Another format, a figure that is none, a key that nobody knows."""
    path = write_daily_table(TABLE, tmp_path / "daily/1")
    path.write_bytes(msgspec.json.encode(msgspec.to_builtins(TABLE) | change))
    with pytest.raises(NoDailyTable, match="not a daily table"):
        read_daily_table(tmp_path / "daily/1")
