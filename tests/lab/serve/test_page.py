"""The page of a model: example, form, table, diagram; a stranger's words make no markup."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("scipy", reason="needs the extra `lab`")
pytest.importorskip("sklearn", reason="needs the extra `lab`")

from daemon.lab.judging.report import judge
from daemon.lab.serve.page import ROWS_SHOWN, View, example_row, render, render_refusal
from daemon.lab.serve.rows import score_row
from daemon.lab.serve.shelf import choose, read_shelf
from daemon.scoring.registry import load_model
from tests.lab.judging.market_rows import market_rows
from tests.lab.serve.made_registry import DAILY_NAMES, daily_model, daily_rows, write_table

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    root: Path = tmp_path_factory.mktemp("registry")
    folder = daily_model(root)
    table = write_table(folder, daily_rows())
    entry, chosen = choose(read_shelf(root), None)
    row = example_row(entry.metadata)
    scored = score_row(load_model(folder).scorer, entry.metadata.ranges, row)
    return View(entry, chosen, (entry.model,), (row, scored), None, table)


def test_the_form_is_the_models_schema(view: View) -> None:
    """A field per feature in order, the example's values in them, the required ones marked."""
    page = render(view)
    fields = re.findall(r'<input type="number" step="any" name="(\w+)"( value="([^"]*)")?( required)?>', page)
    assert list(DAILY_NAMES) == [name for name, *_ in fields]
    assert ["RET_1"] == [name for name, *_, required in fields if required]
    values = [float(value) if value else None for _, _, value, _ in fields]
    assert list(view.example[0]) == values


def test_the_example_is_a_row_that_can_be_asked(view: View) -> None:
    """Its address, and the answer in full."""
    page = render(view)
    assert f'<p class="value">{view.example[1].value!r} $</p>' in page
    assert "/predict?RET_1=" in page
    frozen = [one.row for one in view.entry.metadata.frozen_rows]
    assert min(row.count(None) for row in frozen) == view.example[0].count(None)


def test_the_latest_days_come_first(view: View) -> None:
    """The verdict stands before all else; what is not known yet is said to be unknown."""
    page = render(view)
    assert page.index("Nothing here beats") < page.index("<h2>")
    days = re.findall(r"<td class=\"word\">(2026-\d\d-\d\d)</td>", page)
    assert (ROWS_SHOWN, sorted(days, reverse=True)) == (len(days), days)
    assert "<td >unknown</td>" in page
    assert 'aria-label="The account&#x27;s worth in dollars, day by day"' in page


def test_the_diagram_is_the_reports(view: View) -> None:
    """With a bin's row for each dot; where there is none, or it is broken, that is said."""
    report = judge(market_rows(events=30), model="m", seed=1)
    page = render(replace(view, report=report))
    assert 'aria-label="Reliability of model and mid normalised' in page
    bins = sum(len(one) for one in report.reliability.values())
    assert (bins, True) == (page.count("<circle"), "The bins of the diagram." in page)
    assert "has no diagram: it says changes" in render(view)
    assert "its report can&#x27;t be read" in render(replace(view, report="its report can't be read"))


def test_without_a_table_it_says_what_writes_one(view: View) -> None:
    """The command as something to type; the report's headline stands in front."""
    report = judge(market_rows(events=30), model="m", seed=1)
    page = render(replace(view, daily="no table; `kalshid lab daily` writes one", report=report))
    assert "no table; <code>kalshid lab daily</code> writes one." in page
    assert f'<p class="verdict">{report.headline.split(":", maxsplit=1)[0]}'.replace("'", "&#x27;") in page


def test_a_models_words_are_text(view: View) -> None:
    """Label, market and headline are a stranger's: none of them makes a tag."""
    assert not isinstance(view.daily, str)
    label = msgspec.structs.replace(view.entry.metadata.label, definition=EVIL, horizon=EVIL)
    entry = replace(view.entry, metadata=msgspec.structs.replace(view.entry.metadata, label=label))
    rows = tuple(msgspec.structs.replace(row, ticker=EVIL, day=EVIL) for row in view.daily.rows)
    daily = msgspec.structs.replace(view.daily, headline=EVIL, series=(EVIL,), rows=rows)
    page = render(replace(view, entry=entry, daily=daily, models=(EVIL,), report=EVIL))
    assert (0, True) == (page.count("<script>"), "&lt;script&gt;" in page)
    assert "<script>" not in render_refusal(EVIL, (EVIL,))


def test_a_page_without_an_answer_says_why() -> None:
    """And which models could be asked, or what makes one."""
    assert "<option>a/1</option>" in render_refusal("b/1 is broken", ("a/1",))
    assert "kalshid lab" in render_refusal("the registry has no model", ())
