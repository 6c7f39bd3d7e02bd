"""Training anew on the last days of tapes and journals; it registers and weighs a challenger, never promotes.

    <folder>/tapes/<epoch>-<bytes>/   each journal, imported once; one that has grown is imported again
    <folder>/<instant>/               a retraining: dataset, training, as in the pipeline

A session belongs to the window if it ended in it. What can't be read, or tells nothing public, is named and
left out: one such journal must not stop the weekly run.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from daemon.core.units import DAY, SECOND, Ns
from daemon.exchange.tape import MANIFEST_NAME as TAPE_MANIFEST
from daemon.lab.journal_tape import import_journals, journals_in
from daemon.lab.judging.page import HTML_FILE
from daemon.lab.pipeline import build, read_tape
from daemon.lab.pipeline_training import EVIDENCE_NAME, NotTrained, Say, Terms, Trained, train
from daemon.lab.promotion import champion_of
from daemon.scoring.vetting import load_vetted
from daemon.shell.journal import JournalUnreadable


@dataclass(frozen=True)
class Retrained:
    """What a retraining made, where it lies, and what was left out of its sources."""

    trained: Trained
    challenger: Path
    evidence: Path
    report: Path
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Window:
    """The tapes and sessions of the last days, and what could not be read."""

    tapes: tuple[Path, ...]
    sessions: tuple[str, ...]
    left_out: tuple[str, ...]


def retrain(
    sources: Sequence[Path], registry: Path, folder: Path, terms: Terms, now: Ns, days: int,
    commit: str | None, say: Say,
) -> Retrained:  # fmt: skip
    """Train on the last days, register the challenger, and weigh it against the champion and the market.

    Args:
        sources: tapes, and journals of the daemon or folders of them.
        registry: of the models, and of who is champion.
        folder: for tapes, datasets and reports.
        terms: the series, the line, the seed.
        now: the end of the days.
        days: how many.
        commit: of the code, where it is under version control.
        say: told of each stage.

    Raises:
        NotTrained: nothing was recorded in these days.
        ValueError: as the stages' own, such as too few outcomes.
        ModelRefused: the daemon would not load the champion, or what was made.
    """
    window = window_of(sources, folder / "tapes", now - days * DAY, say)
    if not window.sessions:
        why = "".join(f"; left out: {one}" for one in window.left_out)
        raise NotTrained(f"no session with a change of a book ended in the last {days} days{why}")
    place = folder / datetime.fromtimestamp(now // SECOND, UTC).strftime("%Y%m%dT%H%M%SZ")
    champion = champion_of(registry, terms.line)
    more = () if champion is None else load_vetted(champion.folder(registry)).scorer.schema.names
    build(window.tapes, place / "dataset", more, say, window.sessions)
    trained = train(place / "dataset", place / "training", registry, terms, commit, say)
    return Retrained(
        trained,
        registry / trained.challenger,
        place / "training" / EVIDENCE_NAME,
        place / "training" / HTML_FILE,
        window.left_out,
    )


def window_of(sources: Iterable[Path], tapes: Path, since: Ns, say: Say) -> Window:
    """Return what was recorded from an instant on; journals are imported below `tapes`.

    Raises:
        JournalUnreadable: a source is neither a tape nor a journal nor a folder of them.
        TapeError: a tape's manifest can't be read.
    """
    found: list[Path] = []
    left_out: list[str] = []
    for source in sources:
        if (source / TAPE_MANIFEST).is_file():
            found.append(source)
            continue
        for journal in journals_in(source):
            # Whoever was last written to before the window ended before it.
            if journal.stat().st_mtime_ns < since:
                continue
            say("import", journal.name)
            try:
                found.append(_imported(journal, tapes))
            except JournalUnreadable as error:
                left_out.append(str(error))
    kept: dict[Path, list[str]] = {}
    for tape in found:
        names = [
            one.session for one in read_tape(tape).sessions if one.ended_at >= since and one.counts.deltas
        ]
        if names:
            kept[tape] = names
    return Window(tuple(kept), tuple(name for names in kept.values() for name in names), tuple(left_out))


def _imported(journal: Path, tapes: Path) -> Path:
    """Return a journal's tape, made if there is none of it as it is now; older ones of it are removed."""
    target = tapes / f"{journal.stem}-{journal.stat().st_size}"
    if not (target / TAPE_MANIFEST).is_file():
        import_journals([journal], target)
        for older in tapes.glob(f"{journal.stem}-*"):
            if older != target:
                shutil.rmtree(older)
    return target
