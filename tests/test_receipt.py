"""Receipts: whoever holds one can check it, nobody can change it, and a promise that is broken shows."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from aboveboard import assertion, descriptor, disk, receipt, subjectmap
from aboveboard.assertion import Assertion, coded
from aboveboard.choice import Event
from aboveboard.cli import doors
from aboveboard.errors import LedgerError, VerificationError
from aboveboard.ledger import Ledger
from aboveboard.note import Note, Signer, VerifierKey, signed
from aboveboard.workspace import open_workspace

PAGE = Path(__file__).parent.parent / "docs" / "formats" / "receipt.md"
AT = datetime(2024, 1, 31, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ORIGIN = "birdsite.example/log"
SIGNER = Signer(f"{ORIGIN}/receipts", bytes(range(32)))
OTHER = Signer(f"{ORIGIN}/receipts", bytes(range(1, 33)))
INDEX = subjectmap.index_of(bytes(range(32)), "u:42")
SUBJECT_KEY = b"k" * 32
NO = Event(
    subject="u:42", type="refused", recorded_at=AT, effective_at=AT, purpose="train_ai_system", position=7,
    method="settings", external_id="s-1001",
)  # fmt: skip
YES = replace(
    NO, type="given", category="user.content.public", recipient="controller", past_from=datetime(2020, 1, 1, tzinfo=UTC),
    past_to=AT, expires_at=AT + timedelta(days=365, microseconds=1), position=8, external_id="s-1002",
)  # fmt: skip


def made(event: Event = NO, held: Assertion | None = None) -> receipt.Receipt:
    return receipt.of(event, SUBJECT_KEY, INDEX, ORIGIN, held)


DATA = made().sign(SIGNER)


# --- the form -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [NO, YES, replace(NO, type="moved", value="DE", purpose=None)])
def test_a_receipt_reads_back_and_names_nobody(event: Event) -> None:
    data = made(event).sign(SIGNER)
    assert receipt.is_receipt(data)
    assert receipt.verify(data, SIGNER.key) == made(event)
    assert data == made(event).sign(SIGNER)
    assert not any(word in data for word in (b"u:42", b"s-100", b"settings", b'"DE"'))


def test_the_examples_of_the_page_are_what_is_made() -> None:
    page = PAGE.read_text(encoding="utf-8")
    blocks = dict(re.findall(r"^```text (\S+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    assert blocks["refused.receipt"].encode() == DATA
    assert blocks["given.receipt"].encode() == made(YES).sign(SIGNER)
    assert blocks["receipt.vkey"] == f"{SIGNER.key}\n"
    assert blocks["event.bytes"].encode() == descriptor.event_bytes(NO) + b"\n"
    assert blocks["statement.bytes"].encode() == descriptor.statement_bytes(NO).partition(b"\x00")[2] + b"\n"
    for digest in (made().event, made().statement, receipt.key_digest(SUBJECT_KEY), INDEX.hex()):
        assert f"`{digest}`" in page
    assert f"`{coded(bytes.fromhex(made().statement))}`" in page


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
@settings(max_examples=400, deadline=None)
def test_any_changed_byte_is_refused(at: int, by: int) -> None:
    bent = bytearray(DATA)
    bent[at] ^= by
    with pytest.raises(VerificationError):
        receipt.verify(bytes(bent), SIGNER.key)


@given(st.integers(0, len(DATA)), st.binary(min_size=0, max_size=3), st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_what_is_put_in_or_taken_out_is_refused(at: int, more: bytes, less: int) -> None:
    bent = DATA[:at] + more + DATA[at + less :]
    if bent != DATA:
        with pytest.raises(VerificationError):
            receipt.verify(bent, SIGNER.key)


def test_signatures_of_other_keys_are_ignored_and_count_for_nothing() -> None:
    text = made().text()
    stranger = Signer("somebody.example", b"s" * 32)
    both = signed(text, [stranger.sign(text), OTHER.sign(text), SIGNER.sign(text)])
    assert receipt.verify(both, SIGNER.key) == made()
    with pytest.raises(VerificationError, match="nobody who is trusted"):
        receipt.verify(signed(text, [OTHER.sign(text)]), SIGNER.key)
    with pytest.raises(VerificationError, match="does not speak for"):
        receipt.verify(signed(text, [stranger.sign(text)]), stranger.key)


def respelled(text: str) -> bytes:
    return signed(text, [SIGNER.sign(text)])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"position":7', '"position":7.0'), ('"position":7', '"position":0'), ('"position":7', '"position":"7"'),
        ('"position":7', '"position": 7'), ('"position":7', '"position":7,"position":7'), ('"position":7', '"position":1e400'),
        ('"position":7', '"position":' + "9" * 5000), ('"counts_by":"2024-02-01', '"counts_by":"2024-02-02'),
        ('"verified":true', '"verified":1'), ('"verified":true', '"verified":null'), ('"refused"', '"nothing"'),
        ("2024-01-31T12:00:00Z", "2024-01-31T12:00:00"), ('"at":"2024-01-31', '"at":"9999-12-31'),
        ("2024-01-31T12:00:00Z", "2024-01-31T13:00:00+01:00"), ("receipt/v1", "receipt/v2"), ("hmac-v1", "hmac-v2"),
        ('"key":"', '"key":"0'), ('{"proof"', '[{"proof"'), ('{"said"', "[" * 100_000 + '{"said"'), ('"actor":"subject",', ""),
        ('"type":"refused"', '"type":"refused","x":1'), ('"category":null', '"category":[]'), ("{", "\n{"),
    ],
)  # fmt: skip
def test_even_the_platform_has_one_spelling(old: str, new: str) -> None:
    text = made().text()
    assert old in text
    with pytest.raises(VerificationError, match="cannot be read"):
        receipt.verify(respelled(text.replace(old, new, 1)), SIGNER.key)


def test_anything_else_is_no_receipt() -> None:
    for data in (b"", b"\xff", b"aboveboard.dev/receipt/v1\n", b"{}", Note("x\n", (SIGNER.sign("x\n"),)).data()):
        with pytest.raises(VerificationError):
            receipt.check(data, None)


# --- what it shows --------------------------------------------------------------------------------------------------


def test_check_says_whose_word_a_permission_is() -> None:
    steps = receipt.check(DATA, SIGNER.key)
    assert steps[0].startswith(f"a receipt of `{ORIGIN}`: `refused` about all data, for train_ai_system, by everyone")
    assert steps[1] == f"signed by `{ORIGIN}/receipts`"
    assert "2024-02-01T12:00:00Z" in steps[2]
    assert steps[-1].startswith("not proven: ")
    assert not any("platform's word" in step for step in steps)
    given_ = receipt.check(made(YES).sign(SIGNER), SIGNER.key)
    assert "this permission is the platform's word: nothing of the person signs it" in given_
    assert receipt.check(DATA, None)[1].startswith("not checked: who signed it")


def test_a_promise_that_was_kept_and_one_that_was_not() -> None:
    ours, before = descriptor.event_bytes(NO), descriptor.event_bytes(replace(NO, position=3, external_id="s-900"))
    due = made().counts_by
    assert due == AT + 24 * HOUR

    def contradicted(events: list[bytes], as_of: datetime, position: int | None = None) -> None:
        receipt.contradiction(made(), events=events, as_of=as_of, index=INDEX, position=position)

    contradicted([before, ours], due)
    contradicted([before], due - HOUR)  # there is time until then
    contradicted([before], AT, position=6)
    with pytest.raises(
        VerificationError, match=r"signed for a choice .`refused`, event 7. and left it out.*does not hold it"
    ):
        contradicted([before], due)
    with pytest.raises(VerificationError, match="left it out"):
        contradicted([], AT, position=7)  # what stands behind it was heard, so it was not too early
    with pytest.raises(VerificationError, match="has another event in its place"):
        contradicted([before, descriptor.event_bytes(replace(NO, type="given"))], due)
    with pytest.raises(VerificationError, match="another account"):
        receipt.contradiction(made(), events=[ours], as_of=due, index=b"i" * 32)


@pytest.mark.parametrize(
    ("name", "value"),
    [("type", "withdrawn"), ("purpose", None), ("recipient", "controller"), ("effective_at", AT - HOUR), ("verified", False),
     ("past_to", AT), ("actor", "operator")],
)  # fmt: skip
def test_a_receipt_whose_words_are_not_those_of_its_event_is_evidence(name: str, value: object) -> None:
    lying = replace(made(), said={**made().said, name: value})
    for wrong in (lying, replace(made(), recorded_at=AT - HOUR), replace(made(), statement="0" * 64)):
        with pytest.raises(VerificationError, match="says something else than the event"):
            receipt.contradiction(wrong, events=[descriptor.event_bytes(NO)], as_of=AT, index=INDEX)


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_events_that_are_none_are_not_taken_for_the_choice(events: list[bytes]) -> None:
    with pytest.raises(VerificationError, match="does not hold it"):
        receipt.contradiction(
            made(), events=[*events, b"99999999:x,", b"-", b"3:0:,,"], as_of=made().counts_by, index=INDEX
        )


# --- authenticators -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Authenticator:
    """One that answers as the recommendation says it should, but for what a test spoils."""

    kind: str = "ES256"
    cose: bool = False

    def answer(self, signs: bytes, rp_id: str = "birdsite.example", flags: int = 0x05, **spoilt: Any) -> dict[str, str]:
        client = {
            "type": "webauthn.get", "challenge": coded(signs), "origin": "https://www.birdsite.example", "crossOrigin": False,
        }  # fmt: skip
        client_data = json.dumps({**client, **spoilt}).encode()
        auth = hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + (7).to_bytes(4, "big")
        message = auth + hashlib.sha256(client_data).digest()
        parts = (self._public(), auth, client_data, self._sign(message))
        return {name: coded(data) for name, data in zip(assertion.FIELDS, parts, strict=True)}

    def _sign(self, message: bytes) -> bytes:
        if self.kind == "EdDSA":
            return KEYS["EdDSA"].sign(message)
        if self.kind == "RS256":
            return KEYS["RS256"].sign(message, padding.PKCS1v15(), SHA256())
        return KEYS[self.kind].sign(message, ec.ECDSA(SHA256()))

    def _public(self) -> bytes:
        public = KEYS[self.kind].public_key()
        if not self.cose:
            return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if self.kind == "EdDSA":
            raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
            return bytes.fromhex("a401010327200621 5820") + raw
        numbers = public.public_numbers()
        if self.kind == "RS256":
            n = numbers.n.to_bytes(256, "big")
            return bytes.fromhex("a401030339010020590100") + n + bytes.fromhex("2143") + numbers.e.to_bytes(3, "big")
        x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
        return bytes.fromhex("a5010203262001215820") + x + bytes.fromhex("225820") + y


KEYS: Mapping[str, Any] = {
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "short": rsa.generate_private_key(65537, 1024),  # noqa: S505 - it has to be refused
}
CHALLENGE = hashlib.sha256(descriptor.statement_bytes(YES)).digest()


def asserted(answer: Mapping[str, str], rp_id: str = "birdsite.example") -> Assertion:
    return assertion.parse(json.dumps(answer).encode(), rp_id)


@pytest.mark.parametrize("cose", [False, True])
@pytest.mark.parametrize("kind", ["ES256", "EdDSA", "RS256"])
def test_an_assertion_travels_in_the_receipt_and_is_checked_with_it(kind: str, cose: bool) -> None:
    held = asserted(Authenticator(kind, cose).answer(CHALLENGE))
    held.verify(CHALLENGE)
    data = made(YES, held).sign(SIGNER)
    assert receipt.verify(data, SIGNER.key).assertion == held
    steps = " ".join(receipt.check(data, SIGNER.key))
    assert "an authenticator signed this choice for `birdsite.example`, having checked who was there" in steps
    assert "not proven: whose authenticator it is" in steps
    assert "platform's word" not in steps
    other = made(replace(YES, effective_at=AT - HOUR), held).sign(SIGNER)
    for key in (SIGNER.key, None):
        with pytest.raises(VerificationError, match="over another choice"):
            receipt.check(other, key)


@pytest.mark.parametrize(
    ("spoilt", "match"),
    [
        ({"type": "webauthn.create"}, "no answer of an authenticator"),
        ({"challenge": coded(b"x" * 32)}, "over another choice"),
        ({"challenge": coded(CHALLENGE) + "="}, "over another choice"),
        ({"origin": "https://evil-birdsite.example"}, "page that is not of"),
        ({"origin": "https://birdsite.example.evil.test"}, "page that is not of"),
        ({"origin": "https://birdsite.example@evil.test"}, "page that is not of"),
        ({"origin": "http://birdsite.example"}, "page that is not of"),
        ({"origin": None}, "page that is not of"),
        ({"crossOrigin": True}, "frame inside a page"),
        ({"rp_id": "other.example"}, "another rp id"),
        ({"flags": 0x04}, "nobody present"),
    ],
)
def test_an_assertion_that_does_not_hold_is_refused(spoilt: dict[str, Any], match: str) -> None:
    with pytest.raises(VerificationError, match=match):
        asserted(Authenticator().answer(CHALLENGE, **spoilt)).verify(CHALLENGE)


@pytest.mark.parametrize("kind", ["ES384", "short"])
def test_a_key_of_an_unknown_kind_is_refused(kind: str) -> None:
    if kind == "short":
        answer = Authenticator().answer(CHALLENGE)
        public = KEYS["short"].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        held = asserted({**answer, "publicKey": coded(public)})
    else:
        held = asserted(Authenticator(kind).answer(CHALLENGE))
    with pytest.raises(VerificationError, match="of a kind that is not known"):
        held.verify(CHALLENGE)


@pytest.mark.parametrize("field", assertion.FIELDS)
@pytest.mark.parametrize("cose", [False, True])
def test_any_changed_bit_of_an_assertion_is_refused(field: str, cose: bool) -> None:
    answer = Authenticator(cose=cose).answer(CHALLENGE)
    data = base64.urlsafe_b64decode(answer[field] + "==")
    for at in range(8 * len(data)):
        bent = bytearray(data)
        bent[at // 8] ^= 1 << at % 8
        with pytest.raises(VerificationError):
            asserted({**answer, field: coded(bytes(bent))}).verify(CHALLENGE)


@pytest.mark.parametrize(
    "answer",
    [[], {}, "x", {"publicKey": "AA"}, dict.fromkeys(assertion.FIELDS, 1), dict.fromkeys(assertion.FIELDS, ""),
     dict.fromkeys(assertion.FIELDS, "A"), dict.fromkeys(assertion.FIELDS, "AB"),
     {**dict.fromkeys(assertion.FIELDS, "AA"), "rp_id": "mine"}, {**dict.fromkeys(assertion.FIELDS, "AA"), "more": "AA"}],
)  # fmt: skip
def test_what_is_no_assertion_is_told(answer: Any) -> None:
    with pytest.raises(VerificationError):
        asserted(answer)
    for data in (b"{", b"\xff", b"[" * 100_000, b" " * 20_000 + json.dumps(answer).encode()):
        with pytest.raises(VerificationError):
            assertion.parse(data, "birdsite.example")


# --- in a workspace -------------------------------------------------------------------------------------------------


def ran(*args: object, code: int = 0) -> Result:
    result = CliRunner().invoke(doors, [str(a) for a in args])
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return result


def document(*args: object, code: int = 0) -> Any:
    return json.loads(ran(*args, "--json", code=code).stdout)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    ran("init", tmp_path / "birdsite")
    settings = tmp_path / "birdsite" / "aboveboard.toml"
    settings.write_text(f'{settings.read_text()}\n[log]\norigin = "{ORIGIN}"\n')
    return tmp_path / "birdsite"


def key_of(folder: Path) -> VerifierKey:
    return open_workspace(folder).signer("receipt").key


def test_a_recorded_choice_gives_a_receipt_and_gives_it_again(site: Path, tmp_path: Path) -> None:
    told = ran(
        "choice", "record", "u:42", "refused", "--purpose", "train_ai_system", "--receipt", tmp_path / "r", "-w", site
    )
    data = (tmp_path / "r").read_bytes()
    assert data.decode() in told.stdout
    found = receipt.verify(data, key_of(site))
    assert (found.origin, found.position, found.said["type"]) == (ORIGIN, 1, "refused")
    ran("choice", "record", "u:43", "refused", "-w", site)
    again = ran("choice", "receipt", "u:42", "--position", 1, "--out", tmp_path / "again", "-w", site)
    assert "wrote" in again.stdout
    assert (tmp_path / "again").read_bytes() == data
    assert ran("choice", "receipt", "u:42", "-w", site).stdout.encode() == data
    assert "already" in ran("choice", "receipt", "u:42", "--out", tmp_path / "r", "-w", site, code=2).stderr
    assert (
        "no event 2 is recorded for `u:42`"
        in ran("choice", "receipt", "u:42", "--position", 2, "-w", site, code=1).stderr
    )
    assert "nothing is recorded for `u:9`" in ran("choice", "receipt", "u:9", "-w", site, code=1).stderr


def test_a_receipt_file_that_is_there_stops_before_anything_is_recorded(site: Path, tmp_path: Path) -> None:
    (tmp_path / "r").write_text("kept")
    ran("choice", "record", "u:42", "refused", "--receipt", tmp_path / "r", "-w", site, code=2)
    ran("choice", "record", "u:42", "refused", "--receipt", tmp_path / "no" / "r", "-w", site, code=2)
    assert (tmp_path / "r").read_text() == "kept"
    with open_workspace(site).ledger as ledger:
        assert ledger.head() == 0


def test_a_no_is_recorded_also_where_nobody_can_sign_for_it(site: Path, tmp_path: Path) -> None:
    (site / "keys" / "receipt.key").unlink()
    told = ran("choice", "record", "u:42", "refused", "-w", site)
    assert "recorded for u:42" in told.stdout
    assert "no receipt: the key `receipt` is lost" in told.stderr
    told = ran("choice", "record", "u:42", "refused", "--receipt", tmp_path / "r", "-w", site, code=1)
    assert "recorded for u:42" in told.stdout
    with open_workspace(site).ledger as ledger:
        assert ledger.head() == 2


def test_a_disk_that_refuses_is_told_in_words(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes, **_: Any) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(disk, "write", full)
    told = ran("choice", "record", "u:42", "refused", "--receipt", tmp_path / "r", "-w", site, code=1)
    assert "recorded for u:42" in told.stdout
    assert "no space left on device" in told.stderr
    assert "`aboveboard choice receipt` signs for it again" in told.stderr


def test_imported_choices_have_receipts(site: Path, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("who,said,when\nu:7,no,2024-03-10T09:00:00Z\n")
    (tmp_path / "map.toml").write_text(
        'zone = "UTC"\n[columns]\nsubject = "who"\ntype = "said"\neffective_at = \'"when"\'\n[types]\nno = "refused"\n'
    )
    ran("choice", "import", tmp_path / "list.csv", "--map", tmp_path / "map.toml", "-w", site)
    found = receipt.verify(document("choice", "receipt", "u:7", "-w", site)["receipt"].encode(), key_of(site))
    with open_workspace(site).ledger as ledger:
        [event] = ledger.events_of("u:7")
        key = ledger.subject_key("u:7")
    assert found.event == hashlib.sha256(descriptor.event_bytes(event)).hexdigest()
    assert key is not None
    assert found.key == receipt.key_digest(key)


def test_another_persons_choice_changes_no_byte_of_my_receipt(tmp_path: Path) -> None:
    """Two runs, one platform: what u:43 says differs, before and after u:42 speaks."""
    ran("init", tmp_path / "one" / "birdsite")
    held = []
    for said in ("given", "refused"):
        site = tmp_path / said / "birdsite"
        site.parent.mkdir()
        _copy(tmp_path / "one" / "birdsite", site)
        ws = open_workspace(site)
        mine, theirs = (
            Event(subject=s, type=t, recorded_at=AT, effective_at=AT) for s, t in (("u:42", "refused"), ("u:43", said))
        )
        with Ledger.open(site / "ledger.db", clock=lambda: AT) as ledger:
            _give(ledger, "u:42", SUBJECT_KEY)
            ledger.append(theirs)
            stored = ledger.append(mine)
            ledger.append(theirs)
        with ws.ledger:
            held.append(ws.receipt(stored))
    assert held[0] == held[1]


def _copy(source: Path, target: Path) -> None:
    import shutil

    shutil.copytree(source, target)


def _give(ledger: Ledger, subject: str, key: bytes) -> None:
    """One person's key, the same in both runs: it is made at random otherwise."""
    from aboveboard.ledger import database

    with database.writing(ledger._engine) as connection:
        connection.connection.cursor().execute("INSERT INTO subject_keys VALUES (?, ?)", [subject, key])


def test_a_yes_that_an_authenticator_signed(site: Path, tmp_path: Path) -> None:
    said = (
        "u:42",
        "given",
        "--purpose",
        "train_ai_system",
        "--category",
        "user.content.public",
        "--expires",
        "P12M",
        "-w",
        site,
    )
    asked = document("choice", "challenge", *said)
    assert asked["rp_id"] == "birdsite.example"
    assert asked["challenge"] in ran("choice", "challenge", *said, "--effective", asked["effective_at"], "--external-id",
                                     asked["external_id"]).stdout  # fmt: skip
    with open_workspace(site).ledger as ledger:
        assert ledger.head() == 0
    answer = Authenticator().answer(base64.urlsafe_b64decode(asked["challenge"] + "="))
    (tmp_path / "a.json").write_text(json.dumps(answer))
    same = (
        *said,
        "--effective",
        asked["effective_at"],
        "--external-id",
        asked["external_id"],
        "--assertion",
        tmp_path / "a.json",
    )
    refused = ran("choice", "record", *said, "--assertion", tmp_path / "a.json", code=2)
    assert "--assertion needs --effective and --external-id" in refused.stderr
    refused = ran("choice", "record", *same, "--recipient", "controller", code=5)
    assert "over another choice" in refused.stderr
    assert "another rp id" in ran("choice", "record", *same, "--rp-id", "www.birdsite.example", code=5).stderr
    with open_workspace(site).ledger as ledger:
        assert ledger.head() == 0
    recorded = document("choice", "record", *same)
    found = receipt.verify(recorded["receipt"].encode(), key_of(site))
    assert found.assertion == asserted(answer)
    again = document("choice", "record", *same)
    assert (again["already_there"], again["receipt"]) == (True, recorded["receipt"])
    assert document("choice", "receipt", "u:42", "-w", site)["receipt"] == recorded["receipt"]


def test_an_assertion_is_recorded_with_its_event_or_not_at_all(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        first = ledger.append(YES)
        assert ledger.assertion(first.position) is None
        with pytest.raises(LedgerError, match="recorded without this assertion"):
            ledger.append(YES, "{}")
        second = ledger.append(replace(YES, external_id="s-2"), "{}")
        assert ledger.assertion(second.position) == "{}"
        assert ledger.append(replace(YES, external_id="s-2")).position == second.position
        with pytest.raises(LedgerError, match="recorded without this assertion"):
            ledger.append(replace(YES, external_id="s-2"), '{"other": 1}')
        assert ledger.head() == 2
