"""`/openapi.json`, made of the structs that answer and of the features of the model that answers."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

import msgspec

from daemon.core.features import definition_of
from daemon.lab.serve.bodies import (
    ROWS_MAX,
    Batch,
    BatchRequest,
    Daily,
    Health,
    Models,
    Prediction,
    Refusal,
)
from daemon.scoring.metadata import ModelMetadata

Json = dict[str, Any]

STATUS_WORDS: Final = {
    400: "not JSON, or not of the shape that is asked for",
    404: "there is none",
    413: "too large",
    415: "not application/json, or compressed",
    422: "a name, number or model that can't be used; says what is allowed",
    429: "asked too fast; Retry-After says in how many seconds to ask again",
    503: "the model that should answer can't; says why",
}
_MODEL: Final[Json] = {
    "name": "model",
    "in": "query",
    "required": False,
    "description": "name/version; by default the champion of the daily line, or else the newest.",
    "schema": {"type": "string"},
}


def openapi(metadata: ModelMetadata | None) -> Json:
    """Return the document, OpenAPI 3.1. Its features are those of a model; with None it names none."""
    _, schemas = msgspec.json.schema_components(
        (Batch, BatchRequest, Daily, Health, Models, Prediction, Refusal),
        ref_template="#/components/schemas/{name}",
    )
    features = [] if metadata is None else _features(metadata)
    row = {
        "title": "Row",
        "description": "A number per feature; null, or none at all, is a missing value.",
        "type": "object",
        "properties": {
            one["name"]: {**one["schema"], "type": ["number", "null"], "description": one["description"]}
            for one in features
        },
        "required": [one["name"] for one in features if one["required"]],
        "additionalProperties": False,
    }
    schemas["BatchRequest"]["properties"]["rows"] |= {
        "items": {"$ref": "#/components/schemas/Row"}, "minItems": 1, "maxItems": ROWS_MAX,
    }  # fmt: skip
    whose = "" if metadata is None else f" The features are those of {metadata.name}/{metadata.version}."
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "kalshid: predictions",
            "version": version("kalshid"),
            "description": f"Ask the registry's models; nothing here can trade.{whose}",
        },
        "paths": _paths([_MODEL, *features]),
        "components": {"schemas": {**schemas, "Row": row}},
    }


def _features(metadata: ModelMetadata) -> list[Json]:
    found = []
    for feature in metadata.feature_schema:
        known = metadata.ranges.get(feature.name)
        bounds = "" if known is None else f" In training {known.q001:g} to {known.q999:g}."
        try:
            warm_up = f" Known with: {definition_of(feature.name).warm_up}."
        except ValueError:  # of a model that this version would not load
            warm_up = ""
        found.append(
            {
                "name": feature.name,
                "in": "query",
                "required": feature.name in metadata.required,
                "description": f"Unit: {feature.unit}. Absent is missing.{warm_up}{bounds}",
                "schema": {"type": "number"},
            }
        )
    return found


def _paths(asked: list[Json]) -> Json:
    batch = {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/BatchRequest"}}},
    }
    return {
        "/predict": {
            "get": _operation("Score one row", Prediction, (422, 429, 503), parameters=asked),
            "post": _operation(
                f"Score up to {ROWS_MAX} rows, all or none", Batch, (400, 413, 415, 422, 429, 503),
                requestBody=batch,
            ),
        },
        "/predict/pnl": {
            "get": _operation(
                "The daily table: what was said, and what became of it", Daily, (404, 422, 429, 503),
                parameters=[_MODEL],
            )
        },
        "/models": {"get": _operation("The registry, newest first", Models, (429,))},
        "/health": {"get": _health()},
    }  # fmt: skip


def _health() -> Json:
    found = _operation("Whether a request that names no model is answered", Health, ())
    found["responses"]["503"] = {**found["responses"]["200"], "description": "it is not; says why"}
    return found


def _operation(summary: str, answer: type[msgspec.Struct], refusals: tuple[int, ...], **more: object) -> Json:
    def said(words: str, name: str) -> Json:
        schema = {"$ref": f"#/components/schemas/{name}"}
        return {"description": words, "content": {"application/json": {"schema": schema}}}

    responses = {"200": said("the answer", answer.__name__)}
    responses |= {str(status): said(STATUS_WORDS[status], "Refusal") for status in refusals}
    return {"summary": summary, **more, "responses": responses}
