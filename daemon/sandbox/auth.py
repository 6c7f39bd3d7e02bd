"""Who signs: keys made on first start, and signatures verified as the venue does.

Signed bytes: timestamp in ms + METHOD + path, the path as it stands on the wire before "?". The window of
the timestamp is -15 s … +60 s on the sandbox's clock. Source: protocol sheet 1.2 – 1.4; 11, row 1.
"""

from __future__ import annotations

import base64
import binascii
import os
import uuid
from collections.abc import Mapping
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key

from daemon.core.units import MILLISECOND, SECOND, Ns
from daemon.sandbox.bodies import ApiError

PAST_MAX: Ns = 15 * SECOND
FUTURE_MAX: Ns = 60 * SECOND

_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)


class KeyFile(msgspec.Struct, frozen=True):
    """A private key that the sandbox made: its id, and where it lies."""

    key_id: str
    path: str


class KeyRing(msgspec.Struct, frozen=True):
    """The keys of the one client account."""

    ed25519: KeyFile
    rsa: KeyFile


def _write_private(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def load_or_make_keys(folder: Path) -> KeyRing:
    """Return the folder's keys; on a first start make them, readable by their owner only."""
    ring_path = folder / "keys.json"
    if ring_path.exists():
        return msgspec.json.decode(ring_path.read_bytes(), type=KeyRing)
    ed_path, rsa_path = folder / "ed25519.pem", folder / "rsa.pem"
    no_password = serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    _write_private(
        ed_path,
        Ed25519PrivateKey.generate().private_bytes(pem, serialization.PrivateFormat.PKCS8, no_password),
    )
    rsa_key = generate_private_key(public_exponent=65537, key_size=2048)
    _write_private(
        rsa_path, rsa_key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, no_password)
    )
    ring = KeyRing(KeyFile(str(uuid.uuid4()), str(ed_path)), KeyFile(str(uuid.uuid4()), str(rsa_path)))
    # Last, and whole or not at all: without this file the keys are made anew.
    ring_tmp = ring_path.with_suffix(".tmp")
    _write_private(ring_tmp, msgspec.json.encode(ring))
    ring_tmp.replace(ring_path)
    return ring


def _refusal(code: str, details: str | None = None) -> ApiError:
    # The message of the documented bodies is the code itself only for `authentication_error`.
    if details is not None:
        return ApiError(401, {"error": {"code": code, "message": code, "details": details}})
    return ApiError(401, {"error": {"code": code, "message": code.replace("_", " ")}})


class Verifier:
    """Checks the three headers of signed requests."""

    def __init__(self, keys: KeyRing, account: str) -> None:
        self._keys: dict[str, tuple[str, Ed25519PublicKey | RSAPublicKey]] = {}
        for key in (keys.ed25519, keys.rsa):
            private = serialization.load_pem_private_key(Path(key.path).read_bytes(), None)
            assert isinstance(private, Ed25519PrivateKey | RSAPrivateKey), f"{key.path}: another kind of key"
            self._keys[key.key_id] = (account, private.public_key())

    def verify(self, headers: Mapping[str, str], method: str, path: str, now: Ns) -> str:
        """Return the account that signed.

        Args:
            headers: the request's, of case-insensitive names.
            method: in upper case.
            path: the raw request target before "?".
            now: the sandbox's clock.

        Raises:
            ApiError: 401 with the documented body.
        """
        key_id = headers.get("KALSHI-ACCESS-KEY")
        stamp = headers.get("KALSHI-ACCESS-TIMESTAMP")
        signature = headers.get("KALSHI-ACCESS-SIGNATURE")
        if not signature or not key_id or not stamp:
            raise _refusal("signature_is_missing_from_headers")
        found = self._keys.get(key_id)
        if found is None:
            raise _refusal("authentication_error", "NOT_FOUND")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 20):
            raise _refusal("header_timestamp_expired")
        if not -PAST_MAX <= int(stamp) * MILLISECOND - now <= FUTURE_MAX:
            raise _refusal("header_timestamp_expired")
        account, key = found
        message = f"{stamp}{method}{path}".encode()
        try:
            raw = base64.b64decode(signature, validate=True)
            if isinstance(key, Ed25519PublicKey):
                key.verify(raw, message)
            else:
                key.verify(raw, message, _PSS, hashes.SHA256())
        except (InvalidSignature, binascii.Error, ValueError) as exc:
            raise _refusal("authentication_error", "INCORRECT_API_KEY_SIGNATURE") from exc
        return account
