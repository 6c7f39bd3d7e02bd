"""Promotion: nothing short of evidence over both rivals, a reason on record else, and one step back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs the extra `lab`")
pytest.importorskip("sklearn", reason="needs the extra `lab`")

from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.lab.judging.arrays import NotJudged
from daemon.lab.judging.blocks import Interval
from daemon.lab.promotion import (
    RECORD_FILE,
    Evidence,
    Gain,
    NotPromoted,
    champion_of,
    metadata_sha256,
    promote,
    read_record,
    roll_back,
    weigh,
)
from daemon.lab.registry import lone_writer
from daemon.scoring.metadata import ModelRefused
from daemon.scoring.structural import normal_cdf
from tests.lab.noise_market import noise_evidence
from tests.scoring.kinds import edit, structural

LINE = "btc15m"


def gain(low: float, rival: str = "champion", blocks: int = 40) -> Gain:
    interval = Interval(low + 0.01, low, low + 0.02, blocks)
    return Gain(rival, interval, 0.95, interval)


def evidence(folder: Path, champion: Path | None, over: float = 0.001, market: float = 0.001) -> Evidence:
    return Evidence(
        metadata_sha256(folder), None if champion is None else metadata_sha256(champion),
        None if champion is None else gain(over), gain(market, "market's mid"),
        rows=100, left_out=0, outcomes=40, trials=1, seed=1,
    )  # fmt: skip


def models(root: Path, *names: str) -> list[Path]:
    return [structural(root, lambda row: normal_cdf(row[0] or 0.0), name=name) for name in names]


def test_both_rivals_must_be_beaten(tmp_path: Path) -> None:
    """An interval that holds 0 against either of them is not enough, and which one is said."""
    old, new = models(tmp_path, "old", "new")
    promote(tmp_path, LINE, old, 1, reason="the first one")
    with pytest.raises(
        NotPromoted, match=r"over the champion: the Brier gain is \+0.00900 \[-0.00100, \+0.01900\]"
    ):
        promote(tmp_path, LINE, new, 2, evidence(new, old, over=-0.001))
    with pytest.raises(NotPromoted, match="over the market's mid") as caught:
        promote(tmp_path, LINE, new, 2, evidence(new, old, market=0.0))
    assert "champion:" not in str(caught.value)
    change = promote(tmp_path, LINE, new, 3, evidence(new, old))
    assert change == champion_of(tmp_path, LINE)
    assert new == change.folder(tmp_path)
    assert change.reason is None


def test_without_evidence_there_must_be_a_reason(tmp_path: Path) -> None:
    """It is on record, with the evidence that was too little; blanks are none."""
    old, new = models(tmp_path, "old", "new")
    for reason in (None, "  "):
        with pytest.raises(NotPromoted, match=r"there is no evidence.*give a reason"):
            promote(tmp_path, LINE, old, 1, reason=reason)
    promote(tmp_path, LINE, old, 1, reason="the first one")
    short = evidence(new, old, over=-0.5)
    promote(tmp_path, LINE, new, 2, short, reason="the old one's feed ends tomorrow")
    first, second = read_record(tmp_path)
    assert ("the first one", None) == (first.reason, first.evidence)
    assert ("the old one's feed ends tomorrow", short) == (second.reason, second.evidence)


def test_a_first_champion_needs_the_market_only(tmp_path: Path) -> None:
    """There is nobody else to beat."""
    (new,) = models(tmp_path, "new")
    with pytest.raises(NotPromoted, match="market"):
        promote(tmp_path, LINE, new, 1, evidence(new, None, market=-0.1))
    assert "new" == promote(tmp_path, LINE, new, 1, evidence(new, None)).name


def test_evidence_of_other_models_is_none(tmp_path: Path) -> None:
    """Of another challenger, or against a champion that reigns no more: a reason does not help."""
    old, new, other = models(tmp_path, "old", "new", "other")
    promote(tmp_path, LINE, old, 1, reason="the first one")
    with pytest.raises(NotPromoted, match="of another challenger"):
        promote(tmp_path, LINE, new, 2, evidence(other, old), reason="all the same")
    with pytest.raises(NotPromoted, match="of another champion"):
        promote(tmp_path, LINE, new, 2, evidence(new, other), reason="all the same")
    with pytest.raises(NotPromoted, match="another champion: metadata sha256 none, where"):
        promote(tmp_path, LINE, new, 2, evidence(new, None))


def test_what_the_daemon_refuses_is_never_champion(tmp_path: Path) -> None:
    """Whatever the evidence says; nor what lies elsewhere, nor the champion again."""
    old, new = models(tmp_path, "old", "new")
    promote(tmp_path, LINE, old, 1, reason="the first one")
    with pytest.raises(NotPromoted, match="champion of btc15m already"):
        promote(tmp_path, LINE, old, 2, reason="again")
    edit(new, frozen_rows=[])
    with pytest.raises(ModelRefused, match="frozen rows"):
        promote(tmp_path, LINE, new, 2, evidence(new, old), reason="all the same")
    (stranger,) = models(tmp_path / "elsewhere", "stranger")
    with pytest.raises(NotPromoted, match="not in the registry"):
        promote(tmp_path, LINE, stranger, 2, reason="all the same")
    assert 1 == len(read_record(tmp_path))


def test_a_rollback_is_one_step(tmp_path: Path) -> None:
    """The one before is champion again, and one more step goes further back; the record keeps all of it."""
    one, two, three = models(tmp_path, "one", "two", "three")
    for at, folder in enumerate((one, two, three)):
        promote(tmp_path, LINE, folder, at, reason="in turn")
    promote(tmp_path, "other-line", three, 9, reason="apart")
    assert "two" == roll_back(tmp_path, LINE, 10, "three loses money").name
    assert "one" == roll_back(tmp_path, LINE, 11, "so does two").name
    with pytest.raises(NotPromoted, match="no champion before one/1"):
        roll_back(tmp_path, LINE, 12, "and one")
    promote(tmp_path, LINE, three, 13, reason="mended")
    assert "one" == roll_back(tmp_path, LINE, 14, "not mended").name
    assert ["promoted"] * 4 + ["rolled back"] * 2 + ["promoted", "rolled back"] == [
        change.change for change in read_record(tmp_path)
    ]
    other = champion_of(tmp_path, "other-line")
    assert other is not None
    assert "three" == other.name


def test_a_rollback_returns_to_what_it_was(tmp_path: Path) -> None:
    """Not to a folder that has changed since; and it says why it was made."""
    old, new = models(tmp_path, "old", "new")
    promote(tmp_path, LINE, old, 1, reason="the first one")
    promote(tmp_path, LINE, new, 2, reason="the second")
    with pytest.raises(NotPromoted, match="needs a reason"):
        roll_back(tmp_path, LINE, 3, " ")
    edit(old, notes="another one")
    with pytest.raises(NotPromoted, match="sha256 is"):
        roll_back(tmp_path, LINE, 3, "new loses money")


def test_who_promote_at_once_take_turns(tmp_path: Path) -> None:
    """Each change is on record, after the one before it."""
    old, new = models(tmp_path, "old", "new")
    with ThreadPoolExecutor(2) as people:
        with lone_writer(tmp_path):
            asked = [
                people.submit(promote, tmp_path, line, one, 1, reason="because")
                for line, one in ((LINE, old), ("other", new))
            ]
            assert set() == wait(asked, timeout=0.2).done
        _ = [one.result(timeout=60) for one in asked]
    assert {LINE, "other"} == {change.line for change in read_record(tmp_path)}


def test_a_record_that_is_damaged_is_refused(tmp_path: Path) -> None:
    """By its line: nobody is champion by half a sentence."""
    (old,) = models(tmp_path, "old")
    promote(tmp_path, LINE, old, 1, reason="the first one")
    path = tmp_path / RECORD_FILE
    path.write_bytes(path.read_bytes() + b'{"line": "btc15m"')
    with pytest.raises(NotPromoted, match=r"champions\.jsonl:2: "):
        champion_of(tmp_path, LINE)


def weighed(seed: int = 1, events: int = 60, **change: Any) -> Evidence:
    """A challenger that knows the truth, a champion and a market that know it less well."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(rng.normal(size=events) * 2, 3)
    y = np.repeat((rng.random(events) < 1 / (1 + np.exp(-truth[::3]))).astype(float), 3)
    champion, mid = (1 / (1 + np.exp(-(truth + 1.5 * rng.normal(size=len(truth))))) for _ in range(2))
    terms: dict[str, Any] = {
        "outcomes": y, "challenger": 1 / (1 + np.exp(-truth)), "champion": champion, "mid": mid,
        "independent": np.repeat(np.arange(events), 3), "challenger_sha256": "1" * 64,
        "champion_sha256": "0" * 64, "seed": seed, "trials": 1,
    }  # fmt: skip
    return weigh(**{**terms, **change})


def test_the_truth_is_promoted() -> None:
    """With outcomes enough; with nineteen it can't be told, whatever the gain."""
    assert weighed(events=300).is_better
    few = weighed(events=19)
    assert not few.is_better
    assert "over the champion: 19 independent outcomes, 20 are needed" == few.shortcomings[0]


@settings(max_examples=15)
@given(trials=st.integers(2, 50))
def test_more_trials_ask_for_more(trials: int) -> None:
    """The interval of many trials holds that of one, and the gain is the same."""
    one, many = weighed(events=100).over_market, weighed(events=100, trials=trials).over_market
    assert one.brier.value == pytest.approx(many.brier.value)
    assert (many.brier.low or 0) < (one.brier.low or 0)
    assert (many.brier.high or 0) > (one.brier.high or 0)
    assert 1 - 0.05 / trials == many.coverage


def test_the_better_of_two_mids_is_the_market() -> None:
    """Whichever has the lower Brier score: mids that sum to more than 1 over an event are easily beaten."""
    poor = np.full(180, 0.9)
    assert "market's mid normalised" == weighed(mid=poor, mid_normalised=np.full(180, 0.5)).over_market.rival


def test_rows_without_a_mid_are_left_out() -> None:
    """Of all comparisons alike, and counted."""
    mid = np.full(180, 0.5)
    mid[:30] = np.nan
    found = weighed(mid=mid)
    assert (150, 30, 50) == (found.rows, found.left_out, found.outcomes)


def test_a_model_may_not_choose_its_rows() -> None:
    """Silence is refused, as are half a champion and no trials."""
    said = np.full(180, 0.5)
    said[7] = np.nan
    with pytest.raises(NotJudged, match=r"challenger\[7\] is nan"):
        weighed(challenger=said)
    with pytest.raises(NotJudged, match="both or none"):
        weighed(champion=None)
    with pytest.raises(NotJudged, match="trials is 0"):
        weighed(trials=0)


def test_evidence_is_written_and_read() -> None:
    """It is part of the record: what was weighed can be looked up."""
    found = weighed()
    assert found == msgspec.json.decode(msgspec.json.encode(found), type=Evidence)


def promoted(seeds: range, **world: Any) -> list[int]:
    """The seeds by which a model of noise would be champion."""
    return [seed for seed in seeds if noise_evidence(seed, **world).is_better]


def test_noise_is_not_promoted() -> None:
    """Fitted, calibrated and weighed like any other, where the market knows something: 20 of 20 seeds."""
    assert [] == promoted(range(20))


@pytest.mark.full
def test_noise_is_not_promoted_at_length() -> None:
    """200 of 200 seeds; and where events are coins and nobody knows anything, told that 200 were tried."""
    assert [] == promoted(range(200))
    assert [] == promoted(range(200), strength=0.0, trials=200)


@pytest.mark.full
def test_luck_is_as_rare_as_the_interval_says() -> None:
    """Of coins, which nobody can beat but by luck: at most twice as often as 1 in 40."""
    assert len(promoted(range(200), strength=0.0)) <= 10
