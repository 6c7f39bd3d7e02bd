"""The commands from outside: help, exit codes, what `check` and `replay` say, and how words are read."""

from __future__ import annotations

import shutil
from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from daemon import exits
from daemon.cli import SandboxSpeed, Speed, main
from daemon.command_line import Duration
from daemon.core.commands import Command
from daemon.core.records import frame
from daemon.shell.journal import read_journal
from daemon.telling import Told

ROOT = Path(__file__).parents[1]
GOLDEN = min((ROOT / "tests/golden").glob("*.journal"))
COMMANDS = [
    ["run"], ["check"], ["replay"], ["halt"], ["resume"], ["flatten"], ["report"],
    ["report", "golive"], ["sandbox"], ["lab"], ["lab", "tape"], ["lab", "tape", "import"],
    ["lab", "dataset"], ["lab", "dataset", "build"], ["lab", "train-demo"],
    ["model"], ["model", "swap"],
    ["strategy"], ["strategy", "list"], ["strategy", "new"], ["strategy", "on"], ["strategy", "off"],
]  # fmt: skip


def invoke(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal names its model relative to the folder that commands are given in."""
    monkeypatch.chdir(ROOT)


def write_config(folder: Path, text: str = "") -> Path:
    """A configuration with the shipped model, and more text after it."""
    path = folder / "config.toml"
    path.write_text(f'[model]\npath = "{ROOT}/strategies/models/btc15m-demo/1"\n{text}')
    return path


# --- help and usage ------------------------------------------------------------------------------


def test_help_names_every_command() -> None:
    """A newcomer finds what there is, and what to start with."""
    result = invoke("--help")
    assert exits.OK == result.exit_code
    for command in COMMANDS:
        assert command[0] in result.output
    assert "kalshid run" in result.output


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_and_option_is_explained(command: list[str]) -> None:
    """Each command has a sentence, each option a help text; -h is --help."""
    result = invoke(*command, "-h")
    assert exits.OK == result.exit_code
    assert invoke(*command, "--help").output == result.output
    found: click.Command = main
    for word in command:
        assert isinstance(found, click.Group)
        found = found.commands[word]
    assert found.help
    for parameter in found.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


@pytest.mark.parametrize(
    "words",
    [
        ["fly"],
        ["run", "--fast"],
        ["run", "--for", "soon"],
        ["run", "--speed", "0"],
        ["run", "--tape", "/absent"],
        ["replay"],
        ["replay", "/absent.journal"],
        ["sandbox", "--port", "70000"],
        ["lab", "tape", "import", "/absent", "x"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_exits_by_usage(words: list[str]) -> None:
    """Said on stderr, with nothing begun."""
    result = invoke(*words)
    assert exits.USAGE == result.exit_code
    assert "" == result.stdout
    assert "Error:" in result.stderr


@pytest.mark.parametrize(("text", "speed"), [("1", 1.0), ("20", 20.0), ("max", "max"), ("manual", "manual")])
def test_a_sandboxs_speed(text: str, speed: float | str) -> None:
    """A factor, max, or moved by hand."""
    assert speed == SandboxSpeed().convert(text, None, None)


def test_a_sandbox_says_which_words_do_not_go_together() -> None:
    """On stderr, with the code for what can't be had."""
    result = invoke("sandbox", "--speed", "max")
    assert exits.UNAVAILABLE == result.exit_code
    assert "--speed max is for tapes" in result.stderr


def test_the_version_is_told() -> None:
    """As the distribution has it."""
    assert invoke("--version").output.startswith("kalshid, version ")


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("5m", 300), ("1.5h", 5_400), ("7", 7), ("0.5", 0.5), ("0.25m", 15)]
)
def test_durations_are_read(text: str, seconds: float) -> None:
    """Seconds, minutes, hours; a bare number is seconds."""
    assert seconds == Duration().convert(text, None, None)


@pytest.mark.parametrize("text", ["", "0", "0.0s", "-1s", "1d", "s", "1 s", "nan", "inf", "1e3", "5ms", "٣s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """With an example of one that is."""
    with pytest.raises(click.BadParameter, match=r"such as 30s, 5m or 1\.5h"):
        Duration().convert(text, None, None)


@pytest.mark.parametrize(("text", "speed"), [("max", "max"), ("1", 1.0), ("20", 20.0), ("0.5", 0.5)])
def test_speeds_are_read(text: str, speed: float | str) -> None:
    """A factor, or as fast as it goes."""
    assert speed == Speed().convert(text, None, None)


@pytest.mark.parametrize("text", ["", "0", "-1", "nan", "inf", "10001", "fast", "MAX"])
def test_what_is_no_speed_is_refused(text: str) -> None:
    """With what is allowed."""
    with pytest.raises(click.BadParameter, match="neither max nor a factor"):
        Speed().convert(text, None, None)


# --- check ---------------------------------------------------------------------------------------


def test_check_and_replay_tell_as_json_too(at_root: None) -> None:
    """The words, the mode and the exit code; a failure is among the problems."""
    checked = msgspec.json.decode(invoke("check", "--config", "config.toml", "--json").stdout, type=Told)
    assert ("sandbox", exits.OK, []) == (checked.mode, checked.exit_code, checked.problems)
    replayed = msgspec.json.decode(invoke("replay", GOLDEN, "--json").stdout, type=Told)
    assert "identical" in replayed.said[-1]
    failed = msgspec.json.decode(invoke("replay", __file__, "--json").stdout, type=Told)
    assert (exits.BAD_INPUT, []) == (failed.exit_code, failed.said)


def test_check_finds_the_shipped_configuration_usable() -> None:
    """Configuration, strategies, model and key, a line each."""
    result = invoke("check", "--config", ROOT / "config.toml")
    assert exits.OK == result.exit_code, result.output
    assert ["PAPER", "config", "strategies", "model", "key"] == [
        line.split()[0] for line in result.output.splitlines()
    ]
    assert all(line.split()[1] == "ok" for line in result.output.splitlines()[1:])
    assert "fair_value" in result.output


def test_check_says_all_that_is_wrong(tmp_path: Path) -> None:
    """Schema first, whole; then the strategies, whole, disabled ones too."""
    path = write_config(tmp_path, "[orders]\nttl_ms = 0\n[risk]\nnone = 1\n")
    result = invoke("check", "--config", path)
    assert exits.CONFIG == result.exit_code
    assert [f"{path}:4: orders.ttl_ms", f"{path}:6: risk.none"] == [
        ": ".join(line.split(": ")[:2]) for line in result.stderr.splitlines()
    ]
    strategies = (
        "[strategies.fair_value]\nenabled = false\nseries = ['A']\nmargin = 7.0\n"
        "[strategies.magic]\nenabled = true\nseries = ['KXBTCD']\n"
    )
    result = invoke("check", "--config", write_config(tmp_path, strategies))
    assert exits.CONFIG == result.exit_code
    assert "strategies.fair_value.margin: 7.0 is not allowed" in result.stderr
    assert "strategies.magic: unknown; there are: fair_value" in result.stderr


def test_check_names_a_missing_file(tmp_path: Path) -> None:
    """No configuration is a configuration error, not a crash."""
    result = invoke("check", "--config", tmp_path / "absent.toml")
    assert exits.CONFIG == result.exit_code
    assert "absent.toml: can't be read" in result.stderr


def test_check_refuses_a_model_that_is_not_there(tmp_path: Path) -> None:
    """The model is loaded and run, not only named."""
    path = tmp_path / "config.toml"
    path.write_text('[model]\npath = "absent"\n')
    result = invoke("check", "--config", path)
    assert exits.CONFIG == result.exit_code
    assert "model       FAIL" in result.stderr
    assert "absent" in result.stderr


def test_check_reads_the_key_and_never_shows_it(tmp_path: Path) -> None:
    """In mode demo the key file must be there, be ours alone, and be a key; then the venue is asked."""
    key = tmp_path / "key.pem"
    path = write_config(tmp_path)
    path.write_text(
        f'mode = "demo"\n{path.read_text()}[venue]\nkey_id = "my-key-id"\nprivate_key_file = "key.pem"\n'
        'rest_url = "http://127.0.0.1:1/trade-api/v2"\n'  # nobody listens
    )
    result = invoke("check", "--config", path)
    assert (exits.CONFIG, True) == (result.exit_code, "no such key file" in result.stderr)
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key.write_bytes(pem)
    key.chmod(0o644)
    result = invoke("check", "--config", path)
    assert (exits.CONFIG, True) == (result.exit_code, "chmod 600" in result.stderr)
    key.chmod(0o600)
    result = invoke("check", "--config", path)
    assert exits.UNAVAILABLE == result.exit_code, result.output
    assert "key         ok    key.pem" in result.stdout
    assert "venue       FAIL" in result.stderr
    for secret in ("my-key-id", pem.decode().splitlines()[1]):
        assert secret not in result.output


def test_paths_are_shown_as_they_are(tmp_path: Path) -> None:
    """Brackets in a path are no markup, and a long one is not broken."""
    folder = tmp_path / "[red]" / ("long" * 30)
    folder.mkdir(parents=True)
    result = invoke("check", "--config", write_config(folder))
    assert f"config      ok    {folder}/config.toml: mode sandbox\n" in result.output


# --- run: what refuses before anything starts ----------------------------------------------------


def test_run_refuses_a_wrong_configuration(tmp_path: Path) -> None:
    """78 tells systemd that a restart won't help; nothing is written."""
    path = write_config(tmp_path, "[orders]\nttl_ms = 0\n")
    result = invoke("run", "--config", path)
    assert exits.CONFIG == result.exit_code
    assert [path] == list(tmp_path.iterdir())


def test_run_refuses_a_folder_that_is_no_tape(tmp_path: Path) -> None:
    """Neither a manifest nor parquet files: bad input, named."""
    (tmp_path / "tape").mkdir()
    result = invoke("run", "--config", write_config(tmp_path), "--tape", tmp_path / "tape", "--no-screen")
    assert exits.BAD_INPUT == result.exit_code
    assert "neither a tape (manifest.json) nor recorded parquet files" in result.stderr


def test_parquet_files_that_are_none_are_bad_input(tmp_path: Path) -> None:
    """What the importer refuses is told with the folder, not with a traceback."""
    pytest.importorskip("pyarrow")
    source = tmp_path / "recorded"
    source.mkdir()
    (source / "orderbook_deltas.parquet").write_bytes(b"no parquet")
    result = invoke("lab", "tape", "import", source, tmp_path / "tape")
    assert exits.BAD_INPUT == result.exit_code
    assert str(source) in result.stderr


# --- replay --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("at_root")
def test_a_golden_journal_replays_identically() -> None:
    """0, with what was replayed."""
    result = invoke("replay", GOLDEN)
    assert exits.OK == result.exit_code, result.output
    assert "identical: every decision gives the recorded commands" in result.stdout
    assert " 0 decisions" not in result.stdout


@pytest.mark.usefixtures("at_root")
def test_a_torn_journal_replays_up_to_its_tear(tmp_path: Path) -> None:
    """What a crash left is still proof of what was decided before it."""
    torn = tmp_path / "1.journal"
    torn.write_bytes(GOLDEN.read_bytes()[:-3])
    result = invoke("replay", torn)
    assert exits.OK == result.exit_code, result.output
    assert "its last record is torn" in result.stdout


@pytest.mark.usefixtures("at_root")
def test_a_journal_with_other_commands_is_different(tmp_path: Path) -> None:
    """65, with the first differences in words on stderr."""
    file = read_journal(GOLDEN)
    encode = msgspec.msgpack.encode
    batches = [[record for record in batch if not isinstance(record, Command)] for batch in file]
    changed = tmp_path / "1.journal"
    changed.write_bytes(b"".join(frame(encode(part)) for part in (file.header, *filter(None, batches))))
    result = invoke("replay", changed)
    assert exits.BAD_INPUT == result.exit_code
    assert "DIFFERENT: " in result.stderr
    assert "recorded [], replayed [" in result.stderr


@pytest.mark.usefixtures("at_root")
@pytest.mark.parametrize("content", [b"", b"no journal at all", frame(b"\xc0")])
def test_what_is_no_journal_is_bad_input(tmp_path: Path, content: bytes) -> None:
    """Named, with what is wrong."""
    path = tmp_path / "1.journal"
    path.write_bytes(content)
    result = invoke("replay", path)
    assert exits.BAD_INPUT == result.exit_code
    assert str(path) in result.stderr


def test_the_model_may_have_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From another folder it is not found, and --model says where it is; another model is refused."""
    monkeypatch.chdir(tmp_path)
    assert exits.BAD_INPUT == invoke("replay", GOLDEN).exit_code
    moved = tmp_path / "moved"
    shutil.copytree(ROOT / "strategies/models/btc15m-demo/1", moved / "btc15m-demo" / "1")
    result = invoke("replay", GOLDEN, "--model", moved / "btc15m-demo" / "1")
    assert exits.OK == result.exit_code, result.output


def test_another_model_is_refused(tmp_path: Path) -> None:
    """A journal is replayed with the model that scored it, by its sha256, or not at all."""
    file = read_journal(GOLDEN)
    setup = msgspec.msgpack.decode(file.header.engine)
    setup["model"]["sha256"] = "0" * 64
    header = msgspec.structs.replace(file.header, engine=msgspec.Raw(msgspec.msgpack.encode(setup)))
    path = tmp_path / "1.journal"
    path.write_bytes(frame(msgspec.msgpack.encode(header)))
    result = invoke("replay", path, "--model", ROOT / "strategies/models/btc15m-demo/1")
    assert exits.BAD_INPUT == result.exit_code
    assert "the journal was scored by" in result.stderr
