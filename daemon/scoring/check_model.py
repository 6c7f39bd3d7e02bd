"""The child process that looks at a model folder: `python -m daemon.scoring.check_model FOLDER`.

It sets itself limits, loads the folder as the daemon would, scores the frozen rows, and prints one line of
JSON, a `Verdict`. It exits 0 with any verdict. `vetting` runs it, and knows what its other ends mean.
"""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import msgspec

_LIMITS = {
    resource.RLIMIT_AS: 4 << 30,  # libraries reserve much more than they use
    # Below the service's MemoryMax together with the daemon: a model must not bring that down from here.
    resource.RLIMIT_DATA: 1 << 30,
    resource.RLIMIT_CPU: 30,
    resource.RLIMIT_FSIZE: 1 << 20,
    resource.RLIMIT_CORE: 0,
}
"""Bytes and seconds. No longer than that by its own clock, whoever started it may have died."""
_REASON_MAX = 2000


class Vetted(msgspec.Struct, frozen=True, tag_field="verdict", tag="vetted"):
    """The folder loads and scores as it says."""

    name: str
    version: str
    kind: str
    metadata_sha256: str
    """Pins what was looked at."""
    absent: tuple[str, ...] = ()
    """Of an ensemble: why members are not here."""


class Refused(msgspec.Struct, frozen=True, tag_field="verdict", tag="refused"):
    """It does not, and why."""

    reason: str


Verdict: TypeAlias = Vetted | Refused


def look(folder: Path) -> Verdict:
    """Return what loading a folder says of it; never raises for what is wrong with it."""
    # Imported under the limits: what the libraries do at import counts too.
    from daemon.scoring.metadata import ModelRefused  # noqa: PLC0415
    from daemon.scoring.registry import load_model  # noqa: PLC0415

    try:
        model = load_model(folder)
    except ModelRefused as error:
        return Refused(str(error)[:_REASON_MAX])
    except MemoryError:
        return Refused(f"{folder}: needs more memory than a model may have")
    except Exception as error:  # noqa: BLE001 - a refusal too: nothing foreseen says that it is sound
        return Refused(f"{folder}: {error!r}"[:_REASON_MAX])
    metadata = model.metadata
    return Vetted(metadata.name, metadata.version, metadata.kind, model.metadata_sha256, model.absent)


def main() -> None:
    """Look at the folder that the command line names, and print the verdict."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m daemon.scoring.check_model FOLDER")
    # Libraries print what they like: the verdict alone goes to the real output.
    out = os.dup(1)
    os.dup2(2, 1)
    for limit, most in _LIMITS.items():
        with suppress(ValueError, OSError):  # a system that has no such limit, or a lower one already
            resource.setrlimit(limit, (most, most))
    verdict = look(Path(sys.argv[1]))
    os.write(out, msgspec.json.encode(verdict) + b"\n")
    # Not by the interpreter's own end: what the libraries clean up must not undo a verdict.
    os._exit(0)


if __name__ == "__main__":
    main()
