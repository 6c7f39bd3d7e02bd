"""The API's structs: one row and one of a batch say the same, and a refusal carries its reason."""

from __future__ import annotations

import msgspec

from daemon.lab.serve.bodies import Batch, Prediction, Problem, Refusal, Refused, Scored


def test_one_row_is_told_as_a_row_of_a_batch() -> None:
    """Who answers, and then the row: whoever reads one can read the other."""
    who = [name for name in Batch.__struct_fields__ if name != "predictions"]
    assert [*who, *Scored.__struct_fields__] == list(Prediction.__struct_fields__)


def test_a_refusal_is_raised_with_what_is_said() -> None:
    """The exception has the status, the body and the sentence."""
    body = Refusal("row 3: x is required", (Problem("is required", "x", 3),), 1, ("x",), ("x",))
    refused = Refused(422, body)
    assert (422, "row 3: x is required", None) == (refused.status, str(refused), refused.wait_s)
    assert body == msgspec.json.decode(msgspec.json.encode(refused.body), type=Refusal)
