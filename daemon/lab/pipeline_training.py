"""From a dataset to a registered challenger: walk-forward, judged on every fold, weighed on the last one.

Each fold runs the whole chain on what was over before it, and is tested on what came after: together the
tests say what the recipe is worth (`report.html`). What is registered is the last fold's chain, and it is
weighed on that fold's test alone (`evidence.json`): no other row is one that it has never seen.

    <folder>/report.html, report.json   the challenger; its first line is the verdict on all forecasters
    <folder>/reports/<name>/            each of the others
    <folder>/evidence.json              for `kalshid lab promote`
    <folder>/training.json              written last: a folder with it is done, and is not made twice
    <folder>/studies.log                the tuning's trials: what was interrupted goes on there

The same dataset, seed and libraries give the same models, to the byte. Nothing here promotes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version as library_version
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from daemon.core.features import definition_of
from daemon.core.markets import Fees
from daemon.lab.dataset_arrays import Dataset, load_dataset
from daemon.lab.dataset_manifest import MANIFEST_NAME, Manifest
from daemon.lab.dataset_manifest import file_sha256 as sha256_of_file
from daemon.lab.fitting.labelled import labelled_rows
from daemon.lab.fitting.rows import FitRows, Floats
from daemon.lab.folds import Fold, Rows, Rule, Span, check_folds, even_boundaries, walk_forward
from daemon.lab.judging.importance import tree_importance
from daemon.lab.judging.page import write_report
from daemon.lab.judging.report import Importance, Report, judge, read_report
from daemon.lab.judging.rows import JudgedRows, judged_rows
from daemon.lab.judging.skill import headline
from daemon.lab.pipeline_chain import FORECASTERS, REQUIRED, Chain, run_chain
from daemon.lab.pipeline_registering import Origin, Registered, register_chain, weigh_challenger
from daemon.lab.promotion import Evidence, Gain
from daemon.lab.registry import report_folder
from daemon.lab.tuning import Plan, opened

LABEL: Final = "settles_yes"
TRAINING_NAME, EVIDENCE_NAME = "training.json", "evidence.json"
FIRST_SHARE: Final = 0.25
"""Of the groups, that come before the first test."""
FORMAT: Final = 1

Say = Callable[[str, str], None]
"""Called with (stage, what of it) whenever something begins."""


class NotTrained(ValueError):
    """A dataset or a folder that nothing can be trained with or in; says what is allowed."""


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a training depends on beside its dataset."""

    series: str
    """Whose markets' rows are taken; the dataset may have others."""
    line: str
    """What the models compete for."""
    seed: int
    trials: int = 8
    """Of each booster's tuning, in each fold."""
    folds: int = 3


class Trained(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`training.json`: what was made, by what, and what it is worth."""

    format: int
    kalshid_version: str
    manifest_sha256: str
    terms: Terms
    verdict: str
    """The first line of the report."""
    challenger: str
    """`<name>/<version>` in the registry, as `models`."""
    champion: str | None
    models: dict[str, str]
    weighed: tuple[str, ...]
    """Its Brier gain over each rival on the last fold's test alone, in words: the verdict is on all folds."""
    is_better: bool
    shortcomings: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Rowset:
    """The rows of a training: labelled, with all that the chain requires, and the market beside them."""

    rows: FitRows
    mid: Floats
    bid: Floats
    ask: Floats
    settlement: tuple[str, ...]
    """A name for each row's independent outcome."""
    fees: Fees | None


def series_of(manifest: Manifest) -> str:
    """Return the one series of a dataset's markets.

    Raises:
        NotTrained: they are of several, or there are none.
    """
    series = sorted({market.series_ticker for market in manifest.markets})
    if len(series) != 1:
        raise NotTrained(
            f"the dataset has markets of {', '.join(series) or 'no series'}: say which one is meant"
        )
    return series[0]


def rows_of(dataset: Dataset, series: str) -> Rowset:
    """Return the rows of a series' markets that a chain can be made of.

    Raises:
        NotTrained: the dataset lacks a feature that is required, or no row of the series has all of them.
    """
    if absent := [name for name in REQUIRED if name not in dataset.names]:
        raise NotTrained(f"the dataset lacks {', '.join(absent)}: build it with --feature {absent[0]}")
    labelled, numbers = labelled_rows(dataset, LABEL)
    mid = dataset.quotes.mid[numbers]
    markets = {one.ticker: one for one in dataset.manifest.markets if one.series_ticker == series}
    is_ours = np.array([ticker in markets for ticker in dataset.ticker.words])
    known = ~np.isnan(np.column_stack([mid, *(labelled.column(name) for name in REQUIRED)])).any(axis=1)
    known &= is_ours[dataset.ticker.code[numbers]]
    if not known.any():
        raise NotTrained(f"no row of {series} in the dataset has a label, a mid, and {', '.join(REQUIRED)}")
    kept = np.flatnonzero(known)
    rows, numbers = labelled.only(kept), numbers[kept]
    group = np.unique(rows.span.group, return_inverse=True)[1]
    first = np.unique(group, return_index=True)[1]
    names = [dataset.settlement.words[dataset.settlement.code[numbers[place]]] for place in first]
    fees = {market.fees for market in markets.values()}
    return Rowset(
        FitRows(rows.names, rows.x, rows.y, rows.weight, Span(rows.span.at, rows.span.label_at, group)),
        mid[kept],
        dataset.quotes.bid[numbers],
        dataset.quotes.ask[numbers],
        tuple(names[one] for one in group.tolist()),
        fees.pop() if len(fees) == 1 else None,
    )


def rule_of(names: Sequence[str]) -> Rule:
    """Return the gaps of a split: labels are purged by their own instants, windows by the longest one."""
    windows = [definition_of(name).window for name in names]
    return Rule(purge=0, embargo=max((one for one in windows if one is not None), default=0))


def folds_of(span: Span, folds: int, rule: Rule) -> list[Fold]:
    """Return walk-forward folds; a boundary stands where the last label before it was known, not later."""
    boundaries = []
    for boundary in even_boundaries(span, folds, FIRST_SHARE):
        known = int(span.label_at[span.at < boundary].max())
        boundaries.append(min(boundary, known))
    found = walk_forward(span, boundaries, rule)
    # Each by itself is looked at again by its chain; here that none is tested twice.
    check_folds(span.at, span.label_at, [span.group], found, rule)
    return found


def train(
    source: Path, folder: Path, registry: Path, terms: Terms, commit: str | None, say: Say,
    storage: str | None = None,
) -> Trained:  # fmt: skip
    """Train on a dataset and return what came of it; what is done already is only read.

    Args:
        source: the dataset's folder.
        folder: where the reports go; made when absent.
        registry: where the models go.
        terms: seed, trials, folds, and the line that the models are for.
        commit: of the code, where it is under version control.
        say: told of each stage.
        storage: URL of a PostgreSQL whose trials all trainings of these rows share, on whatever host; then
            the models depend on who was first. None for the folder's own journal file.

    Raises:
        NotTrained: the folder holds another training, or the dataset lacks what is needed.
        NotFitted, NotFolded: too few outcomes, or a storage that can't be used.
        ModelRefused: the daemon would not load what was made, or the champion.
    """
    manifest_sha256 = sha256_of_file(source / MANIFEST_NAME)
    if (finished := _finished(folder, manifest_sha256, terms)) is not None:
        return finished
    dataset = load_dataset(source)
    rowset = rows_of(dataset, terms.series)
    rows, rule = rowset.rows, rule_of(dataset.names)
    folds = folds_of(rows.span, terms.folds, rule)
    folder.mkdir(parents=True, exist_ok=True)
    plan = Plan(terms.line, terms.trials, terms.seed, folds=2, workers=1 if storage is None else 2)
    studies = storage or folder / "studies.log"
    with opened(studies, plan.workers):
        pass  # what can't be used is refused here: later it would be a note, and boosters that aren't tuned
    chains = [
        run_chain(rows, fold, rule, plan, studies, partial(say, f"fold {number}/{len(folds)}"))
        for number, fold in enumerate(folds, start=1)
    ]
    say("judge", f"{len(FORECASTERS)} forecasters")
    notes = notes_of(rowset, folds, chains)
    verdict = write_reports(judge_all(rowset, folds, chains, terms, notes), folder)
    say("register", str(registry))
    origin = Origin(terms.line, terms.seed, rule, _tapes(dataset), manifest_sha256, commit)
    made = register_chain(registry, origin, rowset.rows, rowset.mid, folds[-1], chains[-1])
    for name, model in {**made.members, "challenger": made.challenger}.items():
        # Beside the model too: `lab serve` shows it there.
        write_report(read_report(report_place(folder, name)), report_folder(model))
    evidence, champion = weigh_challenger(registry, origin, made, rowset.rows, rowset.mid, folds[-1])
    _write(folder / EVIDENCE_NAME, msgspec.json.encode(evidence))
    trained = _trained(manifest_sha256, terms, verdict, made, champion, evidence, notes)
    _write(folder / TRAINING_NAME, msgspec.json.encode(trained))
    return trained


def judge_all(
    rowset: Rowset, folds: Sequence[Fold], chains: Sequence[Chain], terms: Terms, notes: Sequence[str]
) -> dict[str, Report]:
    """Return the report of each forecaster over all tests together, the challenger's first."""
    tests = [fold.test for fold in folds]
    together = np.concatenate(tests)
    said = [chain.said(rowset.rows.only(test)) for chain, test in zip(chains, tests, strict=True)]
    reports = {}
    for name in FORECASTERS:
        own = np.concatenate([one[name] for one in said])
        of_formula = np.concatenate([one["structural"] for one in said])
        reports[name] = judge(
            _judged(rowset, folds, together, own, of_formula),
            model=f"{terms.line} {name}",
            seed=terms.seed,
            importance=_importance(name, rowset.rows.only(folds[-1].test), chains[-1]),
            notes=tuple(notes),
        )
    return reports


def _importance(name: str, test: FitRows, chain: Chain) -> tuple[Importance, ...]:
    """Of the last fold's booster, on its test; the other forecasters have none."""
    booster = {"trees": chain.boosters.trees, "residual": chain.boosters.residual}.get(name)
    return () if booster is None else tree_importance(booster, test.names, test.x, test.weight)


def _judged(
    rowset: Rowset, folds: Sequence[Fold], together: Rows, own: Floats, of_formula: Floats
) -> JudgedRows:
    rows = rowset.rows
    # How often the rows before each test settled YES: what anyone could have said there.
    rates = [float(np.average(rows.y[one.train], weights=rows.weight[one.train])) for one in folds]
    counts = [len(one.test) for one in folds]
    books = rowset.fees is not None
    return judged_rows(
        outcomes=rows.y[together],
        model=own,
        mid=rowset.mid[together],
        base_rate=np.repeat(rates, counts),
        independent=[rowset.settlement[row] for row in together.tolist()],
        folds=np.repeat(np.arange(len(folds)), counts),
        structural=of_formula,
        bid=rowset.bid[together] if books else None,
        ask=rowset.ask[together] if books else None,
        fees=rowset.fees,
    )


def write_reports(reports: dict[str, Report], folder: Path) -> str:
    """Write the reports and return the verdict on all of them, which is the first line of each."""
    market = next(iter(reports.values())).market
    against = tuple(
        msgspec.structs.replace(found, ours=name)
        for name, report in reports.items()
        for found in report.comparisons
        if found.ours == "model" and found.rival == market
    )
    verdict = headline(against, market)
    for name, report in reports.items():
        write_report(msgspec.structs.replace(report, headline=verdict), report_place(folder, name))
    return verdict


def report_place(folder: Path, name: str) -> Path:
    """Return where a training keeps the report of a forecaster: the challenger's in front."""
    return folder if name == "challenger" else folder / "reports" / name


def notes_of(rowset: Rowset, folds: Sequence[Fold], chains: Sequence[Chain]) -> tuple[str, ...]:
    """Return what a reader of the reports must know: how much was trained on, and what was left out."""
    found = [
        f"{len(FORECASTERS)} forecasters are compared with the market: of so many without any skill one would"
        " look better by luck in about one of eight trainings."
    ]
    if rowset.fees is None:
        found.append("No net value per contract: the markets' fees differ.")
    rows = rowset.rows
    for number, (fold, chain) in enumerate(zip(folds, chains, strict=True), start=1):
        parts = {**chain.slices.by_use, "test": fold.test}
        counts = ", ".join(f"{len(np.unique(rows.span.group[some]))} to {use}" for use, some in parts.items())
        weights = ", ".join(f"{name} {weight:.2f}" for name, weight in chain.stacked.weights.items())
        found.append(f"Fold {number}: independent outcomes: {counts}; weights of logits: {weights}.")
        found += [f"Fold {number}: {note}" for note in chain.notes]
    return tuple(found)


def _finished(folder: Path, manifest_sha256: str, terms: Terms) -> Trained | None:
    path = folder / TRAINING_NAME
    if not path.exists():
        return None
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Trained)
    except msgspec.DecodeError as error:
        raise NotTrained(f"{path}: not what a training wrote: {error}") from error
    ours = (FORMAT, library_version("kalshid"), manifest_sha256, terms)
    if ours != (found.format, found.kalshid_version, found.manifest_sha256, found.terms):
        raise NotTrained(
            f"{folder} holds another training (of other terms, dataset or version): name another folder or"
            " remove it"
        )
    return found


def _trained(
    manifest_sha256: str, terms: Terms, verdict: str, made: Registered, champion: str | None,
    evidence: Evidence, notes: tuple[str, ...],
) -> Trained:  # fmt: skip
    return Trained(
        format=FORMAT,
        kalshid_version=library_version("kalshid"),
        manifest_sha256=manifest_sha256,
        terms=terms,
        verdict=verdict,
        challenger=_short(made.challenger),
        champion=champion,
        models={name: _short(folder) for name, folder in made.members.items()},
        weighed=tuple(
            _words(gain) for gain in (evidence.over_champion, evidence.over_market) if gain is not None
        ),
        is_better=evidence.is_better,
        shortcomings=evidence.shortcomings,
        notes=notes,
    )


def _words(gain: Gain) -> str:
    found = gain.brier
    bounds = "" if found.low is None or found.high is None else f" [{found.low:+.5f}, {found.high:+.5f}]"
    return f"{found.value:+.5f}{bounds} over the {gain.rival}, {found.blocks} independent outcomes"


def _short(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


def _tapes(dataset: Dataset) -> str:
    return "tapes " + ", ".join(one.tape for one in dataset.manifest.recipe.inputs)


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(msgspec.json.format(content, indent=1) + b"\n")
    draft.replace(path)
