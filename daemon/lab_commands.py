"""`kalshid lab`: research. The daemon starts without what it needs: each command loads its own part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from daemon import exits
from daemon.command_line import Duration, die, loading
from daemon.core.scorer import FeatureSchema
from daemon.core.units import SECOND, Ns
from daemon.daily_commands import daily
from daemon.ingest_commands import ingest
from daemon.pipeline_commands import pipeline, retrain, train
from daemon.promotion_commands import champions, promote, rollback
from daemon.sequence_commands import train_on_past
from daemon.serve_commands import serve
from daemon.telling import has_json_words, say
from daemon.tracker_commands import export_mlflow

if TYPE_CHECKING:
    from daemon.exchange.tape import TapeManifest

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


def import_or_die(source: Path, target: Path, sessions: tuple[str, ...]) -> str:
    """Turn recorded parquet files, or the daemon's own journals, into a tape; or exit saying why not.

    Returns:
        What it has become, in words.
    """
    is_journal = source.is_file() or not any(source.glob("*.parquet"))
    with Console(stderr=True).status(Text(f"importing {source} …")):
        try:
            manifest = _import_journals(source, target) if is_journal else _import(source, target, sessions)
        except (OSError, ValueError) as error:
            die(f"{source}: {error}", exits.BAD_INPUT)
    counts = [entry.counts for entry in manifest.sessions]
    return (
        f"tape: {target}: {len(manifest.sessions)} sessions, {len(manifest.markets)} markets,"
        f" {sum(one.deltas for one in counts):,} book changes, {sum(one.jumps for one in counts)} gaps"
    )


def _import(source: Path, target: Path, sessions: tuple[str, ...]) -> TapeManifest:
    with loading():
        from daemon.lab.tape import import_tape  # noqa: PLC0415 - the daemon starts without the lab extra
    return import_tape(source, target, list(sessions) or None)


def _import_journals(source: Path, target: Path) -> TapeManifest:
    from daemon.lab.journal_tape import import_journals, journals_in  # noqa: PLC0415 - the lab's, not the daemon's
    from daemon.shell.journal import JournalUnreadable  # noqa: PLC0415

    try:
        return import_journals(journals_in(source), target)
    except JournalUnreadable as error:
        die(str(error), exits.BAD_INPUT)


@click.group()
def lab() -> None:
    """Research: tapes, datasets, models. Needs the extra `lab`: pip install kalshid[lab]."""


@lab.group()
def tape() -> None:
    """Recorded streams of markets, as the sandbox plays them and datasets are made of them."""


@tape.command("import")
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--session", "sessions", multiple=True,
              help="Only this session of a recorded set; may be repeated.")  # fmt: skip
@has_json_words
def tape_import(source: Path, target: Path, sessions: tuple[str, ...]) -> None:
    """Import SOURCE into the folder TARGET, in the tape format, with its gaps and both clocks.

    SOURCE is a folder of recorded parquet files, one of the daemon's journals, or a folder of them. Of a
    journal only what is public goes onto the tape.
    """
    say(import_or_die(source, target, sessions))


@lab.group()
def dataset() -> None:
    """The daemon's own rows of tapes, with labels."""


@dataset.command("build")
@click.argument("tapes", type=FOLDER, nargs=-1, required=True)
@click.option("--out", "target", type=click.Path(path_type=Path), required=True, help="The dataset's folder.")
@click.option("--every", "every_s", type=Duration(),
              help="A row of each open market every so often; 1s unless --at-decisions.")  # fmt: skip
@click.option("--at-decisions", is_flag=True,
              help="Rows at a journal's decisions, not nearer than --every.")  # fmt: skip
@click.option("--label", "labels", multiple=True, default=("settles_yes",), show_default=True,
              help="settles_yes, change_30s, direction_5s, moves_1m_0.5c, next_day_return.")  # fmt: skip
@click.option(
    "--feature",
    "features",
    multiple=True,
    help="A feature, in order; candle_mid_# is all its minutes. By default all documented ones.",
)
@click.option(
    "--model", "model_folder", type=FOLDER, help="Take the features, and which are required, of this model."
)
@click.option("--require", "required", multiple=True, help="No row without this feature; may be repeated.")
@click.option("--session", "sessions", multiple=True, help="Only this session; may be repeated.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True,
              help="Shifts the grid by a part of a step; 0 leaves it on whole multiples.")  # fmt: skip
@has_json_words
def dataset_build(
    tapes: tuple[Path, ...],
    target: Path,
    every_s: float | None,
    at_decisions: bool,
    labels: tuple[str, ...],
    features: tuple[str, ...],
    model_folder: Path | None,
    required: tuple[str, ...],
    sessions: tuple[str, ...],
    seed: int,
) -> None:
    """Make a dataset of TAPES: one Parquet file of rows, and a manifest that says all that it depends on.

    Rows are computed by the daemon's own code and see nothing after their instant. What was interrupted goes
    on where it was; the same recipe gives the same bytes, and is not made twice.
    """
    with loading():
        from daemon.lab.dataset import build_dataset  # noqa: PLC0415 - the daemon starts without the lab
        from daemon.lab.sampling import Sampling  # noqa: PLC0415
    every: Ns = (0 if at_decisions else SECOND) if every_s is None else round(every_s * SECOND)
    schema, needed = _schema(features, model_folder)
    columns = (TextColumn("{task.description}"), TextColumn("{task.percentage:3.0f}%"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("sampling", total=1)

        def tell(session: str, done: int, total: int) -> None:
            shown.update(task, description=session, completed=done, total=total)

        try:
            manifest = build_dataset(
                tapes,
                target,
                schema,
                Sampling("decision" if at_decisions else "grid", every, seed),
                labels,
                required=(*needed, *required),
                sessions=sessions,
                progress=tell,
            )
        except (OSError, ValueError) as error:
            die(str(error), exits.BAD_INPUT)
    known = ", ".join(f"{name} {count:,}" for name, count in manifest.labelled.items())
    say(
        f"{target}: {manifest.rows:,} rows of {len(manifest.markets)} markets in {manifest.events} events,"
        f" {manifest.settlements} settlements; labelled: {known}; sha256 {manifest.rows_sha256[:12]}"
    )


def _schema(features: tuple[str, ...], model_folder: Path | None) -> tuple[FeatureSchema, tuple[str, ...]]:
    """Return the features asked for, and those that a model requires."""
    from daemon.core.features import CATALOGUE  # noqa: PLC0415 - for this command alone
    from daemon.scoring.registry import ModelRefused, load_model  # noqa: PLC0415

    if model_folder is None:
        return _named(features) if features else FeatureSchema(tuple(CATALOGUE)), ()
    if features:
        die("--model and --feature each name all features: give one of them", exits.USAGE)
    try:
        scorer = load_model(model_folder).scorer
    except ModelRefused as error:
        die(str(error), exits.BAD_INPUT)
    return scorer.schema, tuple(sorted(scorer.required))


def _named(features: tuple[str, ...]) -> FeatureSchema:
    """Return the features, a channel such as candle_mid_# standing for all its minutes."""
    from daemon.lab.fitting.rows import NotFitted  # noqa: PLC0415 - the daemon starts without the lab
    from daemon.lab.fitting.sequences import expanded  # noqa: PLC0415

    try:
        return FeatureSchema(tuple(dict.fromkeys(expanded(features))))
    except NotFitted as error:
        die(f"--feature {error}", exits.USAGE)


@lab.command("train-demo")
@click.argument("target", type=click.Path(path_type=Path), default=Path("strategies/models"))
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Same seed, same file.")
@has_json_words
def train_demo(target: Path, seed: int) -> None:
    """Train the demo model on simulated markets and write it below TARGET."""
    from daemon.lab.demo import train_demo as train  # noqa: PLC0415 - the daemon starts without the lab

    with Console(stderr=True).status("simulating markets and training …"):
        folder = train(target, seed)
    say(str(folder))


for one in (
    promote, rollback, champions, serve, export_mlflow, ingest, pipeline, train, retrain, daily,
    train_on_past,
):  # fmt: skip
    lab.add_command(one)
