"""`kalshid lab export-mlflow`: a registered model, told to an MLflow tracker."""

from __future__ import annotations

from pathlib import Path

import click

from daemon import exits
from daemon.command_line import die, loading
from daemon.telling import has_json_words, say


@click.command("export-mlflow")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--uri", required=True,
              help="The tracker: file:///…, sqlite:///… or http://….")  # fmt: skip
@has_json_words
def export_mlflow(folder: Path, uri: str) -> None:
    """Write the model in FOLDER (<registry>/<name>/<version>) into an MLflow tracker.

    Parameters, figures, report and files, as one run; a model that stands there already is not written
    again. Needs the extra `tracker`. Exits 65 when the model is refused, 69 when the tracker is.
    """
    with loading():
        from daemon.lab.tracker import (  # noqa: PLC0415 - the daemon starts without the lab
            NotExported,
            check_uri,
            export_model,
        )
    from daemon.scoring.metadata import ModelRefused  # noqa: PLC0415 - for this command alone

    try:
        check_uri(uri)
    except ValueError as error:
        die(f"--uri: {error}", exits.USAGE)
    try:
        with loading("tracker"):
            found = export_model(folder.absolute(), uri)
    except ModelRefused as error:
        die(str(error), exits.BAD_INPUT)
    except NotExported as error:
        die(f"not exported: {error}", exits.UNAVAILABLE)
    state = "exported" if found.is_new else "was exported before"
    say(f"{folder.parent.name}/{folder.name}: {state}: experiment {found.experiment!r}, run {found.run_id}")
