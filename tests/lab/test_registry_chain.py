"""The whole chain on made-up events: tuned, fitted, calibrated, stacked, registered; twice the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("optuna", reason="needs the extra `lab`")
pytest.importorskip("sklearn", reason="needs the extra `lab`")
pytest.importorskip("scipy", reason="needs the extra `lab`")

import msgspec

from daemon.lab.calibrating import calibrate, check_slices
from daemon.lab.fitting.rows import FitRows, Floats
from daemon.lab.fitting.structural import FittedStructural, fit_structural, logits_of
from daemon.lab.fitting.trees import fit_trees
from daemon.lab.folds import even_boundaries, later_slices, walk_forward
from daemon.lab.promotion import champion_of, metadata_sha256, promote, weigh
from daemon.lab.registry import Draft, ensemble_terms, register
from daemon.lab.stacking import stack, stacking_file
from daemon.lab.tuning import Plan, tune
from daemon.scoring.metadata import Label, Training
from daemon.scoring.structural import Above
from daemon.scoring.vetting import load_vetted
from tests.lab.fitting.made_rows import RULE, made_rows

ROOT = Path(__file__).parents[2]
PLAN = Plan(name="chain", trials=3, seed=11, folds=2, rounds=10, trees_max=60)
LABEL = Label(definition="1 if the market settles YES, else 0", horizon="to the close")


@dataclass(frozen=True)
class Parts:
    """Rows by what they are for, each later than the one before, and the test's market."""

    fit: FitRows
    later: FitRows
    last: FitRows
    test: FitRows
    mid: Floats


def parts() -> Parts:
    """Cut made-up events; the market knows the truth, but believes a tenth of it."""
    made = made_rows(events=3_000, own=1.2)
    rows = made.rows
    fold = walk_forward(rows.span, even_boundaries(rows.span, 1, 0.7), RULE)[0]
    slices = later_slices(rows.span, fold.train, (0.6, 0.2, 0.2), RULE)
    check_slices(rows.span, [*slices, fold.test], RULE)
    truth = np.log(made.chance[fold.test] / (1 - made.chance[fold.test]))
    fit, later, last = (rows.only(some) for some in slices)
    return Parts(fit, later, last, rows.only(fold.test), 1 / (1 + np.exp(-0.1 * truth)))


def own(rows: FitRows) -> FitRows:
    """The rows without what the formula reads: the trees shall know something else."""
    return replace(rows, names=rows.names[1:], x=rows.x[:, 1:])


def whole(root: Path) -> Path:
    """Make a formula, trees and their stack; weigh the stack against formula and market; promote it."""
    cut = parts()
    fit = own(cut.fit)
    inner = walk_forward(fit.span, even_boundaries(fit.span, 1, 0.7), RULE)[0]
    found = tune("classifier", fit, inner, RULE, PLAN, root / "studies" / "journal.log")
    formula = fit_structural(Above(distance="strike_distance_sigma"), cut.fit)
    trees = fit_trees("classifier", fit, found.parameters, found.trees, PLAN.seed)
    later = own(cut.later)
    line = calibrate(trees.predict(later.x), later.y, later.weight, later.span.group)

    def logits(some: FitRows) -> dict[str, Floats]:
        said = line.apply(trees.predict(own(some).x))
        return {"formula": formula.logits(some), "trees": logits_of(said)}

    stacked = stack(logits(cut.last), cut.last.y, cut.last.weight, cut.last.span.group)
    training = Training(
        source="made up", seed=PLAN.seed, split="by time", markets_by_part={}, trees=trees.trees,
        rows_by_part={"fit": fit.count, "later": later.count}, parameters=dict(trees.parameters),
        seeds={"tuning": PLAN.seed, "trees": PLAN.seed},
    )  # fmt: skip
    base = _formula_draft(formula, cut.fit.x[:, :1], training)
    other = replace(
        base, name="chain-trees", kind="lightgbm", names=fit.names, required=("top_imbalance",),
        content=trees.text, x=fit.x, calibrator=line.content,
    )  # fmt: skip
    folders = {"formula": register(root, base), "trees": register(root, other)}
    promote(root, "chain", folders["formula"], 1, reason="the structural model is the first one")
    names, required = ensemble_terms(list(folders.values()))
    joined = replace(
        base, name="chain", kind="ensemble", names=names, required=required, calibrator=None,
        content=stacking_file(stacked, folders), x=np.column_stack([cut.fit.column(name) for name in names]),
    )  # fmt: skip
    folder = register(root, joined)
    evidence = weigh(
        outcomes=cut.test.y, challenger=stacked.predict(logits(cut.test)), champion=formula.predict(cut.test),
        mid=cut.mid, independent=cut.test.span.group, challenger_sha256=metadata_sha256(folder),
        champion_sha256=metadata_sha256(folders["formula"]), seed=1, trials=1,
    )  # fmt: skip
    promote(root, "chain", folder, 2, evidence)
    return folder


def _formula_draft(formula: FittedStructural, x: np.ndarray, training: Training) -> Draft:
    return Draft(
        name="chain-formula", kind="structural", names=formula.names, required=formula.names,
        content=formula.content, x=x, label=LABEL, training=training, metrics={}, notes="a test's",
        calibrator=msgspec.json.encode(formula.line),
    )  # fmt: skip


def test_a_model_that_knows_more_becomes_champion(tmp_path: Path) -> None:
    """By its evidence alone: the stack sees what formula and market miss; the daemon loads and scores it."""
    folder = whole(tmp_path)
    champion = champion_of(tmp_path, "chain")
    assert champion is not None
    assert (folder, None) == (champion.folder(tmp_path), champion.reason)
    loaded = load_vetted(folder)
    assert 0.5 < loaded.scorer.score([1.0, 1.0, None, 300.0]) < 1


def test_another_process_makes_the_same_bytes(tmp_path: Path) -> None:
    """Under another hash seed, from the same rows and seeds: every file of the registry."""
    for seed in ("0", "1"):
        root = tmp_path / seed
        code = f"from tests.lab.test_registry_chain import *; whole(Path({str(root)!r}))"
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, timeout=240)
    written = [
        {
            path.relative_to(tmp_path / seed).as_posix(): path.read_bytes()
            for path in sorted((tmp_path / seed).rglob("*"))
            if path.is_file() and "studies" not in path.parts
        }
        for seed in ("0", "1")
    ]
    assert written[0] == written[1]
    assert {"chain/1/ensemble.json", "chain-trees/1/model.txt", "champions.jsonl"} <= set(written[0])
