"""The official SDK's contract as a check: required fields, their types, bounds and enums."""

from __future__ import annotations

import json
import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

_PATH = Path(__file__).parents[2] / "../shared/fixtures/kalshi/sdk_3.34.0_contract.json"
_PLAIN: dict[str, type | tuple[type, ...]] = {"str": str, "int": int, "bool": bool, "float": (float, int)}


@cache
def published() -> dict[str, Any]:
    """Return the contract; the test that asks is skipped, loudly, where the fixtures are absent."""
    if not _PATH.exists():
        pytest.skip("FIXTURES ABSENT: the SDK's contract does not lie beside the checkout")
    found: dict[str, Any] = json.loads(_PATH.read_text())
    return found


def operations() -> list[dict[str, Any]]:
    """Return every operation of the SDK: method, path, query parameters, models by status."""
    found: list[dict[str, Any]] = published()["operations"]
    return found


def _parts(text: str) -> list[str]:
    """Return the arguments of a type, split at the commas of its own level."""
    parts, depth, begin = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter in "[(") - (letter in "])")
        if letter == "," and not depth:
            parts.append(text[begin:at])
            begin = at + 1
    return [part.strip() for part in [*parts, text[begin:]]]


class Contract:
    """Checks bodies against the SDK's models."""

    def __init__(self) -> None:
        self._schemas: dict[str, Any] = published()["schemas"]

    def check(self, schema: str, body: object, where: str = "") -> None:
        """Fail where a body is not what a model requires."""
        where = where or schema
        fields = self._schemas[schema]
        if isinstance(fields.get("enum"), list):
            assert body in fields["enum"], f"{where}: {body!r} is none of {fields['enum']}"
            return
        assert isinstance(body, dict), f"{where}: {body!r} is no object"
        # The body of an error keeps its own order: code, message, details.
        if schema != "ErrorResponse":
            assert list(body) == sorted(body), f"{where}: keys are not in alphabetical order"
        for name, field in fields.items():
            if name not in body:
                assert not field["required"], f"{where}.{name} is missing"
                continue
            value = body[name]
            if "enum" in field and value is not None:
                assert value in [*field["enum"], ""], f"{where}.{name}: {value!r} is none of {field['enum']}"
            self._check_type(field["type"], value, f"{where}.{name}")

    def _check_type(self, kind: str, value: object, where: str) -> None:
        kind = re.sub(r"^<(?:class|enum) '(?:[a-z]+\.)?(\w+)'>$", r"\1", kind)
        outer, _, rest = kind.removeprefix("datetime.").removeprefix("uuid.").partition("[")
        inner = _parts(rest.removesuffix("]"))
        if outer == "Optional":
            if value is not None:
                self._check_type(inner[0], value, where)
        elif outer == "Union":
            kinds = [part for part in inner if part != "NoneType"]
            if value is None:
                assert len(kinds) < len(inner), f"{where} is null"
            else:
                self._check_number(value, where)
        elif outer == "Annotated":
            self._check_type(inner[0], value, where)
            self._check_bounds(kind, value, where)
        elif outer == "List":
            assert isinstance(value, list), f"{where}: {value!r} is no list"
            for entry in value:
                self._check_type(inner[0], entry, f"{where}[]")
        elif outer == "Dict":
            assert isinstance(value, dict), f"{where}: {value!r} is no object"
            for name, entry in value.items():
                self._check_type(inner[1], entry, f"{where}.{name}")
        else:
            self._check_plain(outer, value, where)

    def _check_plain(self, kind: str, value: object, where: str) -> None:
        if kind in self._schemas:
            self.check(kind, value, where)
        elif kind in {"datetime", "UUID"}:
            assert isinstance(value, str), f"{where}: {value!r} is no text"
            _ = datetime.fromisoformat(value) if kind == "datetime" else UUID(value)
        elif kind != "Any":
            assert isinstance(value, _PLAIN[kind]), f"{where}: {value!r} is no {kind}"
            assert kind == "bool" or not isinstance(value, bool), f"{where}: {value!r} is no {kind}"

    @staticmethod
    def _check_number(value: object, where: str) -> None:
        assert isinstance(value, int | float), f"{where}: {value!r} is no number"
        assert not isinstance(value, bool), f"{where}: {value!r} is no number"

    @staticmethod
    def _check_bounds(kind: str, value: object, where: str) -> None:
        for name, bound in re.findall(r"(ge|le|min_length|max_length)=(\d+)", kind):
            measured = value if name in {"ge", "le"} else len(value)  # type: ignore[arg-type]
            is_above = measured >= int(bound)  # type: ignore[operator]
            is_below = measured <= int(bound)  # type: ignore[operator]
            assert is_above if name in {"ge", "min_length"} else is_below, (
                f"{where}: {value!r} against {kind}"
            )
