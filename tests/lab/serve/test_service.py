"""The service: answers are the model's, bit for bit, and a new champion answers at once."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import lightgbm
import msgspec
import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs the extra `lab`")
pytest.importorskip("sklearn", reason="needs the extra `lab`")

from daemon.lab.promotion import promote, roll_back
from daemon.lab.serve.bodies import Batch, Prediction, Refused
from daemon.lab.serve.service import Service
from daemon.scoring.metadata import MODEL_FILE
from daemon.scoring.registry import load_model
from tests.lab.serve.made_registry import DAILY_NAMES, FIRST, Made, daily_model, made_registry, normal


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_registry(tmp_path_factory.mktemp("registry"))


@pytest.fixture
def made(template: Made, tmp_path: Path) -> Made:
    """A registry of the test's own."""
    shutil.copytree(template.root, tmp_path, dirs_exist_ok=True)
    daily, probability = (
        tmp_path / one.relative_to(template.root) for one in (template.daily, template.probability)
    )
    return Made(tmp_path, daily, probability)


async def started(made: Made) -> Service:
    service = Service(made.root)
    assert await service.refresh()
    return service


def query(row: tuple[float | None, ...]) -> list[tuple[str, str]]:
    return [
        (name, repr(value)) for name, value in zip(DAILY_NAMES, row, strict=True) if value is not None
    ]  # fmt: skip


async def test_an_answer_is_the_models_bit_for_bit(made: Made) -> None:
    """As `Booster.predict` and the daemon's scorer say it: of one row and of a batch, through JSON."""
    loaded = load_model(made.daily)
    rows = [frozen.row for frozen in loaded.metadata.frozen_rows]
    assert any(None in row for row in rows)
    booster = lightgbm.Booster(model_file=made.daily / MODEL_FILE)
    matrix = np.array([[np.nan if value is None else value for value in row] for row in rows])
    expected = [float(value).hex() for value in np.asarray(booster.predict(matrix, num_threads=1))]
    assert expected == [loaded.scorer.score(row).hex() for row in rows]
    async with asyncio.timeout(60):
        service = await started(made)
        singles = [msgspec.json.encode(await service.predict(query(row))) for row in rows]
        body = msgspec.json.encode({"rows": [dict(zip(DAILY_NAMES, row, strict=True)) for row in rows]})
        batch = msgspec.json.encode(await service.predict_batch(body))
    assert expected == [msgspec.json.decode(one, type=Prediction).value.hex() for one in singles]
    assert expected == [one.value.hex() for one in msgspec.json.decode(batch, type=Batch).predictions]


async def test_it_says_who_answers_and_why(made: Made) -> None:
    """The champion of the daily line, or who is asked for."""
    async with asyncio.timeout(60):
        service = await started(made)
        default = await service.predict([("RET_1", "0.01")])
        asked = await service.predict([("strike_distance_sigma", "0.5"), ("model", "hourly/1")])
        with pytest.raises(Refused, match="no 'hourly/2' in the registry"):
            await service.predict([("model", "hourly/2")])
        with pytest.raises(Refused, match="given twice"):
            await service.predict([("model", "hourly/1"), ("model", "hourly/1")])
    assert ("daily-trees/1", "champion", "change") == (default.model, default.chosen, default.output)
    assert ("hourly/1", "asked for", "probability") == (asked.model, asked.chosen, asked.output)
    assert (normal((0.5,)), (), DAILY_NAMES[1:]) == (asked.value, asked.missing, default.missing)


async def test_a_new_champion_answers_without_a_restart(made: Made) -> None:
    """And the one before it after a rollback; an unchanged registry is not read again."""
    async with asyncio.timeout(60):
        service = await started(made)
        before = await service.predict([("RET_1", "0.01")])
        second = daily_model(made.root, seed=2)
        promote(made.root, "daily", second, FIRST + 1, reason="a test's")
        assert (True, False) == (await service.refresh(), await service.refresh())
        after = await service.predict([("RET_1", "0.01")])
        roll_back(made.root, "daily", FIRST + 2, "a test's")
        await service.refresh()
        again = await service.predict([("RET_1", "0.01")])
    assert ("daily-trees/2", load_model(second).scorer.score((0.01, *[None] * 14))) == (
        after.model,
        after.value,
    )
    assert before == again
    assert before.value != after.value


async def test_a_batch_that_is_none_is_refused(made: Made) -> None:
    """No JSON, a key that nobody knows, rows that are no list."""
    service = await started(made)
    for body in (b"", b"{", b"[]", b'{"rows":{}}', b'{"rows":[],"row":1}', b"[" * 100_000, b'{"rows":[NaN]}'):
        with pytest.raises(Refused, match="the body is no batch") as caught:
            await service.predict_batch(body)
        assert 400 == caught.value.status


async def test_health_is_whether_the_default_answers(made: Made) -> None:
    """A champion that is broken is told, and that it is not replaced by another."""
    async with asyncio.timeout(60):
        service = await started(made)
        assert "ok" == (await service.health()).status
        (made.daily / MODEL_FILE).write_text("broken")
        other = await started(made)
        found = await other.health()
        status, page = await other.page(None)
    assert ("unable", "daily-trees/1", True) == (
        found.status,
        found.default,
        "sha256" in (found.reason or ""),
    )
    assert (503, True) == (status, "No model answers" in page)
    assert [True, False] == [
        one.refusal is not None for one in sorted(other.models().models, key=lambda m: m.model)
    ]


async def test_the_page_shows_what_stands_beside_the_model(made: Made) -> None:
    """The table of the daily one, the diagram of the other; and the daily table itself."""
    async with asyncio.timeout(60):
        service = await started(made)
        daily, hourly = await service.page(None), await service.page("hourly/1")
        table = await service.daily(None)
    assert (200, 200) == (daily[0], hourly[0])
    assert ("KXCPI-26NOV-T0.2" in daily[1], "Reliability of model" in hourly[1]) == (True, True)
    assert ("daily-trees/1", 60) == (table.model, len(table.rows))
    assert "daily-trees/1" in service.openapi()["info"]["description"]


async def test_an_empty_registry_answers_that_it_is(tmp_path: Path) -> None:
    """Everything is there, but no model."""
    service = Service(tmp_path)
    await service.refresh()
    assert ("unable", "the registry has no model") == (
        (await service.health()).status, (await service.health()).reason,
    )  # fmt: skip
    assert (503, True) == ((await service.page(None))[0], "has no model" in (await service.page(None))[1])
    assert "3.1.0" == service.openapi()["openapi"]
