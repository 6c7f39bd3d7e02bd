"""The shelf: what is in the registry, who answers; a strange file harms no other model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("scipy", reason="needs the extra `lab`")

from daemon.lab.promotion import RECORD_FILE, promote
from daemon.lab.serve.bodies import Refused
from daemon.lab.serve.shelf import choose, listing, read_shelf, shelf_stamp
from daemon.scoring.metadata import METADATA_FILE
from tests.lab.serve.made_registry import normal
from tests.scoring.kinds import edit, structural


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for second, name in enumerate(("old", "new")):
        folder = structural(tmp_path, normal, name=name)
        os.utime(folder / METADATA_FILE, (1_000 + second, 1_000 + second))
    return tmp_path


def test_the_newest_answers_until_there_is_a_champion(root: Path) -> None:
    """And a champion of another line changes nothing."""
    promote(root, "btc15m", root / "old/1", 5, reason="the first")
    entry, chosen = choose(read_shelf(root), None)
    assert ("new/1", "newest") == (entry.model, chosen)
    promote(root, "daily", root / "old/1", 6, reason="the first")
    entry, chosen = choose(read_shelf(root), None)
    assert ("old/1", "champion") == (entry.model, chosen)
    entry, chosen = choose(read_shelf(root), "new/1")
    assert ("new/1", "asked for") == (entry.model, chosen)


def test_no_other_model_answers_in_the_champions_name(root: Path) -> None:
    """Changed since it was promoted, or gone: nobody answers, and it says why."""
    promote(root, "daily", root / "old/1", 5, reason="the first")
    edit(root / "old/1", notes="another one")
    with pytest.raises(Refused, match="is not what it was when it was promoted"):
        choose(read_shelf(root), None)
    (root / "old/1" / METADATA_FILE).unlink()
    with pytest.raises(Refused, match="old/1, is not in the registry") as caught:
        choose(read_shelf(root), None)
    assert 503 == caught.value.status


def test_a_damaged_record_names_no_champion(root: Path) -> None:
    """Its line is told; a model that is named answers all the same."""
    (root / RECORD_FILE).write_text("no json\n")
    shelf = read_shelf(root)
    with pytest.raises(Refused, match=r"who is champion can't be read: champions\.jsonl:1"):
        choose(shelf, None)
    assert "new/1" == choose(shelf, "new/1")[0].model
    assert (None, True) == (listing(shelf, {}).default, listing(shelf, {}).fault is not None)


def test_a_model_that_is_none_is_refused_with_those_that_are(root: Path) -> None:
    """Newest first; and an empty registry says so."""
    with pytest.raises(Refused) as caught:
        choose(read_shelf(root), "nobody/1")
    assert (422, ("new/1", "old/1")) == (caught.value.status, caught.value.body.allowed)
    with pytest.raises(Refused, match="the registry has no model"):
        choose(read_shelf(root / "new"), None)


def test_what_is_no_model_is_named_and_harms_none(root: Path) -> None:
    """No JSON, a day that is none, a strange name, a pipe; the path of the registry is not told."""
    (root / "old/1" / METADATA_FILE).write_text("{")
    edit(structural(root, normal, name="late"), expires_at="2027-02-30T00:00:00Z")
    structural(root, normal, name="good").parent.rename(root / ".hidden")
    (root / "piped/1").mkdir(parents=True)
    os.mkfifo(root / "piped/1" / METADATA_FILE)
    shelf = read_shelf(root)
    assert ["new/1"] == [entry.model for entry in shelf.entries]
    assert {"late/1", "old/1", "piped/1"} == set(shelf.unreadable)
    assert not [reason for reason in shelf.unreadable.values() if str(root) in reason]


def test_the_listing_says_who_is_champion(root: Path) -> None:
    """By the record, not by the metadata, which a promotion does not touch."""
    promote(root, "daily", root / "old/1", 5, reason="the first")
    found = listing(read_shelf(root), {"new/1": "it is broken"})
    assert ("old/1", "champion") == (found.default, found.chosen)
    assert [("new/1", "challenger", (), "it is broken"), ("old/1", "champion", ("daily",), None)] == [
        (one.model, one.status, one.champion_of, one.refusal) for one in found.models
    ]
    assert [("daily", "old/1", 5, "the first")] == [
        (one.line, one.model, one.since, one.reason) for one in found.champions
    ]
    assert (False, False) == (found.models[0].has_report, found.models[0].has_daily_table)


def test_a_change_shows_in_the_stamp(root: Path) -> None:
    """A promotion, a new model, one that is gone; reading changes nothing."""
    stamps = [shelf_stamp(root)]
    read_shelf(root)
    assert stamps[0] == shelf_stamp(root)
    promote(root, "daily", root / "old/1", 5, reason="the first")
    stamps.append(shelf_stamp(root))
    structural(root, normal, name="third")
    stamps.append(shelf_stamp(root))
    (root / "third/1" / METADATA_FILE).unlink()
    stamps.append(shelf_stamp(root))
    assert 3 == len(set(stamps)), "the last is as before the third came"
    assert stamps[1] == stamps[3]
