"""The account's API keys: registered, generated, deleted, and kept in a file beside the private keys.

A key is a public key with a name, scopes, and perhaps the one subaccount that it is bound to. What is
registered or deleted is on disk before it is answered, and a deleted key stays deleted.
Source: protocol sheet 1.2, 1.5.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key

from daemon.sandbox.private_files import replace_private

KeyType: TypeAlias = Literal["rsa", "ed25519"]
Scope: TypeAlias = Literal[
    "read",
    "write",
    "read::block_trade_accept",
    "read::portfolio_balance",
    "write::trade",
    "write::transfer",
    "write::fcm_risk",
    "write::block_trade_accept",
]
PublicKey: TypeAlias = Ed25519PublicKey | RSAPublicKey

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
FULL_SCOPES: Final[tuple[Scope, ...]] = ("read", "write")
"""What a key may do when its making named no scopes."""
RSA_BITS_MIN: Final = 2048
_FILE: Final = "api_keys.json"


class ApiKey(msgspec.Struct, frozen=True):
    """One key as it is kept. `subaccount` is None when it isn't bound to one."""

    api_key_id: str
    name: str
    public_key: str
    scopes: tuple[Scope, ...] = FULL_SCOPES
    subaccount: int | None = None


class KeyRefused(ValueError):
    """A key can't be registered; says why."""


class KeyAlreadyRegistered(KeyRefused):
    """The same public key is registered under another id."""


def load_public_key(pem: str) -> PublicKey:
    """Return a public key. Raises KeyRefused for other text, other kinds, and RSA below 2048 bits."""
    try:
        found = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise KeyRefused("public_key is not a PEM public key") from exc
    if isinstance(found, RSAPublicKey):
        if found.key_size < RSA_BITS_MIN:
            raise KeyRefused(f"an RSA key needs at least {RSA_BITS_MIN} bits, not {found.key_size}")
        return found
    if not isinstance(found, Ed25519PublicKey):
        raise KeyRefused("public_key is neither RSA nor Ed25519")
    return found


def public_text(key: PublicKey) -> str:
    """Return a public key as PEM."""
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def generate(key_type: KeyType) -> tuple[bytes, PublicKey]:
    """Return a new private key's PEM (PKCS#1 for rsa, PKCS#8 for ed25519) and its public key."""
    made: Ed25519PrivateKey | RSAPrivateKey
    if key_type == "ed25519":
        made, form = Ed25519PrivateKey.generate(), serialization.PrivateFormat.PKCS8
    else:
        made = generate_private_key(public_exponent=65537, key_size=RSA_BITS_MIN)
        form = serialization.PrivateFormat.TraditionalOpenSSL
    pem = made.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return pem, made.public_key()


class ApiKeys:
    """All registered keys, by id.

    Args:
        folder: where they are kept.
        first: returns the keys to begin with, asked on a first start only.
    """

    def __init__(self, folder: Path, first: Callable[[], list[ApiKey]]) -> None:
        self._path = folder / _FILE
        self._kept: dict[str, ApiKey] = {}
        self._loaded: dict[str, PublicKey] = {}
        if self._path.exists():
            listed = msgspec.json.decode(self._path.read_bytes(), type=list[ApiKey])
        else:
            listed = first()
        for key in listed:
            self._kept[key.api_key_id] = key
            self._loaded[key.api_key_id] = load_public_key(key.public_key)

    def all(self) -> list[ApiKey]:
        """Return the keys, oldest first."""
        return list(self._kept.values())

    def find(self, api_key_id: str) -> tuple[ApiKey, PublicKey] | None:
        """Return a key and what verifies its signatures; None if there is none of this id."""
        kept = self._kept.get(api_key_id)
        return None if kept is None else (kept, self._loaded[api_key_id])

    def register(
        self, name: str, public_key: str, scopes: tuple[Scope, ...], subaccount: int | None
    ) -> ApiKey:
        """Keep a new key and return it.

        Raises:
            KeyRefused: no usable public key, or no usable scopes.
            KeyAlreadyRegistered: this public key has an id already.
        """
        if not scopes:
            raise KeyRefused("a key without scopes can do nothing")
        if "write" in scopes and "read" not in scopes:
            raise KeyRefused("the scope write requires read")
        loaded = load_public_key(public_key)
        text = public_text(loaded)
        if any(public_text(other) == text for other in self._loaded.values()):
            raise KeyAlreadyRegistered("this public key is registered already")
        key = ApiKey(str(uuid.uuid4()), name, text, scopes, subaccount)
        self._kept[key.api_key_id] = key
        self._loaded[key.api_key_id] = loaded
        self._save()
        return key

    def delete(self, api_key_id: str) -> bool:
        """Forget a key for good; False if there is none of this id."""
        if self._kept.pop(api_key_id, None) is None:
            return False
        del self._loaded[api_key_id]
        self._save()
        return True

    def _save(self) -> None:
        replace_private(self._path, msgspec.json.encode(self.all()))
