"""LightGBM's model text, read before LightGBM reads it: the library trusts every number in it.

A wrong child makes it walk in circles or out of its memory, a wrong size or count aborts the process, and a
category where there is none is read from beyond the array: none of it with an error that could be caught,
and some only at the row that comes by. So the text must be exactly what LightGBM 4 writes for trees of
numbers: known keys, arrays of the right lengths, finite values, and children that form a tree.

Source: LightGBM's `Tree::ToString` and `GBDT::SaveModelToString`, 4.7.
"""

from __future__ import annotations

import re
from math import isfinite

from daemon.core.scorer import FeatureSchema, Output

OBJECTIVES: dict[Output, tuple[str, ...]] = {
    "probability": ("binary sigmoid:1",),
    "change": ("regression", "regression_l1", "huber"),
}
"""By what the model says: the objectives that say it."""

_HEADER = {
    "version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective",
    "feature_names", "monotone_constraints", "feature_infos", "tree_sizes",
}  # fmt: skip
_PER_NODE = ("split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child",
             "internal_value", "internal_weight", "internal_count")  # fmt: skip
_PER_LEAF = ("leaf_value", "leaf_weight", "leaf_count")
_SCALARS = ("num_leaves", "num_cat", "is_linear", "shrinkage")
_TREE = {*_PER_NODE, *_PER_LEAF, *_SCALARS}
_INTEGERS = {
    "num_leaves",
    "num_cat",
    "is_linear",
    "split_feature",
    "decision_type",
    "left_child",
    "right_child",
}
# Of a tree that is one leaf LightGBM leaves these arrays out, or empty.
_OPTIONAL_OF_ONE_LEAF = {"leaf_weight", "leaf_count"}
_NUMBERS = re.compile(r"[-+0-9.einf ]*")
_CATEGORICAL, _MISSING = 1, 0b1100
_MISSING_KINDS = 3  # none, zero, NaN


class BadModelText(ValueError):
    """The text isn't what LightGBM writes; says where, and what is expected."""


def check_model_text(content: bytes, schema: FeatureSchema, output: Output) -> None:
    """Refuse a text that LightGBM must not be given, or whose features or objective are others.

    Raises:
        BadModelText: says where it differs and what is expected.
    """
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError as error:
        raise BadModelText(f"byte {error.start} is no ASCII") from None
    head, separator, rest = text.partition("\n\nTree=")
    if not separator or not head.startswith("tree\n"):
        raise BadModelText("is no model of trees: it must begin with 'tree', and have a 'Tree=0'")
    header = _fields(head.removeprefix("tree\n"), "the header", _HEADER)
    _check_header(header, schema, output)
    trees, separator, _ = ("Tree=" + rest).partition("end of trees\n")
    if not separator:
        raise BadModelText("has no 'end of trees': it is cut off")
    blocks = re.findall(r"Tree=.*?(?=Tree=|\Z)", trees, re.DOTALL)
    sizes = [str(len(block)) for block in blocks]
    if header.get("tree_sizes", "").split(" ") != sizes:
        raise BadModelText(f"the header's tree_sizes are not those of the {len(blocks)} trees that follow")
    for number, block in enumerate(blocks):
        first, _, lines = block.partition("\n")
        if first != f"Tree={number}":
            raise BadModelText(f"{first[:40]!r} stands where Tree={number} is expected")
        _check_tree(_fields(lines.rstrip("\n"), f"tree {number}", _TREE), f"tree {number}", len(schema.names))


def _fields(lines: str, place: str, known: set[str]) -> dict[str, str]:
    """Return `key=value` lines as a dict; every key once, and known."""
    found: dict[str, str] = {}
    for line in lines.split("\n"):
        if line == "average_output" and place == "the header":  # of random forests
            continue
        key, separator, value = line.partition("=")
        if not separator or key not in known or key in found:
            raise BadModelText(f"{place}: {line[:40]!r} is unknown there, or a second one")
        found[key] = value
    return found


def _check_header(header: dict[str, str], schema: FeatureSchema, output: Output) -> None:
    names = header.get("feature_names", "").split(" ")
    columns = len(schema.names)
    if len(names) != columns:
        raise BadModelText(f"has {len(names)} features, expected {columns}")
    for position, (actual, expected) in enumerate(zip(names, schema.names, strict=True)):
        if actual != expected:
            raise BadModelText(f"feature {position} is {actual!r}, expected {expected!r}")
    objective, allowed = header.get("objective", ""), OBJECTIVES[output]
    if objective not in allowed:
        expected = " or ".join(repr(one) for one in allowed)
        raise BadModelText(f"objective is {objective!r}, expected {expected}, a {output}")
    wanted = {"version": "v4", "num_class": "1", "num_tree_per_iteration": "1"}
    for key, value in {**wanted, "max_feature_idx": str(columns - 1)}.items():
        if header.get(key) != value:
            raise BadModelText(f"{key} is {header.get(key)!r}, expected {value!r}")
    for key in ("feature_infos", "monotone_constraints"):
        if key in header and len(header[key].split(" ")) != columns:
            raise BadModelText(f"{key} has {len(header[key].split(' '))} values, expected {columns}")


def _check_tree(fields: dict[str, str], place: str, columns: int) -> None:
    values = {key: _numbers(key, value, place) for key, value in fields.items()}
    for key in _SCALARS:
        if len(values.get(key, ())) != 1:
            raise BadModelText(f"{place}: {key} must be one number")
    leaves = int(values["num_leaves"][0])
    if leaves < 1:
        raise BadModelText(f"{place}: num_leaves is {leaves}, expected at least 1")
    for key in ("num_cat", "is_linear"):
        if values[key] != [0]:
            raise BadModelText(f"{place}: {key} is {fields[key]}: only splits by numbers, and plain leaves")
    lengths = {**dict.fromkeys(_PER_NODE, leaves - 1), **dict.fromkeys(_PER_LEAF, leaves)}
    for key, length in lengths.items():
        actual = len(values.get(key, ()))
        if actual != length and not (leaves == 1 and actual == 0 and key in _OPTIONAL_OF_ONE_LEAF):
            raise BadModelText(f"{place}: {key} has {actual} values, expected {length}")
    for feature in values["split_feature"]:
        if not 0 <= feature < columns:
            raise BadModelText(f"{place}: split_feature {feature} is none of the {columns} features")
    for kind in values["decision_type"]:
        bits = int(kind)
        if not 0 <= bits < 16 or bits & _CATEGORICAL or (bits & _MISSING) >> 2 == _MISSING_KINDS:
            raise BadModelText(f"{place}: decision_type {bits} is not one of a split by numbers")
    _check_children(values, place, leaves)


def _check_children(values: dict[str, list[float]], place: str, leaves: int) -> None:
    """Refuse children that are no tree: each node and leaf has one parent, whose number is smaller."""
    seen: set[float] = set()
    for side in ("left_child", "right_child"):
        for node, child in enumerate(values[side]):
            # A child below zero is a leaf, -1 the first one.
            if not (node < child < leaves - 1 or -leaves <= child < 0) or child in seen:
                raise BadModelText(f"{place}: {side} of node {node} is {child}: the nodes are no tree")
            seen.add(child)


def _numbers(key: str, text: str, place: str) -> list[float]:
    if not text:
        return []
    convert = int if key in _INTEGERS else float
    try:
        if _NUMBERS.fullmatch(text) is None:
            raise ValueError
        found: list[float] = [convert(one) for one in text.rstrip(" ").split(" ")]
    except ValueError:
        raise BadModelText(f"{place}: {key} is not a list of numbers: {text[:40]!r}") from None
    # A threshold beyond all numbers parts the missing from the known.
    if key != "threshold" and not all(map(isfinite, found)):
        raise BadModelText(f"{place}: {key} has a value that is not finite")
    return found
