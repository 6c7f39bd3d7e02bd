"""Whatever a command comes to, with `--json` it is one object: what it said, its problems, and its code."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from daemon import exits
from daemon.cli import main
from daemon.telling import Told
from tests.e2e.daemon_process import write_config

NOT_THERE = (exits.BAD_INPUT,)
NOBODY = (exits.UNAVAILABLE,)
COMMANDS: tuple[tuple[list[str], tuple[int, ...]], ...] = (
    (["backup", "{folder}/away", "--config", "{config}"], NOT_THERE),
    (["install", "--systemd", "--into", "{config}/below"], (exits.UNRECORDED,)),
    (["model", "swap", "{empty}", "--config", "{config}"], NOBODY),
    (["strategy", "list", "--config", "{config}"], (exits.OK,)),
    (["strategy", "new", "1x", "--config", "{config}"], (exits.USAGE,)),
    (["strategy", "on", "fair_value", "--config", "{config}"], NOBODY),
    (["strategy", "off", "fair_value", "--config", "{config}"], NOBODY),
    (["lab", "tape", "import", "{empty}", "{folder}/tape"], NOT_THERE),
    (["lab", "dataset", "build", "{empty}", "--out", "{folder}/rows"], NOT_THERE),
    (
        ["lab", "ingest", "kalshi", "--series", "KXA", "--config", "{config}", "--store", "{folder}/store"],
        NOBODY,
    ),
    (["lab", "ingest", "kraken", "--config", "{config}", "--store", "{folder}/store"], NOBODY),
    (["lab", "ingest", "series", "{config}", "--store", "{folder}/store"], NOT_THERE),
    (["lab", "pipeline", "{empty}", "--out", "{folder}/out"], NOT_THERE),
    (["lab", "train", "{empty}", "--out", "{folder}/out"], NOT_THERE),
    (
        ["lab", "retrain", "{empty}", "--registry", "{folder}/r", "--out", "{folder}/out", "--series", "KXA"],
        NOT_THERE,
    ),
    # Without the extra that it needs, it says so.
    (["lab", "train-sequence", "{empty}", "--out", "{folder}/out"], (exits.BAD_INPUT, exits.CONFIG)),
    (["lab", "daily", "--series", "KXA", "--store", "{empty}", "--registry", "{folder}/r"], NOT_THERE),
    (["lab", "promote", "{empty}", "--line", "x", "--reason", "y"], NOT_THERE),
    (["lab", "rollback", "{empty}", "--line", "x", "--reason", "y"], NOT_THERE),
    (["lab", "champions", "{empty}"], (exits.OK,)),
    (["lab", "export-mlflow", "{empty}", "--uri", "file:{folder}/runs"], NOT_THERE),
)


@pytest.mark.parametrize(("words", "codes"), COMMANDS, ids=[" ".join(words[:3]) for words, _ in COMMANDS])
def test_what_a_command_comes_to_is_one_json_object(
    tmp_path: Path, words: list[str], codes: tuple[int, ...]
) -> None:
    """The code in it is the code of the process, and a failure names its problem there."""
    config = write_config(tmp_path)
    (tmp_path / "empty").mkdir()
    typed = [
        word.format(folder=tmp_path, config=config, empty=tmp_path / "empty") for word in [*words, "--json"]
    ]
    result = CliRunner().invoke(main, typed)
    told = msgspec.json.decode(result.stdout, type=Told)
    assert result.exit_code in codes, told
    assert result.exit_code == told.exit_code
    assert (told.exit_code != exits.OK) == bool(told.problems)
