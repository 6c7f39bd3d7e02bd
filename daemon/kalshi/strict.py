"""Strict decoding of REST bodies: what doesn't fit says where, at which field, and what would have fit.

Unknown extra fields are ignored (the venue adds them without notice); a missing required field, a wrong
type or an unknown enum value refuses the whole body. Nothing is ever filled in for what is missing.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from daemon.kalshi.errors import Unreadable

_T = TypeVar("_T")
_AT = re.compile(r" - at `\$(.*)`$")
_STEP = re.compile(r"\.([^.\[]+)|(\[[^\]]*\])")
_FIXED_PART = re.compile(r"[a-z_]+")
_decoders: dict[type[Any], msgspec.json.Decoder[Any]] = {}


def decode_strictly(body: bytes | msgspec.Raw, kind: type[_T], path: str) -> _T:
    """Return a body as `kind`.

    Args:
        body: JSON.
        kind: what it must be.
        path: where it was asked for, behind the base URL; the error names its endpoint.

    Raises:
        Unreadable: it isn't `kind`.
    """
    try:
        decoded: _T = _decoder(kind).decode(body)
    except msgspec.ValidationError as error:
        raise Unreadable(endpoint_of(path), _explain(str(error), kind)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(endpoint_of(path), f"not whole JSON: {error}") from None
    return decoded


def endpoint_of(path: str) -> str:
    """Return a path with its tickers and ids as `:name`: what to count by.

    The venue's own words in paths are of small letters and underscores.
    """
    parts = path.split("/")
    return "/".join(part if not part or _FIXED_PART.fullmatch(part) else ":name" for part in parts)


def _decoder(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    """Return the decoder of a kind, made once; the kinds are those that stand in this room's calls."""
    known = _decoders.get(kind)
    if known is None:
        known = _decoders[kind] = msgspec.json.Decoder(kind)
    return known


def _explain(reason: str, kind: Any) -> str:
    """Return msgspec's reason, with what is allowed where it only says that a value isn't."""
    match = _AT.search(reason)
    if match is None or not reason.startswith("Invalid enum value"):
        return reason
    node: inspect.Type | None = inspect.type_info(kind)
    for name, _index in _STEP.findall(match[1]):
        node = _inner(node, name)
    choices = [choice for one in _alternatives(node) for choice in _choices(one)]
    return f"{reason}; allowed: {', '.join(map(repr, choices))}" if choices else reason


def _inner(node: inspect.Type | None, name: str) -> inspect.Type | None:
    """Return the type of a field, or with an empty name that of an element; None if there is no such."""
    for one in _alternatives(node):
        match one:
            case inspect.StructType(fields=fields) if name:
                return next((field.type for field in fields if field.encode_name == name), None)
            case inspect.ListType(item_type=item) if not name:
                return item
            case inspect.DictType(value_type=value):
                return value
            case _:
                continue
    return None


def _alternatives(node: inspect.Type | None) -> tuple[inspect.Type, ...]:
    if node is None:
        return ()
    return node.types if isinstance(node, inspect.UnionType) else (node,)


def _choices(node: inspect.Type) -> tuple[object, ...]:
    return tuple(node.values) if isinstance(node, inspect.LiteralType) else ()
