"""The search: facts and commands by a piece of text, newest first, bounded, market data apart."""

from __future__ import annotations

import asyncio

from daemon.core import events as e
from daemon.core.commands import CancelOrder, LatchHalt
from daemon.shell.page.recent import FOUND_MAX, KEPT, WORDS_CHARS_MAX, Note, Recent, note_of
from tests.core.worlds import NOW, TICKER, snapshot

WITHIN_S = 10.0


async def found(recent: Recent, text: str) -> list[Note]:
    """What a search says, bounded in time."""
    return await asyncio.wait_for(recent.find(text), WITHIN_S)


async def test_a_text_is_found_in_small_letters_or_large_newest_first() -> None:
    """By ticker, by id, by the name of what happened."""
    recent = Recent()
    halt = e.HaltRequested("enough", NOW, "page")
    cancel = CancelOrder("kd-1", "v-1", TICKER, 0, "not wanted", NOW)
    recent.on_batch([halt], [cancel])
    assert ["CancelOrder", "HaltRequested"] == [one.kind for one in await found(recent, "")]
    assert ["CancelOrder"] == [one.kind for one in await found(recent, TICKER.lower())]
    (note,) = await found(recent, "HALTREQ")
    assert Note(NOW, "HaltRequested", "reason=enough by=page") == note
    assert [] == await found(recent, "nothing holds this")


async def test_market_facts_push_nothing_out() -> None:
    """They come hundreds of times a second; the search is for what is rare."""
    recent = Recent()
    recent.on_batch([e.HaltRequested("enough", NOW, "page")], [])
    for _ in range(KEPT + 1):
        recent.on_batch([snapshot(NOW)], [])
    assert ["HaltRequested"] == [one.kind for one in await found(recent, "")]


async def test_memory_and_answers_are_bounded() -> None:
    """So many are kept, so many are told, and none is longer than a line or two."""
    recent = Recent()
    for number in range(KEPT + 5):
        recent.on_batch([e.HaltRequested(f"number {number} " + "x" * 1_000, NOW, "page")], [])
    assert KEPT == len(recent.kept)
    notes = await found(recent, "number")
    assert FOUND_MAX == len(notes)
    assert notes[0].words.startswith(f"reason=number {KEPT + 4} ")
    assert WORDS_CHARS_MAX + 1 == len(notes[0].words)


async def test_a_search_lets_the_loop_turn() -> None:
    """Nothing that is looked up may sit between a tick and its decision."""
    recent = Recent()
    recent.on_batch([e.HaltRequested("enough", NOW, "page")] * KEPT, [])
    turns = 0
    asked = asyncio.create_task(recent.find("nothing holds this"))
    while not asked.done():
        turns += 1
        await asyncio.sleep(0)
    assert KEPT // 100 < turns


def test_what_is_unknown_is_left_out() -> None:
    """A field that is None says nothing; a command's instant is that of its decision."""
    note = note_of(LatchHalt("enough", "page", NOW))
    assert (NOW, "LatchHalt", "reason=enough by=page") == (note.at, note.kind, note.words)
