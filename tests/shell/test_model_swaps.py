"""A model is exchanged while a core decides: with a real registry and a child process."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import structlog.testing

from daemon.assembly import ModelRef, build_engine, setup_of
from daemon.config import load_config
from daemon.core import events as e
from daemon.core.commands import Decided
from daemon.core.engine import Engine
from daemon.core.models import CHALLENGER, DEFAULT
from daemon.core.units import PRICE_ONE, SECOND, Ns
from daemon.scoring.metadata import MODEL_FILE
from daemon.scoring.registry import load_model
from daemon.scoring.source import HandedModels, RegistrySource, core_model
from daemon.shell.journal import Record
from daemon.shell.model_swaps import Judgements, ModelSwaps, Swapped, SwapRefused, SwapTerms
from daemon.shell.replay import replay
from tests.core.worlds import NOW, T0, TICKER, reconciled, snapshot, spec
from tests.scoring.kinds import stacked, write_folder
from tests.scoring.model_folder import SCHEMA
from tests.scoring.model_versions import write_version
from tests.scoring.onnx_bytes import logistic

ROOT = Path(__file__).parents[2]
WITHIN_S = 60.0


class Daemon:
    """A core that scores with toy/1, and takes in what it is told at once; what it saw and did is kept."""

    def __init__(self, root: Path, *, is_bound: bool = False, hangs: bool = False) -> None:
        self.root = root
        first = write_version(root, 1)
        self.records: list[Record] = []
        self.hangs = hangs
        self.handed = HandedModels()
        self.model = core_model(load_model(first))
        config = load_config(ROOT / "config.toml")
        self.setup = setup_of(config, ModelRef("toy/1", "toy", "1", self.model.sha256), 1)
        self.engine: Engine = build_engine(self.setup, {DEFAULT: self.model}, source=self.handed)
        terms = SwapTerms(root=root, is_bound=is_bound, now=lambda: NOW, emit=self.emit)
        self.swaps = ModelSwaps(self.engine.models, self.handed, terms)

    def emit(self, event: e.Event) -> None:
        if not self.hangs:
            self.records.append(event)
            self.engine.handle(event)

    def live(self, at: Ns) -> None:
        """Decide at an instant."""
        self.emit(snapshot(at))
        self.records += [Decided(at), *self.engine.decide(at)]

    def start(self) -> None:
        """Come to trade."""
        for event in (
            e.MarketListed(spec(), T0),
            e.FeedConnected("kalshi", T0),
            snapshot(),
            reconciled(T0 + 3 * SECOND),
            reconciled(NOW),
        ):
            self.emit(event)
        self.live(NOW)


def version(daemon: Daemon, slot: str = DEFAULT) -> str | None:
    """Which model scores in a slot."""
    model = daemon.engine.models.slots[slot].model
    return None if model is None else model.scorer.version


async def test_a_model_is_swapped_and_a_replay_swaps_it_too(tmp_path: Path) -> None:
    """Answered with the old and the new one; the event names the folder as the configuration would."""
    daemon = Daemon(tmp_path)
    daemon.start()
    folder = write_version(tmp_path, 2)
    sha256 = load_model(folder).metadata.fingerprint
    async with asyncio.timeout(WITHIN_S):
        swapped = await daemon.swaps.swap(str(folder))
    assert Swapped(DEFAULT, "toy/1", "toy/2", sha256) == swapped
    assert e.ModelSwapped(DEFAULT, "toy/2", "toy", "2", sha256, NOW) in daemon.records
    scored = daemon.engine.scores.get(TICKER)
    assert scored is None, "nothing that the old one said is left"
    daemon.live(NOW + SECOND)
    scored = daemon.engine.scores[TICKER]

    source = RegistrySource([folder], load_model)
    again = build_engine(daemon.setup, {DEFAULT: daemon.model}, source=source)
    result = replay(again, [daemon.records])
    assert (True, 2) == (result.is_identical, result.decisions)
    assert (scored, 1) == (again.scores[TICKER], again.models.swaps)


async def test_a_challenger_comes_in_though_evidence_binds_what_is_traded(tmp_path: Path) -> None:
    """Real money is on the evidence of its models; what is only measured moves none."""
    daemon = Daemon(tmp_path, is_bound=True)
    folder = str(write_version(tmp_path, 2))
    async with asyncio.timeout(WITHIN_S):
        with pytest.raises(SwapRefused, match="only the challenger is exchanged"):
            await daemon.swaps.swap(folder)
        swapped = await daemon.swaps.swap(folder, CHALLENGER)
    assert (None, "toy/2") == (swapped.old, swapped.new)
    assert ("1", "2") == (version(daemon), version(daemon, CHALLENGER))


def tampered(root: Path) -> Path:
    """A folder whose file is not what its metadata says."""
    folder = write_version(root, 2)
    path = folder / MODEL_FILE
    path.write_bytes(path.read_bytes().replace(b"0.1", b"0.2", 1))
    return folder


def expired(root: Path) -> Path:
    """A model whose time is over."""
    return write_version(root, 2, expires_at="2020-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("folder", "slot", "reason"),
    [
        (tampered, DEFAULT, "sha256"),
        (expired, DEFAULT, "has expired"),
        (lambda root: root / "absent", DEFAULT, "absent"),
        (lambda root: write_version(root, 2), "slow", "no slot 'slow'; there are: default, challenger"),
        (
            lambda _root: ROOT / "strategies/models/btc15m-demo/1",
            DEFAULT,
            "features that this run does not compute: .*; restart with it",
        ),
    ],
    ids=["tampered", "expired", "absent", "slot", "features"],
)
async def test_what_is_refused_changes_nothing(
    tmp_path: Path, folder: object, slot: str, reason: str
) -> None:
    """Said and logged; no event is told, and the old one goes on."""
    daemon = Daemon(tmp_path)
    assert callable(folder)
    path = folder(tmp_path)
    with structlog.testing.capture_logs() as lines, pytest.raises(SwapRefused, match=reason):
        async with asyncio.timeout(WITHIN_S):
            await daemon.swaps.swap(str(path), slot)
    assert ("1", []) == (version(daemon), daemon.records)
    assert ["model.swap_refused"] == [line["event"] for line in lines]


def half(row: Sequence[float | None]) -> float:
    """What weights of nothing say."""
    assert row
    return 0.5


async def test_a_check_that_can_not_begin_is_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that has no process left to give must not answer with an error of ours."""
    daemon = Daemon(tmp_path)
    folder = write_version(tmp_path, 2)
    monkeypatch.setattr("sys.executable", str(tmp_path / "gone"))
    async with asyncio.timeout(WITHIN_S):
        with pytest.raises(SwapRefused, match="No such file"):
            await daemon.swaps.swap(str(folder))
    assert ("1", []) == (version(daemon), daemon.records)


async def test_an_absent_member_of_an_ensemble_is_logged(tmp_path: Path) -> None:
    """As at a start: it scores, but not as it was made."""
    names = SCHEMA.names
    here, gone = (
        write_folder(
            tmp_path, "onnx", names, logistic([0.0] * len(names), 0.0, (1, len(names))), half, name=name
        )
        for name in ("here", "gone")
    )
    folder = stacked(tmp_path, [here, gone], [0.5, 0.5], half, names=names)
    shutil.rmtree(gone)
    daemon = Daemon(tmp_path)
    with structlog.testing.capture_logs() as lines:
        async with asyncio.timeout(WITHIN_S):
            swapped = await daemon.swaps.swap(str(folder))
    assert "a-ensemble/1" == swapped.new
    assert ["model.member_absent", "model.swapped"] == [line["event"] for line in lines]


async def test_a_core_that_does_not_take_it_in_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer says that it may still happen."""
    monkeypatch.setattr("daemon.shell.model_swaps.TAKEN_WITHIN_S", 0.05)
    daemon = Daemon(tmp_path, hangs=True)
    folder = write_version(tmp_path, 2)
    async with asyncio.timeout(WITHIN_S):
        with pytest.raises(SwapRefused, match="may still"):
            await daemon.swaps.swap(str(folder))


async def test_a_swap_that_nobody_waits_for_any_more_is_not_done(tmp_path: Path) -> None:
    """Its owner was told that nobody answers while the model was looked at."""
    daemon = Daemon(tmp_path)
    folder = write_version(tmp_path, 2)
    async with asyncio.timeout(WITHIN_S):
        with pytest.raises(SwapRefused, match="too late"):
            await daemon.swaps.swap(str(folder), DEFAULT, lambda: False)
    assert "1" == version(daemon)
    assert [] == daemon.records


def test_what_was_judged_is_logged_once(tmp_path: Path) -> None:
    """A line for each market that ended, with the figures of both and of the mid."""
    daemon = Daemon(tmp_path)
    judgements = Judgements(daemon.engine.models)
    daemon.start()
    daemon.emit(e.MarketDetermined(TICKER, "yes", PRICE_ONE, NOW + SECOND))
    with structlog.testing.capture_logs() as lines:
        judgements.tell()
        judgements.tell()
    (line,) = lines
    assert ("model.judged", TICKER, None) == (line["event"], line["ticker"], line["challenger"])
    assert SCHEMA.names == daemon.engine.schema.names[: len(SCHEMA.names)]


def test_a_model_that_fails_is_logged_once_with_its_reason(tmp_path: Path) -> None:
    """Not at every tick; the next model's failure is told again."""
    daemon = Daemon(tmp_path)
    slot = daemon.engine.models.default
    judgements = Judgements(daemon.engine.models)
    slot.failure = "it says nan"
    with structlog.testing.capture_logs() as lines:
        judgements.tell()
        judgements.tell()
        slot.failure = None
        judgements.tell()
        slot.failure = "ValueError()"
        judgements.tell()
    told = [(line["event"], line["slot"], line["model"], line["reason"]) for line in lines]
    assert [
        ("model.failed", DEFAULT, "toy/1", "it says nan"),
        ("model.failed", DEFAULT, "toy/1", "ValueError()"),
    ] == told


def alarmed(daemon: Daemon) -> None:
    """End so many events against the default that it is taken out."""
    drift = daemon.engine.models.drift
    row = (None,) * len(daemon.engine.schema.names)
    for number in range(daemon.setup.engine.drift.events if daemon.setup.engine.drift else 0):
        drift.sample(DEFAULT, f"X{number}-1", f"X{number}", 0.9, 0.5, row, NOW)
        daemon.emit(e.MarketDetermined(f"X{number}-1", "no", 0, NOW))


async def test_a_model_that_drifted_may_come_back_though_evidence_binds(tmp_path: Path) -> None:
    """The evidence was of it; of another one there is none."""
    daemon = Daemon(tmp_path, is_bound=True)
    daemon.start()
    alarmed(daemon)
    assert daemon.engine.models.default.is_drifted
    async with asyncio.timeout(WITHIN_S):
        with pytest.raises(SwapRefused, match="here toy/1 alone may come back"):
            await daemon.swaps.swap(str(write_version(tmp_path, 2)))
        swapped = await daemon.swaps.swap(str(tmp_path / "toy" / "1"))
    assert ("toy/1", {}) == (swapped.new, daemon.engine.models.drift.demoted)
    assert not daemon.engine.models.default.is_drifted


def test_what_drift_says_and_does_is_logged_once(tmp_path: Path) -> None:
    """A warning comes before the alarm, the alarm with its reason and who stands in."""
    daemon = Daemon(tmp_path)
    judgements = Judgements(daemon.engine.models)
    daemon.start()
    with structlog.testing.capture_logs() as lines:
        alarmed(daemon)
        judgements.tell()
        judgements.tell()
    assert ["model.drift_judged", "model.demoted"] == [line["event"] for line in lines[:2]]
    assert ("alarm", "toy/1", None) == (lines[0]["verdict"], lines[1]["model"], lines[1]["stands_in"])
    assert [] == [line for line in lines[2:] if line["event"].startswith("model.d")]
