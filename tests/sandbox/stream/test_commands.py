"""Tests of reading a client's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from daemon.sandbox.stream import commands as c


def code(read: Callable[[dict[str, Any]], object], **params: Any) -> int:
    with pytest.raises(c.CommandRefused) as refused:
        read(params)
    return refused.value.code


def test_every_code_has_its_short_text() -> None:
    """1 to 28, as the documents list them."""
    assert list(range(1, 29)) == list(c.ERRORS)
    assert "Channel error" == str(c.CommandRefused(10))


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"id":"1"}', '{"params":[]}', b"\xff"])
def test_what_is_no_command_is_none(text: str | bytes) -> None:
    """Bad JSON and wrong types alike."""
    assert c.decode_command(text) is None


def test_an_id_is_read_from_what_is_no_command() -> None:
    """So that its error can name it; 0 without one."""
    assert [4, 0, 0] == [c.id_of(text) for text in ('{"id":4,"params":[]}', '{"id":"x"}', "{")]


def test_parameters_are_required() -> None:
    """None and none at all are the same."""
    for text in ('{"cmd":"subscribe"}', '{"cmd":"subscribe","params":{}}'):
        command = c.decode_command(text)
        assert command is not None
        with pytest.raises(c.CommandRefused) as refused:
            c.params_of(command)
        assert 2 == refused.value.code


def test_texts_and_flags_have_their_types() -> None:
    """A repeated text counts once; what is absent is empty, or off."""
    assert ["a", "b"] == c.strings_of({"x": ["a", "b", "a"]}, "x")
    assert ([], False) == (c.strings_of({}, "x"), c.flag_of({}, "x"))
    assert [1, 1] == [code(lambda params: c.strings_of(params, "x"), x=wrong) for wrong in ("a", [1])]
    assert 1 == code(lambda params: c.flag_of(params, "x"), x=1)


def test_a_channel_is_named_and_known() -> None:
    """3 for none, 8 for any that this exchange doesn't have."""
    assert [3, 3, 8, 8] == [
        code(c.channels_of),
        code(c.channels_of, channels=[]),
        code(c.channels_of, channels=["trade", "multivariate"]),
        code(c.channels_of, channels=["Trade"]),
    ]
    assert c.ABSENT.isdisjoint(c.CHANNELS)


def test_an_update_names_one_subscription() -> None:
    """As a number or a list of one, not both."""
    assert [4, 4] == [c.sid_of({"sid": 4}), c.sid_of({"sids": [4]})]
    wrong: tuple[dict[str, Any], ...] = ({}, {"sids": []}, {"sids": [1, 2]}, {"sid": 1, "sids": [1]})
    assert [12, 12, 12, 12] == [code(c.sid_of, **params) for params in wrong]
    assert [1, 1] == [code(c.sid_of, sid="1"), code(c.sid_of, sids=[True])]


def test_an_unsubscribe_names_some() -> None:
    """Each once."""
    assert [1, 2] == c.sids_of({"sids": [1, 2, 1]})
    assert [4, 4, 1] == [code(c.sids_of), code(c.sids_of, sids=[]), code(c.sids_of, sids=["1"])]


def test_an_update_says_what_to_do() -> None:
    """In words."""
    assert [15, 15, 1] == [code(c.action_of), code(c.action_of, action=""), code(c.action_of, action=7)]


def test_markets_are_named_in_one_way() -> None:
    """By ticker or by id, one or many; an empty list names none."""
    assert (["A"], ["A", "B"], None) == (
        c.tickers_of({"market_ticker": "A"}),
        c.tickers_of({"market_tickers": ["A", "B"]}),
        c.tickers_of({"market_tickers": []}),
    )
    assert [11, 11, 11, 11] == [
        code(c.tickers_of, market_ticker="A", market_tickers=["A"]),
        code(c.tickers_of, market_ticker=["A"]),
        code(c.market_ids_of, market_id="x", market_ids=["x"]),
        code(c.market_ids_of, market_id="x", market_ticker="A"),
    ]
