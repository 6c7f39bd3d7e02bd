"""A dataset's rows are the live rows, bit for bit: a journal replayed by the engine, against its tape."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("pyarrow", reason="needs the extra `lab`")

import pyarrow.parquet as pq

from daemon.assembly import Setup, build_engine
from daemon.core.engine import Engine
from daemon.core.features import CATALOGUE
from daemon.core.scorer import FeatureSchema
from daemon.core.strategy import MarketView, Strategy, Wanted
from daemon.core.units import SECOND
from daemon.lab.dataset import build_dataset
from daemon.lab.journal_tape import import_journals
from daemon.lab.sampling import Sampling
from daemon.lab.tape import import_tape
from daemon.scoring.registry import load_model
from daemon.shell.journal import read_journal
from daemon.shell.replay import replay

ROOT = Path(__file__).parents[2]
JOURNAL = min((ROOT / "tests/golden").glob("*.journal"))
RECORDED = ROOT / "../shared/data/kalshi_btc15m_2026-05"
DAY = "0513"
Rows = dict[tuple[str, int], set[tuple[float | None, ...]]]

needs_recording = pytest.mark.skipif(
    not RECORDED.is_dir(), reason=f"no recorded data at {RECORDED}: no dataset of a recorded day is made"
)


class Watched:
    """A strategy as it is, and the rows that it was shown."""

    def __init__(self, strategy: Strategy, seen: Rows) -> None:
        self._strategy = strategy
        self._seen = seen

    def __getattr__(self, name: str) -> object:
        return getattr(self._strategy, name)

    def wants(self, view: MarketView) -> Wanted:
        """Note the row, and ask the strategy."""
        self._seen[view.spec.ticker, view.now].add(tuple(view.features.values()))
        return self._strategy.wants(view)


def live_rows() -> tuple[Engine, Rows]:
    """Every row that a strategy was shown when the journal was written."""
    file = read_journal(JOURNAL)
    setup = msgspec.msgpack.decode(file.header.engine, type=Setup)
    engine = build_engine(setup, load_model(ROOT / setup.model.path).scorer)
    seen: Rows = defaultdict(set)
    engine.changes.wrap(lambda slot: msgspec.structs.replace(slot, strategy=Watched(slot.strategy, seen)))
    replay(engine, file)
    return engine, seen


def test_rows_at_decisions_are_the_live_rows(tmp_path: Path) -> None:
    """Each row that a strategy was shown is in the dataset, by its market and instant, equal to the bit."""
    engine, live = live_rows()
    import_journals([JOURNAL], tmp_path / "tape")
    build_dataset(
        [tmp_path / "tape"], tmp_path / "out", engine.schema, Sampling("decision", 0), ["settles_yes"]
    )
    table = pq.read_table(tmp_path / "out" / "rows.parquet")
    made: Rows = defaultdict(set)
    columns = [table.column(name).to_pylist() for name in engine.schema.names]
    for ticker, at, *features in zip(
        table.column("ticker").to_pylist(), table.column("at").to_pylist(), *columns, strict=True
    ):
        made[ticker, at].add(tuple(features))

    assert len(live) > 300
    assert [] == [key for key, rows in live.items() if not rows <= made[key]]


@needs_recording
@pytest.mark.full
def test_a_recorded_day_becomes_a_dataset(tmp_path: Path) -> None:
    """1.3 million book changes of 13 May: its rows, and as many settled markets as have an outcome."""
    tape = import_tape(RECORDED, tmp_path / "tape")
    sessions = [one.session for one in tape.sessions if DAY in one.session and one.counts.deltas]
    manifest = build_dataset(
        [tmp_path / "tape"],
        tmp_path / "out",
        FeatureSchema(tuple(CATALOGUE)),
        Sampling(every=SECOND),
        ["settles_yes", "direction_5s"],
        sessions=sessions,
    )

    assert 1_307_726 == sum(one.counts.deltas for one in tape.sessions if one.session in sessions)
    assert (14_607, 35, 35) == (manifest.rows, manifest.events, manifest.settlements)
    assert 13_870 == manifest.labelled["settles_yes"]
