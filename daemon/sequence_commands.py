"""`kalshid lab train-sequence`: a network over past minutes, by the gate of all other models."""

from __future__ import annotations

from pathlib import Path

import click

from daemon.command_line import loading
from daemon.pipeline_commands import FOLDER, LINE, SEED, Stages, checked_line, commit_of_code, refusals
from daemon.telling import has_json_words, say


@click.command("train-sequence")
@click.argument("dataset", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--channel", "channels", multiple=True, show_default=True,
              default=("reference_candle_return_#", "reference_candle_range_#"),
              help="A feature of past minutes, # for how many ago; may be repeated.")  # fmt: skip
@click.option("--steps", type=click.IntRange(1, 60), default=60, show_default=True, help="So many minutes.")
@click.option("--out", "folder", type=FOLDER, required=True, help="For report and evidence.")
@click.option("--registry", type=FOLDER, default=Path("models"), show_default=True, help="For the model.")
@click.option("--series", help="Whose markets; needed where the dataset has several.")
@LINE
@SEED
@has_json_words
def train_on_past(
    dataset: Path, channels: tuple[str, ...], steps: int, folder: Path, registry: Path, series: str | None,
    line: str | None, seed: int,
) -> None:  # fmt: skip
    """Train a PatchTST on a DATASET that has all minutes of its channels: fit, calibrate, judge, register.

    Needs the extra `torch`; the model is served without it. `lab dataset build --feature
    'reference_candle_return_#'` puts all minutes of a channel into a dataset. Nothing is promoted.
    """
    with loading("torch"):
        from daemon.lab.dataset_manifest import read_manifest  # noqa: PLC0415 - the daemon starts without
        from daemon.lab.pipeline_sequence import SequenceTerms, train_sequence  # noqa: PLC0415
        from daemon.lab.pipeline_training import series_of  # noqa: PLC0415
    with refusals(), Stages() as stages:
        chosen = series or series_of(read_manifest(dataset))
        terms = SequenceTerms(chosen, checked_line(line or chosen.lower()), seed, channels, steps)
        made = train_sequence(dataset, folder, registry, terms, commit_of_code(), stages.say)
    say(made.verdict)
    say(f"report: {folder / 'report.html'}")
    say(f"challenger: {made.challenger} (champion: {made.champion or 'none yet'})")
    for one in made.evidence.shortcomings:
        say(f"not to be promoted: {one}")
    reason = "" if made.evidence.is_better else " --reason WHY"
    say(
        f"to promote it: kalshid lab promote {made.challenger} --line {terms.line}"
        f" --evidence {folder / 'evidence.json'}{reason}"
    )
