"""A report repeats to the byte, survives its JSON, and says first whether anything beats the mid."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from daemon.lab.judging.page import write_report
from daemon.lab.judging.report import decode_report, encode_report, judge, read_report
from tests.lab.judging.market_rows import market_rows


def test_the_same_rows_and_seed_give_the_same_bytes() -> None:
    """Another seed draws other intervals."""
    first, again, other = (
        encode_report(judge(market_rows(events=40), model="m", seed=seed)) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_its_first_field_is_the_verdict() -> None:
    """Of the JSON too; a noisy copy of the market beats nothing."""
    report = judge(market_rows(model_noise=0.5, mid_noise=0.0), model="m", seed=1)
    assert report.headline.startswith("Nothing here beats the market's mid")
    assert "headline" == next(iter(json.loads(encode_report(report))))


def test_json_holds_everything(tmp_path: Path) -> None:
    """What is read back is what was judged; unknown is null."""
    report = judge(market_rows(events=40), model="m", seed=1)
    write_report(report, tmp_path)
    assert report == read_report(tmp_path)
    assert ["report.html", "report.json"] == sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(msgspec.ValidationError):
        decode_report(b"{}")


def test_who_is_compared_with_whom() -> None:
    """The model with each rival, and the others with the market, on the same rows."""
    report = judge(market_rows(), model="m", seed=1)
    assert [
        ("model", "mid"),
        ("model", "mid normalised"),
        ("model", "structural"),
        ("model", "base rate"),
        ("structural", "mid normalised"),
        ("base rate", "mid normalised"),
    ] == [(found.ours, found.rival) for found in report.comparisons]
    assert {120} == {found.brier_gain.blocks for found in report.comparisons}
    assert ["model", "mid normalised"] == list(report.reliability)


def test_rows_without_books_have_no_net_value() -> None:
    """And what a reader must know is noted."""
    report = judge(market_rows(books=False), model="m", seed=1, notes=("simulated",))
    assert ((), "simulated") == (report.net_values, report.notes[0])


def test_an_over_confident_model_is_noted() -> None:
    """Where the whole interval of its slope is below 1."""
    report = judge(market_rows(events=400, model_noise=1.5), model="m", seed=1)
    assert any(note.startswith("Over-confident") for note in report.notes)
