"""The API's document: whole, made of what answers, and true of the model's features."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("scipy", reason="needs the extra `lab`")
pytest.importorskip("sklearn", reason="needs the extra `lab`")

from daemon.lab.serve.bodies import Prediction
from daemon.lab.serve.openapi import openapi
from daemon.scoring.registry import load_model
from tests.lab.serve.made_registry import DAILY_NAMES, daily_model


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder: Path = daily_model(tmp_path_factory.mktemp("registry"))
    return openapi(load_model(folder).metadata)


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    """And every shape is used by something: nothing is left over."""
    found = {name.removeprefix("#/components/schemas/") for name in references(document)}
    assert set(document["components"]["schemas"]) == found


def test_its_parameters_are_the_models_features(document: dict[str, Any]) -> None:
    """In order, with which are required; a row of a batch is the same features, and nothing else."""
    parameters = document["paths"]["/predict"]["get"]["parameters"]
    assert ["model", *DAILY_NAMES] == [one["name"] for one in parameters]
    assert ["RET_1"] == [one["name"] for one in parameters if one["required"]]
    assert "Unit: $" in parameters[1]["description"]
    row = document["components"]["schemas"]["Row"]
    assert (list(DAILY_NAMES), ["RET_1"], False) == (
        list(row["properties"]), row["required"], row["additionalProperties"],
    )  # fmt: skip


def test_its_shapes_are_those_that_answer(document: dict[str, Any]) -> None:
    """By the structs themselves."""
    assert "3.1.0" == document["openapi"]
    shape = document["components"]["schemas"]["Prediction"]
    assert list(Prediction.__struct_fields__) == list(shape["properties"])


def test_without_a_model_it_names_no_features() -> None:
    """The document is there all the same."""
    assert ["model"] == [one["name"] for one in openapi(None)["paths"]["/predict"]["get"]["parameters"]]
