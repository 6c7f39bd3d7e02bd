"""Who is champion: only a model that beat the one before it and the market, on rows that chose nothing.

`weigh` makes the evidence: Brier gains over the champion and over the market's mid, on the same held-out
rows, with intervals that draw whole independent outcomes. `promote` passes it only when both intervals are
above 0; else it needs a reason in words, which is recorded. `roll_back` makes the champion before this one
champion again. Nothing is ever promoted by itself.

    <root>/champions.jsonl       one line for each change, never changed: who, when, why, by what evidence

Of many challengers that are weighed on the same rows the luckiest looks good: the intervals of the Brier
gains are as wide as their number (`trials`) asks for: 0.025 / trials of the draws lie beyond each bound
(Bonferroni).

A *line* is what models compete for, such as "btc15m": the first champion of one needs a reason, or evidence
against the market alone. The folders of models are not touched: ensembles and journals pin them by hash.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from daemon.core.units import Ns
from daemon.lab.judging.arrays import NotJudged, matched, outcomes_of, probabilities
from daemon.lab.judging.blocks import (
    BLOCKS_MIN,
    COVERAGE,
    DRAWS,
    Blocks,
    Interval,
    blocks_of,
    drawn_sums,
    paired_difference,
    seeded,
)
from daemon.lab.judging.scores import brier_losses, log_losses
from daemon.lab.registry import lone_writer
from daemon.scoring.metadata import METADATA_FILE, Name, Sha256, file_sha256, read_file
from daemon.scoring.vetting import vet_model

RECORD_FILE = "champions.jsonl"
NO_CHAMPION = "none"
TRIALS_MAX = 1_000
"""Beyond, the bootstrap would need more draws than it can take."""


class NotPromoted(Exception):
    """The champion stays who it is; says why, and what would be needed."""


class Gain(msgspec.Struct, frozen=True):
    """Losses of a rival minus the challenger's: above 0, the challenger is better.

    `brier` bounds the gain in a share `coverage` of the draws, `log_loss` in 95 of 100.
    """

    rival: str
    brier: Interval
    coverage: float
    log_loss: Interval

    @property
    def is_proven(self) -> bool:
        """Whether the whole interval of the Brier gain is above 0, with enough outcomes."""
        return self.brier.is_above_zero


class Evidence(msgspec.Struct, frozen=True):
    """What held-out rows say of a challenger. Models are named by the sha256 of their metadata.

    `champion_sha256` and `over_champion` are None where the line has no champion. `left_out` counts rows
    without a mid; `trials` how many challengers were weighed on these rows.
    """

    challenger_sha256: Sha256
    champion_sha256: Sha256 | None
    over_champion: Gain | None
    over_market: Gain
    rows: int
    left_out: int
    outcomes: int
    trials: int
    seed: int

    @property
    def is_better(self) -> bool:
        """Whether it beats the market, and the champion where there is one."""
        over_champion = self.over_champion is None or self.over_champion.is_proven
        return over_champion and self.over_market.is_proven

    @property
    def shortcomings(self) -> tuple[str, ...]:
        """What it does not show, one sentence for each rival; empty when it is better."""
        gains = [gain for gain in (self.over_champion, self.over_market) if gain is not None]
        return tuple(_shortcoming(gain) for gain in gains if not gain.is_proven)


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the record: from `at` on, `<root>/<name>/<version>` is champion of `line`."""

    line: Name
    change: Literal["promoted", "rolled back"]
    at: Ns
    name: Name
    version: Name
    metadata_sha256: Sha256
    reason: str | None
    evidence: Evidence | None

    def folder(self, root: Path) -> Path:
        """Where the champion lies."""
        return root / self.name / self.version


def weigh(
    *,
    outcomes: ArrayLike,
    challenger: ArrayLike,
    champion: ArrayLike | None,
    mid: ArrayLike,
    independent: Sequence[object] | NDArray[np.generic],
    challenger_sha256: str,
    champion_sha256: str | None,
    seed: int,
    trials: int,
    mid_normalised: ArrayLike | None = None,
) -> Evidence:
    """Return the evidence of held-out rows, arrays of shape (rows,).

    Args:
        outcomes: 1 for YES, 0 for NO.
        challenger: its P(YES), known in every row: whoever is silent where it is hard would win.
        champion: the champion's, known in every row; None where the line has none.
        mid: the market's mid as a probability, NaN where unknown: those rows are left out.
        independent: label of the row's independent outcome: the settlement, or the event.
        challenger_sha256: of the challenger's metadata.
        champion_sha256: of the champion's; None with `champion`.
        seed: of the bootstrap.
        trials: how many challengers have been weighed on these rows, this one included. Those that inner
            folds chose from are not among them: they have not seen these rows.
        mid_normalised: the mid over the event's markets: the better of the two mids is the market.

    Raises:
        NotJudged: lengths that differ, what is no probability or outcome, or no row with a mid.
    """
    if not 1 <= trials <= TRIALS_MAX:
        raise NotJudged(f"trials is {trials}, where 1 to {TRIALS_MAX} are allowed")
    said = probabilities(challenger, "challenger")
    rows = len(said)
    if (champion is None) != (champion_sha256 is None):
        raise NotJudged("champion and champion_sha256: both or none are allowed")
    mids = {"mid": matched(mid, "mid", rows)}
    if mid_normalised is not None:
        mids["mid normalised"] = matched(mid_normalised, "mid_normalised", rows)
    known = np.logical_and.reduce([~np.isnan(values) for values in mids.values()])
    if len(independent) != rows or not known.any():
        raise NotJudged(f"{len(independent)} labels of {rows} rows, {int(known.sum())} of them with a mid")
    y, blocks = outcomes_of(outcomes, rows)[known], blocks_of(np.asarray(independent)[known])
    losses = {name: float(brier_losses(values[known], y).mean()) for name, values in mids.items()}
    market = min(losses, key=lambda name: losses[name])

    def gain(rival: str, theirs: NDArray[np.float64]) -> Gain:
        ours = said[known]
        return Gain(
            rival,
            _gain_interval(brier_losses(ours, y), brier_losses(theirs, y), blocks, seed, trials),
            1 - (1 - COVERAGE) / trials,
            paired_difference(log_losses(ours, y), log_losses(theirs, y), blocks, seed),
        )

    over_champion = None
    if champion is not None:
        reigning = probabilities(champion, "champion")
        over_champion = gain("champion", matched(reigning, "champion", rows)[known])
    return Evidence(
        challenger_sha256=challenger_sha256,
        champion_sha256=champion_sha256,
        over_champion=over_champion,
        over_market=gain(f"market's {market}", mids[market][known]),
        rows=int(known.sum()),
        left_out=rows - int(known.sum()),
        outcomes=blocks.count,
        trials=trials,
        seed=seed,
    )


def _gain_interval(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], blocks: Blocks, seed: int, trials: int
) -> Interval:
    """Return the mean of theirs - ours with an interval as wide as so many trials ask for."""
    if trials == 1 or blocks.count < BLOCKS_MIN:
        return paired_difference(ours, theirs, blocks, seed)
    tail = (1 - COVERAGE) / 2 / trials
    sums = np.column_stack((blocks.sums(theirs - ours), blocks.sums(np.ones(len(ours)))))
    # Ten draws beyond each bound: with fewer it would be a bound on the draws, not on the gain.
    drawn = drawn_sums(sums, seeded(seed, "gain"), max(DRAWS, ceil(10 / tail)))
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [tail, 1 - tail])
    top, bottom = sums.sum(axis=0)
    return Interval(float(top / bottom), float(low), float(high), blocks.count)


def _shortcoming(gain: Gain) -> str:
    one = gain.brier
    if one.blocks < BLOCKS_MIN:
        return f"over the {gain.rival}: {one.blocks} independent outcomes, {BLOCKS_MIN} are needed"
    if one.value is None or one.low is None or one.high is None:
        return f"over the {gain.rival}: the Brier gain is unknown"
    return (
        f"over the {gain.rival}: the Brier gain is {one.value:+.5f} [{one.low:+.5f}, {one.high:+.5f}] over"
        f" {one.blocks} independent outcomes, where the whole interval must be above 0"
    )


def read_record(root: Path) -> list[Change]:
    """Return every change of champions, in order; empty where there was none.

    Raises:
        NotPromoted: a line can't be read; says which.
    """
    path = root / RECORD_FILE
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            found.append(msgspec.json.decode(line, type=Change))
        except msgspec.DecodeError as error:
            raise NotPromoted(f"{path}:{number}: {error}") from error
    return found


def reigns(root: Path, line: str) -> list[Change]:
    """Return the champions of a line that a rollback can return to, the one of now last; empty for none."""
    standing: list[Change] = []
    for change in read_record(root):
        if change.line != line:
            continue
        if change.change == "rolled back":
            standing.pop()
        else:
            standing.append(change)
    return standing


def champion_of(root: Path, line: str) -> Change | None:
    """Return the champion of a line; None where it has none. Raises NotPromoted as `read_record`."""
    standing = reigns(root, line)
    return standing[-1] if standing else None


def promote(
    root: Path, line: str, folder: Path, at: Ns, evidence: Evidence | None = None, reason: str | None = None
) -> Change:
    """Make a model the champion of a line, and record it.

    Args:
        root: of the registry.
        line: what it competes for.
        folder: the model's, `<root>/<name>/<version>`.
        at: now.
        evidence: of this model against the champion of now.
        reason: why, in words: needed where the evidence is short of it, or missing.

    Raises:
        NotPromoted: the evidence does not show enough and there is no reason; it is of other models; or it is
            champion already.
        ModelRefused: the daemon would not load it.
    """
    if folder.absolute().parent.parent != root.absolute():
        raise NotPromoted(f"{folder}: is not in the registry {root}: <root>/<name>/<version> is allowed")
    with lone_writer(root):
        return _promote(root, line, folder, at, evidence, (reason or "").strip())


def _promote(root: Path, line: str, folder: Path, at: Ns, evidence: Evidence | None, said: str) -> Change:
    sha256 = vet_model(folder).metadata_sha256
    champion = champion_of(root, line)
    reigning = None if champion is None else champion.metadata_sha256
    if sha256 == reigning:
        raise NotPromoted(f"{folder}: is the champion of {line} already")
    if evidence is not None:
        _check_about(evidence, sha256, reigning)
    if not said and (evidence is None or not evidence.is_better):
        short = ("there is no evidence",) if evidence is None else evidence.shortcomings
        raise NotPromoted(f"{folder}: {'; '.join(short)}. To promote it all the same, give a reason")
    change = Change(line, "promoted", at, folder.parent.name, folder.name, sha256, said or None, evidence)
    _append(root, change)
    return change


def roll_back(root: Path, line: str, at: Ns, reason: str) -> Change:
    """Make the champion before this one champion again, and record it; returns who it is.

    Raises:
        NotPromoted: there was none before, there is no reason, or its folder is another one by now.
        ModelRefused: the daemon would not load it any more.
    """
    with lone_writer(root):
        return _roll_back(root, line, at, reason)


def _roll_back(root: Path, line: str, at: Ns, reason: str) -> Change:
    standing = reigns(root, line)
    if len(standing) < 2:
        raise NotPromoted(f"{line}: there is no champion before {_named(standing)} to go back to")
    if not reason.strip():
        raise NotPromoted(f"{line}: a rollback needs a reason")
    before = standing[-2]
    found = vet_model(before.folder(root)).metadata_sha256
    if found != before.metadata_sha256:
        raise NotPromoted(
            f"{before.folder(root) / METADATA_FILE}: sha256 is {found}, it was {before.metadata_sha256}"
        )
    change = msgspec.structs.replace(
        before, change="rolled back", at=at, reason=reason.strip(), evidence=None
    )
    _append(root, change)
    return change


def read_evidence(path: Path) -> Evidence:
    """Return evidence from its file, JSON as msgspec writes it. Raises ValueError where it is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Evidence)
    except msgspec.DecodeError as error:
        raise ValueError(f"{path}: not the evidence of a model: {error}") from error


def metadata_sha256(folder: Path) -> str:
    """Return the hash by which evidence names a model. Raises ModelRefused where it has no metadata."""
    return file_sha256(read_file(folder / METADATA_FILE))


def _check_about(evidence: Evidence, challenger: str, champion: str | None) -> None:
    pairs = (
        ("challenger", evidence.challenger_sha256, challenger),
        ("champion", evidence.champion_sha256, champion),
    )
    for role, found, wanted in pairs:
        if found != wanted:
            raise NotPromoted(
                f"the evidence is of another {role}: metadata sha256 {found or NO_CHAMPION}, where the"
                f" {role} is {wanted or NO_CHAMPION}"
            )


def _named(standing: list[Change]) -> str:
    return f"{standing[-1].name}/{standing[-1].version}" if standing else NO_CHAMPION


def _append(root: Path, change: Change) -> None:
    """Write the record anew beside it and rename: it has the whole line, or none of it."""
    path = root / RECORD_FILE
    before = path.read_bytes() if path.exists() else b""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        file.write(before + msgspec.json.encode(change) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
