"""Model texts: what LightGBM writes passes, what would abort, hang or mislead it is refused by place."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.scorer import FeatureSchema, Output
from daemon.scoring.lightgbm_text import BadModelText, check_model_text
from tests.scoring.model_folder import SCHEMA, model_text, random_rows


def sized(text: bytes) -> bytes:
    """The text with the sizes of its trees made to fit, as an attacker would."""
    head, _, rest = text.partition(b"\n\nTree=")
    trees, end, tail = (b"Tree=" + rest).partition(b"end of trees")
    blocks = re.findall(rb"Tree=.*?(?=Tree=|\Z)", trees, re.DOTALL)
    sizes = b" ".join(b"%d" % len(block) for block in blocks)
    return re.sub(rb"tree_sizes=.*", b"tree_sizes=" + sizes, head) + b"\n\n" + trees + end + tail


def with_line(key: bytes, value: bytes) -> bytes:
    """The model with one line of its first tree, or of its header, replaced."""
    return sized(re.sub(rb"\n" + key + rb"=.*", b"\n" + key + b"=" + value, model_text(), count=1))


def with_all(key: bytes, value: bytes) -> bytes:
    """The same with every value of the first tree's array replaced."""
    match = re.search(rb"\n" + key + rb"=(.*)", model_text())
    assert match is not None
    return with_line(key, b" ".join([value] * len(match[1].split(b" "))))


def with_first(key: bytes, value: bytes) -> bytes:
    """The same with the first value of the first tree's array replaced: nothing stands there twice."""
    match = re.search(rb"\n" + key + rb"=(.*)", model_text())
    assert match is not None
    return with_line(key, b" ".join([value, *match[1].split(b" ")[1:]]))


@cache
def trained(output: Output, **parameters: Any) -> bytes:
    """What LightGBM writes of five trees."""
    rows = random_rows(1_000, 3)
    labels = np.nan_to_num(rows[:, 0]) + np.nan_to_num(rows[:, 3])
    if output == "probability":
        labels = (labels > 0).astype(float)
    training = lightgbm.Dataset(rows, labels, feature_name=list(SCHEMA.names))
    fixed = {"verbosity": -1, "num_threads": 1, "deterministic": True}
    text: str = lightgbm.train({**fixed, **parameters}, training, num_boost_round=5).model_to_string()
    return text.encode()


@pytest.mark.parametrize(
    ("output", "parameters"),
    [
        ("probability", {"objective": "binary"}),
        ("probability", {"objective": "binary", "boosting": "dart"}),
        (
            "probability",
            {"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
        ),
        ("probability", {"objective": "binary", "zero_as_missing": True}),
        ("probability", {"objective": "binary", "use_missing": False}),
        ("probability", {"objective": "binary", "monotone_constraints": "1,0,0,1,0"}),
        ("probability", {"objective": "binary", "min_data_in_leaf": 100_000}),  # trees of one leaf
        ("change", {"objective": "regression"}),
        ("change", {"objective": "regression_l1"}),
        ("change", {"objective": "huber"}),
    ],
)
def test_what_lightgbm_writes_passes(output: Output, parameters: dict[str, Any]) -> None:
    """Models of numbers are taken, however they were boosted; their objective says what their output is."""
    text = trained(output, **parameters)
    check_model_text(text, SCHEMA, output)
    other: Output = "change" if output == "probability" else "probability"
    with pytest.raises(BadModelText, match=f"objective is .*, a {other}"):
        check_model_text(text, SCHEMA, other)


# Each with what it did to a process that gave it to LightGBM 4.7, where it did something.
KILLERS: dict[str, tuple[Callable[[], bytes], str]] = {
    "abort: a size that is not": (lambda: model_text().replace(b"tree_sizes=", b"tree_sizes=9"), "tree_siz"),
    "abort: a size below zero": (lambda: re.sub(rb"tree_sizes=\d+", b"tree_sizes=-1", model_text()), "sizes"),
    "abort: too many leaves": (lambda: with_line(b"num_leaves", b"1000000"), "tree 0: split_feature has"),
    "abort: leaves below zero": (lambda: with_line(b"num_leaves", b"-5"), "tree 0: num_leaves is -5"),
    "hang: children in a circle": (lambda: with_all(b"left_child", b"0"), "the nodes are no tree"),
    "hang: a circle on the other side": (lambda: with_all(b"right_child", b"0"), "the nodes are no tree"),
    "hang: a node that is its own child": (lambda: with_first(b"left_child", b"0"), "the nodes are no tree"),
    "segfault: one node that is not": (lambda: with_first(b"left_child", b"999"), "the nodes are no tree"),
    "segfault: one leaf that is not": (lambda: with_first(b"right_child", b"-999"), "the nodes are no tree"),
    "segfault: a child that is not": (lambda: with_all(b"left_child", b"99999999"), "the nodes are no tree"),
    "segfault: a leaf that is not": (lambda: with_all(b"left_child", b"-99999999"), "the nodes are no tree"),
    "segfault: a feature that is not": (lambda: with_all(b"split_feature", b"99999999"), "is none of the 5"),
    "abort: a list that is cut": (lambda: with_line(b"leaf_value", b"0.1"), "leaf_value has 1 values"),
    "reads beyond: categories without any": (lambda: with_all(b"decision_type", b"1"), "decision_type 1"),
    "abort: categories": (lambda: with_line(b"num_cat", b"3"), "num_cat is 3"),
    "segfault: cut in the middle": (lambda: model_text()[: len(model_text()) // 2], "it is cut off"),
    "abort: no trees": (lambda: model_text().replace(b"Tree=", b"Tre="), "is no model of trees"),
    "no tree at all": (lambda: b"not a model", "is no model of trees"),
    "division by zero: no trees in a round": (
        lambda: model_text().replace(b"num_tree_per_iteration=1", b"num_tree_per_iteration=0"),
        "num_tree_per_iteration is '0', expected '1'",
    ),
    "other scores: leaves that are formulas": (lambda: with_line(b"is_linear", b"1"), "is_linear is 1"),
    "a score that is NaN: a leaf that is NaN": (lambda: with_all(b"leaf_value", b"nan"), "leaf_value"),
    "an infinite leaf": (lambda: with_all(b"leaf_value", b"inf"), "leaf_value has a value that is not fin"),
    "a word in a list": (lambda: with_all(b"leaf_value", b"1_0"), "leaf_value is not a list of numbers"),
    "a foreign key": (lambda: with_line(b"shrinkage", b"1\nsecret=1"), "tree 0: 'secret=1' is unknown"),
    "a second key": (lambda: with_line(b"shrinkage", b"1\nshrinkage=2"), "tree 0: 'shrinkage=2' is unk"),
    "another number of trees": (
        lambda: sized(model_text().replace(b"Tree=1\n", b"Tree=7\n")),
        "'Tree=7' stands where Tree=1 is expected",
    ),
    "more features": (
        lambda: model_text().replace(b"max_feature_idx=4", b"max_feature_idx=1999999999"),
        "max_feature_idx is '1999999999', expected '4'",
    ),
    "another class": (lambda: model_text().replace(b"num_class=1", b"num_class=3"), "num_class is '3'"),
    "no ASCII": (lambda: model_text() + "é".encode(), "is no ASCII"),
}  # fmt: skip


@pytest.mark.parametrize("name", KILLERS)
def test_what_lightgbm_must_not_be_given_is_refused_by_place(name: str) -> None:
    """Each is refused with what is wrong, before the library sees it."""
    make, message = KILLERS[name]
    with pytest.raises(BadModelText, match=message):
        check_model_text(make(), SCHEMA, "probability")


def test_another_schema_is_refused_by_feature() -> None:
    """The text's own feature names must be the schema's, in order."""
    with pytest.raises(BadModelText, match="has 5 features, expected 1"):
        check_model_text(model_text(), FeatureSchema(("mid",)), "probability")
    names = ("mid", "ofi_1s", "spread", *SCHEMA.names[3:])
    with pytest.raises(BadModelText, match="feature 1 is 'spread', expected 'ofi_1s'"):
        check_model_text(model_text(), FeatureSchema(names), "probability")


@settings(max_examples=300)
@given(st.data())
def test_whatever_is_changed_it_passes_or_is_refused(choice: st.DataObject) -> None:
    """Any bytes changed, cut or doubled raise nothing but the refusal."""
    text = bytearray(model_text())
    for _ in range(choice.draw(st.integers(1, 4))):
        place = choice.draw(st.integers(0, len(text) - 1))
        match choice.draw(st.sampled_from(["byte", "cut", "double"])):
            case "byte":
                text[place] = choice.draw(st.sampled_from(b"0123456789-.e =\nTxn\xff"))
            case "cut":
                del text[place : place + choice.draw(st.integers(1, 50))]
            case _:
                text[place:place] = text[place : place + 50]
    try:
        check_model_text(bytes(text), SCHEMA, "probability")
    except BadModelText:
        return
