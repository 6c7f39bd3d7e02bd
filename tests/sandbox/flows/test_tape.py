"""The tape's flow: a small hand-made tape, and a recorded session where the recording lies beside."""

from itertools import count, pairwise
from pathlib import Path

import pytest

from daemon.core.book import Ladder
from daemon.core.markets import Fees, MarketResult
from daemon.core.units import MINUTE, SECOND, Ns, Side
from daemon.exchange.exchange import Exchange
from daemon.exchange.facts import (
    BookReplaced,
    Determined,
    LevelChanged,
    MarketClosed,
    Settled,
    TickerTold,
    Traded,
)
from daemon.exchange.tape import (
    TapeDelta,
    TapeError,
    TapeMarket,
    TapeRecord,
    TapeSnapshot,
    TapeSpot,
    TapeTicker,
    TapeTrade,
)
from daemon.exchange.tick_tables import TAPERED_DECI_CENT
from daemon.lab.tape_writer import TapeWriter
from daemon.sandbox.flow import ConnectionCut, Ended, Flow, Resumed, SequenceJumped, SpotPrinted, Telling
from daemon.sandbox.flows.tape import TapeFlow, TapeFolder, tape_flow

RECORDED = Path(__file__).parents[3] / "../shared/data/kalshi_btc15m_2026-05"
T: Ns = 1_767_225_600 * SECOND


def market(ticker: str, close_at: Ns, outcome: MarketResult | None) -> TapeMarket:
    return TapeMarket(
        ticker, "E", "KXBTC15M", "title", T - MINUTE, close_at, 85_000_000_000, "greater_or_equal",
        TAPERED_DECI_CENT, Fees("quadratic", 1_000_000), 2, outcome,
    )  # fmt: skip


def delta(seq: int, at: Ns, price: int = 4100, change: int = 100, side: Side = "yes") -> TapeDelta:
    return TapeDelta("A", side, price, change, seq, 0, at, at - SECOND)


FIRST: list[TapeRecord] = [
    TapeSpot("venue", "BTC-USD", 85_000_000_000, "7", T, T),
    TapeSnapshot("A", ((4000, 500),), ((5500, 300),), 10, 0, T + 1, None),
    delta(11, T + 2),
    delta(14, T + 3, change=-50),
    delta(14, T + 4, price=5500, change=100, side="no"),
    delta(12, T + 5),
    TapeTicker("A", 4100, 4500, 150, 400, 4200, None, 900, 800, 0, T + 6, T + 6),
    TapeTrade("A", "t", 4200, 100, "yes", 0, T + 7, T + 7),
]
SECOND_SESSION: list[TapeRecord] = [
    TapeSnapshot("A", ((4300, 100),), (), 1, 0, T + MINUTE, None),
    TapeSnapshot("B", ((4300, 100),), (), 2, 0, T + MINUTE, None),
]


def write(folder: Path, outcome: MarketResult | None = "yes") -> Path:
    with TapeWriter(folder, "a test") as tape:
        for name, records in (("one", FIRST), ("two", SECOND_SESSION)):
            session = tape.session(name, ("c",), records[0].received_at)
            for record in records:
                session.add(record)
        tape.finish((market("A", T + 30 * SECOND, outcome), market("B", T + 5 * MINUTE, "no")))
    return folder


def exchange() -> Exchange:
    ids = count(1)
    return Exchange(lambda: str(next(ids)))


def play(flow: TapeFlow, venue: Exchange) -> list[Telling]:
    """Run a tape to its end as the server does: steps of 50 ms, and jumps where it is told to."""
    told: list[Telling] = []
    now = flow.start_at
    for _ in range(100_000):
        step = flow.advance(venue, now)
        told += step
        told += venue.advance(now)
        if any(isinstance(fact, Ended) for fact in step):
            return told
        cuts = [fact for fact in step if isinstance(fact, ConnectionCut)]
        resume_at = cuts[-1].resume_at if cuts else None
        now = now + 50_000_000 if resume_at is None else max(now, resume_at)
    raise AssertionError("the tape doesn't end")


def whole(folder: Path) -> TapeFlow:
    return TapeFlow(TapeFolder(folder), None, ("one", "two"))


def test_it_is_a_flow(tmp_path: Path) -> None:
    """Made for any earlier life: a tape resumes nothing, and begins at its own time."""
    flow: Flow = tape_flow(write(tmp_path), 4.0)(Resumed(5, 1, None, ()))

    assert ("tape", 4.0, T) == (flow.mode, flow.speed, flow.start_at)
    assert ((), ()) == (flow.history().trades, flow.history().markets)


def test_recorded_changes_are_told_with_the_exchange_s_own_stamp(tmp_path: Path) -> None:
    """So that a client sees the recorded lag: its time is the recorder's, the stamp the exchange's."""
    told = play(whole(write(tmp_path)), exchange())

    changes = [fact for fact in told if isinstance(fact, LevelChanged)]
    assert [T + 2 - SECOND, T + 3 - SECOND, T + 4 - SECOND, T + 5 - SECOND] == [fact.at for fact in changes]
    assert [100, -50, 100, 100] == [fact.delta for fact in changes]


def test_odd_sequence_numbers_are_passed_on(tmp_path: Path) -> None:
    """A jump by two more, a repeat, a step back by three; a session's first number is none of these."""
    told = play(whole(write(tmp_path)), exchange())

    assert [2, -1, -3] == [fact.skipped for fact in told if isinstance(fact, SequenceJumped)]


def test_a_jump_is_told_just_before_its_message(tmp_path: Path) -> None:
    """The counter has to move first."""
    told = play(whole(write(tmp_path)), exchange())
    followers = [after for before, after in pairwise(told) if isinstance(before, SequenceJumped)]

    assert [LevelChanged] * 3 == [type(fact) for fact in followers]


def test_spot_summaries_and_prints_are_passed_on(tmp_path: Path) -> None:
    """The reference price under our feed's symbol; the summary as the venue made it; the trade."""
    told = play(whole(write(tmp_path)), exchange())

    spot = [fact for fact in told if isinstance(fact, SpotPrinted)]
    assert [("BTC/USD", 85_000_000_000, 7, T)] == [
        (each.symbol, each.price, each.trade_id, each.at) for each in spot
    ]
    assert [TickerTold("A", 4100, 4500, 150, 400, 4200, None, 900, 800, T + 6)] == [
        fact for fact in told if isinstance(fact, TickerTold)
    ]
    assert [("t", 4200, 100)] == [
        (fact.trade_id, fact.price, fact.qty) for fact in told if isinstance(fact, Traded)
    ]


def test_each_session_is_a_run_of_its_own(tmp_path: Path) -> None:
    """Books are emptied, connections cut, and time goes on where the next session begins."""
    told = play(whole(write(tmp_path)), exchange())

    cuts = [place for place, fact in enumerate(told) if isinstance(fact, ConnectionCut)]
    first, last = told[cuts[0]], told[cuts[1]]
    emptied = told[cuts[0] - 1]
    assert isinstance(first, ConnectionCut)
    assert isinstance(last, ConnectionCut)
    assert isinstance(emptied, BookReplaced)
    assert ("A", (), ()) == (emptied.ticker, emptied.yes, emptied.no)
    assert (T + MINUTE, T + 5 * MINUTE + 7 * SECOND) == (first.resume_at, last.resume_at)
    assert isinstance(told[-1], Ended)


def test_markets_end_as_the_manifest_says(tmp_path: Path) -> None:
    """A closes between the sessions, B behind the last one: both are determined and paid."""
    venue = exchange()
    told = play(whole(write(tmp_path)), venue)

    assert [("A", "yes", 10_000), ("B", "no", 0)] == [
        (fact.ticker, fact.result, fact.settlement_price) for fact in told if isinstance(fact, Determined)
    ]
    assert ["A", "B"] == [fact.ticker for fact in told if isinstance(fact, MarketClosed)]
    assert ["A", "B"] == [fact.ticker for fact in told if isinstance(fact, Settled)]


def test_an_unknown_outcome_is_not_settled(tmp_path: Path) -> None:
    """The market stays closed, and the flow says which it was."""
    venue, flow = exchange(), whole(write(tmp_path, outcome=None))
    play(flow, venue)

    assert ("closed", ["A"]) == (venue.markets["A"].status, flow.unsettled)


def test_sessions_without_deltas_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    """There is nothing to trade against."""
    told = play(TapeFlow(TapeFolder(write(tmp_path)), None), exchange())

    assert 1 == sum(isinstance(fact, ConnectionCut) for fact in told)
    assert "B" not in {fact.ticker for fact in told if isinstance(fact, BookReplaced)}


def test_a_damaged_file_is_refused_with_its_place(tmp_path: Path) -> None:
    """Before the first record of it is used."""
    write(tmp_path)
    content = bytearray((tmp_path / "one.tape").read_bytes())
    content[-3] ^= 1
    (tmp_path / "one.tape").write_bytes(content)
    with pytest.raises(TapeError, match=r"one\.tape: .* at byte \d+"):
        whole(tmp_path)


def test_a_file_of_another_tape_is_refused(tmp_path: Path) -> None:
    """Whole, but not the one of the manifest."""
    write(tmp_path)
    (tmp_path / "one.tape").write_bytes((tmp_path / "two.tape").read_bytes())
    with pytest.raises(TapeError, match=r"one\.tape: not the file that the manifest describes"):
        whole(tmp_path)


def test_a_folder_without_a_tape_is_refused(tmp_path: Path) -> None:
    """Naming the manifest that isn't there; so is a session that isn't."""
    with pytest.raises(TapeError, match=r"manifest\.json: no tape here"):
        TapeFolder(tmp_path)
    with pytest.raises(TapeError, match="no such session: three"):
        TapeFlow(TapeFolder(write(tmp_path)), None, ("three",))


@pytest.mark.skipif(
    not RECORDED.is_dir(),
    reason=f"no recorded data at {RECORDED}: the replay of a real session is not tested",
)
def test_a_recorded_session_is_replayed_as_it_was(tmp_path: Path) -> None:
    """The exchange's book, and one rebuilt from what is told, equal the book rebuilt from the tape's rows."""
    pytest.importorskip("pyarrow", reason="needs the extra `lab`")
    from daemon.lab.tape import import_tape

    name = "particle_shadow_forward_20260511T053340Z-0dc86f34"
    import_tape(RECORDED, tmp_path / "tape", [name])
    folder, venue = TapeFolder(tmp_path / "tape"), exchange()
    session = folder.manifest.sessions[0]
    flow = TapeFlow(folder, None)
    recorded: dict[Side, Ladder] = {"yes": Ladder(), "no": Ladder()}
    for record in folder.records(session):
        if isinstance(record, TapeSnapshot):
            recorded["yes"].replace(record.yes)
            recorded["no"].replace(record.no)
        elif isinstance(record, TapeDelta):
            recorded[record.side].add(record.price, record.delta)
    told: dict[Side, Ladder] = {"yes": Ladder(), "no": Ladder()}
    for now in range(session.started_at, session.ended_at + 1, SECOND // 20):
        for fact in flow.advance(venue, min(now, session.ended_at)):
            if isinstance(fact, BookReplaced):
                told["yes"].replace(fact.yes)
                told["no"].replace(fact.no)
            elif isinstance(fact, LevelChanged):
                told[fact.side].add(fact.price, fact.delta)
        for shown in (market.book.shown for market in venue.markets.values()):
            assert (told["yes"].sizes, told["no"].sizes) == (shown["yes"].sizes, shown["no"].sizes)
    for fact in flow.advance(venue, session.ended_at):
        assert isinstance(fact, LevelChanged)
        told[fact.side].add(fact.price, fact.delta)

    assert session.counts.deltas > 1_000
    assert (recorded["yes"].sizes, recorded["no"].sizes) == (told["yes"].sizes, told["no"].sizes)
