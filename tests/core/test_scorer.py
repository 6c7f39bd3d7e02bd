"""The scorer: a schema is its ordered names, and its hash is what a model and the daemon compare."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.scorer import FeatureSchema

names = st.lists(st.text(max_size=8), max_size=6).map(tuple)


def test_the_hash_is_of_the_names_as_compact_json() -> None:
    """Anyone can compute it: sha256 of the JSON list without blanks."""
    expected = hashlib.sha256(b'["spread","mid"]').hexdigest()
    assert expected == FeatureSchema(("spread", "mid")).sha256


@given(names, names)
def test_schemas_share_a_hash_only_if_they_are_the_same(
    left: tuple[str, ...], right: tuple[str, ...]
) -> None:
    """A renamed, added, missing or moved feature changes the hash."""
    assert (left == right) is (FeatureSchema(left).sha256 == FeatureSchema(right).sha256)
