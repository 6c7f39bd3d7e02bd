"""The golden journal as a session: what tests of the retelling are about."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from daemon.assembly import Setup, build_engine
from daemon.core.engine import Engine
from daemon.scoring.registry import load_model
from daemon.shell.journal import read_journal
from daemon.shell.retold import Session, session_of

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/golden/sandbox.journal"
EPOCH = read_journal(GOLDEN).header.epoch


@cache
def setup() -> Setup:
    """What its engine was built from."""
    return msgspec.msgpack.decode(read_journal(GOLDEN).header.engine, type=Setup)


def golden_engine() -> Engine:
    """A fresh engine as its header describes it."""
    return build_engine(setup(), load_model(ROOT / setup().model.path).scorer)


def session_in(folder: Path) -> Session:
    """The journal under its own name in a folder, as the daemon left it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{EPOCH}.journal"
    path.write_bytes(GOLDEN.read_bytes())
    return session_of(path)
