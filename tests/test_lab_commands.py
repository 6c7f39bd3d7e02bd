"""`kalshid lab` from outside: what it makes, what it says, and that the daemon does without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daemon import exits
from daemon.cli import main
from daemon.core.events import BookDeltaReceived
from daemon.shell.journal import read_journal
from tests.lab.tiny_tape import stream, write_tape

ROOT = Path(__file__).parents[1]
GOLDEN = min((ROOT / "tests/golden").glob("*.journal"))
DEMO = ROOT / "strategies/models/btc15m-demo/1"


def invoke(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["lab", *(str(word) for word in words)])


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    write_tape(tmp_path / "tape", {"a": stream(1, 10)})
    return tmp_path / "tape"


def test_a_journal_becomes_a_tape(tmp_path: Path) -> None:
    """Told with its counts; a second import into the same folder is refused."""
    result = invoke("tape", "import", GOLDEN, tmp_path / "tape")
    assert exits.OK == result.exit_code, result.output
    assert "1 sessions" in result.stdout
    changes = sum(isinstance(one, BookDeltaReceived) for batch in read_journal(GOLDEN) for one in batch)
    assert f"{changes:,} book changes" in result.stdout
    again = invoke("tape", "import", GOLDEN, tmp_path / "tape")
    assert exits.BAD_INPUT == again.exit_code
    assert "already holds a tape" in again.stderr


def test_a_folder_of_neither_is_bad_input(tmp_path: Path) -> None:
    """No parquet file and no journal: named."""
    result = invoke("tape", "import", tmp_path, tmp_path / "tape")
    assert exits.BAD_INPUT == result.exit_code
    assert f"{tmp_path}: no journal here" in result.stderr


def test_a_dataset_is_built_and_built_once(tape: Path, tmp_path: Path) -> None:
    """Rows, labels and the digest; the same words again give the same line."""
    pytest.importorskip("pyarrow")
    words: list[str | Path] = ["dataset", "build", tape, "--out", tmp_path / "out", "--every", "2s"]
    words += ["--label", "settles_yes", "--label", "change_2s"]
    words += ["--feature", "mid", "--feature", "spread", "--require", "mid"]
    result = invoke(*words)
    assert exits.OK == result.exit_code, result.output
    assert (
        "10 rows of 2 markets in 1 events, 1 settlements; labelled: settles_yes 10, change_2s"
        in result.stdout
    )
    assert result.stdout == invoke(*words).stdout


def test_a_models_features_are_taken_in_its_order(tape: Path, tmp_path: Path) -> None:
    """With those that it requires."""
    pytest.importorskip("pyarrow")
    from daemon.lab.dataset_manifest import read_manifest
    from daemon.scoring.registry import load_model

    result = invoke("dataset", "build", tape, "--out", tmp_path / "out", "--model", DEMO)
    assert exits.OK == result.exit_code, result.output
    recipe, scorer = read_manifest(tmp_path / "out").recipe, load_model(DEMO).scorer
    assert (scorer.schema.names, tuple(sorted(scorer.required))) == (recipe.features, recipe.required)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--label", "tomorrow"], "no such label: 'tomorrow'; there are: settles_yes"),
        (["--feature", "luck"], "no such features: luck"),
        (["--feature", "mid", "--require", "spread"], "required but not among the features: spread"),
        (["--session", "z"], "no such session: z; there are: a"),
        (["--at-decisions"], "no decisions on the tape"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_bad_input(tape: Path, tmp_path: Path, words: list[str], said: str) -> None:
    """Said with what is allowed; nothing that looks like a dataset is left."""
    pytest.importorskip("pyarrow")
    result = invoke("dataset", "build", tape, "--out", tmp_path / "out", *words)
    assert exits.BAD_INPUT == result.exit_code, result.output
    assert said in result.stderr
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_features_come_from_one_place(tape: Path, tmp_path: Path) -> None:
    """A model's and one's own are not mixed."""
    pytest.importorskip("pyarrow")
    result = invoke("dataset", "build", tape, "--out", tmp_path / "out", "--model", DEMO, "--feature", "mid")
    assert exits.USAGE == result.exit_code
    assert "give one of them" in result.stderr


def test_without_the_extra_it_says_how_to_get_it(tape: Path, tmp_path: Path) -> None:
    """`kalshid` starts, lists the commands, and a command that needs more names the extra."""
    blocked = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from daemon.cli import main\n"
        "main(sys.argv[1:], standalone_mode=True)"
    )

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", blocked, *words],
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    listed = run("lab", "--help")
    assert (exits.OK, True) == (listed.returncode, "dataset" in listed.stdout)
    refused = run("lab", "dataset", "build", str(tape), "--out", str(tmp_path / "out"))
    assert exits.CONFIG == refused.returncode
    assert "pip install kalshid[lab]" in refused.stderr


def test_the_commands_load_no_part_of_the_lab() -> None:
    """Importing the command line leaves the lab and its libraries alone."""
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, daemon.cli; print(*sys.modules, sep='\\n')"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    ).stdout.split()  # fmt: skip
    assert [] == [name for name in loaded if name == "pyarrow" or name.startswith("daemon.lab.")]
