"""The pump and the latch: a halt is on disk before anything else of its decision leaves us."""

from __future__ import annotations

from pathlib import Path

from daemon.core import events as e
from daemon.core.units import SECOND
from daemon.shell.kill_switch import KillSwitch
from daemon.shell.latch import Latch
from daemon.shell.loop import Pump
from tests.core.worlds import T0, reconciled
from tests.shell.test_loop import START, AtBid, rig, watched


async def test_a_halt_is_on_disk_before_anything_else_of_its_decision(tmp_path: Path) -> None:
    """Nothing of that decision has come to the queue before; the resume takes it off the disk again."""
    subject = watched(AtBid())
    async with rig(subject, tmp_path / "journal") as joined:
        latch = Latch(tmp_path)
        joined.pump = Pump(
            subject, joined.inbox, joined.journal, joined.queue, joined.reader, now=joined.now,
            is_followed=True, on_latency=joined.latencies.append, on_batch=lambda _events, _commands: None,
            switch=KillSwitch(latch, now=joined.now, emit=joined.inbox.put),
        )  # fmt: skip
        was_latched: list[bool] = []
        joined.queue.on_put = lambda _command, _offset: was_latched.append(latch.is_set)
        for step in (0, 5, 10):
            joined.at = T0 + step * SECOND
            joined.pump.turn([*(START if not step else ()), reconciled(joined.at)])
        assert [False] == was_latched  # an order of ours is out
        joined.at += SECOND
        joined.pump.turn([e.HaltRequested("enough", joined.at, "page")])
        halt = latch.read()
        assert halt is not None
        assert ("enough", "page") == (halt.reason, halt.by)
        assert True not in was_latched[:1]
        assert all(was_latched[1:])
        joined.pump.turn([e.ResumeRequested("all is well", joined.at, "cli")])
        assert not latch.is_set
