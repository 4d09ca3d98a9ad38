"""What a person's own authenticator signed: a WebAuthn assertion over a choice, checked without any server of ours.

The challenge that was signed has to be the digest of the statement (``descriptor.statement_bytes``), so the signature is over
this choice and no other. Three kinds of keys: ES256 (P-256), EdDSA (Ed25519) and RS256. Which person holds the key is not in
an assertion: that is for whoever knows the key. Specification: docs/formats/receipt.md, "Assertions"; the checks are
those of the W3C recommendation Web Authentication, "Verifying an Authentication Assertion".
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aboveboard.errors import VerificationError

LARGEST = 16 * 1024
"""Bytes in an assertion as JSON."""
SHORTEST_RSA = 2048
FIELDS = ("publicKey", "authenticatorData", "clientDataJSON", "signature")
"""What an assertion file holds, each in base64url."""
_HEAD = 37
"""Bytes of authenticator data before its extensions: SHA-256 of the rp id, flags, counter."""
_PRESENT, _VERIFIED = 0x01, 0x04


@dataclass(frozen=True, slots=True)
class Assertion:
    """An assertion and the rp id (a host) that it has to be for. ``public_key`` is SPKI (DER) or COSE; nothing is checked yet."""

    rp_id: str
    public_key: bytes
    authenticator_data: bytes
    client_data: bytes
    signature: bytes

    def document(self) -> Mapping[str, str]:
        """The assertion for JSON."""
        held = (self.public_key, self.authenticator_data, self.client_data, self.signature)
        return {"rp_id": self.rp_id, **{name: coded(data) for name, data in zip(FIELDS, held, strict=True)}}

    @staticmethod
    def of(said: object) -> Assertion:
        """The assertion of ``document``; raises VerificationError for anything else."""
        names = ("rp_id", *FIELDS)
        if not isinstance(said, Mapping) or set(said) != set(names) or not all(isinstance(said[n], str) for n in names):
            raise VerificationError(
                "the assertion cannot be read", hint=f"a JSON object of texts: {', '.join(FIELDS)}, each in base64url"
            )
        return Assertion(str(said["rp_id"]), *(_decoded(name, str(said[name])) for name in FIELDS))

    @property
    def user_verified(self) -> bool:
        """Whether the authenticator says that it checked who was there (a PIN, a fingerprint)."""
        return len(self.authenticator_data) >= _HEAD and bool(self.authenticator_data[32] & _VERIFIED)

    @property
    def key_sha256(self) -> str:
        """What names the key: SHA-256 of its bytes as given, hexadecimal."""
        return hashlib.sha256(self.public_key).hexdigest()

    def verify(self, challenge: bytes) -> None:
        """That the key signed this challenge (32 bytes), for this rp id, with somebody present.

        Raises VerificationError, which names the check that failed.
        """
        client = self._client()
        if client.get("type") != "webauthn.get":
            raise VerificationError("the assertion is no answer of an authenticator to a question (webauthn.get)")
        if client.get("challenge") != coded(challenge):
            raise VerificationError(
                "the assertion is over another choice", hint="ask `aboveboard choice challenge` with the same options"
            )
        self._verify_origin(client)
        if len(self.authenticator_data) < _HEAD:
            raise VerificationError("the authenticator data of the assertion is too short")
        if self.authenticator_data[:32] != hashlib.sha256(self.rp_id.encode()).digest():
            raise VerificationError(f"the assertion was made for another rp id than `{self.rp_id}`")
        if not self.authenticator_data[32] & _PRESENT:
            raise VerificationError("the assertion was made with nobody present")
        _verify(self.public_key, self.signature, self.authenticator_data + hashlib.sha256(self.client_data).digest())

    def _client(self) -> Mapping[str, Any]:
        try:
            found = json.loads(self.client_data)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise VerificationError("the client data of the assertion is no JSON object")
        return found

    def _verify_origin(self, client: Mapping[str, Any]) -> None:
        found = re.fullmatch(r"(https|http)://([^/:@?#]+)(?::\d+)?", str(client.get("origin")))
        host = found[2] if found and (found[1] == "https" or found[2] == "localhost") else ""
        if host != self.rp_id and not host.endswith(f".{self.rp_id}"):
            raise VerificationError(f"the assertion was made on a page that is not of `{self.rp_id}`")
        if client.get("crossOrigin") not in (None, False):
            raise VerificationError("the assertion was made in a frame inside a page of somebody else")


def parse(data: bytes, rp_id: str) -> Assertion:
    """The assertion in a file, to be checked for this rp id; raises VerificationError where it is none."""
    try:
        said = json.loads(data[: LARGEST + 1])
    except (ValueError, RecursionError):
        said = None
    if len(data) > LARGEST or not isinstance(said, dict) or "rp_id" in said:
        said = None
    return Assertion.of(said and {"rp_id": rp_id, **said})


def coded(data: bytes) -> str:
    """Bytes in base64url without padding, as WebAuthn writes them."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decoded(name: str, text: str) -> bytes:
    try:
        found = base64.b64decode(f"{text}{'=' * (-len(text) % 4)}", altchars=b"-_", validate=True)
    except ValueError:
        found = b""
    # One spelling only: whoever flips an unused bit of the last letter must not go unnoticed.
    if not found or coded(found) != text:
        raise VerificationError(f"`{name}` of the assertion is not base64url without padding")
    return found


# --- keys ---------------------------------------------------------------------------------------------------------


def _verify(public_key: bytes, signature: bytes, message: bytes) -> None:
    # At first use: hardly any receipt has an assertion.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.hashes import SHA256

    key = _loaded(public_key)
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
            key.verify(signature, message, ec.ECDSA(SHA256()))
        elif isinstance(key, rsa.RSAPublicKey) and key.key_size >= SHORTEST_RSA:
            key.verify(signature, message, padding.PKCS1v15(), SHA256())
        else:
            raise VerificationError(
                "the key of the assertion is of a kind that is not known here",
                hint=f"ES256 (P-256), EdDSA (Ed25519), or RS256 with {SHORTEST_RSA} bits or more",
            )
    except InvalidSignature:
        raise VerificationError("the signature of the assertion does not hold") from None


def _loaded(public_key: bytes) -> object:
    """The key in SPKI (DER, which begins with 0x30) or COSE (a CBOR map)."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return _from_spki(public_key) if public_key[:1] == b"\x30" else _from_cose(_Cbor(public_key).map())
    except (ValueError, KeyError, TypeError, IndexError, UnsupportedAlgorithm):
        raise VerificationError(
            "the public key of the assertion cannot be read", hint="SPKI (DER) or COSE, in base64url"
        ) from None


def _from_spki(data: bytes) -> object:
    """A key in DER, in the one spelling that it has: a point can be written in more ways than one."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

    key = load_der_public_key(data)
    if key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != data:
        raise ValueError
    return key


def _from_cose(said: Mapping[int, Any]) -> object:
    """A COSE key (RFC 9053; RFC 8230 for RSA): 1 is the family, 3 the algorithm, -1 to -3 the numbers."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    match said[1], said[3], said[-1]:
        case 1, -8, 6:
            return ed25519.Ed25519PublicKey.from_public_bytes(said[-2])
        case 2, -7, 1:
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + said[-2] + said[-3])
        case 3, -257, bytes(n):
            return rsa.RSAPublicNumbers(int.from_bytes(said[-2], "big"), int.from_bytes(n, "big")).public_key()
        case _:
            raise ValueError


class _Cbor:
    """Reads the one form of CBOR that a COSE key has: a map of small whole numbers to whole numbers and bytes."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def map(self) -> Mapping[int, Any]:
        major, count = self._head()
        found = {self._item(): self._item() for _ in range(count)}
        if major != 5 or self.at != len(self.data) or len(found) != count:
            raise ValueError
        return found

    def _item(self) -> Any:
        major, number = self._head()
        if major in (0, 1):
            return number if major == 0 else -1 - number
        if major != 2 or self.at + number > len(self.data):
            raise ValueError
        self.at += number
        return self.data[self.at - number : self.at]

    def _head(self) -> tuple[int, int]:
        first = self.data[self.at]
        self.at += 1
        low = first & 0x1F
        if low < 24:
            return first >> 5, low
        width = {24: 1, 25: 2}[low]
        self.at += width
        return first >> 5, int.from_bytes(self.data[self.at - width : self.at], "big")
