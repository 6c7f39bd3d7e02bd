"""What is asked, answered: the registry's state, and the questions that there are. It knows no HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import structlog

from daemon.core.scorer import MemberScorer
from daemon.lab.daily_table import DailyTable
from daemon.lab.judging.report import Report
from daemon.lab.serve.bodies import (
    Batch,
    BatchRequest,
    Chosen,
    Daily,
    Health,
    Models,
    Prediction,
    Refusal,
    Refused,
    Scored,
)
from daemon.lab.serve.loads import Loads
from daemon.lab.serve.openapi import openapi
from daemon.lab.serve.page import View, example_row, render, render_refusal
from daemon.lab.serve.records import daily_answer, daily_table, report_of
from daemon.lab.serve.rows import Row, batch_rows, query_row, score_row
from daemon.lab.serve.shelf import Entry, Shelf, choose, listing, read_shelf, shelf_stamp
from daemon.scoring.registry import LoadedModel

log = structlog.get_logger(__name__)


class Service:
    """Answers from one registry. `refresh` reads it; until then it has no model.

    All its questions raise `Refused` where there is no answer.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._stamp: object = None
        self._shelf = Shelf()
        self._loads = Loads(root)

    async def refresh(self) -> bool:
        """Read the registry if it has changed since it was read; return whether it had."""
        stamp = await asyncio.to_thread(shelf_stamp, self._root)
        if stamp == self._stamp:
            return False
        self._shelf = await asyncio.to_thread(read_shelf, self._root)
        self._stamp = stamp
        said = listing(self._shelf, {})
        log.info("registry.read", models=len(said.models), default=said.default, chosen=said.chosen)
        return True

    async def predict(self, pairs: Iterable[tuple[str, str]]) -> Prediction:
        """Answer a query: `model` names who is asked, all else are features."""
        given = list(pairs)
        asked = [value for name, value in given if name == "model"]
        if len(asked) > 1:
            raise Refused(422, Refusal("model: is given twice"))
        entry, chosen, loaded = await self._answering(asked[0] if asked else None)
        row = query_row(loaded.scorer, [pair for pair in given if pair[0] != "model"])
        scored = score_row(loaded.scorer, entry.metadata.ranges, row)
        return Prediction(
            **_who(entry, chosen),
            value=scored.value,
            missing=scored.missing,
            beyond_training=scored.beyond_training,
        )

    async def predict_batch(self, content: bytes) -> Batch:
        """Answer a batch: all its rows, or none."""
        try:
            asked = msgspec.json.decode(content, type=BatchRequest)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Refused(400, Refusal(f"the body is no batch: {error}")) from error
        entry, chosen, loaded = await self._answering(asked.model)
        rows = batch_rows(loaded.scorer, asked.rows)
        scored = []
        for index, row in enumerate(rows):
            scored.append(score_row(loaded.scorer, entry.metadata.ranges, row, index))
            if index % 100 == 99:
                await asyncio.sleep(0)  # a large batch lets others in
        return Batch(**_who(entry, chosen), predictions=tuple(scored))

    async def daily(self, asked: str | None) -> Daily:
        """Answer with the daily table of a model."""
        entry, chosen = choose(self._shelf, asked)
        return daily_answer(entry, chosen, await asyncio.to_thread(daily_table, entry))

    def models(self) -> Models:
        """Answer with the registry."""
        return listing(self._shelf, self._loads.refusals)

    async def health(self) -> Health:
        """Say whether a request that names no model is answered."""
        try:
            entry, _, _ = await self._answering(None)
        except Refused as refused:
            return Health("unable", self.models().default, refused.body.error)
        return Health("ok", entry.model, None)

    def openapi(self) -> dict[str, Any]:
        """Return the API's document, with the features of who answers by default."""
        try:
            entry, _ = choose(self._shelf, None)
        except Refused:
            return openapi(None)
        return openapi(entry.metadata)

    async def page(self, asked: str | None) -> tuple[int, str]:
        """Return the page at `/` and its status."""
        models = tuple(entry.model for entry in self._shelf.entries)
        try:
            entry, chosen, loaded = await self._answering(asked)
            row = example_row(entry.metadata)
            example = row, score_row(loaded.scorer, entry.metadata.ranges, row)
        except Refused as refused:
            return refused.status, render_refusal(refused.body.error, models)
        view = await asyncio.to_thread(_view, entry, chosen, models, example)
        return 200, render(view)

    async def _answering(self, asked: str | None) -> tuple[Entry, Chosen, LoadedModel]:
        entry, chosen = choose(self._shelf, asked)
        now = time.time_ns()
        loaded = await self._loads.load(entry, now)
        if isinstance(loaded.scorer, MemberScorer):
            loaded.scorer.expire(now)
        return entry, chosen, loaded


def _who(entry: Entry, chosen: Chosen) -> dict[str, Any]:
    """What `Prediction` and `Batch` say of who answers."""
    said = entry.metadata
    return {
        "model": entry.model, "metadata_sha256": entry.metadata_sha256, "chosen": chosen,
        "output": said.output, "label": said.label.definition, "horizon": said.label.horizon,
    }  # fmt: skip


def _view(entry: Entry, chosen: Chosen, models: tuple[str, ...], example: tuple[Row, Scored]) -> View:
    report: Report | str | None
    daily: DailyTable | str
    try:
        report = report_of(entry)
    except Refused as refused:
        report = refused.body.error
    try:
        daily = daily_table(entry)
    except Refused as refused:
        daily = refused.body.error
    return View(entry, chosen, models, example, report, daily)
