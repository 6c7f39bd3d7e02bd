"""The importer: a small recording of our own, row by row, and the real one where it lies beside."""

from pathlib import Path

import pytest

pa = pytest.importorskip("pyarrow", reason="needs the extra `lab`")
pq = pytest.importorskip("pyarrow.parquet", reason="needs the extra `lab`")

from daemon.core.units import MINUTE, SECOND  # noqa: E402
from daemon.exchange.tape import (  # noqa: E402
    TapeCounts,
    TapeDelta,
    TapeManifest,
    TapeReader,
    TapeRecord,
    TapeSnapshot,
    TapeSpot,
    TapeTicker,
)
from daemon.lab.parquet_source import SourceError  # noqa: E402
from daemon.lab.tape import import_tape  # noqa: E402

RECORDED = Path(__file__).parents[2] / "../shared/data/kalshi_btc15m_2026-05"
T = 1_778_477_400 * SECOND
MS = T // 1_000_000
M = "KXBTC15M-26MAY110145-45"

needs_recording = pytest.mark.skipif(
    not RECORDED.is_dir(), reason=f"no recorded data at {RECORDED}: the importer's real run is not tested"
)


def write_recording(folder: Path) -> Path:
    """Write a recording of one session, with a gap, a tie, and a side that was left out."""
    folder.mkdir()
    deltas = {
        "recv_ns": [T + 5, T + 5, T + 9],
        "exch_ms": [MS, MS, MS + 1],
        "ticker": [M, M, M],
        "seq": [2, 3, 7],
        "side": ["yes", "no", "yes"],
        "price_e4": [4000, 5500, 4000],
        "delta_e2": [100, 250, -100],
        "conn": ["c", "c", "c"],
        "session": ["s", "s", "s"],
    }
    snapshots = {
        "recv_ns": [T + 5],
        "ticker": [M],
        "seq": [1],
        "yes": ['[["0.3900", "10.00"], ["0.4000", "2.50"]]'],
        "no": ["null"],
        "conn": ["c"],
        "session": ["s"],
    }
    ticker = {
        "recv_ns": [T + 7],
        "exch_ms": [MS],
        "ticker": [M],
        "yes_bid": [0.0],
        "yes_ask": [0.57],
        "yes_bid_size": [0.0],
        "yes_ask_size": [2.5],
        "last": [0.41],
        "last_size": [1.0],
        "volume": [12.34],
        "open_interest": [3.0],
        "conn": ["c"],
        "session": ["s"],
    }
    spot = {
        "source": ["venue"] * 3,
        "symbol": ["BTC-USD"] * 3,
        "trade_id": ["1", "2", "3"],
        "exch_ts": pa.array([T // 1000] * 3, pa.timestamp("us", tz="UTC")),
        "recv_ns": [T - MINUTE - SECOND, T - MINUTE + 6, T + 8],
        "price": [81_131.29, 81_131.3, 81_131.0],
    }
    for name, columns in (
        ("orderbook_deltas", deltas),
        ("orderbook_snapshots", snapshots),
        ("ticker", ticker),
        ("spot_ticks", spot),
    ):
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    (folder / "markets.csv").write_text(
        f"recv_ns,ticker,close_time,strike,status,session\n1,{M},2026-05-11T05:45:00Z,80938.41,active,s\n"
    )
    (folder / "outcomes.csv").write_text(
        f"ticker,result,strike,close_time\n{M},no,80938.41,2026-05-11T05:45:00Z\n"
    )
    (folder / "kxbtc15m_results.csv").write_text("market,result,status,settlement_ts,close_time\n")
    return folder


def records(folder: Path, manifest: TapeManifest) -> list[TapeRecord]:
    entry = manifest.sessions[0]
    return list(TapeReader((folder / entry.file).read_bytes(), entry.file))


def test_every_row_arrives_in_order_with_both_clocks(tmp_path: Path) -> None:
    """Snapshot before delta at a tie, spot from a minute before the session, the recorded gap kept."""
    manifest = import_tape(write_recording(tmp_path / "in"), tmp_path / "out")

    sent = MS * 1_000_000
    expected: list[TapeRecord] = [
        TapeSpot("venue", "BTC-USD", 81_131_300_000, "2", T - MINUTE + 6, T),
        TapeSnapshot(M, ((3900, 1000), (4000, 250)), (), 1, 0, T + 5, None),
        TapeDelta(M, "yes", 4000, 100, 2, 0, T + 5, sent),
        TapeDelta(M, "no", 5500, 250, 3, 0, T + 5, sent),
        TapeTicker(M, None, 5700, 0, 250, 4100, 100, 1234, 300, 0, T + 7, sent),
        TapeSpot("venue", "BTC-USD", 81_131_000_000, "3", T + 8, T),
        TapeDelta(M, "yes", 4000, -100, 7, 0, T + 9, sent + 1_000_000),
    ]
    assert expected == records(tmp_path / "out", manifest)[1:-1]
    assert TapeCounts(snapshots=1, deltas=3, tickers=1, spots=2, jumps=1) == manifest.sessions[0].counts


def test_markets_get_strike_close_and_outcome(tmp_path: Path) -> None:
    """From the CSV files beside the recording."""
    market = import_tape(write_recording(tmp_path / "in"), tmp_path / "out").markets[0]

    assert (M, "KXBTC15M-26MAY110145", "KXBTC15M") == (
        market.ticker,
        market.event_ticker,
        market.series_ticker,
    )
    assert (80_938_410_000, "no", 15 * MINUTE) == (
        market.strike,
        market.outcome,
        market.close_at - market.open_at,
    )


def test_a_strike_is_known_since_it_was_first_seen(tmp_path: Path) -> None:
    """By the recorder's clock, at its first sight of several; a line without a strike tells nothing."""
    folder = write_recording(tmp_path / "in")
    lines = (folder / "markets.csv").read_text().splitlines()
    later, without = (lines[1].replace("1,", f"{at},", 1) for at in (9, 0))
    (folder / "markets.csv").write_text(
        "\n".join([lines[0], later, without.replace("80938.41", ""), lines[1]])
    )

    assert import_tape(folder, tmp_path / "out").markets[0].strike_known_at == 1
    (folder / "markets.csv").write_text("\n".join([lines[0], lines[1].replace("1,", "soon,", 1)]))
    with pytest.raises(SourceError, match=r"markets\.csv: column 'recv_ns' of .* holds 'soon', no Ns"):
        import_tape(folder, tmp_path / "other")


def test_an_unknown_outcome_stays_unknown(tmp_path: Path) -> None:
    """No file tells it: None, not a guess."""
    folder = write_recording(tmp_path / "in")
    (folder / "outcomes.csv").write_text("ticker,result,strike,close_time\n")

    assert import_tape(folder, tmp_path / "out").markets[0].outcome is None


def test_files_that_disagree_are_refused(tmp_path: Path) -> None:
    """Two strikes for one market: the file and the market are named."""
    folder = write_recording(tmp_path / "in")
    (folder / "outcomes.csv").write_text(
        f"ticker,result,strike,close_time\n{M},no,1.00,2026-05-11T05:45:00Z\n"
    )
    with pytest.raises(SourceError, match=rf"outcomes\.csv: {M}"):
        import_tape(folder, tmp_path / "out")


def test_an_unknown_side_is_refused(tmp_path: Path) -> None:
    """A third side of a book isn't taken for one of the two."""
    folder = write_recording(tmp_path / "in")
    table = pq.read_table(folder / "orderbook_deltas.parquet")
    place = table.schema.get_field_index("side")
    pq.write_table(
        table.set_column(place, "side", pa.array(["yes", "maybe", "no"])),
        folder / "orderbook_deltas.parquet",
    )
    with pytest.raises(SourceError, match=r"orderbook_deltas\.parquet: column 'side'.*maybe"):
        import_tape(folder, tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_an_unknown_session_is_refused(tmp_path: Path) -> None:
    """Asking for a session that wasn't recorded is an error, not an empty tape."""
    with pytest.raises(SourceError, match="no such session: other"):
        import_tape(write_recording(tmp_path / "in"), tmp_path / "out", ["other"])


def test_progress_reaches_the_total(tmp_path: Path) -> None:
    """Whoever waits is told rows done and rows in all."""
    told: list[tuple[int, int]] = []
    import_tape(write_recording(tmp_path / "in"), tmp_path / "out", progress=lambda *rows: told.append(rows))

    assert told[-1] == (3, 3)


@pytest.fixture(scope="module")
def recorded_manifest(tmp_path_factory: pytest.TempPathFactory) -> TapeManifest:
    return import_tape(RECORDED, tmp_path_factory.mktemp("recorded") / "tape")


@needs_recording
def test_the_recorded_set_is_counted_as_its_readme_counts_it(recorded_manifest: TapeManifest) -> None:
    """Rows, streams, sessions with deltas, and every oddity of the sequence survive the import."""
    sessions = recorded_manifest.sessions

    def total(name: str) -> int:
        return sum(getattr(entry.counts, name) for entry in sessions)

    assert (1_751_246, 196, 55_664) == (total("deltas"), total("snapshots"), total("tickers"))
    assert (51, 73, 2) == (total("jumps"), total("backward_steps"), total("repeats"))
    assert (48, 33) == (
        sum(len(entry.conns) for entry in sessions),
        sum(entry.counts.deltas > 0 for entry in sessions),
    )


@needs_recording
def test_one_recorded_session_is_imported_the_same_alone(
    recorded_manifest: TapeManifest, tmp_path: Path
) -> None:
    """Output is deterministic: a session's file doesn't depend on its neighbours."""
    smallest = min(
        (entry for entry in recorded_manifest.sessions if entry.counts.deltas),
        key=lambda entry: entry.counts.deltas,
    )
    alone = import_tape(RECORDED, tmp_path / "alone", [smallest.session])

    assert (smallest,) == alone.sessions
