"""`kalshid lab pipeline`, `train` and `retrain`: from recordings to a model that may ask to be promoted."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.text import Text

from daemon import exits
from daemon.command_line import die, loading
from daemon.scoring.metadata import Name
from daemon.telling import complain, has_json_words, say

if TYPE_CHECKING:
    from daemon.lab.pipeline_shadow import Shadowed
    from daemon.lab.pipeline_training import Trained

SOURCE = click.Path(path_type=Path, exists=True)
FOLDER = click.Path(path_type=Path, file_okay=False)
SEED = click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=1, show_default=True,
                    help="Of all that is drawn: the same seed gives the same models.")  # fmt: skip
TRIALS = click.option("--trials", type=click.IntRange(1, 1_000), default=8, show_default=True,
                      help="Of each booster's tuning.")  # fmt: skip
LINE = click.option("--line", help="What the models compete for; by default the series in small letters.")


class Stages:
    """What is being done now, and how long each stage took: a line on stderr when one is over."""

    def __init__(self) -> None:
        self._status = Console(stderr=True).status("")
        self._stage: str | None = None
        self._began_s = self._stage_began_s = time.monotonic()

    def __enter__(self) -> Stages:
        self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.stop()
        if kind is None:
            self._end()
            click.echo(f"{'in all':10} {time.monotonic() - self._began_s:7.1f} s", err=True)

    def say(self, stage: str, what: str) -> None:
        """Show what is being done."""
        if stage != self._stage:
            self._end()
            self._stage, self._stage_began_s = stage, time.monotonic()
        self._status.update(Text(f"{stage}: {what}"))

    def _end(self) -> None:
        if self._stage is not None:
            click.echo(f"{self._stage:10} {time.monotonic() - self._stage_began_s:7.1f} s", err=True)


@click.command()
@click.argument("source", type=SOURCE)
@click.option("--out", "folder", type=FOLDER, required=True, help="For all that is made.")
@SEED
@TRIALS
@has_json_words
def pipeline(source: Path, folder: Path, seed: int, trials: int) -> None:
    """Go from a recording to a model in shadow: import SOURCE, make a dataset, train, judge, register, play.

    SOURCE is a folder of recorded parquet files, a tape, or the daemon's journals. What is done already in
    --out is not made twice. The first line says whether anything beats the market's mid.
    """
    with loading():
        from daemon.lab.pipeline import run_pipeline  # noqa: PLC0415 - the daemon starts without the lab
    with refusals(), Stages() as stages:
        piped = run_pipeline(source, folder, seed, trials, commit_of_code(), stages.say)
    say_trained(piped.trained, folder / "models", folder / "training")
    _say_shadowed(piped.shadowed)


@click.command()
@click.argument("dataset", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--out", "folder", type=FOLDER, required=True, help="For the reports.")
@click.option("--registry", type=FOLDER, default=Path("models"), show_default=True, help="For the models.")
@click.option("--series", help="Whose markets; needed where the dataset has several.")
@LINE
@click.option(
    "--folds", type=click.IntRange(1, 50), default=3, show_default=True, help="Of the walk-forward."
)
@SEED
@TRIALS
@click.option(
    "--storage",
    metavar="URL",
    help="A PostgreSQL (postgresql+psycopg://…) in which several hosts that train the same share the tuning;"
    " then the models depend on who was first.  [default: a file in --out]",
)
@has_json_words
def train(
    dataset: Path, folder: Path, registry: Path, series: str | None, line: str | None, folds: int,
    seed: int, trials: int, storage: str | None,
) -> None:  # fmt: skip
    """Train on a DATASET with labels settles_yes: walk-forward, calibrate, stack, judge, register, weigh.

    The first line says whether anything beats the market's mid. Nothing is promoted: see `lab promote`.
    """
    with loading():
        from daemon.lab import pipeline_training as training  # noqa: PLC0415 - the daemon starts without it
        from daemon.lab.dataset_manifest import read_manifest  # noqa: PLC0415
    with refusals(), Stages() as stages:
        chosen = series or training.series_of(read_manifest(dataset))
        terms = training.Terms(chosen, checked_line(line or chosen.lower()), seed, trials, folds)
        trained = training.train(dataset, folder, registry, terms, commit_of_code(), stages.say, storage)
    say_trained(trained, registry, folder)


@click.command()
@click.argument("sources", type=SOURCE, nargs=-1, required=True)
@click.option("--registry", type=FOLDER, required=True, help="Of the models, and of who is champion.")
@click.option("--out", "folder", type=FOLDER, required=True, help="For tapes, datasets and reports.")
@click.option("--series", required=True, help="Whose markets, such as KXBTC15M.")
@LINE
@click.option("--days", type=click.IntRange(1, 3_650), default=90, show_default=True, help="Back from now.")
@SEED
@TRIALS
@has_json_words
def retrain(
    sources: tuple[Path, ...], registry: Path, folder: Path, series: str, line: str | None, days: int,
    seed: int, trials: int,
) -> None:  # fmt: skip
    """Train anew on the last days of SOURCES (tapes, journals); register a challenger and weigh it.

    Never promotes: it says the command that would, and what the evidence is short of. Exits 0 whether or not
    the challenger is better, and 65 when none could be made.
    """
    with loading():
        from daemon.lab.pipeline_retrain import retrain as run  # noqa: PLC0415 - the daemon starts without it
        from daemon.lab.pipeline_training import Terms  # noqa: PLC0415
    terms = Terms(series, checked_line(line or series.lower()), seed, trials)
    with refusals(), Stages() as stages:
        made = run(sources, registry, folder, terms, time.time_ns(), days, commit_of_code(), stages.say)
    for left_out in made.left_out:
        complain(f"left out: {left_out}")
    say_trained(made.trained, registry, made.report.parent)


def checked_line(line: str) -> str:
    """Return a line's name, or exit saying what is allowed."""
    import msgspec  # noqa: PLC0415 - for these commands alone

    try:
        return msgspec.convert(line, Name)
    except msgspec.ValidationError as error:
        die(f"--line {line!r}: {error}", exits.USAGE)


def commit_of_code() -> str | None:
    """Return the commit of the checkout that this code stands in, "-changed" behind it if files differ.

    None outside of a checkout, and without git.
    """
    root = Path(__file__).parent.parent
    words: tuple[tuple[str, ...], ...] = (("rev-parse", "HEAD"), ("status", "--porcelain", "--", "daemon"))
    said = []
    for arguments in words:
        try:
            asked = subprocess.run(  # noqa: S603 - fixed words
                ["git", "-C", str(root), *arguments],  # noqa: S607 - whichever git is there
                capture_output=True, text=True, check=False, timeout=10,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return None
        if asked.returncode:
            return None
        said.append(asked.stdout.strip())
    commit, changed = said
    return f"{commit}-changed" if changed else commit


@contextmanager
def refusals() -> Iterator[None]:
    """Exit with a sentence where the lab refuses: 65 for what it was given, 69 where no daemon could run."""
    from daemon.lab.folds import LeakFound  # noqa: PLC0415 - the daemon starts without the lab
    from daemon.lab.pipeline_shadow import ShadowFailed  # noqa: PLC0415
    from daemon.lab.promotion import NotPromoted  # noqa: PLC0415
    from daemon.scoring.metadata import ModelRefused  # noqa: PLC0415
    from daemon.shell.journal import JournalUnreadable  # noqa: PLC0415

    try:
        yield
    except ShadowFailed as error:
        die(f"shadow: {error}", exits.UNAVAILABLE)
    except (ValueError, OSError, LeakFound, NotPromoted, ModelRefused, JournalUnreadable) as error:
        die(str(error), exits.BAD_INPUT)


def say_trained(trained: Trained, registry: Path, folder: Path) -> None:
    """Say what a training came to: the verdict first, then where all is, then what a person may do."""
    say(trained.verdict)
    say(f"report: {folder / 'report.html'}")
    challenger = registry / trained.challenger
    say(f"challenger: {challenger} (champion: {trained.champion or 'none yet'})")
    say(f"its Brier gain on the last test, by itself: {'; '.join(trained.weighed)}")
    for one in trained.shortcomings:
        say(f"not to be promoted: {one}")
    words = ("to promote it", "") if trained.is_better else ("to promote it all the same", " --reason WHY")
    say(
        f"{words[0]}: kalshid lab promote {challenger} --line {trained.terms.line}"
        f" --evidence {folder / 'evidence.json'}{words[1]}"
    )


def _say_shadowed(shadowed: Shadowed) -> None:
    scores = shadowed.scores
    brier = ", ".join(f"{name} {value:.4f}" for name, value in scores.brier.items())
    say(
        f"shadow: the daemon played {shadowed.frames:,} frames of {shadowed.session};"
        f" {shadowed.challenger} was scored at {scores.compared:,} instants beside the structural model, with"
        f" {shadowed.orders} orders sent; markets that ended: {scores.judged}"
        + (f" (Brier: {brier})" if brier else "")
    )
