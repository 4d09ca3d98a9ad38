"""The messages of the pages as gettext catalogues: what there is to translate, and the pseudo-language made from it.

`python -m aboveboard.portal.catalogue` (or `make messages`) writes ``locale/portal.pot`` and the compiled catalogue of
``ar-XB``. A translation is one more folder beside it: ``pybabel init -D portal -i portal.pot -d locale -l de``, then
``pybabel compile -D portal -d locale``. Words of the vocabulary, of reasons and of rules are messages like those of
templates, taken from where they stand; words of a policy, of a proof's steps and of people stay as they were written.
"""

from __future__ import annotations

import ast
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import write_po

from aboveboard import reasons, vocabulary
from aboveboard.portal.words import CATALOGUES, DOMAIN, PSEUDO

HERE = Path(__file__).parent
TEMPLATE = CATALOGUES / f"{DOMAIN}.pot"
COMPILED = CATALOGUES / PSEUDO.replace("-", "_") / "LC_MESSAGES" / f"{DOMAIN}.mo"
_SAID = {"AboveboardError": 0, "Unfit": 0, "Refused": 0, "Way": 1}
"""What is said by whatever is made so, by its place: what went wrong (its hint is said too), and the title of a page."""
_OPEN, _CLOSE = "\u202e\u27e6", "\u27e7\u202c"
"""A right-to-left override and a bracket, and their ends: what was translated is turned round, what was not is seen."""

Message = str | tuple[str, str]
"""A sentence, or one for one thing and one for several."""


def messages() -> Catalog:
    """Everything that there is to translate, in the order of its words; without dates, so that it is made alike each time."""
    made = _empty()
    found: dict[Message, set[tuple[str, int]]] = {}
    for message, place in (*_of_templates(), *_of_python(), *((one, "terms") for one in _terms())):
        found.setdefault(message, set()).add((place, 0))
    for message in sorted(found, key=str):
        made.add(message, locations=sorted(found[message]))
    return made


def pseudo(of: Catalog) -> Catalog:
    """The catalogue of the pseudo-language: each message in brackets and turned round, its placeholders where they are."""
    made = _empty()
    for message in of:
        if message.id:
            said = message.id if isinstance(message.id, tuple) else (message.id,)
            turned = tuple(f"{_OPEN}{one}{_CLOSE}" for one in said)
            made.add(message.id, turned if len(turned) > 1 else turned[0])
    return made


def files() -> dict[Path, bytes]:
    """What lies in ``locale/``: the template of all catalogues, and the compiled one of the pseudo-language."""
    known, template, compiled = messages(), io.BytesIO(), io.BytesIO()
    write_po(template, known, omit_header=True, include_lineno=False, width=120)
    write_mo(compiled, pseudo(known))
    return {TEMPLATE: template.getvalue(), COMPILED: compiled.getvalue()}


def _empty() -> Catalog:
    """A catalogue that says of no day that it was made on it: the same messages make the same file."""
    never = datetime(2000, 1, 1, tzinfo=UTC)
    return Catalog(domain=DOMAIN, project="aboveboard", fuzzy=False, creation_date=never, revision_date=never)


# --- where they stand ---------------------------------------------------------------------------------------------


def _of_templates() -> Iterator[tuple[Message, str]]:
    """What templates say, as Jinja itself reads them."""
    options = {"trim_blocks": "true", "lstrip_blocks": "true", "newstyle_gettext": "true"}
    for file in sorted((HERE / "templates").glob("*.html")):
        with file.open("rb") as read:
            for _, said, *_ in extract("jinja2.ext:babel_extract", read, DEFAULT_KEYWORDS, options=options):
                yield (said if isinstance(said, str) else (said[0], said[1])), f"templates/{file.name}"


def _of_python() -> Iterator[tuple[Message, str]]:
    """What the portal's own words are in its code: titles, and of what went wrong the sentence and the hint."""
    for file in sorted(HERE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            for said in _said(node):
                if isinstance(said, ast.Constant) and isinstance(said.value, str) and said.value:
                    yield said.value, file.relative_to(HERE).as_posix()


def _said(node: ast.AST) -> Iterator[ast.AST]:
    """Where sentences stand in a piece of code: in what is made with them, or under their name in a document."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _SAID:
        place = _SAID[node.func.id]
        yield from node.args[place : place + 1]
        yield from (word.value for word in node.keywords if word.arg == "hint")
    if isinstance(node, ast.Dict):
        named = zip(node.keys, node.values, strict=True)
        yield from (said for key, said in named if isinstance(key, ast.Constant) and key.value in ("sentence", "hint"))


def _terms() -> Iterator[str]:
    """What is said by the vocabulary, by reasons, by rules of comparison, and by lists that pages show."""
    from aboveboard.choice import TYPES
    from aboveboard.comparison.meaning import RULES
    from aboveboard.lineage import STATES
    from aboveboard.portal.pages import choices, public
    from aboveboard.portal.principal import ROLES
    from aboveboard.reach import Claim
    from aboveboard.release import NOTES
    from aboveboard.withdrawal.board import DONE, KEPT, OPEN

    known: list[Iterable[str]] = [
        (term.says for terms in (vocabulary.PURPOSES, vocabulary.CATEGORIES, vocabulary.BASES) for term in terms.values()),
        (word for one in reasons.BY_ID.values() for word in (one.sentence, one.remedy, one.effect.value)),
        (one.value for one in reasons.OUTCOMES), reasons.GATES, (f"it {reasons.OTHER_PEOPLE}",),
        RULES.values(), NOTES, (Claim(answer, "none").sentence for answer in _CLAIMS), ROLES, vocabulary.KINDS, ("item",),
        (kept for _, kept in choices.FLOOR), public.TWELVE, public.SUMMARY, STATES, ("in use", DONE, KEPT, OPEN),
        (one.replace("_", " ") for one in (*TYPES, *ROLES)),
    ]  # fmt: skip
    return (word for words in known for word in words if word)


_CLAIMS = ("claimed", "denied", "contradictory", "silent")


def main() -> None:
    """Write them."""
    for file, content in files().items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


if __name__ == "__main__":
    main()
