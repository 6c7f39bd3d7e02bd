"""`why` and `explain` asked of a daemon that runs: its journal is read while it writes."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

from click.testing import CliRunner

from daemon import exits
from daemon.cli import main
from daemon.core.events import QueuePlacesRead
from daemon.shell.journal import Record, read_journal
from tests.e2e.daemon_process import Daemon, end_sandbox, write_config


def records(daemon: Daemon) -> Iterator[Record]:
    """All that it has recorded."""
    for path in daemon.journals:
        for batch in read_journal(path):
            yield from batch


def queued(daemon: Daemon) -> list[str]:
    """The venue's ids of the orders whose place in the queue it was told."""
    told = [record.places for record in records(daemon) if isinstance(record, QueuePlacesRead)]
    return [place.order_id for places in told for place in places]


def test_a_running_daemon_can_be_asked_why(tmp_path: Path) -> None:
    """The same core gives the same commands; an order's life is told up to now, its queue too."""
    config = write_config(tmp_path)
    daemon = Daemon(config)
    try:
        daemon.wait_until(lambda: len(daemon.journals) == 1 and bool(queued(daemon)))
        answers = []
        for words in (("why",), ("explain", queued(daemon)[0])):
            result = CliRunner().invoke(main, [*words, "--config", str(config), "--json"])
            assert exits.OK == result.exit_code, result.output
            answers.append(json.loads(result.stdout))
        why, life = answers
        assert (0, 0) == (why["different"], life["different"])
        (chain,) = why["chains"]
        assert chain["made"]["placed"] >= 1
        assert "trades" == life["decisions"][0]["reason"]["stage"]
        assert "QueuePlacesRead" in [record["kind"] for record in life["records"]]
        daemon.stop(signal.SIGINT)
        daemon.wait(60)
    finally:
        daemon.kill()
        end_sandbox(tmp_path)
