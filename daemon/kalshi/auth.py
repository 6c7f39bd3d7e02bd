"""Loading the account's private key, and signing requests with it.

    message   = timestamp in ms + METHOD + path        path with /trade-api/v2, without the query
    RSA key   → RSASSA-PSS, SHA-256, salt of 32 bytes  (0.2 ms for 2048 bits)
    Ed25519   → plain                                  (0.02 ms: the one to recommend)

The key is loaded once; reading it for each request would cost more than everything else together.
Source: protocol sheet 1.2.
"""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from daemon.kalshi.errors import BadKey

PrivateKey: TypeAlias = RSAPrivateKey | Ed25519PrivateKey

_KEY_BYTES_MAX = 64 * 1024
_SHA256 = hashes.SHA256()
_PADDING = PSS(mgf=MGF1(_SHA256), salt_length=_SHA256.digest_size)


def load_private_key(path: Path) -> PrivateKey:
    """Return the private key in a PEM file.

    The file must be a regular file, not a link, that group and others can't touch. Under
    `$CREDENTIALS_DIRECTORY`, which systemd protects itself, its mode 0440 is accepted.

    Raises:
        BadKey: no such file, one that others can read, or one that holds no RSA or Ed25519 key.
    """
    pem = _read_guarded(path)
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        raise BadKey(f"{path}: the key is protected by a password; kalshid needs one without") from None
    except (ValueError, UnsupportedAlgorithm):
        # The library's own text could quote the content: `from None` keeps it out of every log.
        raise BadKey(f"{path}: {_not_a_key(pem)}") from None
    if isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        return key
    raise BadKey(f"{path}: the venue takes RSA and Ed25519 keys, and this is neither")


def _not_a_key(pem: bytes) -> str:
    """Say what a file that is no key of ours looks like, by its first line alone."""
    if not pem.strip():
        return "is empty"
    if pem.lstrip().startswith((b"-----BEGIN PUBLIC KEY", b"-----BEGIN RSA PUBLIC KEY")):
        return "holds the public key; kalshid signs with the private one"
    if pem.lstrip().startswith(b"-----BEGIN CERTIFICATE"):
        return "holds a certificate, not a private key"
    return "not a private key in PEM format"


def _read_guarded(path: Path) -> bytes:
    """Return the file's bytes after checking what was opened, not what the name meant a moment ago."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise BadKey(f"{path}: no such key file") from None
    except OSError as error:
        if path.is_symlink():
            raise BadKey(f"{path}: is a symbolic link; name the key file itself") from None
        raise BadKey(f"{path}: can't be opened: {error.strerror}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BadKey(f"{path}: not a regular file")
        mode = stat.S_IMODE(status.st_mode)
        allowed = 0o740 if _is_credential(path) else 0o700
        if mode & 0o777 & ~allowed:
            raise BadKey(f"{path}: mode is {mode:04o}, so others can use it; run: chmod 600 {path}")
        pem = os.read(descriptor, _KEY_BYTES_MAX + 1)
    finally:
        os.close(descriptor)
    if len(pem) > _KEY_BYTES_MAX:
        raise BadKey(f"{path}: larger than {_KEY_BYTES_MAX} bytes, so not a key")
    return pem


def _is_credential(path: Path) -> bool:
    """Whether the file lies in the directory that systemd made for this service's credentials."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    return bool(directory) and path.parent.resolve() == Path(directory or "").resolve()


class Signer:
    """Makes the three headers of an authenticated request."""

    def __init__(self, key_id: str, key: PrivateKey) -> None:
        self.key_id = key_id
        self._key = key

    def __repr__(self) -> str:
        return f"Signer({self.key_id!r})"

    def sign(self, message: bytes) -> bytes:
        """Return the signature of these bytes, by the scheme of the key's type."""
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(message)
        return self._key.sign(message, _PADDING, _SHA256)

    def headers(self, method: str, path: str, now_ms: int) -> dict[str, str]:
        """Return the headers for one request.

        Args:
            method: GET, POST, … in any case.
            path: from the host's root, percent-encoded as on the wire, without the query.
            now_ms: Unix time in milliseconds; the venue refuses one that is some seconds off.
        """
        assert path.startswith("/"), f"not a path from the root: {path!r}"
        assert "?" not in path, f"the query is not signed: {path!r}"
        message = f"{now_ms}{method.upper()}{path}"
        return {
            "KALSHI-ACCESS-KEY": self.key_id,
            "KALSHI-ACCESS-TIMESTAMP": str(now_ms),
            "KALSHI-ACCESS-SIGNATURE": base64.b64encode(self.sign(message.encode())).decode(),
        }
