"""The two ceremonies of Web Authentication (W3C, Level 3), by the library ``webauthn``: registering a passkey, and proving one.

Always: a passkey that its device finds by itself (resident key), a person who was verified there, no attestation. A challenge
is drawn here, kept as a digest, used once and old after five minutes. Whatever is wrong is one and the same refusal.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from sqlite3 import Connection
from typing import Any

from aboveboard.portal.asking import Unfit
from aboveboard.portal.extra import needed
from aboveboard.portal.signin.passkeys import Passkey
from aboveboard.portal.signin.site import Site
from aboveboard.portal.signin.store import digest, stamp

with needed():
    import webauthn
    from webauthn import helpers
    from webauthn.helpers.structs import (
        AuthenticatorSelectionCriteria,
        PublicKeyCredentialDescriptor,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

LASTS = timedelta(minutes=5)
MOST = 16_384
"""Letters of an answer: with attestation none a browser sends far fewer."""
_VERIFIED = UserVerificationRequirement.REQUIRED
_MS = int(LASTS.total_seconds() * 1000)


class Refused(Unfit):
    """A passkey that opens nothing here, or a code that opens nothing. Why is not told: it would help only who guesses."""


def refused() -> Refused:
    return Refused("this opens nothing here", hint="try once more, or ask whoever runs this for a new invitation")


@dataclass(frozen=True, slots=True)
class Told:
    """An answer of an authenticator, read and not believed yet."""

    document: Mapping[str, Any]
    challenge: bytes
    id: bytes
    handle: bytes | None


def draw(con: Connection, bound: str, now: datetime) -> bytes:
    """A challenge, for one use; ``bound`` says what for. Old ones leave."""
    challenge = secrets.token_bytes(32)
    con.execute("DELETE FROM challenges WHERE expires_at <= ?", (stamp(now),))
    con.execute("INSERT INTO challenges VALUES (?, ?, ?)", (digest(challenge), bound, stamp(now + LASTS)))
    return challenge


def take(con: Connection, challenge: bytes, now: datetime) -> str | None:
    """What a challenge was drawn for, None where there is none such or it is old; it is gone either way."""
    sql = "DELETE FROM challenges WHERE digest = ? RETURNING bound, expires_at"
    row = con.execute(sql, (digest(challenge),)).fetchone()
    return None if row is None or row["expires_at"] <= stamp(now) else row["bound"]


def to_register(
    site: Site, platform: str, subject: str, handle: bytes, challenge: bytes, known: Sequence[Passkey]
) -> Mapping[str, Any]:
    """What the browser is asked for a new passkey; a device that holds one of ``known`` already says so."""
    wanted = AuthenticatorSelectionCriteria(
        resident_key=ResidentKeyRequirement.REQUIRED, user_verification=_VERIFIED
    )  # fmt: skip
    options = webauthn.generate_registration_options(
        rp_id=site.name, rp_name=platform, user_name=subject, user_id=handle, challenge=challenge, timeout=_MS,
        authenticator_selection=wanted, exclude_credentials=_named(known),
    )  # fmt: skip
    return helpers.options_to_json_dict(options)


def to_prove(site: Site, challenge: bytes, known: Sequence[Passkey] = ()) -> Mapping[str, Any]:
    """What the browser is asked for a proof: of any passkey it has for this site, or of one of ``known``."""
    options = webauthn.generate_authentication_options(
        rp_id=site.name, challenge=challenge, timeout=_MS, allow_credentials=_named(known), user_verification=_VERIFIED
    )
    return helpers.options_to_json_dict(options)


def read(answer: str | None) -> Told:
    """An answer as a form brings it; raises Refused for what is none."""
    if answer is None:
        hint = "it needs a browser with passkeys and with scripts switched on"
        raise Unfit("this is sent by the script of the page", hint=hint)
    try:
        document = json.loads(answer if len(answer) <= MOST else "")
        data = helpers.parse_client_data_json(helpers.base64url_to_bytes(document["response"]["clientDataJSON"]))
        handle = document["response"].get("userHandle")
        found = Told(
            document, data.challenge, helpers.base64url_to_bytes(document["id"]),
            helpers.base64url_to_bytes(handle) if handle else None,
        )  # fmt: skip
    except (
        Exception
    ) as error:  # fatal for this answer alone: a stranger wrote it, and the library reads it in many ways
        raise refused() from error
    if data.cross_origin:
        raise refused()
    return found


def registered(site: Site, told: Told, challenge: bytes, subject: str, name: str, now: datetime) -> Passkey:
    """The passkey that an answer registers; raises Refused."""
    try:
        found = webauthn.verify_registration_response(
            credential=dict(told.document), expected_challenge=challenge, expected_rp_id=site.name,
            expected_origin=site.origin, require_user_verification=True,
        )  # fmt: skip
    except Exception as error:  # as in `read`
        raise refused() from error
    synced = found.credential_backed_up
    return Passkey(
        found.credential_id, subject, found.credential_public_key, found.sign_count, name, synced, now, now
    )  # fmt: skip


def proven(site: Site, told: Told, challenge: bytes, key: Passkey) -> int:
    """The counter that a proven passkey shows now; raises Refused, also where it did not grow: it may be a copy."""
    try:
        found = webauthn.verify_authentication_response(
            credential=dict(told.document), expected_challenge=challenge, expected_rp_id=site.name,
            expected_origin=site.origin, credential_public_key=key.public_key,
            credential_current_sign_count=key.sign_count, require_user_verification=True,
        )  # fmt: skip
    except Exception as error:  # as in `read`
        raise refused() from error
    return found.new_sign_count


def _named(known: Sequence[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=key.id) for key in known]
