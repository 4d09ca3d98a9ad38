"""The description for programs: made from the ways, and held to by made-up requests (schemathesis) of everybody who may ask.

No request, however odd, fails (5xx), answers with a status, a type or a document that is not described, or leaves a trace in
a log. The requests are drawn alike in every run.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from tests.portal.conftest import Made, Platform

from aboveboard.portal import openapi, published, ways
from aboveboard.portal.guard import Rate

pytest.importorskip("webauthn", reason="the sign-in needs the extra [passkeys]")
schemathesis = pytest.importorskip("schemathesis", reason="made-up requests need schemathesis: install the extra `dev`")

from schemathesis.checks import not_a_server_error  # noqa: E402
from schemathesis.generation import GenerationMode  # noqa: E402
from schemathesis.specs.openapi.checks import (  # noqa: E402
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from aboveboard.portal.signin import alone  # noqa: E402
from aboveboard.portal.signin.site import site  # noqa: E402

HELD = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
]  # fmt: skip
ASKING = {
    "anonymous": {},
    "member": {"x-subject": "u1"},
    "engineer": {"x-subject": "u1", "x-roles": "privacy_engineer member"},
}
EXAMPLES = 10
"""Requests an operation and who asks; half of them of what is described, half of what is not."""


def described(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json", headers={"accept": "application/json"}).json()
    return found


def ask_everything(client: TestClient, there: dict[str, str], only: tuple[str, ...] = ("",)) -> dict[int, int]:
    """Send made-up requests to every operation whose path begins so; how often each status came. ``there``: what is there."""
    schema = schemathesis.openapi.from_dict(described(client))
    schema.app = client.app
    told: dict[int, int] = {}
    for operation in (found.ok() for found in schema.get_all_operations()):
        if not operation.path.removeprefix("/").startswith(only):
            continue
        ask(client, operation, GenerationMode.POSITIVE, there, told)
        if operation.body:  # of what has no form nothing is wrong: every text fits it
            ask(client, operation, GenerationMode.NEGATIVE, there, told)
    return told


def ask(client: TestClient, operation: Any, mode: Any, there: dict[str, str], told: dict[int, int]) -> None:
    @settings(max_examples=EXAMPLES // 2, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode), real=st.booleans())
    def one(case: Any, real: bool) -> None:
        if real and case.path_parameters:
            case.path_parameters = {
                **case.path_parameters,
                **{k: v for k, v in there.items() if k in case.path_parameters},
            }
        answer = case.call(session=client, base_url="http://testserver", allow_redirects=False)
        told[answer.status_code] = told.get(answer.status_code, 0) + 1
        case.validate_response(answer, checks=HELD)

    one()


def there(here: Platform) -> dict[str, str]:
    [release] = published.releases(here.ws)
    return {"release": release.id, "number": "1", "position": "1", "version": "2020-01-01", "kind": "csv"}


@pytest.mark.parametrize("who", ASKING)
def test_no_request_fails_or_answers_with_what_is_not_described(platform: Made, who: str) -> None:
    here = platform()
    here.client("u1").post("/off")
    client = TestClient(here.app, headers=ASKING[who], follow_redirects=False)
    told = ask_everything(client, there(here))
    assert sum(told.values()) >= 200
    assert {"anonymous": {200, 303, 401}, "member": {200, 303, 404}, "engineer": {200, 303, 404}}[who] <= set(told)


def test_a_portal_that_stands_alone_is_described_with_its_sign_in(platform: Made) -> None:
    here = platform()
    app = alone.app(here.ws, site("http://localhost:8470"), rate=Rate(100_000), tries=Rate(100_000))
    client = TestClient(app, base_url="http://localhost:8470", follow_redirects=False)
    told = ask_everything(client, there(here), only=("sign-in", "sign-out", "register", "recover", "invite", "devices"))
    assert {200, 303, 400, 401, 404} <= set(told)


def test_every_way_is_described_once_with_its_twin_and_nothing_else_is(platform: Made) -> None:
    here = platform(build=False)
    paths = described(here.client())["paths"]
    asked = {(path, method) for path, said in paths.items() for method in said}
    served = {(way.path, way.methods[0].lower()) for way in ways.WAYS} | {("/openapi", "get")}
    twins = {(openapi.twin(way.path), "get") for way in ways.WAYS if not way.changes and not way.gives}
    assert asked == served | twins | {("/openapi.json", "get")}
    names = [said["operationId"] for each in paths.values() for said in each.values()]
    assert len(names) == len(set(names))


def test_what_is_not_described_is_not_read(platform: Made) -> None:
    here = platform()
    named = here.client("u1").get("/used.json?limit=1&state=unused").json()
    assert named == here.client("u1").get("/used.json?state=unused").json()
    assert here.client().post("/verify", files={"other": b"a proof"}).status_code == 400


@pytest.mark.parametrize(
    ("path", "allowed"), [("/off", "POST"), ("/choices", "GET, HEAD, POST"), ("/used", "GET, HEAD")]
)
def test_a_method_that_a_page_does_not_take_is_told_which_it_takes(platform: Made, path: str, allowed: str) -> None:
    answer = platform(build=False).client("u1").delete(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def test_people_who_write_programs_find_it(platform: Made) -> None:
    client = platform(build=False).client()
    assert "/openapi" in client.get("/bots").text
    page = client.get("/openapi").text
    assert "/not-a-member" in page
    assert "account" in page


def test_the_description_leads_to_where_it_is_mounted(platform: Made) -> None:
    mounted = Starlette(routes=[Mount("/privacy", platform(build=False).app)])
    found = TestClient(mounted).get("/privacy/openapi.json").json()
    assert urljoin("http://host/privacy/openapi.json", found["servers"][0]["url"]) == "http://host/privacy/"
