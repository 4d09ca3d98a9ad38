"""The sign-in of a portal that stands alone, against an authenticator of our own: what works, and every way it must not."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("webauthn", reason="sign-in needs the extra [passkeys]")

import httpx
from click.testing import CliRunner
from httpx import Response
from starlette.testclient import TestClient
from tests import small
from tests.portal.authenticator import PRESENT, Authenticator

from aboveboard import erasing, portal
from aboveboard.cli import doors
from aboveboard.portal import guard
from aboveboard.portal.asking import Unfit
from aboveboard.portal.principal import Principal
from aboveboard.portal.signin import alone, ceremony, codes, pages, passkeys, sessions
from aboveboard.portal.signin.entering import SignIn
from aboveboard.portal.signin.site import site
from aboveboard.portal.signin.store import Store, digest, store_of
from aboveboard.portal.tenant import Tenant
from aboveboard.workspace import Workspace, open_workspace

HERE = "http://localhost:8470"
JSON = {"accept": "application/json"}


@dataclass
class Alone:
    """A portal that stands alone, its clock in our hands."""

    ws: Workspace
    url: str = HERE
    tries: int = 100_000

    def __post_init__(self) -> None:
        self.site = site(self.url)
        self.app = alone.app(
            self.ws, self.site, rate=guard.Rate(100_000), tries=guard.Rate(self.tries, 300, name="sign-in")
        )

    @property
    def store(self) -> Store:
        return store_of(self.ws)

    def browser(self) -> Browser:
        return Browser(self, TestClient(self.app, base_url=self.site.origin, follow_redirects=False))

    def device(self, **bent: Any) -> Authenticator:
        return Authenticator(self.site.origin, self.site.name, **bent)

    def invite(self, subject: str, *roles: str) -> str:
        with self.store.writing() as con:
            return codes.invite(con, subject, roles or ("member",), datetime.now(UTC))

    def rows(self, table: str) -> list[Any]:
        with self.store.reading() as con:
            return con.execute(f"SELECT * FROM {table}").fetchall()


@dataclass
class Browser:
    """One browser with its cookies; what the page's script does is done here."""

    alone: Alone
    client: TestClient

    def options(self, path: str, **form: str) -> Any:
        answer = self.client.post(path, data=form, headers=JSON)
        assert answer.status_code == 200, answer.text
        return answer.json()["options"]

    def register(self, device: Authenticator, code: str, name: str = "") -> Response:
        answer = device.create(self.options("/register/options", code=code))
        return self.client.post("/register", data={"credential": answer, "code": code, "name": name})

    def sign_in(self, device: Authenticator, to: str = "") -> Response:
        return self.client.post(
            "/sign-in", data={"credential": device.get(self.options("/sign-in/options")), "next": to}
        )

    def add(self, device: Authenticator, name: str = "") -> Response:
        answer = device.create(self.options("/devices/options"))
        return self.client.post("/devices", data={"credential": answer, "name": name})

    def devices(self) -> Any:
        return self.client.get("/devices.json").json()

    def revoke(self, key: str, **more: str) -> Response:
        return self.client.post("/devices/revoke", data={"passkey": key, **more})

    @property
    def inside(self) -> bool:
        return self.client.get("/index.json").status_code == 200


def said(client: TestClient, path: str = "/index.json") -> str:
    """The subject whose page is shown, as the portal's own record of a press tells it."""
    return client.get("/devices.json").json()["subject"]


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Callable[..., Alone]]:
    made: list[Workspace] = []

    def make(**bent: Any) -> Alone:
        ws = open_workspace(small.make(tmp_path / "here"))
        made.append(ws)
        return Alone(ws, **bent)

    yield make
    for ws in made:
        ws.ledger.close()


@pytest.fixture
def here(stand: Callable[..., Alone]) -> Alone:
    return stand()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Lets time pass, for the portal and its sign-in alike."""

    def go(on: timedelta) -> None:
        monkeypatch.setattr(Tenant, "now", lambda self: datetime.now(UTC) + on)

    return go


# --- an invitation -----------------------------------------------------------------------------------------------


def test_an_invitation_makes_a_passkey_and_signs_in(here: Alone) -> None:
    browser, device = here.browser(), here.device()
    code = here.invite("u1")
    page = browser.client.get(f"/invite/{code}.json").json()
    assert page["invite"]["subject"] == "u1"
    sent = browser.register(device, code, "  my\nphone ")
    assert sent.status_code == 303
    assert sent.headers["location"].startswith("/devices?done=first")
    assert said(browser.client) == "u1"
    assert [key["name"] for key in browser.devices()["passkeys"]] == ["my phone"]


def test_looking_at_an_invitation_does_not_use_it(here: Alone) -> None:
    code = here.invite("u1")
    for _ in range(3):
        assert here.browser().client.get(f"/invite/{code}").status_code == 200
    assert here.browser().register(here.device(), code).status_code == 303


def test_an_invitation_works_once(here: Alone) -> None:
    code = here.invite("u1")
    first, second = here.browser(), here.browser()
    waiting = second.options("/register/options", code=code)  # asked before it was used
    first.register(here.device(), code)
    sent = second.client.post("/register", data={"credential": here.device().create(waiting), "code": code})
    assert sent.status_code == 400
    assert not second.inside
    assert second.client.get(f"/invite/{code}").status_code == 404
    assert len(here.rows("passkeys")) == 1


def test_an_invitation_holds_a_day(here: Alone, later: Callable[[timedelta], None]) -> None:
    code = here.invite("u1")
    later(timedelta(hours=23, minutes=59))
    assert here.browser().client.get(f"/invite/{code}").status_code == 200
    later(timedelta(hours=24, minutes=1))
    assert here.browser().client.get(f"/invite/{code}").status_code == 404
    assert here.browser().client.post("/register/options", data={"code": code}).status_code == 400


def test_a_new_invitation_takes_the_place_of_the_old(here: Alone) -> None:
    old, new = here.invite("u1"), here.invite("u1")
    assert here.browser().client.get(f"/invite/{old}").status_code == 404
    assert here.browser().client.get(f"/invite/{new}").status_code == 200


def test_a_code_may_be_typed_as_people_type(here: Alone) -> None:
    code = here.invite("u1").replace("-", " ").lower()
    assert here.browser().register(here.device(), code).status_code == 303


def test_claiming_another_subject_fails(here: Alone) -> None:
    """The account is the code's: nothing that is sent beside it is heard."""
    mine, theirs = here.invite("u1"), here.invite("u2")
    browser, device = here.browser(), here.device()
    answer = device.create(browser.options("/register/options", code=mine, subject="u2"))
    sent = browser.client.post("/register", data={"credential": answer, "code": theirs, "subject": "u2"})
    assert sent.status_code == 400  # a challenge of one code does not fit another
    answer = device.create(browser.options("/register/options", code=mine))
    browser.client.post("/register", data={"credential": answer, "code": mine, "subject": "u2", "user": "u2"})
    assert said(browser.client) == "u1"
    assert [row["subject"] for row in here.rows("passkeys")] == ["u1"]


def test_a_passkey_without_an_invitation_sees_nothing(here: Alone) -> None:
    browser, device = here.browser(), here.device(handle=b"anybody")
    assert browser.sign_in(device).status_code == 400
    assert not browser.inside
    assert browser.client.get("/devices").status_code == 401
    assert browser.client.post("/register/options", data={"code": "NOTHING"}).status_code == 400
    assert here.rows("accounts") == []


def test_an_invitation_gives_the_roles_it_names(here: Alone) -> None:
    browser = here.browser()
    browser.register(here.device(), here.invite("staff:1", "privacy_engineer"))
    assert not browser.inside  # a member's page, and this is no member
    assert browser.client.get("/devices").status_code == 200


# --- signing in --------------------------------------------------------------------------------------------------


def test_signing_in_needs_no_name(here: Alone) -> None:
    device = here.device()
    here.browser().register(device, here.invite("u1"))
    other = here.browser()
    options = other.options("/sign-in/options")
    assert options["allowCredentials"] == []
    assert options["userVerification"] == "required"
    sent = other.sign_in(device)
    assert (sent.status_code, sent.headers["location"]) == (303, "/")
    assert said(other.client) == "u1"


def test_what_is_asked_of_a_device(here: Alone) -> None:
    options = here.browser().options("/register/options", code=here.invite("u1"))
    assert options["rp"]["id"] == "localhost"
    assert options["attestation"] == "none"
    chosen = options["authenticatorSelection"]
    assert (chosen["residentKey"], chosen["userVerification"]) == ("required", "required")
    assert "u1" not in str(options["user"]["id"])
    assert len(options["challenge"]) >= 43


LIES: dict[str, Callable[[Authenticator], None]] = {
    "wrong origin": lambda device: setattr(device, "origin", "https://evil.example"),
    "another port": lambda device: setattr(device, "origin", "http://localhost:8471"),
    "wrong rp id hash": lambda device: setattr(device, "name", "evil.example"),
    "nobody was verified": lambda device: setattr(device, "flags", PRESENT),
    "nobody was there": lambda device: setattr(device, "flags", 0x04),
    "inside another site's frame": lambda device: setattr(device, "cross_origin", True),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_lying_registration_is_refused(here: Alone, lie: Callable[[Authenticator], None]) -> None:
    browser, device, code = here.browser(), here.device(), here.invite("u1")
    lie(device)
    assert browser.register(device, code).status_code == 400
    assert not browser.inside
    assert here.rows("passkeys") == []
    assert here.browser().register(here.device(), code).status_code == 303  # the invitation is not lost by it


MORE_LIES: dict[str, Callable[[Authenticator], None]] = {
    **LIES,
    "counter that stands still": lambda device: setattr(device, "count", device.count - 1),
    "counter that goes back": lambda device: setattr(device, "count", -1),
    "another key": lambda device: setattr(device, "key", Authenticator("", "").key),
    "another account's handle": lambda device: setattr(device, "handle", b"x" * 64),
    "no handle": lambda device: setattr(device, "handle", None),
    "unknown passkey": lambda device: setattr(device, "id", b"y" * 16),
}


@pytest.mark.parametrize("lie", MORE_LIES.values(), ids=MORE_LIES)
def test_a_lying_proof_is_refused(here: Alone, lie: Callable[[Authenticator], None]) -> None:
    device = here.device()
    here.browser().register(device, here.invite("u1"))
    here.browser().sign_in(device)
    lie(device)
    browser = here.browser()
    sent = browser.sign_in(device)
    assert sent.status_code == 400
    assert "set-cookie" not in sent.headers
    assert not browser.inside


def test_another_persons_passkey_does_not_answer_with_my_handle(here: Alone) -> None:
    mine, theirs = here.device(), here.device()
    here.browser().register(mine, here.invite("u1"))
    here.browser().register(theirs, here.invite("u2"))
    mine.id = theirs.id
    assert here.browser().sign_in(mine).status_code == 400


def test_an_answer_is_worth_nothing_a_second_time(here: Alone) -> None:
    device, browser = here.device(), here.browser()
    browser.register(device, here.invite("u1"))
    other = here.browser()
    answer = device.get(other.options("/sign-in/options"))
    assert other.client.post("/sign-in", data={"credential": answer}).status_code == 303
    assert here.browser().client.post("/sign-in", data={"credential": answer}).status_code == 400


def test_a_challenge_is_used_up_by_an_answer_that_fails(here: Alone) -> None:
    device = here.device()
    here.browser().register(device, here.invite("u1"))
    browser = here.browser()
    options = browser.options("/sign-in/options")
    device.flags = PRESENT
    assert browser.client.post("/sign-in", data={"credential": device.get(options)}).status_code == 400
    device.flags = 0x05
    assert browser.client.post("/sign-in", data={"credential": device.get(options)}).status_code == 400


def test_a_challenge_of_our_own_making_is_refused(here: Alone) -> None:
    device, browser = here.device(), here.browser()
    browser.register(device, here.invite("u1"))
    answer = device.get({"challenge": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})
    assert here.browser().client.post("/sign-in", data={"credential": answer}).status_code == 400


def test_a_challenge_is_old_after_five_minutes(here: Alone, later: Callable[[timedelta], None]) -> None:
    device = here.device()
    here.browser().register(device, here.invite("u1"))
    browser = here.browser()
    answer = device.get(browser.options("/sign-in/options"))
    later(ceremony.LASTS)
    assert browser.client.post("/sign-in", data={"credential": answer}).status_code == 400
    assert browser.sign_in(device).status_code == 303


def test_a_challenge_to_sign_in_registers_nothing(here: Alone) -> None:
    browser, device, code = here.browser(), here.device(), here.invite("u1")
    options = {
        **browser.options("/register/options", code=code),
        "challenge": browser.options("/sign-in/options")["challenge"],
    }
    sent = browser.client.post("/register", data={"credential": device.create(options), "code": code})
    assert sent.status_code == 400


NONSENSE = (
    "",
    "{",
    "[]",
    "null",
    "7",
    '{"id": 3}',
    '{"response": {"clientDataJSON": "e30"}}',
    "x" * 20_000,
    '{"response": []}',
)


@pytest.mark.parametrize("path", ["/sign-in", "/register"])
@pytest.mark.parametrize("answer", NONSENSE)
def test_nonsense_is_refused_in_a_sentence(here: Alone, path: str, answer: str) -> None:
    sent = here.browser().client.post(path, data={"credential": answer, "code": here.invite("u1")}, headers=JSON)
    assert sent.status_code == 400
    assert sent.json()["error"]["kind"] == "unfit"


@pytest.mark.parametrize("part", ["clientDataJSON", "authenticatorData", "signature", "userHandle"])
@pytest.mark.parametrize("bent", ["", "!!", "AAAA", 7, None, ["x"]])
def test_a_bent_part_is_refused(here: Alone, part: str, bent: Any) -> None:
    device = here.device()
    here.browser().register(device, here.invite("u1"))
    browser = here.browser()
    answer = json.loads(device.get(browser.options("/sign-in/options")))
    answer["response"][part] = bent
    assert browser.client.post("/sign-in", data={"credential": json.dumps(answer)}).status_code == 400


def test_a_refusal_is_the_same_whatever_was_wrong(here: Alone) -> None:
    known, unknown = here.device(), here.device(handle=b"x")
    here.browser().register(known, here.invite("u1"))
    known.flags = PRESENT
    answers = [here.browser().sign_in(device) for device in (known, unknown)]
    assert answers[0].content == answers[1].content


@pytest.mark.parametrize(
    ("to", "leads"),
    [("/choices", "/choices"), ("/used/a-1/export.csv?kind=x", "/used/a-1/export.csv?kind=x"), ("//evil.example", "/"),
     ("https://evil.example", "/"), ("/\\evil.example", "/"), ("/\nevil", "/"), ("", "/"), ("javascript:alert(1)", "/")],
)  # fmt: skip
def test_signing_in_leads_back_to_pages_of_ours_only(here: Alone, to: str, leads: str) -> None:
    device = here.device()
    here.browser().register(device, here.invite("u1"))
    assert here.browser().sign_in(device, to).headers["location"] == leads


def test_what_the_browser_asks_is_recorded_at_sign_in(here: Alone) -> None:
    device = here.device()
    here.browser().register(device, here.invite("u1"))
    assert here.ws.ledger.events_of("u1") == []
    browser = here.browser()
    browser.client.headers["sec-gpc"] = "1"
    browser.sign_in(device)
    assert {event.method for event in here.ws.ledger.events_of("u1")} == {"gpc"}


# --- sessions ----------------------------------------------------------------------------------------------------


def test_a_cookie_is_as_closed_as_it_can_be(stand: Callable[..., Alone]) -> None:
    here = stand(url="https://privacy.example.org")
    cookie = here.browser().register(here.device(), here.invite("u1")).headers["set-cookie"]
    assert cookie.startswith("__Host-aboveboard=")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


@pytest.mark.parametrize(
    ("url", "begins", "has"),
    [
        ("http://localhost:8470", "aboveboard=", "Path=/"),
        ("https://a.example/privacy/", "__Secure-aboveboard=", "Path=/privacy"),
    ],
)
def test_a_cookie_fits_its_site(url: str, begins: str, has: str) -> None:
    cookie = site(url).keeping("token", timedelta(hours=1))
    assert cookie.startswith(begins)
    assert has in cookie.split("; ")
    assert ("Secure" in cookie.split("; ")) is url.startswith("https")


def test_only_digests_are_kept(here: Alone) -> None:
    code, browser, device = here.invite("u1"), here.browser(), here.device()
    browser.register(device, code)
    browser.client.post("/devices/recovery")
    token = browser.client.cookies["aboveboard"]
    pending = here.browser().options("/sign-in/options")["challenge"]
    written = b"".join(file.read_bytes() for file in here.store.file.parent.glob("portal.db*"))
    for secret in (code, codes.plain(code), token, pending):
        assert secret.encode() not in written
    assert digest(token).encode() in written
    assert here.store.file.stat().st_mode & 0o777 == 0o600


def test_a_token_changes_with_every_proof_and_the_old_one_is_over(here: Alone) -> None:
    browser, device = here.browser(), here.device()
    browser.register(device, here.invite("u1"))
    seen = [browser.client.cookies["aboveboard"]]
    for _ in range(2):
        browser.sign_in(device)
        seen.append(browser.client.cookies["aboveboard"])
    assert len(set(seen)) == 3
    assert len(here.rows("sessions")) == 1
    thief = here.browser()
    thief.client.cookies.set("aboveboard", seen[0])
    assert not thief.inside


def test_a_token_that_was_planted_is_not_adopted(here: Alone) -> None:
    device, browser = here.device(), here.browser()
    here.browser().register(device, here.invite("u1"))
    browser.client.cookies.set("aboveboard", "planted", domain="localhost.local")
    browser.sign_in(device)
    thief = here.browser()
    thief.client.cookies.set("aboveboard", "planted")
    assert not thief.inside


def test_signing_out_ends_the_session_itself(here: Alone) -> None:
    browser = here.browser()
    browser.register(here.device(), here.invite("u1"))
    token = browser.client.cookies["aboveboard"]
    sent = browser.client.post("/sign-out")
    assert sent.status_code == 303
    assert "Max-Age=0" in sent.headers["set-cookie"]
    again = here.browser()
    again.client.cookies.set("aboveboard", token)
    assert not again.inside
    assert here.rows("sessions") == []


def test_a_session_ends_when_nobody_uses_it(here: Alone, later: Callable[[timedelta], None]) -> None:
    browser = here.browser()
    browser.register(here.device(), here.invite("u1"))
    for minutes in (50, 100, 150):  # used in between
        later(timedelta(minutes=minutes))
        assert browser.inside
    later(timedelta(minutes=150) + sessions.IDLE)
    assert not browser.inside


def test_a_session_ends_however_much_it_is_used(here: Alone, later: Callable[[timedelta], None]) -> None:
    browser, device = here.browser(), here.device()
    browser.register(device, here.invite("u1"))
    for hour in range(1, 24):
        later(timedelta(minutes=30 * hour))
        assert browser.inside, hour
    browser.sign_in(device)  # stepping up does not put the end off
    later(sessions.WHOLE)
    assert not browser.inside


def test_one_session_may_end_another_of_its_account_and_of_no_other(here: Alone) -> None:
    device, mine, elsewhere, theirs = here.device(), here.browser(), here.browser(), here.browser()
    mine.register(device, here.invite("u1"))
    elsewhere.sign_in(device)
    theirs.register(here.device(), here.invite("u2"))
    [foreign] = theirs.devices()["sessions"]
    unknown = mine.client.post("/devices/end", data={"session": "0" * 16})
    refused = mine.client.post("/devices/end", data={"session": foreign["session"]})
    assert (refused.status_code, refused.content) == (404, unknown.content)
    [other] = [one for one in mine.devices()["sessions"] if not one["here"]]
    assert mine.client.post("/devices/end", data={"session": other["session"]}).status_code == 303
    assert (mine.inside, elsewhere.inside, theirs.inside) == (True, False, True)


def test_all_other_sessions_end_at_one_press(here: Alone) -> None:
    device = here.device()
    browsers = [here.browser() for _ in range(3)]
    browsers[0].register(device, here.invite("u1"))
    for one in browsers[1:]:
        one.sign_in(device)
    browsers[0].client.post("/devices/end", data={"session": "others"})
    assert [one.inside for one in browsers] == [True, False, False]


# --- stepping up -------------------------------------------------------------------------------------------------


def test_a_no_needs_no_fresh_proof_and_keys_do(here: Alone, later: Callable[[timedelta], None]) -> None:
    browser, device = here.browser(), here.device()
    browser.register(device, here.invite("u1"))
    later(timedelta(minutes=50))
    assert browser.client.post("/off").status_code == 303
    [key] = browser.devices()["passkeys"]
    asked = (
        ("/devices", {}), ("/devices/options", {}), ("/devices/recovery", {}),
        ("/devices/revoke", {"passkey": key["passkey"], "sure": "yes"}),
    )  # fmt: skip
    for path, form in asked:
        sent = browser.client.post(path, data=form)
        assert (sent.status_code, "/sign-in?next=%2Fdevices" in sent.text) == (403, True), path
    assert browser.sign_in(device).status_code == 303
    assert browser.client.post("/devices/recovery").status_code == 200


def test_only_a_passkey_of_the_same_account_steps_up(here: Alone) -> None:
    mine, theirs, browser = here.device(), here.device(), here.browser()
    here.browser().register(theirs, here.invite("u2"))
    browser.register(mine, here.invite("u1"))
    assert [one["id"] for one in browser.options("/sign-in/options")["allowCredentials"]] == [_b64(mine.id)]
    assert browser.sign_in(theirs).status_code == 400
    assert said(browser.client) == "u1"


def test_a_challenge_to_step_up_is_bound_to_its_session(here: Alone) -> None:
    device, one, two = here.device(), here.browser(), here.browser()
    one.register(device, here.invite("u1"))
    two.sign_in(device)
    answer = device.get(one.options("/sign-in/options"))
    assert two.client.post("/sign-in", data={"credential": answer}).status_code == 400


def _b64(data: bytes) -> str:
    from tests.portal.authenticator import packed

    return packed(data)


# --- keys --------------------------------------------------------------------------------------------------------


def test_a_second_key_signs_in_and_the_first_may_go(here: Alone) -> None:
    first, second, browser = here.device(), here.device(), here.browser()
    browser.register(first, here.invite("u1"), "phone")
    assert browser.add(second, "laptop").status_code == 303
    elsewhere = here.browser()
    elsewhere.sign_in(first)
    [phone] = [one for one in browser.devices()["passkeys"] if one["name"] == "phone"]
    assert browser.revoke(phone["passkey"]).status_code == 303
    assert browser.inside
    assert not elsewhere.inside  # what the lost key had opened is closed
    assert here.browser().sign_in(first).status_code == 400
    assert here.browser().sign_in(second).status_code == 303


def test_a_key_belongs_to_the_session_that_asked_for_it(here: Alone) -> None:
    mine, theirs = here.browser(), here.browser()
    mine.register(here.device(), here.invite("u1"))
    theirs.register(here.device(), here.invite("u2"))
    answer = here.device().create(theirs.options("/devices/options"))
    assert mine.client.post("/devices", data={"credential": answer}).status_code == 400
    assert len(here.rows("passkeys")) == 2


def test_a_passkey_that_is_known_is_not_taken_over(here: Alone) -> None:
    known, browser = here.device(), here.browser()
    here.browser().register(known, here.invite("u1"))
    thief = here.device(id=known.id)
    browser.register(here.device(), here.invite("u2"))
    assert browser.add(thief).status_code == 400
    assert here.browser().sign_in(known).status_code == 303


def test_a_passkey_of_another_person_looks_like_one_that_is_not_there(here: Alone) -> None:
    mine, theirs = here.browser(), here.browser()
    mine.register(here.device(), here.invite("u1"))
    theirs.register(here.device(), here.invite("u2"))
    [foreign] = theirs.devices()["passkeys"]
    unknown, refused = mine.revoke("0" * 16), mine.revoke(foreign["passkey"])
    assert (refused.status_code, refused.content) == (404, unknown.content)
    assert len(here.rows("passkeys")) == 2


def test_nobody_locks_themselves_out_unwarned(here: Alone) -> None:
    browser, device = here.browser(), here.device()
    browser.register(device, here.invite("u1"))
    [only] = browser.devices()["passkeys"]
    warned = browser.revoke(only["passkey"])
    assert warned.status_code == 409
    assert "last way in" in warned.text
    assert here.browser().sign_in(device).status_code == 303
    browser.client.post("/devices/recovery")
    assert browser.revoke(only["passkey"]).status_code == 303  # a recovery code is a way in
    assert here.browser().sign_in(device).status_code == 400


def test_who_is_sure_may_go(here: Alone) -> None:
    browser, device = here.browser(), here.device()
    browser.register(device, here.invite("u1"))
    [only] = browser.devices()["passkeys"]
    assert browser.revoke(only["passkey"], sure="yes").status_code == 303
    assert here.rows("passkeys") == []
    assert browser.client.get("/devices").status_code == 200  # until the session ends


def test_a_recovery_code_is_shown_once_and_makes_one_passkey(here: Alone) -> None:
    browser = here.browser()
    browser.register(here.device(), here.invite("u1"))
    [code] = re.findall(r"data-code>([A-Z2-7-]+)<", browser.client.post("/devices/recovery").text)
    assert code not in browser.client.get("/devices").text
    assert browser.devices()["recovery"]
    lost, new = here.browser(), here.device()
    assert lost.register(new, code.lower()).status_code == 303
    assert said(lost.client) == "u1"
    assert not lost.devices()["recovery"]
    assert here.browser().client.post("/register/options", data={"code": code}).status_code == 400
    assert here.browser().sign_in(new).status_code == 303


def test_a_new_recovery_code_takes_the_place_of_the_old(here: Alone) -> None:
    browser = here.browser()
    browser.register(here.device(), here.invite("u1"))
    old, new = (browser.client.post("/devices/recovery", headers=JSON).json()["code"] for _ in range(2))
    assert here.browser().client.post("/register/options", data={"code": old}).status_code == 400
    assert here.browser().client.post("/register/options", data={"code": new}, headers=JSON).status_code == 200


def test_an_account_has_an_end_of_passkeys(here: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passkeys, "MOST", 2)
    browser = here.browser()
    browser.register(here.device(), here.invite("u1"))
    assert browser.add(here.device()).status_code == 303
    assert browser.add(here.device()).status_code == 400


# --- counting tries, pages, and what a mounted portal has not ----------------------------------------------------------


def test_tries_are_counted_and_a_no_is_not(stand: Callable[..., Alone]) -> None:
    here = stand(tries=4)
    browser, device = here.browser(), here.device()
    browser.register(device, here.invite("u1"))  # two of four
    told = browser.client.post("/sign-in/options", headers=JSON).headers
    assert told["ratelimit-policy"] == '"sign-in";q=4;w=300'
    assert told["ratelimit"] == '"sign-in";r=1;t=300'
    assert here.browser().client.get("/invite/XXXX").status_code == 404
    over = browser.client.post("/sign-in/options", headers=JSON)
    assert (over.status_code, over.headers["retry-after"]) == (429, "300")
    assert here.browser().client.get("/invite/XXXX").status_code == 429
    assert browser.client.post("/off").status_code == 303
    assert browser.client.post("/sign-out").status_code == 303


@pytest.mark.parametrize("path", ["/sign-in", "/recover", "/invite/{code}", "/devices"])
def test_every_page_has_its_twin_and_says_what_a_passkey_is(here: Alone, path: str) -> None:
    browser = here.browser()
    browser.register(here.device(), here.invite("u1"))
    path = path.format(code=here.invite("u2"))
    page = browser.client.get(path)
    assert page.status_code == 200
    assert "never leaves your device" in page.text
    assert "Passkeys need JavaScript" in page.text
    assert page.headers["cache-control"] == guard.PRIVATE
    assert "set-cookie" not in page.headers
    twin = browser.client.get(f"{path}.json")
    assert twin.headers["content-type"] == "application/json"


def test_reading_pages_writes_nothing(here: Alone) -> None:
    browser, code = here.browser(), here.invite("u2")
    browser.register(here.device(), here.invite("u1"))
    tables = ("accounts", "codes", "passkeys", "challenges", "sessions")
    before = [[tuple(row) for row in here.rows(table)] for table in tables]
    for path in (
        "/sign-in",
        "/recover",
        f"/invite/{code}",
        "/devices",
        "/",
        "/sign-in/options",
        "/sign-out",
        "/register",
    ):
        browser.client.get(path)
    assert before == [[tuple(row) for row in here.rows(table)] for table in tables]


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/register", "/devices/revoke", "/devices/end"])
def test_another_site_sends_nothing_here(here: Alone, path: str) -> None:
    browser = here.browser()
    browser.register(here.device(), here.invite("u1"))
    for said_by_browser in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}):
        assert browser.client.post(path, headers=said_by_browser).status_code == 403
    assert browser.inside


def test_a_mounted_portal_has_no_sign_in_and_sets_no_cookie(here: Alone) -> None:
    async def host(request: Any) -> Principal:
        return Principal("u1")

    client = TestClient(portal.app(here.ws, host), follow_redirects=False)
    for way in pages.Pages(None).ways():  # type: ignore[arg-type]
        for method in way.methods:
            path = way.path.format(code="x")
            answer = client.request(method, path)
            assert (answer.status_code, "set-cookie" in answer.headers) == (404, False), path
    assert "Sign out" not in client.get("/").text
    assert client.get("/").status_code == 200
    assert not here.store.file.exists()


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8470", "https://[::1]/", "http://privacy.example.org", "ftp://a.example", "privacy.example", "",
     "https://a.example/?x=1", "https://me@a.example/", "https://a.example:port/"],
)  # fmt: skip
def test_a_site_that_passkeys_cannot_belong_to_is_refused(url: str) -> None:
    from aboveboard.errors import AboveboardError

    with pytest.raises(AboveboardError, match="`"):
        site(url)


def test_a_site_below_a_path_keeps_to_it(stand: Callable[..., Alone]) -> None:
    here = stand(url="https://a.example/privacy")
    client = TestClient(here.app, base_url="https://a.example", root_path="/privacy", follow_redirects=False)
    assert 'href="/privacy/sign-in"' in client.get("/privacy/").text
    browser = Browser(here, client)
    code = here.invite("u1")
    options = client.post("/privacy/register/options", data={"code": code}, headers=JSON).json()["options"]
    sent = client.post("/privacy/register", data={"credential": here.device().create(options), "code": code})
    assert sent.headers["location"].startswith("/privacy/devices")
    assert browser.client.get("/privacy/index.json").status_code == 200


def test_of_many_who_come_with_one_invitation_one_gets_in(here: Alone) -> None:
    """Each has asked before the first of them answers; all of them answer at once."""
    code = here.invite("u1")
    signin = SignIn(here.store, here.site, "here")
    now = datetime.now(UTC)
    answers = [here.device().create(_plain(signin.options_of_code(code, now))) for _ in range(8)]

    def come(answer: str) -> bool:
        try:
            return bool(signin.register(answer, code, "", None, now))
        except Unfit:
            return False

    with ThreadPoolExecutor(8) as pool:
        came = list(pool.map(come, answers))
    assert came.count(True) == 1
    assert len(here.rows("passkeys")) == len(here.rows("sessions")) == 1


def test_an_answer_that_is_sent_many_times_at_once_counts_once(here: Alone) -> None:
    device = here.device()
    here.browser().register(device, here.invite("u1"))
    signin, now = SignIn(here.store, here.site, "here"), datetime.now(UTC)
    answer = device.get(_plain(signin.options_to_enter(None, now)))

    def come(answer: str) -> bool:
        try:
            return bool(signin.enter(answer, None, now))
        except Unfit:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(come, [answer] * 8)).count(True) == 1


def test_many_sign_in_at_once_and_nobody_waits_in_vain(here: Alone) -> None:
    devices = [here.device() for _ in range(20)]
    for number, device in enumerate(devices):
        here.browser().register(device, here.invite(f"u{number}"))
    signin, now = SignIn(here.store, here.site, "here"), datetime.now(UTC)

    def come(device: Authenticator) -> str:
        return signin.enter(device.get(_plain(signin.options_to_enter(None, now))), None, now)[0]

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(come, devices)) == [f"u{number}" for number in range(20)]


def _plain(options: Any) -> Any:
    return json.loads(json.dumps(options))


# --- the file, and the command line ----------------------------------------------------------------------------------


def test_a_damaged_file_signs_nobody_in(here: Alone) -> None:
    browser = here.browser()
    browser.register(here.device(), here.invite("u1"))
    for file in here.store.file.parent.glob("portal.db*"):
        file.unlink()
    here.store.file.write_bytes(b"no database at all" * 100)
    client = TestClient(here.app, base_url=HERE, raise_server_exceptions=False, cookies=browser.client.cookies)
    assert client.get("/").status_code in (500, 503)
    assert "u1" not in client.get("/").text


def test_a_file_of_a_newer_version_is_left_alone(here: Alone) -> None:
    here.invite("u1")
    with sqlite3.connect(here.store.file) as con:
        con.execute("PRAGMA user_version = 99")
    con.close()
    from aboveboard.errors import AboveboardError

    with pytest.raises(AboveboardError, match="newer than"), here.store.reading():
        pass


def test_a_transaction_that_fails_leaves_nothing(here: Alone) -> None:
    def fail() -> None:
        with here.store.writing() as con:
            codes.invite(con, "u1", ["member"], datetime.now(UTC))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert here.rows("codes") == []


def run(here: Alone, *args: str) -> Any:
    return CliRunner().invoke(doors, [*args, "-w", str(here.ws.folder)])


def test_the_command_invites_and_takes_away(here: Alone) -> None:
    told = json.loads(run(here, "member", "invite", "u1", "--json").stdout)
    assert told["link"].startswith(f"{HERE}/invite/")
    device = here.device()
    assert here.browser().register(device, told["link"].rpartition("/")[2]).status_code == 303
    again = run(here, "member", "invite", "u1")
    assert "already" in again.stdout
    assert run(here, "member", "revoke", "u1").exit_code == 0
    assert here.browser().sign_in(device).status_code == 400
    assert [here.rows(table) for table in ("accounts", "codes", "passkeys", "sessions")] == [[], [], [], []]


def test_whoever_was_erased_leaves_the_sign_in_too(here: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    for subject in ("u1", "u2"):
        assert here.browser().register(here.device(), here.invite(subject)).status_code == 303
    here.invite("u1")
    erasing.ask(here.ws, "u1", (), erasing.plan(here.ws, "u1").digest)
    later = datetime.now(UTC) + timedelta(days=2)
    due = erasing.execute_due
    monkeypatch.setattr(erasing, "execute_due", lambda ws: due(ws, clock=lambda: later))
    assert run(here, "erase", "--due").exit_code == 0
    held = [row["subject"] for table in ("accounts", "codes", "passkeys", "sessions") for row in here.rows(table)]
    assert held == ["u2"] * 3


def test_the_command_takes_the_url_of_the_settings(here: Alone) -> None:
    settings = here.ws.folder / "aboveboard.toml"
    settings.write_text(settings.read_text() + '[portal]\nurl = "https://privacy.example.org/p/"\n')
    told = json.loads(run(here, "member", "invite", "u1", "--json").stdout)
    assert told["link"].startswith("https://privacy.example.org/p/invite/")
    assert run(here, "member", "invite", " ").exit_code == 1


def test_the_command_asks_about_an_account_that_nobody_knows(here: Alone) -> None:
    assert "know `u01`: is it the account id?" in run(here, "member", "invite", "u01").stdout
    assert "is it" not in run(here, "member", "invite", "u1").stdout
    assert "is it" not in run(here, "member", "invite", "staff:1", "--role", "auditor").stdout


def test_an_invitation_leads_to_the_port_that_is_served(here: Alone) -> None:
    told = json.loads(run(here, "member", "invite", "u1", "--port", "8999", "--json").stdout)
    assert told["link"].startswith("http://localhost:8999/invite/")


def test_the_server_signs_people_in(here: Alone) -> None:
    """The very command, as a process: it says where it listens, and its invitations are for there."""
    command = [sys.executable, "-m", "aboveboard", "serve", str(here.ws.folder), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            [url] = re.findall(r"http://localhost:\d+", server.stderr.readline())
            here.url = url
            here.site = site(url)
            with httpx.Client(
                base_url=url.replace("localhost", "127.0.0.1"), headers={"host": url[7:]}, timeout=30
            ) as client:
                _wait(client)
                browser = Browser(here, client)  # type: ignore[arg-type]
                sent = browser.register(here.device(), here.invite("u1"))
                assert sent.status_code == 303
                assert "Secure" not in sent.headers["set-cookie"]  # without TLS a browser would not keep it
                client.cookies.set("aboveboard", sent.cookies["aboveboard"])
                assert browser.devices()["subject"] == "u1"
        finally:
            server.terminate()


def _wait(client: httpx.Client) -> None:
    for _ in range(300):
        try:
            client.get("/sign-in")
        except httpx.ConnectError:
            time.sleep(0.1)
        else:
            return


def test_without_the_library_the_server_shows_public_pages_and_says_why(
    here: Alone, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from aboveboard.cli import serve

    monkeypatch.setattr(serve, "find_spec", lambda name: None)
    client = TestClient(serve._app(here.ws, here.site), base_url=HERE)
    assert "aboveboard[passkeys]" in capsys.readouterr().err
    assert client.get("/sign-in").status_code == 404
    assert client.get("/").status_code == 401


def test_a_port_that_is_taken_is_an_error_in_words(here: Alone) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = CliRunner().invoke(doors, ["serve", str(here.ws.folder), "--port", str(port)])
    assert found.exit_code == 1
    assert f"the port {port} cannot be listened on" in found.output
