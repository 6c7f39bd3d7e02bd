"""Tests of the register of API keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from daemon.sandbox.api_keys import (
    FULL_SCOPES,
    ApiKeys,
    KeyAlreadyRegistered,
    KeyRefused,
    generate,
    public_text,
)


def text_of(key_type: str = "ed25519") -> str:
    return public_text(generate(key_type)[1])  # type: ignore[arg-type]


def test_registered_keys_outlive_a_restart_and_deleted_ones_stay_deleted(tmp_path: Path) -> None:
    """The file is written before the call returns."""
    keys = ApiKeys(tmp_path, list)
    kept = keys.register("mine", text_of(), FULL_SCOPES, 3)
    gone = keys.register("other", text_of("rsa"), ("read",), None)
    assert keys.delete(gone.api_key_id)
    again = ApiKeys(tmp_path, lambda: pytest.fail("not a first start"))
    assert [kept] == again.all()
    assert again.find(gone.api_key_id) is None
    assert not again.delete(gone.api_key_id)


def test_private_keys_come_in_the_venues_forms() -> None:
    """PKCS#1 for rsa, PKCS#8 for ed25519."""
    assert generate("rsa")[0].startswith(b"-----BEGIN RSA PRIVATE KEY-----")
    assert generate("ed25519")[0].startswith(b"-----BEGIN PRIVATE KEY-----")


def test_what_is_no_usable_key_is_refused(tmp_path: Path) -> None:
    """Other text, another kind, a short RSA key, no scopes, write without read; nothing is kept."""
    keys = ApiKeys(tmp_path, list)
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    short = generate_private_key(public_exponent=65537, key_size=1024).public_key()
    for pem in (
        "no pem",
        curve.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode(),
        public_text(short),
    ):
        with pytest.raises(KeyRefused):
            keys.register("mine", pem, FULL_SCOPES, None)
    with pytest.raises(KeyRefused, match="can do nothing"):
        keys.register("mine", text_of(), (), None)
    with pytest.raises(KeyRefused, match="write requires read"):
        keys.register("mine", text_of(), ("write",), None)
    assert [] == keys.all()


def test_a_public_key_has_one_id(tmp_path: Path) -> None:
    """A second registration is refused, however its PEM is laid out."""
    keys = ApiKeys(tmp_path, list)
    text = text_of()
    keys.register("mine", text, FULL_SCOPES, None)
    with pytest.raises(KeyAlreadyRegistered):
        keys.register("again", text + "\n", FULL_SCOPES, None)
