"""Golden replays: recorded journals in, the recorded commands out, whatever the hash seed.

`UPDATE_GOLDEN=1` accepts what the core decides now: the events and instants stay, the commands are
written anew. The gate runs this under two hash seeds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from daemon.assembly import Setup, build_engine
from daemon.core.commands import Command, Decided
from daemon.core.engine import Engine
from daemon.core.records import frame
from daemon.scoring.registry import load_model
from daemon.shell.journal import JournalFile, Record, read_journal
from daemon.shell.replay import replay

ROOT = Path(__file__).parents[2]
JOURNALS = sorted(Path(__file__).parent.glob("*.journal"))


def engine_of(file: JournalFile) -> Engine:
    """A fresh engine as the journal's header describes it."""
    setup = msgspec.msgpack.decode(file.header.engine, type=Setup)
    return build_engine(setup, load_model(ROOT / setup.model.path).scorer)


def decided_anew(file: JournalFile) -> Iterator[list[Record]]:
    """The journal's batches with the commands that the core gives now."""
    engine = engine_of(file)
    for batch in file:
        fresh: list[Record] = []
        for record in batch:
            if isinstance(record, Decided):
                fresh += [record, *engine.decide(record.now)]
            elif not isinstance(record, Command):
                engine.handle(record)
                fresh.append(record)
        yield fresh


def accept(path: Path) -> None:
    """Write a journal anew with the commands that the core gives now."""
    file = read_journal(path)
    parts = [frame(msgspec.msgpack.encode(file.header))]
    parts += [frame(msgspec.msgpack.encode(batch)) for batch in decided_anew(file) if batch]
    path.write_bytes(b"".join(parts))


def test_there_are_golden_journals() -> None:
    """A replay of nothing proves nothing."""
    assert JOURNALS != []


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: path.stem)
def test_the_recorded_commands_come_out_again(path: Path) -> None:
    """Every decision of the journal gives the commands that were recorded."""
    if os.environ.get("UPDATE_GOLDEN") == "1":
        accept(path)
    file = read_journal(path)
    assert not file.is_torn
    result = replay(engine_of(file), file)
    assert result.differences == ()
    assert result.commands > 20
    assert result.events > 1_000
