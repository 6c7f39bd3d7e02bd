"""`kalshid install --systemd`: the units of this checkout, with its paths, where systemd looks for them.

Each works with systemd 252. What only a newer one knows is in drop-ins that bear the version it needs:
`kalshid.service.d/254.conf` is installed from 254 on.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click

from daemon import exits
from daemon.command_line import die
from daemon.telling import has_json_words, say

UNITS = Path(__file__).parent.parent / "systemd"
PLACE = Path("/etc/systemd/system")
CONFIG = Path("/etc/kalshid/config.toml")
GROUP = "kalshid-ops"
"""The group of the service: its members may connect to the control socket."""
_PROGRAM = "/opt/kalshid/.venv/bin/kalshid"
_VERSIONED = re.compile(r"\.d/(\d+)\.conf$")
_PLAIN = re.compile(r"[\w./:@+,=~-]+", re.ASCII)
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_UNSTARTABLE = re.compile(r"[\"'\\$\x00-\x1f\x7f]")


@click.command()
@click.option(
    "--systemd", "is_systemd", is_flag=True, required=True, help="For systemd; there is no other yet."
)
@click.option("--print", "is_printed", is_flag=True, help="Print them, and write nothing.")
@click.option("--into", "place", type=click.Path(path_type=Path, file_okay=False), default=PLACE,
              show_default=True, help="Where the units are written.")  # fmt: skip
@click.option("--config", "config_path", type=click.Path(path_type=Path), default=CONFIG, show_default=True,
              help="The configuration that they name.")  # fmt: skip
@has_json_words
def install(is_systemd: bool, is_printed: bool, place: Path, config_path: Path) -> None:
    """Write the service, its alert and its timers for this installation, or print them.

    Nothing is enabled or started: what to type is said. Exits 74 when a unit can't be written.
    """
    assert is_systemd, "click demands it"
    program = program_of(Path(sys.argv[0]))
    for path in (program, config_path):
        if not _is_text(path):
            die(f"{os.fsencode(path)!r}: units are UTF-8, and this path is not", exits.CONFIG)
    units = units_of(program, config_path, systemd_version())
    if is_printed:
        for name, text in units.items():
            say(f"# --- {place / name}\n{text}")
        return
    try:
        for name, text in units.items():
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.name}.partial")
            partial.write_text(text, encoding="utf-8")
            partial.chmod(0o644)
            partial.rename(path)
            say(str(path))
    except OSError as error:
        die(f"not installed: {error}", exits.UNRECORDED)
    say(
        f"now: systemd-sysusers --inline 'g {GROUP} -' && systemctl daemon-reload"
        " && systemctl enable --now kalshid.service kalshid-backup.timer"
    )
    say(f"who may command it besides root: usermod --append --groups {GROUP} NAME")
    say("where models are trained (extra `lab`), also: systemctl enable --now kalshid-retrain.timer")


def program_of(called: Path) -> Path:
    """Return the `kalshid` that units can start: what was called, or that beside `python -m daemon`."""
    program = called.absolute()
    if called.name == "__main__.py":
        program = Path(sys.executable).absolute().parent / "kalshid"
        if not program.is_file():
            die(f"{program}: not there; install kalshid for this interpreter", exits.CONFIG)
    if _UNSTARTABLE.search(str(program)):
        wrong = "systemd starts no program whose path has a quote, a backslash, a $ or a control character"
        die(f"{program}: {wrong}", exits.CONFIG)
    return program


def units_of(program: Path, config_path: Path, version: int | None) -> dict[str, str]:
    """Return the units' texts by their path below systemd's folder.

    Args:
        program: the `kalshid` that they start.
        config_path: its configuration.
        version: systemd's; None where there is none, and then as for a new one.
    """
    if not UNITS.is_dir():
        die(f"{UNITS}: not there; the units come with a checkout", exits.CONFIG)
    found = {}
    for path in sorted(path for path in UNITS.rglob("*") if path.is_file()):
        name = str(path.relative_to(UNITS))
        needs = _VERSIONED.search(name)
        if needs is not None and version is not None and version < int(needs[1]):
            continue
        text = path.read_text(encoding="utf-8")
        found[name] = text.replace(_PROGRAM, quoted(str(program))).replace(
            str(CONFIG), quoted(str(config_path.absolute()))
        )
    return found


def quoted(word: str) -> str:
    """Return a word as a unit's command line has it: in quotes, escaped, where it is not plain.

    Source: systemd.service(5), "Command lines", and systemd.syntax(7), "Quoting".
    """
    if _PLAIN.fullmatch(word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return '"' + re.sub(r"[\x01-\x1f\x7f]", lambda found: f"\\x{ord(found[0]):02x}", escaped) + '"'


def words_of(command: str) -> list[str]:
    """Return the words of a command line that `quoted` wrote."""
    return [_unquoted(found) for found in _WORD.finditer(command)]


def _unquoted(found: re.Match[str]) -> str:
    if found[1] is None:
        return found[2]
    text = found[1].replace("%%", "%").replace("$$", "$")
    return re.sub(r"\\(?:x([0-9a-f]{2})|(.))", lambda one: chr(int(one[1], 16)) if one[1] else one[2], text)


def _is_text(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def systemd_version() -> int | None:
    """Return the version of the systemd that is installed here; None where there is none."""
    try:
        said = subprocess.run(
            ["/usr/bin/env", "systemctl", "--version"], capture_output=True, text=True, timeout=10,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin")}, check=False,
        ).stdout  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.match(r"systemd (\d+)", said)
    return None if match is None else int(match.group(1))
