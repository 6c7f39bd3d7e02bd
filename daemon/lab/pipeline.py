"""From a recording to a model in shadow, in one go: import, dataset, train, shadow.

    <folder>/source.json        what it is made of: each file's sha256
    <folder>/tape/              the recording in the tape format; not made where the source is a tape
    <folder>/dataset/           the daemon's own rows of it
    <folder>/training/          reports, evidence (`pipeline_training`)
    <folder>/models/            the registry
    <folder>/shadow/            the daemon's run with the challenger, and `shadow.json`

A stage that is done is known by its manifest and not made twice, so what was interrupted goes on there.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from daemon.core.scorer import FeatureSchema
from daemon.core.units import SECOND, Ns
from daemon.exchange.tape import MANIFEST_NAME as TAPE_MANIFEST
from daemon.exchange.tape import TapeManifest, decode_manifest
from daemon.lab.dataset import build_dataset
from daemon.lab.dataset_manifest import Manifest, file_sha256
from daemon.lab.demo import SCHEMA
from daemon.lab.journal_tape import import_journals, journals_in
from daemon.lab.pipeline_chain import REQUIRED
from daemon.lab.pipeline_shadow import SHADOW_NAME, Shadowed, latest_settled, play_shadow
from daemon.lab.pipeline_training import LABEL, NotTrained, Say, Terms, Trained, series_of, train
from daemon.lab.sampling import Sampling
from daemon.lab.tape import import_tape

EVERY: Final[Ns] = 5 * SECOND
"""Of rows. Nearer ones are nearly the same, and the outcomes get no more."""
SHADOW_S: Final = 60.0
SOURCE_NAME: Final = "source.json"


class Piped(msgspec.Struct, frozen=True):
    """What the pipeline came to."""

    trained: Trained
    shadowed: Shadowed


def run_pipeline(source: Path, folder: Path, seed: int, trials: int, commit: str | None, say: Say) -> Piped:
    """Run all stages that are not done yet and return what came of them.

    Args:
        source: a folder of recorded parquet files, a tape, or a journal of the daemon or a folder of them.
        folder: for all that is made.
        seed: of tuning, training and intervals.
        trials: of each tuning.
        commit: of the code, where it is under version control.
        say: told of each stage.

    Raises:
        NotTrained: the folder is of another source, or the markets are of several series.
        ValueError, OSError: as the stages' own: what is wrong with the recording, or too few outcomes.
        ModelRefused: the daemon would not load what was made.
        ShadowFailed: the daemon could not play the tape.
    """
    _claim(folder, source)
    say("import", str(source))
    tape = tape_of(source, folder / "tape")
    manifest = build([tape], folder / "dataset", (), say)
    series = series_of(manifest)
    terms = Terms(series, series.lower(), seed, trials)
    registry = folder / "models"
    trained = train(folder / "dataset", folder / "training", registry, terms, commit, say)
    return Piped(trained, _shadow(tape, registry, trained, folder / "shadow", say))


def build(
    tapes: Iterable[Path], target: Path, more: Iterable[str], say: Say, sessions: Iterable[str] = ()
) -> Manifest:
    """Return the dataset that a training is made of: the shipped model's features, and more of them."""
    say("dataset", str(target))
    schema = FeatureSchema(tuple(dict.fromkeys((*SCHEMA.names, *more))))
    return build_dataset(
        list(tapes),
        target,
        schema,
        Sampling(every=EVERY),
        [LABEL],
        required=REQUIRED,
        sessions=tuple(sessions),
        progress=lambda session, done, total: say("dataset", f"{done / total:4.0%} {session}"),
    )


def tape_of(source: Path, target: Path) -> Path:
    """Return the tape of a source: the source itself, or what is imported from it into `target`, once."""
    if (source / TAPE_MANIFEST).is_file():
        return source
    if (target / TAPE_MANIFEST).is_file():
        return target
    if source.is_dir() and any(source.glob("*.parquet")):
        import_tape(source, target)
    else:
        import_journals(journals_in(source), target)
    return target


def read_tape(folder: Path) -> TapeManifest:
    """Return a tape's manifest. Raises TapeError when it can't be read."""
    path = folder / TAPE_MANIFEST
    return decode_manifest(path.read_bytes(), str(path))


def _shadow(tape: Path, registry: Path, trained: Trained, folder: Path, say: Say) -> Shadowed:
    path = folder / SHADOW_NAME
    if path.exists():
        found = msgspec.json.decode(path.read_bytes(), type=Shadowed)
        if found.challenger == trained.challenger:
            return found
    session = latest_settled(read_tape(tape))
    say("shadow", f"{trained.challenger} on {session}")
    default, challenger = registry / trained.models["structural"], registry / trained.challenger
    shadowed = play_shadow(tape, session, default, challenger, trained.terms.series, folder, SHADOW_S)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(shadowed), indent=1) + b"\n")
    return shadowed


def _claim(folder: Path, source: Path) -> None:
    """Note what the folder is made of, or refuse one that is of another source."""
    files = sorted(path for path in source.iterdir() if path.is_file()) if source.is_dir() else [source]
    found = {path.name: file_sha256(path) for path in files}
    path = folder / SOURCE_NAME
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    elif msgspec.json.decode(path.read_bytes(), type=dict[str, str]) != found:
        raise NotTrained(f"{folder} is of another source than {source}: name another folder or remove it")
