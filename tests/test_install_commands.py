"""The units are for this installation, sound for systemd, and as tight as they claim."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from daemon import exits
from daemon.cli import main
from daemon.install_commands import GROUP, UNITS, program_of, quoted, systemd_version, units_of, words_of

ANALYZE = shutil.which("systemd-analyze")
EXPOSURE_MAX = "12"
"""In tenths, as systemd-analyze wants it."""
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed here")


def install(*words: str) -> tuple[int, str]:
    """Run it; return its exit code and what it printed."""
    result = CliRunner().invoke(main, ["install", *words])
    return result.exit_code, result.output


def test_the_units_are_written_with_the_paths_of_this_installation(tmp_path: Path) -> None:
    """Every unit of the checkout, naming this program and that configuration, and what to type next."""
    code, said = install("--systemd", "--into", str(tmp_path), "--config", "/srv/kalshid/config.toml")
    assert exits.OK == code, said
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    shipped = {str(path.relative_to(UNITS)) for path in UNITS.rglob("*") if path.is_file()}
    assert {name for name in shipped if ".d/" not in name} <= written <= shipped
    text = (tmp_path / "kalshid.service").read_text()
    assert "--config /srv/kalshid/config.toml" in text
    assert "/opt/kalshid/.venv/bin" not in text
    assert "systemctl enable --now kalshid.service kalshid-backup.timer" in said
    assert f"systemd-sysusers --inline 'g {GROUP} -' && " in said
    assert f"\nGroup={GROUP}\n" in text


def test_called_as_a_module_the_units_name_the_program_beside_its_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `__main__.py` is nothing that systemd could start; where there is no program that is said."""
    module, program = tmp_path / "daemon" / "__main__.py", tmp_path / "bin" / "kalshid"
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setattr(sys, "argv", [str(module)])
    code, said = install("--systemd", "--print")
    assert (exits.CONFIG, f"{program}: not there; install kalshid for this interpreter\n") == (code, said)
    program.parent.mkdir()
    program.touch()
    code, said = install("--systemd", "--print")
    assert exits.OK == code, said
    assert f"ExecStart={program} run" in said
    assert "__main__" not in said
    assert tmp_path / "kalshid" == program_of(tmp_path / "kalshid")


def test_printed_means_nothing_written(tmp_path: Path) -> None:
    """What would be written, with where, and an empty folder."""
    code, said = install("--systemd", "--print", "--into", str(tmp_path))
    assert exits.OK == code
    assert f"# --- {tmp_path}/kalshid.service\n" in said
    assert [] == list(tmp_path.iterdir())


def test_what_is_written_can_be_had_as_json(tmp_path: Path) -> None:
    """Every path, and what to type next."""
    code, said = install("--systemd", "--into", str(tmp_path), "--json")
    assert exits.OK == code, said
    told = json.loads(said)
    assert str(tmp_path / "kalshid.service") in told["said"]
    assert any(line.startswith("now: systemd-sysusers ") for line in told["said"])


def test_a_place_that_takes_no_file_is_said(tmp_path: Path) -> None:
    """74, and why."""
    (tmp_path / "file").touch()
    code, said = install("--systemd", "--into", str(tmp_path / "file" / "below"))
    assert exits.UNRECORDED == code
    assert "not installed: " in said


@pytest.mark.parametrize(
    ("version", "expected"),
    [(252, set()), (253, {253}), (254, {253, 254}), (257, {253, 254}), (None, {253, 254})],
)
def test_an_old_systemd_is_spared_what_it_does_not_know(version: int | None, expected: set[int]) -> None:
    """Debian 12 has 252; Type=notify-reload came with 253."""
    units = units_of(Path("/x/kalshid"), Path("/y/config.toml"), version)
    drop_ins = {name: text for name, text in units.items() if ".d/" in name}
    assert {f"kalshid.service.d/{number}.conf" for number in expected} == set(drop_ins)
    assert (253 in expected) == any("\nType=notify-reload\n" in text for text in drop_ins.values())
    assert "\nType=notify\n" in units["kalshid.service"]


def test_all_that_runs_on_the_state_has_one_group() -> None:
    """Systemd gives a state folder, whole, to whoever begins to use it: two groups would take it by turns."""
    texts = [path.read_text() for path in UNITS.glob("*.service")]
    state = [text for text in texts if re.search(r"^StateDirectory=kalshid\b", text, re.MULTILINE)]
    assert 3 == len(state)
    assert all(f"\nGroup={GROUP}\n" in text for text in state)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("/opt/kalshid/.venv/bin/kalshid", "/opt/kalshid/.venv/bin/kalshid"),
        ("/srv/my bot/config.toml", '"/srv/my bot/config.toml"'),
        ("/srv/100%/$HOME", '"/srv/100%%/$$HOME"'),
        ('/srv/"a"\\b\n', '"/srv/\\"a\\"\\\\b\\x0a"'),
    ],
)
def test_a_word_is_escaped_as_systemd_reads_it(word: str, expected: str) -> None:
    """A blank would split it, a % be a specifier, a $ a variable."""
    assert expected == quoted(word)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)))
def test_what_is_quoted_is_read_again(words: list[str]) -> None:
    """Whatever may stand in a path."""
    assert words == words_of(" ".join(quoted(word) for word in words))


def test_a_path_that_no_unit_can_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that systemd would not start, a configuration that is no text; nothing is written."""
    monkeypatch.setattr(sys, "argv", ["/opt/it's mine/kalshid"])
    code, said = install("--systemd", "--into", str(tmp_path))
    assert exits.CONFIG == code
    assert "/opt/it's mine/kalshid: systemd starts no program whose path has a quote" in said
    monkeypatch.setattr(sys, "argv", ["/opt/kalshid"])
    code, said = install("--systemd", "--into", str(tmp_path), "--config", "/etc/caf\udce9.toml")
    assert (exits.CONFIG, []) == (code, list(tmp_path.iterdir()))
    assert "b'/etc/caf\\xe9.toml': units are UTF-8, and this path is not" in said


@needs_systemd
@pytest.mark.parametrize("name", [path.name for path in sorted(UNITS.glob("*.service"))])
def test_no_unit_is_exposed_beyond_its_bound(name: str) -> None:
    """1.2 at most by systemd's own measure: what it may reach is what it needs."""
    words = ["security", "--offline=true", f"--threshold={EXPOSURE_MAX}", "--no-pager", str(UNITS / name)]
    measured = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)
    assert 0 == measured.returncode, measured.stdout


@needs_systemd
@pytest.mark.parametrize("folder", ["kalshid", "100% my own é"])
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path, folder: str) -> None:
    """Every key is known and every value fits, in the form that is installed for the systemd that is here."""
    program = tmp_path / folder / "kalshid"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    units = units_of(program, tmp_path / "config.toml", systemd_version())
    for name, text in units.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    paths = [tmp_path / name for name in units if "/" not in name]
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *paths], capture_output=True, text=True, check=False
    )
    assert "" == checked.stderr
    assert 0 == checked.returncode
