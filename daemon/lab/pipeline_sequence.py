"""A model of sequences, from a dataset to a registered challenger: PatchTST by the gate of all others.

    <folder>/report.html, report.json   judged on the last third of the outcomes, against mid and formula
    <folder>/evidence.json              for `kalshid lab promote`

The outcomes before the test are cut by time: to fit, to stop by, to calibrate on; none sees a later one. Only
rows are used of which every step is known. The same dataset, seed and machine give the same model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from daemon.core.units import SECOND
from daemon.lab.calibrating import Calibration, calibrate
from daemon.lab.dataset_arrays import load_dataset
from daemon.lab.dataset_manifest import MANIFEST_NAME
from daemon.lab.dataset_manifest import file_sha256 as sha256_of_file
from daemon.lab.fitting.patchtst import FittedPatches, fit_patchtst, stop_patchtst
from daemon.lab.fitting.rows import FitRows, Floats, NotFitted
from daemon.lab.fitting.sequences import sequence_rows
from daemon.lab.fitting.structural import fit_structural
from daemon.lab.folds import Fold, Rows, Rule, Span, check_folds, even_boundaries, later_slices, walk_forward
from daemon.lab.judging.blocks import blocks_of, mean_interval, paired_difference
from daemon.lab.judging.page import write_report
from daemon.lab.judging.report import Report, judge
from daemon.lab.judging.rows import judged_rows
from daemon.lab.judging.scores import brier_losses
from daemon.lab.pipeline_chain import STRIKE
from daemon.lab.pipeline_registering import (
    LABEL,
    MANIFEST,
    SEQUENCE,
    Origin,
    Registered,
    instant_of,
    weigh_challenger,
)
from daemon.lab.pipeline_training import EVIDENCE_NAME, Rowset, Say, rows_of, rule_of
from daemon.lab.promotion import Evidence
from daemon.lab.registry import Draft, figures, register, report_folder
from daemon.scoring.metadata import Training
from daemon.scoring.structural import Above

TRAINED_SHARE: Final = 2 / 3
"""Of the outcomes, that come before the test."""
SHARES: Final = (0.6, 0.2, 0.2)
"""Of the outcomes before the test: to fit, to stop by, to calibrate on."""
ROUNDS: Final = 5
"""So many epochs without a better loss end it."""


class SequenceTerms(msgspec.Struct, frozen=True):
    """What a training depends on beside its dataset."""

    series: str
    line: str
    seed: int
    channels: tuple[str, ...]
    steps: int = 60
    epochs_max: int = 40
    parameters: dict[str, float | int | str | bool] = {}


class Sequenced(msgspec.Struct, frozen=True):
    """What was made, and what it is worth. `champion` is "<name>/<version>", None for none."""

    verdict: str
    challenger: Path
    champion: str | None
    evidence: Evidence


@dataclass(frozen=True)
class _Cut:
    """The rows by what they are for, each slice later than the one before it."""

    fold: Fold
    fit: Rows
    stop: Rows
    calibrate: Rows


def train_sequence(
    source: Path, folder: Path, registry: Path, terms: SequenceTerms, commit: str | None, say: Say
) -> Sequenced:
    """Train on a dataset and return what came of it.

    Args:
        source: the dataset's folder; it has all minutes of the channels.
        folder: where report and evidence go; made when absent.
        registry: where the model goes.
        terms: whose markets, which channels, the seed.
        commit: of the code, where it is under version control.
        say: told of each stage.

    Raises:
        NotTrained, NotFitted, NotFolded: the dataset lacks what is needed, or has too few outcomes.
        ModelRefused: the daemon would not load what was made, or the champion.
    """
    dataset = load_dataset(source)
    rowset = rows_of(dataset, terms.series)
    tapes = "tapes " + ", ".join(one.tape for one in dataset.manifest.recipe.inputs)
    sha256 = sha256_of_file(source / MANIFEST_NAME)
    return train_rows(rowset, folder, registry, terms, sha256, tapes, commit, say)


def train_rows(
    rowset: Rowset, folder: Path, registry: Path, terms: SequenceTerms, manifest_sha256: str, tapes: str,
    commit: str | None, say: Say,
) -> Sequenced:  # fmt: skip
    """Do the same with rows. Raises as `train_sequence`."""
    rowset = _whole(rowset, terms)
    rows = rowset.rows
    own = sequence_rows(rows, terms.channels, terms.steps)
    rule = rule_of(own.names)
    cut = _cut(rows.span, rule)
    fit, stop, later, test = (own.only(some) for some in (cut.fit, cut.stop, cut.calibrate, cut.fold.test))
    parameters = {"patch": _patch(terms.steps), **terms.parameters}
    say("fit", f"{own.names[0]} and {len(own.names) - 1} more, {fit.outcomes} outcomes")
    stopped = stop_patchtst(fit, stop, parameters, terms.seed, rounds=ROUNDS, epochs_max=terms.epochs_max)
    fitted = fit_patchtst(fit, parameters, max(1, stopped.epochs), terms.seed)
    line = calibrate(fitted.predict(later), later.y, later.weight, later.span.group)
    said = line.apply(fitted.predict(test))
    say("judge", f"{test.outcomes} outcomes")
    report = _judged(rowset, cut, said, terms)
    write_report(report, folder)
    say("register", str(registry))
    origin = Origin(terms.line, terms.seed, rule, tapes, manifest_sha256, commit)
    made = register(registry, _draft(origin, rowset, own, cut, fitted, line, said))
    write_report(report, report_folder(made))
    evidence, champion = weigh_challenger(
        registry, origin, Registered({}, made, said), rows, rowset.mid, cut.fold
    )
    (folder / EVIDENCE_NAME).write_bytes(msgspec.json.format(msgspec.json.encode(evidence), indent=1) + b"\n")
    return Sequenced(report.headline, made, champion, evidence)


def _patch(steps: int) -> int:
    """The greatest length of a patch, twelve at most, of which so many steps are whole ones."""
    return max(length for length in range(1, 13) if steps % length == 0)


def _whole(rowset: Rowset, terms: SequenceTerms) -> Rowset:
    """The rows of which every step is known."""
    own = sequence_rows(rowset.rows, terms.channels, terms.steps)
    kept = np.flatnonzero(~np.isnan(own.x).any(axis=1))
    if not kept.size:
        raise NotFitted(f"in none of {own.count} rows all {terms.steps} steps of {terms.channels} are known")
    rows = rowset.rows.only(kept)
    group = np.unique(rows.span.group, return_inverse=True)[1]
    span = Span(rows.span.at, rows.span.label_at, group)
    return Rowset(
        FitRows(rows.names, rows.x, rows.y, rows.weight, span),
        rowset.mid[kept],
        rowset.bid[kept],
        rowset.ask[kept],
        tuple(rowset.settlement[row] for row in kept.tolist()),
        rowset.fees,
    )


def _cut(span: Span, rule: Rule) -> _Cut:
    folds = walk_forward(span, even_boundaries(span, 1, TRAINED_SHARE), rule)
    check_folds(span.at, span.label_at, [span.group], folds, rule)
    fold = folds[0]
    fit, stop, later = later_slices(span, fold.train, SHARES, rule)
    return _Cut(fold, fit, stop, later)


def _judged(rowset: Rowset, cut: _Cut, said: Floats, terms: SequenceTerms) -> Report:
    rows, tested = rowset.rows, cut.fold.test
    train = rows.only(cut.fit)
    books = rowset.fees is not None
    judged = judged_rows(
        outcomes=rows.y[tested],
        model=said,
        mid=rowset.mid[tested],
        base_rate=np.full(len(tested), np.average(train.y, weights=train.weight)),
        independent=[rowset.settlement[row] for row in tested.tolist()],
        folds=np.zeros(len(tested), dtype=np.int64),
        structural=fit_structural(Above(distance=STRIKE), train).predict(rows.only(tested)),
        bid=rowset.bid[tested] if books else None,
        ask=rowset.ask[tested] if books else None,
        fees=rowset.fees,
    )
    return judge(judged, model=f"{terms.line} sequence", seed=terms.seed)


def _draft(
    origin: Origin, rowset: Rowset, own: FitRows, cut: _Cut, fitted: FittedPatches, line: Calibration,
    said: Floats,
) -> Draft:  # fmt: skip
    test, used = own.only(cut.fold.test), {"fit": cut.fit, "stop": cut.stop, "calibrate": cut.calibrate}
    blocks = blocks_of(test.span.group)
    ours, market = brier_losses(said, test.y), brier_losses(rowset.mid[cut.fold.test], test.y)
    parts = {**used, "test": cut.fold.test}
    training = Training(
        source=origin.source,
        seed=origin.seed,
        split="whole outcomes by time: fit, stop, calibrate, test, each later than the one before it",
        markets_by_part={name: len(np.unique(own.span.group[some])) for name, some in parts.items()},
        rows_by_part={name: len(some) for name, some in parts.items()},
        trees=0,
        parameters={**fitted.parameters, "epochs": fitted.epochs},
        begins_at=instant_of(int(own.span.at[cut.fit].min())),
        ends_at=instant_of(max(int(own.span.label_at[some].max()) for some in used.values())),
        manifests={MANIFEST: origin.manifest_sha256},
        seeds={"training": origin.seed},
        purge_s=origin.rule.purge / SECOND,
        embargo_s=origin.rule.embargo / SECOND,
        commit=origin.commit,
        tested_to=instant_of(int(own.span.label_at[cut.fold.test].max())),
    )
    return Draft(
        name=f"{origin.line}{SEQUENCE}", kind="onnx", names=own.names, required=own.names,
        content=fitted.content, x=own.x[cut.fit], label=LABEL, training=training,
        metrics=figures(
            {
                "brier": mean_interval(ours, blocks, 0),
                "brier_market": mean_interval(market, blocks, 0),
                "gain_over_market": paired_difference(ours, market, blocks, 0),
            }
        ),
        notes="PatchTST. metrics are of the test, which nothing of this model has seen.",
        calibrator=line.content, sequence_length=fitted.steps,
    )  # fmt: skip
