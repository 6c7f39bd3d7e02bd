"""Every frame that the venue is known to have sent or documented: decoded, or refused by name."""

from __future__ import annotations

import json

import msgspec
import pytest

from daemon.kalshi import wire
from tests.kalshi.frames import recorded_frames

EXAMPLES = "ws_doc_examples_asyncapi_2026-06-10.jsonl"
RECORDED = (
    "live_2026-09-25/ws_prod_control.jsonl",
    "live_2026-09-25/ws_prod_public.jsonl",
    "live_2026-10-05/ws_cfbenchmarks_value.jsonl",
    "demo_2026-06/ws__orderbook_trade_yes.jsonl",
)
# Example → why it is refused. All others of the server's messages decode.
NOT_SUBSCRIBED = "a channel that we don't subscribe to"
OLD = "the document of June leaves out a field that live frames carry"
REFUSED = {
    "indexListResponse": NOT_SUBSCRIBED,
    "lookupRecorded": NOT_SUBSCRIBED,
    "mveMarketCreated": NOT_SUBSCRIBED,
    "quoteAcceptedNotification": NOT_SUBSCRIBED,
    "quoteCreatedNotification": NOT_SUBSCRIBED,
    "quoteExecutedNotification": NOT_SUBSCRIBED,
    "rfqCreatedNotification": NOT_SUBSCRIBED,
    "rfqDeletedNotification": NOT_SUBSCRIBED,
    "tradeNotification": OLD,  # taker_outcome_side
    "userFill": OLD,  # book_side, fee_cost
    "userOrderCreated": OLD,  # book_side
}

decode = msgspec.json.Decoder(wire.Frame).decode


@pytest.mark.parametrize("name", RECORDED)
def test_every_recorded_frame_decodes(name: str) -> None:
    """What production and demo really sent is understood, frame by frame."""
    for line in recorded_frames(name):
        decode(line)


def test_every_documented_message_decodes_or_is_refused_by_name() -> None:
    """The 57 examples: commands and control frames apart, what is refused is exactly the table above."""
    refused = {}
    for line in recorded_frames(EXAMPLES):
        example = json.loads(line)
        payload = example["payload"]
        if not isinstance(payload, dict) or "cmd" in payload:
            continue
        try:
            decode(json.dumps(payload).encode())
        except msgspec.ValidationError as error:
            refused[example["example"]] = str(error)
    assert set(REFUSED) == set(refused), refused
    for name, reason in refused.items():
        assert ("Invalid value" in reason) == (REFUSED[name] == NOT_SUBSCRIBED), (name, reason)
