"""What the prediction API says, as structs: the answers, the refusals, and the documents' one source.

Unknown is null. A refusal says what is wrong, where, and what is allowed.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from daemon.core.scorer import Output
from daemon.core.units import Ns
from daemon.lab.daily_table import DailyRow
from daemon.scoring.metadata import Kind

PROBLEMS_MAX = 20
ROWS_MAX = 1_000
"""Of one batch."""

Chosen: TypeAlias = Literal["asked for", "champion", "newest"]
"""Why this model answers: the request names it, it is champion of the daily line, or that has no champion."""


class Scored(msgspec.Struct, frozen=True):
    """What a model says of one row.

    `value` is P(YES) or an expected change in dollars, by the model's `output`. `missing` names the features
    that the row does not have, `beyond_training` those that lie where the model was never seen to work.
    """

    value: float
    missing: tuple[str, ...]
    beyond_training: tuple[str, ...]


class Prediction(msgspec.Struct, frozen=True):
    """The answer to one row, and who gave it: `model` is name/version, `label` what it predicts."""

    model: str
    metadata_sha256: str
    chosen: Chosen
    output: Output
    label: str
    horizon: str
    value: float
    missing: tuple[str, ...]
    beyond_training: tuple[str, ...]


class Batch(msgspec.Struct, frozen=True):
    """The answers to many rows, in their order, and who gave them."""

    model: str
    metadata_sha256: str
    chosen: Chosen
    output: Output
    label: str
    horizon: str
    predictions: tuple[Scored, ...]


class BatchRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows to be scored: of each, a number per feature; null, or none at all, is a missing value."""

    rows: list[Any]
    model: str | None = None


class Daily(msgspec.Struct, frozen=True):
    """The daily table of a model: its latest rows, by day and then by ticker.

    `rows_left_out` counts the older ones. Dollars; null is unknown.
    """

    model: str
    chosen: Chosen
    headline: str
    series: tuple[str, ...]
    start: float
    stake: float
    profit: float
    rows_left_out: int
    rows: tuple[DailyRow, ...]


class ModelEntry(msgspec.Struct, frozen=True):
    """One model of the registry.

    `status` is champion where it is that of a line; `refusal` why it can't answer, null where it can, or was
    not asked yet.
    """

    model: str
    status: Literal["demo", "challenger", "champion", "retired"]
    champion_of: tuple[str, ...]
    kind: Kind
    output: Output
    label: str
    horizon: str
    metadata_sha256: str
    features: tuple[str, ...]
    required: tuple[str, ...]
    trained_to: str | None
    expires_at: str | None
    metrics: dict[str, float]
    has_report: bool
    has_daily_table: bool
    refusal: str | None


class Champion(msgspec.Struct, frozen=True):
    """Who is champion of a line, since when, and the reason in words; null where evidence made it one."""

    line: str
    model: str
    since: Ns
    reason: str | None


class Models(msgspec.Struct, frozen=True):
    """The registry: newest first. `default` answers where a request names none; null where none can.

    `unreadable` says of folders why they are no models, `fault` what is wrong with the record of champions.
    """

    default: str | None
    chosen: Chosen | None
    models: tuple[ModelEntry, ...]
    left_out: int
    champions: tuple[Champion, ...]
    unreadable: dict[str, str]
    fault: str | None


class Health(msgspec.Struct, frozen=True):
    """Whether a request that names no model is answered, and if not, why."""

    status: Literal["ok", "unable"]
    default: str | None
    reason: str | None


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong: `row` counts from 0 in a batch, `name` is a parameter or a feature."""

    reason: str
    name: str | None = None
    row: int | None = None


class Refusal(msgspec.Struct, frozen=True):
    """Why there is no answer. `problems` are the first of `problems_total`; `allowed` what may be given."""

    error: str
    problems: tuple[Problem, ...] = ()
    problems_total: int = 0
    allowed: tuple[str, ...] = ()
    required: tuple[str, ...] = ()


class Refused(Exception):
    """A request that gets a refusal, with its HTTP status; `wait_s`: ask again in so many seconds."""

    def __init__(self, status: int, body: Refusal, wait_s: float | None = None) -> None:
        super().__init__(body.error)
        self.status = status
        self.body = body
        self.wait_s = wait_s
