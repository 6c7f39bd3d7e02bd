"""Networks behind the core's Scorer protocol, by onnxruntime. Needs the extra `onnx`; nothing else here does.

A network has one input of floats, (1, features) or, for sequences, (1, steps, channels) filled from the row
step by step, oldest first; and one output of one value. No branch is for a missing value: all is required.

One thread: two were slower and had a worse tail (61 against 92 us for 17,831 parameters). Numbers differ in
the last digits between processors, which is why frozen rows are held to 1e-6 only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.core.scorer import FeatureSchema, Output
from daemon.scoring.metadata import ExtraMissing, ModelRefused

if TYPE_CHECKING:
    import numpy as np

_TYPES = {"tensor(float)": "float32", "tensor(double)": "float64"}
_EXTERNAL = re.compile(rb"(?:\x08|\x88\x80*\x00)location")
"""How a network says that a part of it lies in another file, which no sha256 vouches for: a text of eight
letters. What stands around it may come in any order, and a length may be written longer than it need be."""


def _session(content: bytes, path: Path) -> Any:
    """Return a session of one thread that neither spins, nor logs, nor tells anyone."""
    # Read at import: else it writes an id of this machine into the home folder, and a record of what it does.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime  # noqa: PLC0415 - heavy, and of the extra only
    except ImportError as error:
        raise ExtraMissing(f"{path}: a network needs onnxruntime: pip install kalshid[onnx]") from error
    if _EXTERNAL.search(content):
        raise ModelRefused(f"{path}: keeps a part of itself in another file; save it as one")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no base of their own
        raise ModelRefused(f"{path}: onnxruntime refuses it: {error}") from error


class OnnxScorer:
    """A network, ready to score. Not for two threads at once."""

    def __init__(
        self,
        content: bytes,
        path: Path,
        *,
        name: str,
        version: str,
        schema: FeatureSchema,
        output: Output = "probability",
        sequence_length: int | None = None,
    ) -> None:
        """Load.

        Args:
            content: the model file's. The caller vouches for it.
            path: where it is from, for errors.
            name: the model's name.
            version: the model's version.
            schema: the features in the model's order.
            output: what the value means.
            sequence_length: how many steps the schema is, oldest first; None for a flat row.

        Raises:
            ExtraMissing: onnxruntime isn't installed.
            ModelRefused: onnxruntime refuses it, or the input or output is another.
        """
        self.name = name
        self.version = version
        self.schema = schema
        self.required = frozenset(schema.names)
        self.output = output
        import numpy as np  # noqa: PLC0415 - the daemon runs without it where no model needs it

        session = _session(content, path)
        columns = len(schema.names)
        if sequence_length is not None and columns % sequence_length:
            raise ModelRefused(f"{path}: {columns} features are no {sequence_length} steps of equal length")
        shape = (1, columns) if sequence_length is None else (1, sequence_length, columns // sequence_length)
        inputs, outputs = session.get_inputs(), session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise ModelRefused(
                f"{path}: has {len(inputs)} inputs and {len(outputs)} outputs, expected 1 and 1"
            )
        (taken,) = inputs
        # A dimension that is a name, or nothing, may be anything.
        fits = len(taken.shape) == len(shape) and all(
            not isinstance(found, int) or found == wanted
            for found, wanted in zip(taken.shape, shape, strict=True)
        )
        if not fits or taken.type not in _TYPES:
            raise ModelRefused(f"{path}: takes {taken.type} {taken.shape}, expected floats {list(shape)}")
        self._row: np.ndarray = np.zeros(columns, dtype=_TYPES[taken.type])
        self._feed = {taken.name: self._row.reshape(shape)}
        self._names = [outputs[0].name]
        self._run = session.run

    def score(self, row: Sequence[float | None]) -> float:
        """Return what the network says of one row in schema order.

        Raises:
            ValueError: the row has another length or lacks a value; the network says no number, or several.
        """
        if len(row) != len(self._row) or None in row:
            raise ValueError(f"a row of {len(row)} values, expected {len(self._row)}, none of them missing")
        self._row[:] = row
        (result,) = self._run(self._names, self._feed)
        if result.size != 1:
            raise ValueError(f"the network says {result.size} values, expected 1")
        value = float(result.reshape(-1)[0])
        if not isfinite(value):
            raise ValueError(f"the network says {value!r}")
        if self.output == "probability" and not 0.0 <= value <= 1.0:
            raise ValueError(f"the network says {value!r}, which is no probability")
        return value
