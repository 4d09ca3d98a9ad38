"""An authenticator in forty lines: one ES256 key that answers as a browser's would, and lies where a test bends it.

What it signs is laid out after Web Authentication Level 3 (W3C), sections 6.1 and 6.5; COSE keys after RFC 9053.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


@dataclass
class Authenticator:
    """A device with one passkey. Fields may be bent between the answers."""

    origin: str
    name: str
    id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    count: int = 0
    flags: int = PRESENT | VERIFIED
    handle: bytes | None = None
    cross_origin: bool = False

    def create(self, options: Mapping[str, Any]) -> str:
        """Answers ``navigator.credentials.create``."""
        self.handle = unpacked(options["user"]["id"])
        point = self.key.public_key().public_numbers()
        cose = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)})
        attested = bytes(16) + len(self.id).to_bytes(2) + self.id + cose
        told = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": self._data(ATTESTED) + attested})
        return self._answer(self._client("webauthn.create", options), attestationObject=told)

    def get(self, options: Mapping[str, Any]) -> str:
        """Answers ``navigator.credentials.get``."""
        client, data = self._client("webauthn.get", options), self._data()
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(client, authenticatorData=data, signature=signature, userHandle=self.handle)

    def _data(self, more: int = 0) -> bytes:
        self.count += 1
        return hashlib.sha256(self.name.encode()).digest() + bytes([self.flags | more]) + self.count.to_bytes(4)

    def _client(self, kind: str, options: Mapping[str, Any]) -> bytes:
        said = {
            "type": kind,
            "challenge": options["challenge"],
            "origin": self.origin,
            "crossOrigin": self.cross_origin,
        }
        return json.dumps(said).encode()

    def _answer(self, client: bytes, **parts: bytes | None) -> str:
        told = {name: packed(part) for name, part in {"clientDataJSON": client, **parts}.items() if part is not None}
        return json.dumps({"id": packed(self.id), "rawId": packed(self.id), "type": "public-key", "response": told})


def packed(data: bytes) -> str:
    """As base64url without its end."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unpacked(text: str) -> bytes:
    """The inverse of :func:`packed`."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
