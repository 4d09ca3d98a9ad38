"""The portal described for programs: an OpenAPI 3.1 document, made from the ways themselves and from nothing else.

A way is listed with its path and once more with its JSON twin. Fields that a way does not name are not read, statuses that
are not listed here are not answered: a test sends made-up requests to every operation and holds the portal to both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import aboveboard

if TYPE_CHECKING:
    from aboveboard.portal.ways import Field, Way

VERSION = "3.1.0"
_ABOUT = (
    "Whoever asks is told apart by the host application, or by the portal's own sign-in. What is somebody else's and what is "
    "nowhere answer alike. Forms are sent from the portal's own pages, or by programs that send neither `Origin` nor "
    "`Sec-Fetch-Site`."
)
_TURNED_AWAY = (413, 429)
"""Answered before a page is reached, as plain text; so is a form that was sent from another site (403)."""


def document(title: str, ways: Sequence[Way], is_free: Any) -> dict[str, Any]:
    """The document. ``is_free`` says which paths are never limited. Its URLs are relative to where it is served."""
    paths: dict[str, dict[str, Any]] = {}
    for way in ways:
        method = way.methods[0].lower()
        paths.setdefault(way.path, {})[method] = _operation(way, way.path, is_free)
        if not way.changes and not way.gives:
            paths[twin(way.path)] = {"get": _operation(way, twin(way.path), is_free)}
    return {
        "openapi": VERSION,
        "info": {"title": title, "version": aboveboard.__version__, "description": _ABOUT},
        "servers": [{"url": "."}],
        "paths": paths,
        "components": {"schemas": {"Error": _ERROR}, "headers": _HEADERS},
    }


def twin(path: str) -> str:
    """Where the document of a page is read as JSON."""
    return "/index.json" if path == "/" else f"{path}.json"


def listed(ways: Sequence[Way]) -> list[dict[str, Any]]:
    """The ways in a few words each, for people who write programs."""
    return [
        {"path": way.path, "method": way.methods[0], "title": way.title, "roles": list(way.roles),
         "fields": [one.name for one in (*way.query, *way.form)], "twin": None if way.changes or way.gives else twin(way.path)}
        for way in ways
    ]  # fmt: skip


# --- one operation ------------------------------------------------------------------------------------------------


def _operation(way: Way, path: str, is_free: Any) -> dict[str, Any]:
    only_json = path != way.path
    found: dict[str, Any] = {
        "operationId": _named(way, path), "summary": way.title, "x-roles": list(way.roles),
        "description": (way.page.__doc__ or "").strip(),
        "parameters": [*_in_path(way), *map(_in_query, way.query), *_AS_HEADERS],
        "responses": {str(status): _answer(way, status, only_json) for status in statuses(way, is_free)},
    }  # fmt: skip
    if way.form:
        found["requestBody"] = {"required": False, "content": _form(way.form)}
    elif way.changes:
        found["requestBody"] = {
            "required": False,
            "content": {_ENCODED: {"schema": {"type": "object", "maxProperties": 0}}},
        }
    return found


def statuses(way: Way, is_free: Any) -> list[int]:
    """Every status that a way answers with."""
    found = {200 if way.shows or way.gives else 303, 413, 503, *way.also}
    found |= {400, 403} if way.changes else set()
    found |= {401, 404} if way.roles else set()
    found |= {404} if "{" in way.path else set()
    found |= set() if is_free(way.path) else {429}
    return sorted(found)


def _named(way: Way, path: str) -> str:
    words = re.findall(r"[A-Za-z]+", path) or ["overview"]
    return "_".join([way.methods[0].lower(), *words])


def _in_path(way: Way) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"\{(\w+)\}", way.path)
    ]


def _in_query(field: Field) -> dict[str, Any]:
    schema = {"type": "array", "items": _value(field)} if field.many else _value(field)
    return {"name": field.name, "in": "query", "required": False, "description": field.means, "schema": schema}


def _value(field: Field) -> dict[str, Any]:
    return {"type": "string", **({"enum": list(field.values)} if field.values else {})}


def _form(fields: Sequence[Field]) -> dict[str, Any]:
    """A form as HTML sends it; with a file, as a form that carries one. Fields that begin with a name stand for many."""
    schema: dict[str, Any] = {
        "type": "object", "additionalProperties": False,
        "properties": {one.name: {**_value(one), "description": one.means} for one in fields if not one.begins},
        "patternProperties": {f"^{one.name}": {**_value(one), "description": one.means} for one in fields if one.begins},
    }  # fmt: skip
    kinds = (_WITH_FILE,) if any(one.file for one in fields) else (_ENCODED, _WITH_FILE)
    return {kind: {"schema": {name: said for name, said in schema.items() if said != {}}} for kind in kinds}


def _answer(way: Way, status: int, only_json: bool) -> dict[str, Any]:
    said: dict[str, Any] = {"description": _MEANS.get(status) or HTTPStatus(status).phrase}
    content = dict(_content(way, status, only_json))
    if content:
        said["content"] = content
    if status == 303:
        said["headers"] = {
            "Location": {"schema": {"type": "string"}, "required": True, "description": "where the result is"}
        }
    if status == 429:
        said["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in _HEADERS}
    return said


def _content(way: Way, status: int, only_json: bool) -> Iterator[tuple[str, Any]]:
    if status in _TURNED_AWAY:
        yield "text/plain", _TEXT
    elif status == 200 and way.gives:
        yield from ((kind, {"schema": {} if kind.endswith("json") else {"type": "string"}}) for kind in way.gives)
    elif status != 303:
        if not only_json:
            yield "text/html", _TEXT
        yield "application/json", {"schema": _shown(way, status)}
        if status == 403 and way.changes:
            yield "text/plain", _TEXT


def _shown(way: Way, status: int) -> Mapping[str, Any]:
    """The document of a page, or what went wrong; a page that says itself what is wrong answers with either."""
    error = {"$ref": "#/components/schemas/Error"}
    names = [name.removesuffix("?") for name in way.shows.split()]
    page = {
        "type": "object", "properties": {name: {} for name in names}, "additionalProperties": False,
        "required": [name for name in way.shows.split() if not name.endswith("?")],
    }  # fmt: skip
    if status < 400:
        return page
    return {"anyOf": [error, page]} if status in way.also and way.shows else error


_ENCODED, _WITH_FILE = "application/x-www-form-urlencoded", "multipart/form-data"
_TEXT = {"schema": {"type": "string"}}
_ERROR = {
    "type": "object", "additionalProperties": False, "required": ["error"],
    "properties": {"error": {
        "type": "object", "additionalProperties": False, "required": ["kind", "sentence", "hint"],
        "properties": {name: {"type": "string"} for name in ("kind", "sentence", "hint")},
    }},
}  # fmt: skip
_HEADERS = {
    "RateLimit-Policy": {
        "schema": {"type": "string"},
        "description": "how often one network may ask, and in which time",
    },
    "RateLimit": {"schema": {"type": "string"}, "description": "how many requests are left"},
    "Retry-After": {"schema": {"type": "string"}, "required": True, "description": "seconds to wait"},
}
_AS_HEADERS = (
    {"name": "Sec-GPC", "in": "header", "required": False, "schema": {"type": "string"},
     "description": "`1`: nothing may be sold or shared (Global Privacy Control)"},
    {"name": "Accept-Language", "in": "header", "required": False, "schema": {"type": "string"},
     "description": "the languages that a page may be written in"},
)  # fmt: skip
_MEANS = {
    303: "recorded; the result is to be read there", 400: "this cannot be what a page sent; nothing was recorded",
    401: "for whoever is signed in", 403: "sent from another site, or a proof of who asks is not fresh",
    404: "nothing is there, or nothing of theirs", 409: "whether it is meant is asked first",
    413: "larger than anything that is sent here", 422: "what was sent does not hold, or is not looked at",
    429: "too many requests", 503: "it cannot be shown at the moment; nothing is lost",
}  # fmt: skip
