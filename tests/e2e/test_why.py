"""`why` and `explain` asked of a daemon that runs: its journal is read while it writes."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from click.testing import CliRunner

from daemon import exits
from daemon.cli import main
from daemon.core.commands import PlaceOrder
from daemon.shell.journal import read_journal
from tests.e2e.daemon_process import Daemon, end_sandbox, write_config


def placed(daemon: Daemon) -> list[str]:
    """Our ids of the orders that it has placed."""
    return [
        record.client_order_id
        for path in daemon.journals
        for batch in read_journal(path)
        for record in batch
        if isinstance(record, PlaceOrder)
    ]


def test_a_running_daemon_can_be_asked_why(tmp_path: Path) -> None:
    """The same core gives the same commands, and the life of a fresh order is told up to now."""
    config = write_config(tmp_path)
    daemon = Daemon(config)
    try:
        daemon.wait_until(lambda: len(daemon.journals) == 1 and bool(placed(daemon)))
        answers = []
        for words in (("why",), ("explain", placed(daemon)[0])):
            result = CliRunner().invoke(main, [*words, "--config", str(config), "--json"])
            assert exits.OK == result.exit_code, result.output
            answers.append(json.loads(result.stdout))
        why, life = answers
        assert (0, 0) == (why["different"], life["different"])
        (chain,) = why["chains"]
        assert chain["made"]["placed"] >= 1
        assert "trades" == life["decisions"][0]["reason"]["stage"]
        daemon.stop(signal.SIGINT)
        daemon.wait(60)
    finally:
        daemon.kill()
        end_sandbox(tmp_path)
