"""The units are for this installation, sound for systemd, and as tight as they claim."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from daemon import exits
from daemon.cli import main
from daemon.install_commands import UNITS, program_of, systemd_version, units_of

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
    assert shipped - {"kalshid.service.d/254.conf"} <= written <= shipped
    text = (tmp_path / "kalshid.service").read_text()
    assert "--config /srv/kalshid/config.toml" in text
    assert "/opt/kalshid/.venv/bin" not in text
    assert "systemctl enable --now kalshid.service kalshid-backup.timer" in said


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


def test_a_place_that_takes_no_file_is_said(tmp_path: Path) -> None:
    """74, and why."""
    (tmp_path / "file").touch()
    code, said = install("--systemd", "--into", str(tmp_path / "file" / "below"))
    assert exits.UNRECORDED == code
    assert "not installed: " in said


@pytest.mark.parametrize(("version", "has_modern"), [(252, False), (253, False), (254, True), (None, True)])
def test_an_old_systemd_is_spared_what_it_does_not_know(version: int | None, has_modern: bool) -> None:
    """Debian 12 has 252."""
    units = units_of(Path("/x/kalshid"), Path("/y/config.toml"), version)
    assert has_modern == ("kalshid.service.d/254.conf" in units)


@needs_systemd
@pytest.mark.parametrize("name", [path.name for path in sorted(UNITS.glob("*.service"))])
def test_no_unit_is_exposed_beyond_its_bound(name: str) -> None:
    """1.2 at most by systemd's own measure: what it may reach is what it needs."""
    words = ["security", "--offline=true", f"--threshold={EXPOSURE_MAX}", "--no-pager", str(UNITS / name)]
    measured = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)
    assert 0 == measured.returncode, measured.stdout


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    """Every key is known and every value fits, in the form that is installed for the systemd that is here."""
    program = tmp_path / "kalshid"
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
