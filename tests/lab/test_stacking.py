"""Stacks: weights of logits that are never below 0, and a residual that is one with its base."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs the extra `lab`")
pytest.importorskip("sklearn", reason="needs the extra `lab`")


from daemon.lab.fitting.rows import NotFitted
from daemon.lab.stacking import Stack, residual_stack, stack, stacking_file
from daemon.scoring.ensemble import read_stacking
from daemon.scoring.metadata import METADATA_FILE, file_sha256
from tests.scoring.kinds import structural


def drawn(seed: int, *weights: float, outcomes: int = 3_000) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Members m0, m1, … whose logits the truth weighs so, and what happened."""
    rng = np.random.default_rng(seed)
    logits = {f"m{place}": rng.normal(size=outcomes) for place in range(len(weights))}
    total = sum(weight * one for weight, one in zip(weights, logits.values(), strict=True))
    return logits, (rng.random(outcomes) < 1 / (1 + np.exp(-total))).astype(float)


def every(outcomes: int = 3_000) -> tuple[np.ndarray, np.ndarray]:
    return np.ones(outcomes), np.arange(outcomes)


def test_weights_are_found() -> None:
    """Of two members that the truth weighs .8 and .4."""
    logits, y = drawn(1, 0.8, 0.4)
    found = stack(logits, y, *every())
    assert [0.8, 0.4] == pytest.approx(list(found.weights.values()), abs=0.12)
    assert not found.needs_all


def test_a_member_that_says_the_opposite_is_left_out() -> None:
    """It would weigh below 0; the others are as without it."""
    logits, y = drawn(2, 0.8, -0.5, 0.6)
    found = stack(logits, y, *every())
    assert ["m0", "m2"] == list(found.weights)


def test_one_member_is_no_stack() -> None:
    """Where only one weighs anything, it is better taken alone."""
    logits, y = drawn(3, 1.0, -1.0)
    with pytest.raises(NotFitted, match="only m0 of m0, m1 weighs anything"):
        stack(logits, y, *every())
    with pytest.raises(NotFitted, match="1 members"):
        stack({"m0": logits["m0"]}, y, *every())


def test_few_outcomes_carry_no_weights() -> None:
    """Ten for each parameter: 29 outcomes are too few for two weights, however many rows they have."""
    logits, y = drawn(4, 1.0, 1.0, outcomes=290)
    group = np.arange(290) // 10
    with pytest.raises(NotFitted, match="29 independent outcomes are too few for 2 weights: 30 needed"):
        stack(logits, y, np.full(290, 0.1), group)


def test_a_residual_and_its_base_weigh_the_same() -> None:
    """Together they are the sum of the two, with Platt's line; neither is anything alone."""
    logits, y = drawn(5, 0.5, 0.5)
    found = residual_stack("base", "rest", logits["m0"], logits["m1"], y, *every())
    assert found.weights["base"] == found.weights["rest"]
    assert 0.5 == pytest.approx(found.weights["base"], abs=0.08)
    assert found.needs_all
    said = found.predict({"base": logits["m0"], "rest": logits["m1"]})
    assert y.mean() == pytest.approx(said.mean(), abs=0.01)


def test_a_residual_that_says_nothing_is_refused() -> None:
    """Where the later slice turns it around, there is nothing to serve."""
    logits, y = drawn(6, -1.0, -1.0)
    with pytest.raises(NotFitted, match="base and rest together say nothing"):
        residual_stack("base", "rest", logits["m0"], logits["m1"], y, *every())
    with pytest.raises(NotFitted, match="10 independent"):
        residual_stack("base", "rest", np.zeros(10), np.zeros(10), y[:10], *every(10))


def test_the_daemon_reads_what_is_written(tmp_path: Path) -> None:
    """ensemble.json pins each member by its metadata's hash, and says whether all are needed."""
    folders = {name: structural(tmp_path, lambda _: 0.5, name=name) for name in ("a", "b", "spare")}
    stacked = Stack(0.1, {"a": 0.6, "b": 0.3}, needs_all=True)
    read = read_stacking(stacking_file(stacked, folders), Path("ensemble.json"))
    assert (0.1, True) == (read.intercept, read.needs_all)
    assert [("a", "1", 0.6), ("b", "1", 0.3)] == [(m.name, m.version, m.weight) for m in read.members]
    assert file_sha256((folders["b"] / METADATA_FILE).read_bytes()) == read.members[1].metadata_sha256
    with pytest.raises(NotFitted, match="no folder for 'c'"):
        stacking_file(Stack(0.1, {"a": 0.6, "c": 0.3}), folders)
