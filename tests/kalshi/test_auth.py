"""Loading keys and signing."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from daemon.kalshi.auth import Signer, load_private_key
from daemon.kalshi.errors import BadKey

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ED25519_KEY = ed25519.Ed25519PrivateKey.generate()


def _pem(
    key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey,
    password: bytes | None = None,
    *,
    is_pkcs1: bool = False,
) -> bytes:
    form = serialization.PrivateFormat.TraditionalOpenSSL if is_pkcs1 else serialization.PrivateFormat.PKCS8
    cover = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, cover)


def _public(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form)


def _write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_the_type_of_key_comes_from_the_file(tmp_path: Path) -> None:
    """PKCS#1 RSA and PKCS#8 Ed25519, as the venue hands them out, both load."""
    assert isinstance(
        load_private_key(_write(tmp_path / "a", _pem(RSA_KEY, is_pkcs1=True))), rsa.RSAPrivateKey
    )
    assert isinstance(load_private_key(_write(tmp_path / "b", _pem(ED25519_KEY))), ed25519.Ed25519PrivateKey)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"SECRETSECRET", "not a private key"),
        (b"-----BEGIN PRIVATE KEY-----\nU0VDUkVU\n-----END PRIVATE KEY-----\n", "not a private key"),
        (b" \n", "is empty"),
        (_public(RSA_KEY), "holds the public key"),
        (_public(ED25519_KEY), "holds the public key"),
        (b"-----BEGIN CERTIFICATE-----\nU0VDUkVU\n-----END CERTIFICATE-----\n", "a certificate"),
        (_pem(ED25519_KEY, b"password"), "password"),
        (_pem(RSA_KEY, b"password", is_pkcs1=True), "password"),
        (_pem(ec.generate_private_key(ec.SECP256R1())), "neither"),
        (b"x" * 70_000, "larger"),
    ],
)
def test_a_bad_key_names_the_file_and_never_its_content(tmp_path: Path, content: bytes, said: str) -> None:
    """The error names the file and the reason; not a byte of what is in it."""
    path = _write(tmp_path / "kalshi.pem", content)
    with pytest.raises(BadKey) as caught:
        load_private_key(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)
    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620])
def test_a_file_that_others_can_touch_is_refused(tmp_path: Path, mode: int) -> None:
    """Any bit for group or others refuses the file, and says what to run."""
    path = _write(tmp_path / "key.pem", _pem(ED25519_KEY), mode)
    with pytest.raises(BadKey, match="chmod 600"):
        load_private_key(path)


def test_a_credential_of_the_service_may_be_0440(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The credentials directory of systemd is trusted with mode 0440, and nothing wider."""
    path = _write(tmp_path / "key.pem", _pem(ED25519_KEY), 0o440)
    with pytest.raises(BadKey):
        load_private_key(path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    load_private_key(path)
    path.chmod(0o444)
    with pytest.raises(BadKey):
        load_private_key(path)


def test_links_missing_files_and_directories_are_refused(tmp_path: Path) -> None:
    """Only a regular file under its own name is read."""
    target = _write(tmp_path / "key.pem", _pem(ED25519_KEY))
    link = tmp_path / "link.pem"
    link.symlink_to(target)
    with pytest.raises(BadKey, match="symbolic link"):
        load_private_key(link)
    with pytest.raises(BadKey, match="no such"):
        load_private_key(tmp_path / "absent.pem")
    with pytest.raises(BadKey, match="regular"):
        load_private_key(tmp_path)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)
    with pytest.raises(BadKey, match="regular"):
        load_private_key(fifo)


def test_rsa_signs_with_pss_and_a_salt_of_32() -> None:
    """The signature of timestamp, method and path verifies as RSA-PSS with SHA-256."""
    headers = Signer("key-1", RSA_KEY).headers("get", "/trade-api/v2/portfolio/orders", 1790366080909)
    assert ("key-1", "1790366080909") == (headers["KALSHI-ACCESS-KEY"], headers["KALSHI-ACCESS-TIMESTAMP"])
    signature = base64.b64decode(headers["KALSHI-ACCESS-SIGNATURE"], validate=True)
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
    message = b"1790366080909GET/trade-api/v2/portfolio/orders"
    RSA_KEY.public_key().verify(signature, message, pss, hashes.SHA256())
    with pytest.raises(InvalidSignature):
        RSA_KEY.public_key().verify(signature, message + b"?limit=1", pss, hashes.SHA256())


def test_ed25519_signs_plainly() -> None:
    """The same bytes, plain Ed25519; an encoded path is signed as it stands on the wire."""
    headers = Signer("key-1", ED25519_KEY).headers("DELETE", "/trade-api/v2/a%2Fb", 5)
    signature = base64.b64decode(headers["KALSHI-ACCESS-SIGNATURE"], validate=True)
    ED25519_KEY.public_key().verify(signature, b"5DELETE/trade-api/v2/a%2Fb")


def test_a_signer_shows_no_key() -> None:
    """Its representation, which may reach a log, holds the id only."""
    assert "Signer('key-1')" == repr(Signer("key-1", ED25519_KEY))
