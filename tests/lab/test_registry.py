"""The registry's folders: what is written is loaded, the same draft is the same bytes, nothing is half."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs the extra `lab`")
pytest.importorskip("sklearn", reason="needs the extra `lab`")
pytest.importorskip("onnx", reason="needs the extra `lab`")


from daemon.lab.calibrating import calibrate
from daemon.lab.fitting.logistic import fit_logistic
from daemon.lab.fitting.rows import FitRows, NotFitted
from daemon.lab.fitting.structural import fit_structural
from daemon.lab.fitting.trees import fit_trees
from daemon.lab.judging.blocks import Interval
from daemon.lab.registry import (
    Draft,
    ensemble_terms,
    figures,
    libraries,
    next_version,
    register,
    report_folder,
    training_quantiles,
    training_ranges,
)
from daemon.lab.stacking import residual_stack, stacking_file
from daemon.scoring.metadata import Label, ModelRefused, Training
from daemon.scoring.structural import Above
from daemon.scoring.vetting import load_vetted
from tests.lab.fitting.made_rows import NAMES, made_rows

LABEL = Label(definition="1 if the market settles YES, else 0", horizon="to the close")
TRAINING = Training(
    source="made up", seed=7, split="by time", markets_by_part={"fit": 400}, rows_by_part={"fit": 1_200},
    trees=20, parameters={"num_leaves": 7}, begins_at="2023-11-14T22:13:20Z", ends_at="2023-11-19T00:00:00Z",
    manifests={"toy": "0" * 64}, seeds={"trees": 7}, purge_s=0.0, embargo_s=5.0,
)  # fmt: skip
DISTANCE = "strike_distance_sigma"
SMALL = {"num_leaves": 7, "min_data_in_leaf": 30}


def trees_draft(rows: FitRows, seed: int = 7) -> Draft:
    """A calibrated classifier: fitted to the first half, calibrated on the other."""
    fit, later = rows.only(np.arange(600)), rows.only(np.arange(600, 1_200))
    fitted = fit_trees("classifier", fit, SMALL, 20, seed)
    calibration = calibrate(fitted.predict(later.x), later.y, later.weight, later.span.group)
    return Draft(
        name="toy-trees", kind="lightgbm", names=rows.names, required=(DISTANCE,), content=fitted.text,
        x=fit.x, label=LABEL, training=TRAINING, metrics={"brier": 0.2}, notes="a test's",
        calibrator=calibration.content,
    )  # fmt: skip


def structural_draft(rows: FitRows) -> Draft:
    fitted = fit_structural(Above(distance=DISTANCE), rows)
    return Draft(
        name="toy-structural", kind="structural", names=fitted.names, required=fitted.names,
        content=fitted.content, x=rows.column(DISTANCE)[:, None], label=LABEL, training=TRAINING, metrics={},
        notes="a test's", calibrator=msgspec.json.encode(fitted.line),
    )  # fmt: skip


def test_the_daemon_loads_what_is_written(tmp_path: Path) -> None:
    """Through its vetting: the score is that of the trees and their calibrator, for missing values too."""
    rows = made_rows().rows
    draft = trees_draft(rows)
    loaded = load_vetted(register(tmp_path, draft))
    assert ("toy-trees", "1", "challenger") == (
        loaded.metadata.name, loaded.metadata.version, loaded.metadata.status,
    )  # fmt: skip
    assert TRAINING == loaded.metadata.training
    assert any(None in frozen.row for frozen in loaded.metadata.frozen_rows)
    assert {DISTANCE} == loaded.scorer.required
    assert ["toy-trees"] == [path.name for path in tmp_path.iterdir()]


def test_the_same_draft_gives_the_same_bytes(tmp_path: Path) -> None:
    """Same rows and seed, fitted twice: every file of the folder is the same; with another seed it is not."""
    rows = made_rows().rows
    folders = [register(tmp_path / name, trees_draft(made_rows().rows)) for name in ("a", "b")]
    contents = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]
    assert contents[0] == contents[1]
    assert {"metadata.json", "model.txt", "calibrator.json"} == set(contents[0])
    drawn = {**SMALL, "feature_fraction": 0.5}
    assert (
        fit_trees("classifier", rows, drawn, 20, 7).text != fit_trees("classifier", rows, drawn, 20, 8).text
    )


def test_every_kind_is_loaded(tmp_path: Path) -> None:
    """The structural model with its line, and the logistic baseline as a network."""
    pytest.importorskip("onnxruntime")
    rows = made_rows().rows
    formula = load_vetted(register(tmp_path, structural_draft(rows)))
    assert "structural" == formula.metadata.kind
    names = (DISTANCE, "top_imbalance")
    fitted = fit_logistic(rows, names)
    baseline = Draft(
        name="toy-line", kind="onnx", names=names, required=names, content=fitted.content, x=rows.x[:, :2],
        label=LABEL, training=TRAINING, metrics={}, notes="",
    )  # fmt: skip
    loaded = load_vetted(register(tmp_path, baseline))
    assert loaded.scorer.score(rows.x[0, :2].tolist()) == pytest.approx(fitted.predict(rows)[0], abs=1e-9)


def test_a_residual_is_served_as_an_ensemble(tmp_path: Path) -> None:
    """The daemon says sigmoid(intercept + slope (offset + leaves)), and refuses it without its base."""
    rows = made_rows().rows
    fit, later = rows.only(np.arange(600)), rows.only(np.arange(600, 1_200))
    base = fit_structural(Above(distance=DISTANCE), fit)
    fitted = fit_trees("residual", fit, SMALL, 20, 7, base.logits(fit))
    stacked = residual_stack(
        "base", "rest", base.logits(later), fitted.raw(later.x, np.zeros(600)), later.y, later.weight,
        later.span.group,
    )  # fmt: skip
    folders = {
        "base": register(tmp_path, structural_draft(fit)),
        "rest": register(
            tmp_path, replace(trees_draft(rows), name="toy-rest", content=fitted.text, calibrator=None)
        ),
    }
    names, required = ensemble_terms(list(folders.values()))
    assert (NAMES, (DISTANCE,)) == (names, required)
    draft = Draft(
        name="toy-residual", kind="ensemble", names=names, required=required,
        content=stacking_file(stacked, folders), x=fit.x, label=LABEL, training=TRAINING, metrics={},
        notes="a test's",
    )  # fmt: skip
    folder = register(tmp_path, draft)
    loaded = load_vetted(folder)
    row = later.x[0].tolist()
    together = fitted.raw(later.x[:1], base.logits(later)[:1])[0]
    line = stacked.intercept + stacked.weights["base"] * together
    assert loaded.scorer.score(row) == pytest.approx(1 / (1 + np.exp(-line)), abs=1e-9)
    folders["base"].rename(tmp_path / "gone")
    with pytest.raises(ModelRefused, match="needs all of its 2 members, 1 are here"):
        load_vetted(folder)


def test_versions_count_and_are_never_written_over(tmp_path: Path) -> None:
    """1, 2, 3; a version that is there stays as it is."""
    draft = structural_draft(made_rows().rows)
    assert ["1", "2"] == [register(tmp_path, draft).name for _ in range(2)]
    assert "3" == next_version(tmp_path, "toy-structural")
    with pytest.raises(FileExistsError, match="never written over"):
        register(tmp_path, draft, "2")


def test_who_register_at_once_take_turns(tmp_path: Path) -> None:
    """A weekly retraining and a person's: both models are there, under numbers of their own, and whole."""
    draft = trees_draft(made_rows().rows)
    with ThreadPoolExecutor(2) as writers:
        made = list(writers.map(lambda _: register(tmp_path, draft), range(2)))
    assert ["1", "2"] == sorted(folder.name for folder in made)
    assert ["1", "2"] == sorted(load_vetted(folder).scorer.version for folder in made)


def test_what_the_daemon_refuses_leaves_nothing_behind(tmp_path: Path) -> None:
    """A feature that nobody computes, or a text that is no model: no folder, no half of one."""
    draft = structural_draft(made_rows().rows)
    broken = replace(draft, expires_at="2026-02-31T00:00:00Z")
    with pytest.raises(ModelRefused, match="expires_at"):
        register(tmp_path, broken)
    with pytest.raises(NotFitted, match="15 rows have all that is required"):
        register(tmp_path, replace(draft, x=draft.x[:15]))
    assert [] == list(tmp_path.iterdir())


def test_ranges_leave_one_row_in_a_thousand_out() -> None:
    """At either end; unknown values count for nothing, and a feature that never was known has no range."""
    x = np.column_stack((np.arange(1_001.0), np.full(1_001, np.nan)))
    ranges = training_ranges(("mid", "spread"), x)
    assert ["mid"] == list(ranges)
    assert (1.0, 999.0) == (ranges["mid"].q001, ranges["mid"].q999)


def test_quantiles_say_how_much_lay_in_each_bin() -> None:
    """Ten tenths; where a value is frequent fewer and uneven ones, whose shares are what was counted."""
    often = np.repeat([0.0, 1.0, 2.0], [700, 200, 101])
    x = np.column_stack((np.arange(1_001.0), often, np.full(1_001, np.nan)))
    found = training_quantiles(("mid", "spread", "never"), x)
    assert ["mid", "spread"] == list(found)
    assert tuple(np.arange(100.0, 1_000.0, 100.0)) == found["mid"].cuts
    assert found["mid"].shares == pytest.approx([0.1] * 10, abs=1e-3)
    assert ((0.0, 1.0, 2.0), (700 / 1_001, 200 / 1_001, 101 / 1_001, 0.0)) == (
        found["spread"].cuts,
        found["spread"].shares,
    )


def test_figures_hold_intervals() -> None:
    """With their bounds and blocks; what is unknown is left out, not 0."""
    found = figures({"gain": Interval(0.01, 0.002, 0.03, 40), "few": Interval(0.5, None, None, 1)})
    assert {
        "gain": 0.01, "gain_low": 0.002, "gain_high": 0.03, "gain_blocks": 40.0,
        "few": 0.5, "few_blocks": 1.0,
    } == found  # fmt: skip


def test_libraries_are_named() -> None:
    """What the bytes depend on."""
    assert {"python", "numpy", "lightgbm", "scikit-learn"} <= set(libraries())


def test_a_report_leaves_its_model_as_it_was(tmp_path: Path) -> None:
    """It stands beside the sealed folder: the model is loaded as before, and the next version is the next."""
    folder = register(tmp_path, structural_draft(made_rows().rows))
    report_folder(folder).mkdir()
    (report_folder(folder) / "report.json").write_text("{}")
    assert folder == load_vetted(folder).folder
    assert "2" == next_version(tmp_path, folder.parent.name)
