"""`kalshid lab promote`, `rollback` and `champions` from outside: what they say and how they exit."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from daemon import exits
from daemon.cli import main
from daemon.lab.judging.blocks import Interval
from daemon.lab.promotion import Evidence, Gain, metadata_sha256
from daemon.scoring.structural import normal_cdf
from tests.scoring.kinds import structural


def invoke(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["lab", *(str(word) for word in words)])


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    return [structural(tmp_path, lambda row: normal_cdf(row[0] or 0.0), name=name) for name in ("old", "new")]


def evidence_file(path: Path, old: Path, new: Path, low: float) -> Path:
    interval = Interval(low + 0.01, low, low + 0.02, 40)
    found = Evidence(
        metadata_sha256(new), metadata_sha256(old), Gain("champion", interval, 0.95, interval),
        Gain("market's mid", interval, 0.95, interval), rows=80, left_out=0, outcomes=40, trials=1, seed=1,
    )  # fmt: skip
    path.write_bytes(msgspec.json.encode(found))
    return path


def test_a_champion_is_made_and_unmade(tmp_path: Path, folders: list[Path]) -> None:
    """The first by a reason, the second by evidence, and one command goes back."""
    old, new = folders
    first = invoke("promote", old, "--line", "btc15m", "--reason", "the first one")
    assert exits.OK == first.exit_code, first.output
    assert f"kalshid model swap {old}" in first.output
    proof = evidence_file(tmp_path / "proof.json", old, new, 0.001)
    assert exits.OK == invoke("promote", new, "--line", "btc15m", "--evidence", proof).exit_code
    assert (
        "btc15m: new/1 (better than the champion before it and than the market)"
        in invoke("champions", tmp_path).output
    )
    back = invoke("rollback", tmp_path, "--line", "btc15m", "--reason", "it loses")
    assert "btc15m: old/1 is champion (it loses)" in back.output
    assert exits.BAD_INPUT == invoke("rollback", tmp_path, "--line", "btc15m", "--reason", "x").exit_code


def test_too_little_evidence_is_said(tmp_path: Path, folders: list[Path]) -> None:
    """With both rivals' intervals; and what is no evidence, with its file."""
    old, new = folders
    invoke("promote", old, "--line", "btc15m", "--reason", "the first one")
    short = evidence_file(tmp_path / "short.json", old, new, -0.001)
    refused = invoke("promote", new, "--line", "btc15m", "--evidence", short)
    assert exits.BAD_INPUT == refused.exit_code
    assert "over the champion" in refused.stderr
    assert "over the market's mid" in refused.stderr
    none = tmp_path / "none.json"
    none.write_text("{}")
    refused = invoke("promote", new, "--line", "btc15m", "--evidence", none)
    assert (exits.BAD_INPUT, True) == (refused.exit_code, "none.json: not the evidence" in refused.stderr)


def test_a_damaged_record_is_said(tmp_path: Path) -> None:
    """With its line."""
    (tmp_path / "champions.jsonl").write_text("no json\n")
    refused = invoke("champions", tmp_path)
    assert exits.BAD_INPUT == refused.exit_code
    assert "champions.jsonl:1:" in refused.stderr
