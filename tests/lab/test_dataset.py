"""Builds: reproducible, resumable, refused where they would mix, and blind to the future."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("pyarrow", reason="needs the extra `lab`")

import pyarrow.parquet as pq

from daemon.core.markets import MarketResult
from daemon.core.scorer import FeatureSchema
from daemon.core.units import MINUTE, SECOND
from daemon.exchange.tape import TapeError
from daemon.lab import dataset
from daemon.lab.dataset import Tapes, build_dataset, group_of
from daemon.lab.dataset_manifest import DatasetError, Manifest, file_sha256
from daemon.lab.sampling import Row, Sampler, Sampling
from daemon.lab.tape_events import Happening
from tests.lab.tiny_tape import MARKETS, START, TICKERS, market, stream, write_tape

SCHEMA = FeatureSchema(("mid", "spread", "ofi_1s", "strike_distance", "seconds_to_close"))
LABELS = ("settles_yes", "direction_2s")


def two_sessions(folder: Path) -> Path:
    write_tape(folder, {"a": stream(1, 10), "b": stream(2, 10, START + MINUTE)})
    return folder


def build(tape: Path, target: Path, sampling: Sampling | None = None) -> Manifest:
    return build_dataset([tape], target, SCHEMA, sampling or Sampling(), LABELS)


def test_the_same_recipe_gives_the_same_bytes(tmp_path: Path) -> None:
    """In another folder, of a tape elsewhere: rows and manifest alike."""
    one = build(two_sessions(tmp_path / "x" / "tape"), tmp_path / "one")
    other = build(two_sessions(tmp_path / "y" / "tape"), tmp_path / "other")

    assert one == other
    for name in ("rows.parquet", "manifest.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
    assert ["manifest.json", "rows.parquet"] == sorted(path.name for path in (tmp_path / "one").iterdir())


def test_a_manifest_counts_what_is_there(tmp_path: Path) -> None:
    """Rows by session, known labels, independent outcomes, and the markets with what they ended as."""
    manifest = build(two_sessions(tmp_path / "tape"), tmp_path / "out")

    assert {"0-a": 20, "0-b": 20} == manifest.rows_by_session
    assert (40, 1, 1) == (manifest.rows, manifest.events, manifest.settlements)
    assert 40 == manifest.labelled["settles_yes"]
    assert MARKETS == manifest.markets
    assert file_sha256(tmp_path / "out" / "rows.parquet") == manifest.rows_sha256


def test_what_is_done_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second build reads the manifest, checks the bytes, and samples nothing."""
    tape = two_sessions(tmp_path / "tape")
    first = build(tape, tmp_path / "out")
    monkeypatch.setattr(dataset, "Sampler", None)

    assert first == build(tape, tmp_path / "out")


def test_an_interrupted_build_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C behind the first session: that one is kept, and the result is as if nothing had happened."""
    tape = two_sessions(tmp_path / "tape")

    def interrupt(session: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_dataset([tape], tmp_path / "out", SCHEMA, Sampling(), LABELS, progress=interrupt)
    first = tmp_path / "out" / "parts" / "0-a.rows.parquet"
    assert first.exists()
    assert not (tmp_path / "out" / "manifest.json").exists()
    sampled: list[int] = []

    class Counted(Sampler):
        def rows(self, happenings: Iterable[Happening]) -> Iterator[Row]:
            sampled.append(1)
            return super().rows(happenings)

    monkeypatch.setattr(dataset, "Sampler", Counted)
    resumed = build(tape, tmp_path / "out")

    assert 1 == len(sampled)
    assert build(tape, tmp_path / "whole") == resumed


def test_another_recipe_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    """Finished or not: it says in what the two differ, and leaves what is there."""
    tape = two_sessions(tmp_path / "tape")
    build(tape, tmp_path / "out")
    with pytest.raises(DatasetError, match="holds another dataset: sampling differ"):
        build(tape, tmp_path / "out", Sampling(every=2 * SECOND))

    def interrupt(session: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_dataset([tape], tmp_path / "half", SCHEMA, Sampling(), LABELS, progress=interrupt)
    with pytest.raises(DatasetError, match="unfinished build of another dataset: sampling differ"):
        build(tape, tmp_path / "half", Sampling(every=2 * SECOND))


def test_rows_that_were_changed_are_refused(tmp_path: Path) -> None:
    """A finished dataset whose file isn't the manifest's is never taken for done."""
    tape = two_sessions(tmp_path / "tape")
    build(tape, tmp_path / "out")
    (tmp_path / "out" / "rows.parquet").write_bytes(b"other")
    with pytest.raises(DatasetError, match=r"rows\.parquet: not the file"):
        build(tape, tmp_path / "out")


def test_a_damaged_tape_makes_no_dataset(tmp_path: Path) -> None:
    """The tape's own check names the file; no manifest is left."""
    tape = two_sessions(tmp_path / "tape")
    content = (tape / "b.tape").read_bytes()
    (tape / "b.tape").write_bytes(content[:-3])
    with pytest.raises(TapeError, match=r"b\.tape"):
        build(tape, tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_what_a_market_ended_as_is_no_feature(tmp_path: Path) -> None:
    """Other outcomes change labels, and no other column: the resolved fields never reach a row."""
    write_tape(tmp_path / "tape", {"a": stream(1, 10)})
    flipped: dict[MarketResult, MarketResult] = {"yes": "no", "no": "yes"}
    other = tuple(msgspec.structs.replace(one, outcome=flipped[one.outcome or "yes"]) for one in MARKETS)
    write_tape(tmp_path / "other", {"a": stream(1, 10)}, other)
    tables = []
    for name in ("tape", "other"):
        build(tmp_path / name, tmp_path / f"{name}-out")
        tables.append(pq.read_table(tmp_path / f"{name}-out" / "rows.parquet"))

    labels = [table.column("label_settles_yes").to_numpy() for table in tables]
    assert (1 - labels[0]).tolist() == labels[1].tolist()
    assert tables[0].drop_columns(["label_settles_yes"]).equals(tables[1].drop_columns(["label_settles_yes"]))


def test_sessions_without_book_changes_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    """A snapshot that nothing follows is no stream."""
    write_tape(tmp_path / "tape", {"a": stream(1, 5), "b": stream(2, 5)[:2]})

    assert ["0-a"] == list(Tapes([tmp_path / "tape"]).sessions)
    assert ["0-b"] == list(Tapes([tmp_path / "tape"], ["b"]).sessions)
    with pytest.raises(DatasetError, match="no such session: c; there are: a, b"):
        Tapes([tmp_path / "tape"], ["c"])


def test_two_tapes_must_agree_on_how_a_market_ended(tmp_path: Path) -> None:
    """One that doesn't know learns from the other; two that contradict each other are refused."""
    write_tape(tmp_path / "one", {"a": stream(1, 5)}, (market(TICKERS[0], None), MARKETS[1]))
    write_tape(tmp_path / "two", {"a": stream(2, 5)}, (market(TICKERS[0], "no"), MARKETS[1]))
    write_tape(tmp_path / "three", {"a": stream(3, 5)}, (market(TICKERS[0], "yes"), MARKETS[1]))
    known = Tapes([tmp_path / "one", tmp_path / "two"])

    assert (["0-a", "1-a"], "no") == (list(known.sessions), known.markets[TICKERS[0]].outcome)
    with pytest.raises(DatasetError, match=f"{TICKERS[0]} ended yes, but another tape says no"):
        Tapes([tmp_path / "two", tmp_path / "three"])


def test_a_recording_has_no_decisions(tmp_path: Path) -> None:
    """Asked for rows at decisions, it says what to do instead."""
    write_tape(tmp_path / "tape", {"a": stream(1, 5)})
    with pytest.raises(DatasetError, match="no decisions on the tape in session 0-a: sample it by a grid"):
        build(tmp_path / "tape", tmp_path / "out", Sampling("decision", 0))


def test_markets_on_one_number_are_one_settlement() -> None:
    """Two series on one underlying that close together hang together; another close is another."""
    hourly = msgspec.structs.replace(market("KXBTC-H-1"), series_ticker="KXBTC")
    later = market("KXBTC15M-B-1", close_at=START + 20 * MINUTE)
    other = msgspec.structs.replace(market("KXCPI-1-1"), series_ticker="KXCPI")

    assert group_of(MARKETS[0]).settlement == group_of(hourly).settlement
    assert group_of(MARKETS[0]).settlement != group_of(later).settlement
    assert group_of(other).settlement.startswith("KXCPI@2026-09-21T")
