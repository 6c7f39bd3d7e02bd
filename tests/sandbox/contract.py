"""The official SDK's contract as a check: required fields, their types and enums."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

_PATH = Path(__file__).parents[2] / "../shared/fixtures/kalshi/sdk_3.34.0_contract.json"


class Contract:
    """Checks bodies against the SDK's models."""

    def __init__(self) -> None:
        if not _PATH.exists():
            pytest.skip("FIXTURES ABSENT: the SDK's contract does not lie beside the checkout")
        self._schemas: dict[str, Any] = json.loads(_PATH.read_text())["schemas"]

    def check(self, schema: str, body: object, where: str = "") -> None:
        """Fail where a body is not what a model requires."""
        where = where or schema
        assert isinstance(body, dict), f"{where}: {body!r} is no object"
        assert list(body) == sorted(body), f"{where}: keys are not in alphabetical order"
        for name, field in self._schemas[schema].items():
            if name not in body:
                assert not field["required"], f"{where}.{name} is missing"
                continue
            value = body[name]
            if "enum" in field:
                assert value in [*field["enum"], ""], f"{where}.{name}: {value!r} is none of {field['enum']}"
            self._check_type(field["type"], value, f"{where}.{name}")

    def _check_type(self, kind: str, value: object, where: str) -> None:
        listed = re.match(r"(?:Optional\[)?List\[(\w+)\]", kind)
        if listed:
            assert isinstance(value, list), f"{where}: {value!r} is no list"
            if listed.group(1) in self._schemas:
                for entry in value:
                    self.check(listed.group(1), entry, f"{where}[]")
            return
        named = re.fullmatch(r"(?:<(?:class|enum) '|Optional\[)?(\w+)(?:'>|\])?", kind)
        if named and named.group(1) in self._schemas:
            choices = self._schemas[named.group(1)].get("enum")
            if isinstance(choices, list):
                assert value in choices, f"{where}: {value!r} is none of {choices}"
            else:
                self.check(named.group(1), value, where)
        elif "datetime" in kind:
            assert isinstance(value, str), f"{where}: {value!r} is no time"
            datetime.fromisoformat(value)
        elif kind in {"<class 'str'>", "Optional[Annotated[str, Strict(strict=True)]]"}:
            assert isinstance(value, str), f"{where}: {value!r} is no text"
        elif kind in {"<class 'int'>", "Optional[Annotated[int, Strict(strict=True)]]"}:
            assert type(value) is int, f"{where}: {value!r} is no whole number"
        elif kind == "<class 'bool'>":
            assert isinstance(value, bool), f"{where}: {value!r} is no truth value"
