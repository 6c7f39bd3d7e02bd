"""A chain into the registry, and its challenger weighed against the champion and the market."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from daemon.core.units import SECOND, Ns
from daemon.lab.fitting.rows import FitRows, Floats, NotFitted
from daemon.lab.folds import Fold, Rule
from daemon.lab.judging.blocks import blocks_of, mean_interval, paired_difference
from daemon.lab.judging.scores import brier_losses
from daemon.lab.pipeline_chain import REQUIRED, STRIKE, Chain
from daemon.lab.promotion import Evidence, champion_of, metadata_sha256, weigh
from daemon.lab.registry import Draft, ensemble_terms, figures, register
from daemon.lab.stacking import stacking_file
from daemon.scoring.ensemble import NoMember
from daemon.scoring.metadata import METADATA_FILE, Label, ModelMetadata, Training
from daemon.scoring.vetting import load_vetted

LABEL = Label(definition="1 if the market settles YES, else 0", horizon="from the row's instant to the close")
MANIFEST = "dataset"
"""Under which name the dataset's manifest stands in a model's metadata."""
TREES = "-trees"
SEQUENCE = "-sequence"
"""Behind the line in the names of every training's trees, and of every sequence (`pipeline_sequence`)."""
_NOTES = (
    "metrics are of the last fold's test, which nothing of this model has seen: Brier score, that of the"
    " market's mid, and the gain over it (above 0 is better), with 95 % intervals over independent outcomes."
)


@dataclass(frozen=True)
class Origin:
    """Where a chain comes from: what it is for, its seed and gaps, its tapes in words, its dataset."""

    line: str
    seed: int
    rule: Rule
    source: str
    manifest_sha256: str
    commit: str | None


@dataclass(frozen=True)
class Registered:
    """Folders: each member's by its name in the chain, and the challenger's, which may be one of them."""

    members: dict[str, Path]
    challenger: Path
    said: Floats
    """What the challenger says of the last fold's test, shape (rows of it,)."""


def register_chain(
    root: Path, origin: Origin, rows: FitRows, mid: Floats, fold: Fold, chain: Chain
) -> Registered:
    """Write the members and their stack into a registry.

    Args:
        root: the registry.
        origin: what stands in the metadata.
        rows: all rows, the mid beside them.
        mid: the market's, shape (rows,).
        fold: the chain's own.
        chain: to write.

    Raises:
        ModelRefused: the daemon would not load one of them.
    """
    test = rows.only(fold.test)
    said = chain.said(test)
    drafts = {
        name: replace(draft, metrics=_metrics(said[name], mid[fold.test], test))
        for name, draft in _member_drafts(origin, rows, fold, chain).items()
    }
    members = {name: register(root, draft) for name, draft in drafts.items()}
    stacked = chain.stacked
    if len(stacked.weights) == 1:
        return Registered(members, members[next(iter(stacked.weights))], said["challenger"])
    names, required = ensemble_terms([members[name] for name in stacked.weights])
    fit = rows.only(chain.slices.fit)
    draft = Draft(
        name=origin.line, kind="ensemble", names=names, required=required,
        content=stacking_file(stacked, members), x=np.column_stack([fit.column(name) for name in names]),
        label=LABEL, training=_training(origin, rows, fold, chain, "challenger"),
        metrics=_metrics(said["challenger"], mid[fold.test], test), notes=_NOTES,
    )  # fmt: skip
    return Registered(members, register(root, draft), said["challenger"])


def weigh_challenger(
    root: Path, origin: Origin, made: Registered, rows: FitRows, mid: Floats, fold: Fold
) -> tuple[Evidence, str | None]:
    """Return what the last test says of the challenger, and who is champion ("<name>/<version>") or None.

    Raises:
        NotFitted: the champion reads a feature that the rows lack, or can score none of them.
        ModelRefused: the champion's folder can't be loaded.
    """
    test, said, market = rows.only(fold.test), made.said, mid[fold.test]
    champion = champion_of(root, origin.line)
    reigning: Floats | None = None
    if champion is not None:
        reigning = scores_of(champion.folder(root), test)
        known = np.flatnonzero(~np.isnan(reigning))
        if not known.size:
            raise NotFitted(f"the champion {champion.name}/{champion.version} can score none of the rows")
        test, said, market, reigning = test.only(known), said[known], market[known], reigning[known]
    evidence = weigh(
        outcomes=test.y,
        challenger=said,
        champion=reigning,
        mid=market,
        independent=test.span.group,
        challenger_sha256=metadata_sha256(made.challenger),
        champion_sha256=None if champion is None else champion.metadata_sha256,
        seed=origin.seed,
        trials=trials_on(root, origin.line, _read_training(made.challenger / METADATA_FILE)),
    )
    return evidence, None if champion is None else f"{champion.name}/{champion.version}"


def trials_on(root: Path, line: str, ours: Training) -> int:
    """Return how many trainings of a line were tested on some of the same hours: each was one more try.

    Whatever its challenger is, a training registers its trees: they stand for it. Another dataset of the same
    hours is another try on them, and so is the week after's, whose test begins before this one's ends.
    """
    names = (f"{line}{TREES}", f"{line}{SEQUENCE}")
    paths = sorted(path for name in names for path in (root / name).glob(f"*/{METADATA_FILE}"))
    return max(1, sum(_share_a_test(ours, _read_training(path)) for path in paths))


def _read_training(path: Path) -> Training:
    return msgspec.json.decode(path.read_bytes(), type=ModelMetadata).training


def _share_a_test(one: Training, other: Training) -> bool:
    """Whether their tests have hours in common; unknown hours may be any."""
    return all(
        begins is None or ends is None or begins < ends
        for begins, ends in ((one.ends_at, other.tested_to), (other.ends_at, one.tested_to))
    )


def scores_of(folder: Path, rows: FitRows) -> Floats:
    """Return what a registered model says of rows, shape (rows,), NaN where it says nothing.

    Raises:
        NotFitted: the rows lack a feature that it reads.
        ModelRefused: it can't be loaded.
    """
    scorer = load_vetted(folder).scorer
    x = np.column_stack([rows.column(name) for name in scorer.schema.names])
    needed = [place for place, name in enumerate(scorer.schema.names) if name in scorer.required]
    said = np.full(rows.count, np.nan)
    for number in np.flatnonzero(~np.isnan(x[:, needed]).any(axis=1)).tolist():
        try:
            said[number] = scorer.score([None if np.isnan(one) else one for one in x[number].tolist()])
        except NoMember:
            continue
    return said


def _member_drafts(origin: Origin, rows: FitRows, fold: Fold, chain: Chain) -> dict[str, Draft]:
    fit = rows.only(chain.slices.fit)
    base = Draft(
        name=f"{origin.line}-structural", kind="structural", names=(STRIKE,), required=(STRIKE,),
        content=chain.formula.content, x=fit.column(STRIKE)[:, None], label=LABEL,
        training=_training(origin, rows, fold, chain, "structural"), metrics={}, notes=_NOTES,
        calibrator=msgspec.json.encode(chain.formula.line),
    )  # fmt: skip
    trees = replace(
        base, name=f"{origin.line}{TREES}", kind="lightgbm", names=rows.names, required=REQUIRED, x=fit.x,
        content=chain.boosters.trees.text, calibrator=None if chain.line is None else chain.line.content,
        training=_training(origin, rows, fold, chain, "trees"),
    )  # fmt: skip
    residual = replace(
        trees, name=f"{origin.line}-residual", content=chain.boosters.residual.text, calibrator=None,
        training=_training(origin, rows, fold, chain, "residual"),
        notes=f"The difference to {base.name}, nothing by itself. {_NOTES} They are of the two together.",
    )  # fmt: skip
    return {"structural": base, "trees": trees, "residual": residual}


def _training(origin: Origin, rows: FitRows, fold: Fold, chain: Chain, name: str) -> Training:
    booster = {"trees": chain.boosters.trees, "residual": chain.boosters.residual}.get(name)
    tuned = chain.boosters.tuned[booster.task] if booster is not None else None
    used = {**chain.slices.by_use, "test": fold.test}
    return Training(
        source=origin.source,
        seed=origin.seed,
        split="whole outcomes by time: fit, calibrate, stack, test, each later than the one before it",
        markets_by_part={part: len(np.unique(rows.span.group[some])) for part, some in used.items()},
        rows_by_part={part: len(some) for part, some in used.items()},
        trees=0 if booster is None else booster.trees,
        parameters={} if booster is None else dict(booster.parameters),
        begins_at=instant_of(int(rows.span.at[chain.slices.fit].min())),
        ends_at=instant_of(max(int(rows.span.label_at[some].max()) for some in chain.slices.by_use.values())),
        manifests={MANIFEST: origin.manifest_sha256},
        seeds={"training": origin.seed} | ({} if tuned is None else {"tuning_trials": tuned.trials}),
        purge_s=origin.rule.purge / SECOND,
        embargo_s=origin.rule.embargo / SECOND,
        commit=origin.commit,
        tested_to=instant_of(int(rows.span.label_at[fold.test].max())),
    )


def _metrics(said: Floats, mid: Floats, test: FitRows) -> dict[str, float]:
    blocks = blocks_of(test.span.group)
    ours, market = brier_losses(said, test.y), brier_losses(mid, test.y)
    return figures(
        {
            "brier": mean_interval(ours, blocks, 0),
            "brier_market": mean_interval(market, blocks, 0),
            "gain_over_market": paired_difference(ours, market, blocks, 0),
        }
    )


def instant_of(at: Ns) -> str:
    """Return an instant as metadata has it, to the second."""
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
