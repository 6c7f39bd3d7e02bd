"""One instance of any struct, or random ones, built from its own type annotations."""

from __future__ import annotations

from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st

SCALARS: dict[type, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False),
    str: st.text(max_size=12),
    bool: st.booleans(),
    type(None): st.none(),
}


def values(annotation: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for the values of a type: scalars, literals, unions, tuples and structs."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return st.sampled_from(inner)
    if origin in (Union, UnionType):
        return st.one_of([values(member) for member in inner])
    if origin is tuple and inner[-1] is Ellipsis:
        return st.lists(values(inner[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*[values(member) for member in inner])
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return structs(annotation)
    return SCALARS[annotation]


def structs(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Return a strategy for whole structs of a kind."""
    hints = get_type_hints(kind)
    return st.builds(kind, *[values(hints[name]) for name in kind.__struct_fields__])
