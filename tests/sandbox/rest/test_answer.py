"""Tests of the form of every answer."""

from __future__ import annotations

from daemon.sandbox.rest.answer import answer


def test_a_body_is_json_with_its_keys_in_order() -> None:
    """Keys are alphabetical, the body ends with a line break, and its type is told."""
    told = answer({"b": 1, "a": None}, 201)
    assert (201, "application/json", b'{"a":null,"b":1}\n') == (told.status, told.content_type, told.body)
