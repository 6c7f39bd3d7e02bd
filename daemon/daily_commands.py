"""`kalshid lab daily`: a model of tomorrow's prices from the store, judged, registered, with its table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.text import Text

from daemon.command_line import loading
from daemon.ingest_commands import STORE
from daemon.pipeline_commands import SEED, TRIALS, checked_line, commit_of_code, refusals
from daemon.telling import has_json_words, say

if TYPE_CHECKING:
    from daemon.lab.daily_rows import FeatureChoice


@click.command()
@STORE
@click.option("--series", multiple=True, required=True, help="Whose markets; may be repeated.")
@click.option("--registry", type=click.Path(path_type=Path, file_okay=False), default=Path("models"),
              show_default=True, help="For the model and its table.")  # fmt: skip
@click.option("--name", default="daily", show_default=True, help="Of the model.")
@click.option("--features", "choice", type=click.Choice(["daily", "older"]), default="daily",
              show_default=True, help="Fifty, or an older model's returns and volumes.")  # fmt: skip
@click.option(
    "--folds", type=click.IntRange(1, 50), default=4, show_default=True, help="Of the walk-forward."
)
@SEED
@TRIALS
@has_json_words
def daily(
    root: Path, series: tuple[str, ...], registry: Path, name: str, choice: FeatureChoice, folds: int,
    seed: int, trials: int,
) -> None:  # fmt: skip
    """Train a model of each market's change over the next day, from the store's trades and hourly candles.

    The first line says whether it beats saying "no change". It is registered with its report and its daily
    table, which `kalshid lab serve` shows, and never promoted. Exits 65 where the store has not enough.
    """
    with loading():
        from daemon.lab.daily_rows import FEATURES, TABLES, read_daily_rows  # noqa: PLC0415 - lazily, as all
        from daemon.lab.daily_training import Order, train_daily  # noqa: PLC0415
        from daemon.lab.store import open_store  # noqa: PLC0415
    order = Order(checked_line(name), tuple(dict.fromkeys(series)), seed, folds, trials, commit_of_code())
    console = Console(stderr=True)
    with refusals(), console.status("reading the store …") as status, open_store(root) as store:
        rows = read_daily_rows(store, order.series, FEATURES[choice], store.sha256s(*TABLES))
        trained = train_daily(registry, rows, order, lambda step: status.update(Text(step)))
    report, record = trained.report, trained.report.trading
    say(report.headline)
    say(
        f"{report.rows:,} held-out rows, {report.events} events: root mean square error {report.rmse:.5f} $;"
        f" of saying no change {report.rmse_zero:.5f} $"
    )
    if record is None:
        say("trading: no forecast was worth its costs")
    else:
        say(f"trading: {record.profit:+,.2f} $ after {record.fees:,.2f} $ of fees in {record.days} days")
    say(f"model: {trained.folder}")
    say(f"report: {trained.page}")
    say(f"to ask it: kalshid lab serve --models {registry}")
