"""The published AsyncAPI document as a check of frames: required fields, types, constants, enums.

The document is YAML of the plainest kind (mappings and lists by indentation, block texts), which is read
here as far as its schemas need it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

_PATH = Path(__file__).parents[2] / "../shared/fixtures/kalshi/asyncapi_2026-06-10.yaml"
_KEY = re.compile(r"([\w$.-]+|'[^']*'):(?: (.*))?")
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}

# Field added after June 2026 → where it stands. Any other that the document lacks is a mistake.
LATER = {
    "seq": "live frames of trade and lifecycle channels have it (sheet 2.5)",
    "sending_ts_ms": "on every frame since October 2026 (sheet 2.1)",
    "exchange_index": "shards (sheet 4.9)",
    "price_ranges": "the tick table beside its label (sheet 2.7)",
    "taker_outcome_side": "sheet 2.7, live",
    "taker_book_side": "sheet 2.7, live",
    "is_block_trade": "sheet 2.7, live",
    "outcome_side": "sheet 2.7",
    "book_side": "sheet 2.7",
    "fee_cost": "sheet 2.7",
    "strike_type": "of metadata_updated (sheet 2.7)",
    "last_update_reason": "sheet 2.7",
    "last_updated_ts_ms": "sheet 2.7",
    "ts_ms": "of order_group_updates (sheet 2.7, recorded)",
    "sid": "of errors about one subscription (sheet 2.3)",
    "index_ids": "of `ok` on index channels (sheet 2.3)",
    "market_ticker": "of errors about one market (sheet 2.3)",
    "subaccount": "sheet 2.7",
    "id": "of snapshots that answer get_snapshot (sheet 2.3)",
}


def _scalar(text: str) -> object:
    text = text.strip()
    if text[:1] in {"'", '"'}:
        return text[1:-1]
    if text in {"true", "false"}:
        return text == "true"
    return int(text) if re.fullmatch(r"-?\d+", text) else text


class _Reader:
    def __init__(self, lines: list[str]) -> None:
        self._lines = [(len(line) - len(line.lstrip()), line.strip()) for line in lines if line.strip()]
        self._at = 0

    def read(self, indent: int) -> Any:
        """Return the mapping or list whose entries stand at this indentation."""
        return self._list(indent) if self._lines[self._at][1].startswith("- ") else self._mapping(indent)

    def _list(self, indent: int) -> list[object]:
        found: list[object] = []
        while self._at < len(self._lines):
            depth, text = self._lines[self._at]
            if depth != indent or not text.startswith("- "):
                break
            if _KEY.fullmatch(text[2:]) and not text[2:].startswith("'"):
                self._lines[self._at] = (indent + 2, text[2:])
                found.append(self._mapping(indent + 2))
            else:
                self._at += 1
                self._skip(indent)
                found.append(_scalar(text[2:]))
        return found

    def _mapping(self, indent: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self._at < len(self._lines):
            depth, text = self._lines[self._at]
            match = _KEY.fullmatch(text)
            if depth != indent or match is None:
                break
            self._at += 1
            name, rest = match.group(1).strip("'"), match.group(2)
            if rest:
                self._skip(indent)
                found[name] = _scalar(rest)
            elif self._at < len(self._lines) and self._lines[self._at][0] > indent:
                found[name] = self.read(self._lines[self._at][0])
            else:
                found[name] = None
        return found

    def _skip(self, indent: int) -> None:
        """Pass the further lines of a text."""
        while self._at < len(self._lines) and self._lines[self._at][0] > indent:
            self._at += 1


class Document:
    """Checks frames against the document's payloads."""

    def __init__(self) -> None:
        if not _PATH.exists():
            pytest.skip("FIXTURES ABSENT: the AsyncAPI document does not lie beside the checkout")
        lines = _PATH.read_text().splitlines()
        start = lines.index("  schemas:")
        end = next(
            number for number, line in enumerate(lines) if number > start and re.match(r" {0,2}\S", line)
        )
        self.schemas: dict[str, Any] = _Reader(lines[start + 1 : end]).read(4)

    def check(self, payload: str, frame: dict[str, Any]) -> None:
        """Fail where a frame is not what a payload's schema says."""
        self._check(self.schemas[payload], frame, payload)

    def _check(self, schema: dict[str, Any], value: object, where: str) -> None:
        if "$ref" in schema:
            schema = {**self.schemas[schema["$ref"].rpartition("/")[2]], **schema}
        if value is None:
            assert schema.get("nullable"), f"{where} is null"
            return
        kind = schema.get("type")
        if kind is not None:
            assert isinstance(value, _TYPES[kind]), f"{where}: {value!r} is no {kind}"
            assert kind == "boolean" or not isinstance(value, bool), f"{where}: {value!r} is no {kind}"
        if "const" in schema:
            assert schema["const"] == value, f"{where}: {value!r} is not {schema['const']!r}"
        if "enum" in schema:
            assert value in schema["enum"], f"{where}: {value!r} is none of {schema['enum']}"
        if "minimum" in schema:
            assert isinstance(value, int | float), where
            assert value >= schema["minimum"], f"{where}: {value!r} is too small"
        if isinstance(value, list):
            for entry in value:
                self._check(schema.get("items", {}), entry, f"{where}[]")
        if isinstance(value, dict):
            self._check_fields(schema, value, where)

    def _check_fields(self, schema: dict[str, Any], value: dict[str, Any], where: str) -> None:
        fields = schema.get("properties")
        for name in schema.get("required", ()):
            assert name in value, f"{where}.{name} is missing"
        for name, entry in value.items():
            if fields is None or name in fields:
                self._check((fields or {}).get(name) or {}, entry, f"{where}.{name}")
            else:
                assert name in LATER, f"{where}.{name} is in no document"
