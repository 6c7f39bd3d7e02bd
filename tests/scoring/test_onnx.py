"""Networks: equal to the same sum by other means, one row or a sequence, refused where not what is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.scorer import FeatureSchema, Output
from daemon.scoring.metadata import ExtraMissing, ModelRefused
from daemon.scoring.onnx import OnnxScorer
from tests.scoring.onnx_bytes import FLOAT, elsewhere, graph, linear, logistic, model, node, told

PATH = Path("m/1/model.onnx")
NAMES = FeatureSchema(("a", "b", "c", "d", "e", "f"))
WEIGHTS = [0.3, -1.2, 0.7, 0.05, 2.0, -0.4]
ROW = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]


def load(content: bytes, *, output: Output = "probability", sequence_length: int | None = None) -> OnnxScorer:
    return OnnxScorer(
        content, PATH, name="n", version="1", schema=NAMES, output=output, sequence_length=sequence_length
    )


def expected(row: list[float]) -> float:
    """The same by numpy, in single precision as the network has it."""
    z = np.asarray(row, np.float32) @ np.asarray(WEIGHTS, np.float32) + np.float32(0.1)
    return float(1 / (1 + np.exp(-np.float64(z))))


FLAT = load(logistic(WEIGHTS, 0.1, (1, 6)))
SEQUENCE = load(logistic(WEIGHTS, 0.1, (1, 3, 2)), sequence_length=3)


@given(st.lists(st.floats(-10, 10, width=32), min_size=6, max_size=6))
def test_a_row_scores_as_the_same_sum_elsewhere(row: list[float]) -> None:
    """To a millionth; and a sequence of three steps of two channels is the same row, step by step."""
    assert expected(row) == pytest.approx(FLAT.score(row), abs=1e-6)
    assert FLAT.score(row) == pytest.approx(SEQUENCE.score(row), abs=1e-6)


def test_one_call_leaves_nothing_for_the_next() -> None:
    """The row's buffer is reused: the same row scores the same whatever came between."""
    alone = FLAT.score(ROW)
    FLAT.score([9.0] * 6)
    assert alone == FLAT.score(ROW)


def test_all_of_its_features_are_required() -> None:
    """A network has no branch for a missing value."""
    assert frozenset(NAMES.names) == FLAT.required
    with pytest.raises(ValueError, match="none of them missing"):
        FLAT.score([None, *ROW[1:]])


@pytest.mark.parametrize("length", [5, 7])
def test_a_row_of_another_length_is_an_error(length: int) -> None:
    """A row that isn't the schema's is never padded or cut."""
    with pytest.raises(ValueError, match=f"a row of {length} values, expected 6"):
        FLAT.score([0.0] * length)


def test_what_is_no_probability_is_no_score() -> None:
    """A network that says 2.1 where a probability is meant has no score; where a change is meant it has."""
    assert sum(ROW) == pytest.approx(load(linear([1.0] * 6), output="change").score(ROW), abs=1e-6)
    with pytest.raises(ValueError, match="which is no probability"):
        load(linear([1.0] * 6)).score(ROW)


def test_what_is_not_finite_is_no_score() -> None:
    """An overflow is no change of a price."""
    with pytest.raises(ValueError, match="the network says inf"):
        load(linear([3e38] * 6), output="change").score([9.0] * 6)


def test_several_values_are_no_score() -> None:
    """Which of them would be meant is not for us to say."""
    with pytest.raises(ValueError, match="the network says 2 values, expected 1"):
        load(linear([1.0] * 6, outputs=2), output="change").score(ROW)


TWO_INPUTS = model(
    graph(
        [node("Add", ["x", "y"], "z")],
        [],
        [told("x", FLOAT, (1, 6)), told("y", FLOAT, (1, 6))],
        [told("z", FLOAT, (1, 6))],
    )
)


def external(weights: bytes) -> bytes:
    """A network whose weights are told so."""
    return model(
        graph(
            [node("MatMul", ["x", "w"], "y")],
            [weights],
            [told("x", FLOAT, (1, 6))],
            [told("y", FLOAT, (1, 1))],
        )
    )


@pytest.mark.parametrize(
    ("content", "sequence_length", "message"),
    [
        (b"not a network", None, "onnxruntime refuses it"),
        (b"", None, "onnxruntime refuses it"),
        (logistic(WEIGHTS, 0.1, (1, 6))[:-40], None, "onnxruntime refuses it"),
        (logistic([1.0] * 4, 0.1, (1, 4)), None, r"takes tensor\(float\) \[1, 4\], expected floats \[1, 6\]"),
        (logistic(WEIGHTS, 0.1, (1, 6)), 3, r"takes tensor\(float\) \[1, 6\], expected floats \[1, 3, 2\]"),
        (logistic(WEIGHTS, 0.1, (1, 3, 2)), 4, "6 features are no 4 steps of equal length"),
        (TWO_INPUTS, None, "has 2 inputs and 1 outputs, expected 1 and 1"),
        (external(elsewhere("w", (6, 1), "w.bin")), None, "keeps a part of itself in another file"),
        (
            external(elsewhere("w", (6, 1), "w.bin", is_key_last=True)),
            None,
            "keeps a part of itself in another file",
        ),
        (
            external(elsewhere("w", (6, 1), "w.bin", b"\x0a\x88\x80\x00location")),
            None,
            "keeps a part of itself in another file",
        ),
    ],
)
def test_another_network_than_needed_is_refused(
    content: bytes, sequence_length: int | None, message: str
) -> None:
    """The error names the file and what is expected."""
    with pytest.raises(ModelRefused, match=r"m/1/model\.onnx: ") as refused:
        load(content, sequence_length=sequence_length)
    assert refused.match(message)


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where onnxruntime isn't installed, the refusal names the extra."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ExtraMissing, match=r"needs onnxruntime: pip install kalshid\[onnx\]"):
        load(logistic(WEIGHTS, 0.1, (1, 6)))


def test_nothing_is_written_into_the_home_folder(tmp_path: Path) -> None:
    """The library would leave an id of the machine and a record of its use there; here it does not."""
    code = "from tests.scoring.test_onnx import FLAT, ROW; print(FLAT.score(ROW))"
    root = Path(__file__).parents[2]
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, check=True, timeout=60
    )
    assert (FLAT.score(ROW), []) == (float(ended.stdout), sorted(tmp_path.rglob("*")))
