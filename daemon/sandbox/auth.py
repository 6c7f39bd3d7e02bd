"""Who signs: keys made on first start, and signatures verified as the venue does.

Signed bytes: timestamp in ms + METHOD + path, the path as it stands on the wire before "?". The window of
the timestamp is -15 s … +60 s on the sandbox's clock. Source: protocol sheet 1.2 – 1.4; 11, row 1.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from daemon.core.units import MILLISECOND, SECOND, Ns
from daemon.exchange.accounts import subaccount_name
from daemon.sandbox.api_keys import ApiKey, ApiKeys, Scope, generate, public_text
from daemon.sandbox.bodies import ApiError
from daemon.sandbox.private_files import replace_private, write_private
from daemon.sandbox.scopes import check_scope, forbidden

PREFIX = "/trade-api/v2"
PAST_MAX: Ns = 15 * SECOND
FUTURE_MAX: Ns = 60 * SECOND
"""How old a timestamp may be, and how far ahead. Source: protocol sheet 11, row 1."""
PUBLIC = (
    "/exchange/",
    "/series",
    "/events",
    "/markets",
    "/historical/cutoff",
    "/historical/markets",
    "/historical/trades",
    "/search/",
    "/account/endpoint_costs",
    "/incentive_programs",
    "/live_data/",
    "/milestones",
    "/multivariate_event_collections",
    "/structured_targets",
)
"""Where public calls begin. Signed ones are answered too, and cost tokens if the signature is a good one."""

_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)


class KeyFile(msgspec.Struct, frozen=True):
    """A private key that the sandbox made: its id, and where it lies."""

    key_id: str
    path: str


class KeyRing(msgspec.Struct, frozen=True):
    """The keys of the one client account."""

    ed25519: KeyFile
    rsa: KeyFile


def load_or_make_keys(folder: Path) -> KeyRing:
    """Return the folder's keys; on a first start make them, readable by their owner only."""
    ring_path = folder / "keys.json"
    if ring_path.exists():
        return msgspec.json.decode(ring_path.read_bytes(), type=KeyRing)
    ed_path, rsa_path = folder / "ed25519.pem", folder / "rsa.pem"
    write_private(ed_path, generate("ed25519")[0])
    write_private(rsa_path, generate("rsa")[0])
    ring = KeyRing(KeyFile(str(uuid.uuid4()), str(ed_path)), KeyFile(str(uuid.uuid4()), str(rsa_path)))
    # Last, and whole or not at all: without this file the keys are made anew.
    replace_private(ring_path, msgspec.json.encode(ring))
    return ring


def is_public(path: str) -> bool:
    """Whether anybody may call this path, given with the prefix."""
    return path.removeprefix(PREFIX).startswith(PUBLIC)


def _refusal(code: str, details: str | None = None) -> ApiError:
    # The message of the documented bodies is the code itself only for `authentication_error`.
    if details is not None:
        return ApiError(401, {"error": {"code": code, "message": code, "details": details}})
    return ApiError(401, {"error": {"code": code, "message": code.replace("_", " ")}})


class Signer(msgspec.Struct, frozen=True, gc=False):
    """Whose signature a request carries, and what it lets it do."""

    key_id: str
    account: str
    """The exchange's name of the account: a key bound to subaccount n > 0 speaks for that one alone."""
    scopes: tuple[Scope, ...]
    subaccount: int | None
    """The subaccount that the key is bound to; None if it may speak for all."""

    def subaccount_asked(self, asked: int | None) -> int | None:
        """Return the subaccount that a request means: the one it names, or else the key's own.

        None: neither names one. What that means depends on the call (protocol sheet 4.7).

        Raises:
            ApiError: 403, it names another one than the key's own.
        """
        if self.subaccount is None:
            return asked
        if asked is not None and asked != self.subaccount:
            raise forbidden(f"the key is bound to subaccount {self.subaccount}")
        return self.subaccount


SIGNER: Final = web.RequestKey("signer", Signer)
"""Where an admitted request of the private calls carries who signed it."""


class Verifier:
    """Checks the three headers of signed requests."""

    def __init__(self, keys: KeyRing, account: str) -> None:
        self._account = account
        made = (("sandbox ed25519", keys.ed25519), ("sandbox rsa", keys.rsa))
        self.keys = ApiKeys(
            Path(keys.ed25519.path).parent,
            lambda: [ApiKey(key.key_id, name, _public_text(key)) for name, key in made],
        )

    def verify(self, headers: Mapping[str, str], method: str, path: str, now: Ns) -> str:
        """Return the name of the account that signed; see `identify`."""
        return self.identify(headers, method, path, now).account

    def admit(self, headers: Mapping[str, str], method: str, path: str, now: Ns) -> Signer:
        """Return who signed a private REST call that its key may make.

        Raises:
            ApiError: as `identify`, and 403 where scopes or subaccount don't cover the call.
        """
        signer = self.identify(headers, method, path, now)
        check_scope(signer.scopes, signer.subaccount, method, path.removeprefix(PREFIX))
        return signer

    def identify(self, headers: Mapping[str, str], method: str, path: str, now: Ns) -> Signer:
        """Return who signed.

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
        found = self.keys.find(key_id)
        if found is None:
            raise _refusal("authentication_error", "NOT_FOUND")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 20):
            raise _refusal("header_timestamp_expired")
        if not -PAST_MAX <= int(stamp) * MILLISECOND - now <= FUTURE_MAX:
            raise _refusal("header_timestamp_expired")
        key, public = found
        # The bytes of the wire, whatever they are: a target need not be UTF-8.
        message = f"{stamp}{method}{path}".encode("utf-8", "surrogateescape")
        try:
            raw = base64.b64decode(signature, validate=True)
            if isinstance(public, Ed25519PublicKey):
                public.verify(raw, message)
            else:
                public.verify(raw, message, _PSS, hashes.SHA256())
        except (InvalidSignature, binascii.Error, ValueError) as exc:
            raise _refusal("authentication_error", "INCORRECT_API_KEY_SIGNATURE") from exc
        account = subaccount_name(self._account, key.subaccount or 0)
        return Signer(key_id, account, key.scopes, key.subaccount)


def _public_text(key: KeyFile) -> str:
    private = serialization.load_pem_private_key(Path(key.path).read_bytes(), None)
    assert isinstance(private, Ed25519PrivateKey | RSAPrivateKey), f"{key.path}: another kind of key"
    return public_text(private.public_key())
