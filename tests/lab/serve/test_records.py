"""What stands beside a model: read if it is of this model and of a size, told to be none if there is none."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

pytest.importorskip("scipy", reason="needs the extra `lab`")

from daemon.lab.daily_table import FILE, write_daily_table
from daemon.lab.judging.page import write_report
from daemon.lab.judging.report import JSON_FILE, judge
from daemon.lab.registry import report_folder
from daemon.lab.serve import records as module
from daemon.lab.serve.bodies import Refused
from daemon.lab.serve.records import daily_answer, daily_table, report_of
from daemon.lab.serve.shelf import Entry, choose, read_shelf
from tests.lab.judging.market_rows import market_rows
from tests.lab.serve.made_registry import daily_rows, normal, write_table
from tests.scoring.kinds import structural


@pytest.fixture
def entry(tmp_path: Path) -> Entry:
    structural(tmp_path, normal)
    return choose(read_shelf(tmp_path), None)[0]


def test_the_table_is_the_one_that_was_written(entry: Entry) -> None:
    """All of it, if it is of this model; the headline in front."""
    table = write_table(entry.folder, daily_rows())
    assert table == daily_table(entry)
    answer = daily_answer(entry, "newest", table)
    assert (table.headline, 0, table.rows) == (answer.headline, answer.rows_left_out, answer.rows)


def test_a_long_table_is_cut_between_days(entry: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The latest rows, and no day by half; how many are left out is told."""
    monkeypatch.setattr(module, "ROWS_SHOWN_MAX", 5)
    table = write_table(entry.folder, daily_rows(days=4))
    answer = daily_answer(entry, "newest", table)
    assert (4, ["2026-10-03"] * 2 + ["2026-10-04"] * 2) == (
        answer.rows_left_out, [row.day for row in answer.rows],
    )  # fmt: skip


def test_no_table_says_what_writes_one(entry: Entry) -> None:
    """404, and not a word of where the registry lies."""
    with pytest.raises(Refused, match="has no daily table; `kalshid lab daily` writes one") as caught:
        daily_table(entry)
    assert (404, False) == (caught.value.status, str(entry.folder) in caught.value.body.error)


def test_a_table_of_another_model_is_not_shown(entry: Entry) -> None:
    """Nor one that is none, nor one that would fill the memory."""
    table = write_table(entry.folder, daily_rows())
    write_daily_table(msgspec.structs.replace(table, metadata_sha256="0" * 64), entry.folder)
    with pytest.raises(Refused, match="is of another model"):
        daily_table(entry)
    (report_folder(entry.folder) / FILE).write_text("[" * 100_000)
    with pytest.raises(Refused, match="can't be read") as caught:
        daily_table(entry)
    assert 503 == caught.value.status


def test_a_report_is_read_where_there_is_one(entry: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    """None where there is none; what is no report, or too large, is refused."""
    assert report_of(entry) is None
    report = judge(market_rows(events=20), model="m", seed=1)
    write_report(report, report_folder(entry.folder))
    assert report == report_of(entry)
    monkeypatch.setattr(module, "RECORD_BYTES_MAX", 10)
    with pytest.raises(Refused, match="its report can't be read"):
        report_of(entry)
    monkeypatch.undo()
    (report_folder(entry.folder) / JSON_FILE).write_text("{}")
    with pytest.raises(Refused, match="its report can't be read"):
        report_of(entry)
