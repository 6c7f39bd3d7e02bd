"""LightGBM behind the core's Scorer protocol: one row at a time, by the C library's fast path.

`LGBM_BoosterPredictForMatSingleRowFast` is called through ctypes with types set once, one buffer for
the row and one for the result, one thread. It is bit-equal to `Booster.predict` and several times
faster, because nothing is converted, checked or allocated per call.

`PyDLL` keeps the interpreter's lock during the call. Of 200 trees with 31 leaves and 24 features, p50 and
p99 in us, alone: PyDLL 6.3 and 8.4, CDLL 6.2 and 8.3 (`Booster.predict` 22). With another thread that
computes: PyDLL 6.7 and 9.4, CDLL 5,082 and 5,975, for whoever gives up the lock waits 5 ms to have it back.

The package `lightgbm` is not imported for it, only its library file is loaded: what the daemon runs
needs neither the training code nor what that imports.
"""

from __future__ import annotations

import ctypes
import importlib.util
import struct
import weakref
from array import array
from collections.abc import Sequence
from functools import cache
from math import nan
from pathlib import Path

from daemon.core.scorer import FeatureSchema, Output

_FLOAT64 = 1
_PREDICT_NORMAL = 0
_ALL_ITERATIONS = -1
# One thread: more than one is slower for one row, and the other core has other work.
_PARAMETERS = b"num_threads=1 verbosity=-1"


class LightGBMError(Exception):
    """The library refused a call; the message is its own."""


def _library_path() -> Path:
    spec = importlib.util.find_spec("lightgbm")
    if spec is None or spec.origin is None:
        raise LightGBMError("the package lightgbm is not installed")
    package = Path(spec.origin).parent
    for folder in (package / "lib", package / "bin"):
        for name in ("lib_lightgbm.so", "lib_lightgbm.dylib", "lib_lightgbm.dll"):
            if (folder / name).is_file():
                return folder / name
    raise LightGBMError(f"no LightGBM library in {package}")


@cache
def _library() -> ctypes.PyDLL:
    """The library with the types of the calls that we make. Source: LightGBM's c_api.h, 4.7."""
    library = ctypes.PyDLL(str(_library_path()))
    handle, handle_out = ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)
    integer, integer_out = ctypes.c_int, ctypes.POINTER(ctypes.c_int)
    signatures = {
        "LGBM_BoosterLoadModelFromString": [ctypes.c_char_p, integer_out, handle_out],
        "LGBM_BoosterGetNumFeature": [handle, integer_out],
        "LGBM_BoosterGetNumClasses": [handle, integer_out],
        "LGBM_BoosterPredictForMatSingleRowFastInit": [
            *(handle, integer, integer, integer),  # booster, predict type, start, number of iterations
            *(integer, ctypes.c_int32, ctypes.c_char_p, handle_out),  # data type, columns, parameters, out
        ],
        "LGBM_FastConfigFree": [handle],
        "LGBM_BoosterFree": [handle],
    }
    for name, types in signatures.items():
        function = getattr(library, name)
        function.argtypes = types
        function.restype = integer
    library.LGBM_GetLastError.argtypes = []
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library


def _check(status: int) -> None:
    if status != 0:
        raise LightGBMError(_library().LGBM_GetLastError().decode(errors="replace"))


def _release(booster: int | None, fast: int | None) -> None:
    library = _library()
    if fast is not None:
        library.LGBM_FastConfigFree(fast)
    if booster is not None:
        library.LGBM_BoosterFree(booster)


class LightGBMScorer:
    """A model loaded from LightGBM's text, ready to score. Not for two threads at once.

    The library's memory is freed by `close`, or with the object.
    """

    reads_nan = True

    def __init__(
        self,
        model_text: bytes,
        name: str,
        version: str,
        schema: FeatureSchema,
        required: frozenset[str],
        output: Output = "probability",
    ) -> None:
        """Load.

        Args:
            model_text: the content of the model file. The caller vouches for it: the library trusts
                what it reads.
            name: the model's name, for whoever asks.
            version: the model's version.
            schema: the features in the model's order.
            required: features without which the caller shall not ask for a score.
            output: what the value means; the caller has seen the objective.

        Raises:
            LightGBMError: the library can't read the text, or the model isn't one of one value
                over as many features as the schema has.
        """
        self.name = name
        self.version = version
        self.schema = schema
        self.required = required
        self.output: Output = output
        library = _library()
        booster, fast, number = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_int()
        _check(
            library.LGBM_BoosterLoadModelFromString(model_text, ctypes.byref(number), ctypes.byref(booster))
        )
        columns = len(schema.names)
        try:
            _check(library.LGBM_BoosterGetNumFeature(booster, ctypes.byref(number)))
            if number.value != columns:
                raise LightGBMError(f"the model has {number.value} features, the schema {columns}")
            _check(library.LGBM_BoosterGetNumClasses(booster, ctypes.byref(number)))
            if number.value != 1:
                raise LightGBMError(f"the model gives {number.value} values per row, not one")
            _check(
                library.LGBM_BoosterPredictForMatSingleRowFastInit(
                    booster,
                    *(_PREDICT_NORMAL, 0, _ALL_ITERATIONS, _FLOAT64, columns, _PARAMETERS),
                    ctypes.byref(fast),
                )
            )
        except LightGBMError:
            _release(booster.value, None)
            raise
        self._row = (ctypes.c_double * columns)()
        self._values = memoryview(self._row).cast("B").cast("d")
        self._pack = struct.Struct(f"{columns}d").pack_into
        self._length = ctypes.c_int64()
        self._output = ctypes.c_double()
        # Converted once: a function without argument types takes such arguments as they are at every call.
        buffers = (self._row, self._length, self._output)
        addresses = (fast.value, *(ctypes.addressof(buffer) for buffer in buffers))
        self._arguments = tuple([ctypes.c_void_p.from_param(address) for address in addresses])
        self._predict = library["LGBM_BoosterPredictForMatSingleRowFast"]
        self._finalizer = weakref.finalize(self, _release, booster.value, fast.value)

    def score(self, row: Sequence[float | None]) -> float:
        """Return what `output` says of one row in schema order; None or NaN is missing.

        Raises:
            ValueError: the row has another length than the schema.
            LightGBMError: the library refused the call.
        """
        if type(row) is array:
            self._values[:] = row  # as it lies in the memory; another length raises ValueError
        else:
            try:
                self._pack(self._row, 0, *row)  # a third of the time of a copy by slice
            except struct.error:
                # None becomes NaN. A slice of another length raises ValueError.
                self._row[:] = [nan if value is None else value for value in row]
        if self._predict(*self._arguments) != 0:
            raise LightGBMError(_library().LGBM_GetLastError().decode(errors="replace"))
        return self._output.value

    def close(self) -> None:
        """Free the library's memory; the scorer must not be used afterwards. A second call is no error."""
        self._finalizer()
