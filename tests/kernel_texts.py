"""Made-up texts that are hard on the rules for identifiers, and the comparison of the text kernel with them."""

from __future__ import annotations

import random
from collections.abc import Callable

import pyarrow as pa
import pytest

from aboveboard import identifiers, kernel
from aboveboard.identifiers import KINDS, search, touched
from aboveboard.scrub import scrub

KEY = b"a key for tests"


def by_rules(column: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, object]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "finder", lambda _: None)
        return scrub(column, KEY)


def compare(finder: kernel.Finder, texts: list[str]) -> int:
    """How many of these texts it did not decline; the spans in those are those of the rules, and the traces of all."""
    column = pa.array(texts, pa.string())
    found, stages = finder.search(column), finder.touched(column)
    assert found is not None
    assert found.rows == len(texts)
    assert stages == traced(texts)
    spans: dict[int, list[tuple[int, int, str]]] = {}
    for row, start, end, kind in finder.spans(found):
        spans.setdefault(row, []).append((start, end, KINDS[kind]))
    done = [row for row, left in enumerate(found.stages) if not left]
    for row in done:
        assert spans.pop(row, []) == expected(texts[row], stages[row]), texts[row]
    assert not spans
    return len(done)


def traced(texts: list[str]) -> bytes:
    encoded = [text.encode() for text in texts]
    offsets = [0]
    for one in encoded:
        offsets.append(offsets[-1] + len(one))
    return bytes(touched(b"".join(encoded), offsets))


def expected(text: str, stages: int) -> list[tuple[int, int, str]]:
    def at(place: int) -> int:
        return len(text[:place].encode())

    return [(at(span.start), at(span.end), span.kind) for span in search(text, stages)]


# --- made-up texts ------------------------------------------------------------------------------------------------

ODD = """@ ＠ ﹫ % ％ a é 田 さん ー ٥ 5 ５ ⑤ 𝟝 + - . ( ) : :: ： [ ] ［ ］ < > at (at) [at] dot （at） （＠） ａｔ d\u200bot com
example.com example.png xn--a RT rt: _ tel ☎ 電話 %40 ％４０ fe80 [email] [phone] u_ http:// / ? = & # $ € , ; ' " ! ~ * x ext.
ext доб usd km 円 zł – — … ’ que̅ ı ſ K İ 🐦 👩‍👩‍👧 ❤️ 5️⃣ @anna @anna.b @anna@b.com a@b.co anna@１.com @u_abcdefghijklmnop
@5pm @7:30 ＠anna @さん 192.0.2.1 1.2.3.4.5 v1.2.3.4 fe80::1 ::1 1:2:3:4:5:6:7:8 2024-05-12 2024年5月12日 2024–2025""".split()
ODD += ["\u200b", "\u2060", "\ufe0f", "\u20e3", "\0", "\n", "\t", "\x1f", "\u00a0", "\u3000", "  ", *[" "] * 8]
GAPS = [
    *" -./()", "", ") ", " (", ". ", "  ", "\t", "   ", "    ", "     ", ",", ", ", ":", "–", "\u00a0", "\n", " - ",
]  # fmt: skip
SAYING = [
    *identifiers._PHONE_WORDS, *identifiers._PHONE_SIGNS, *identifiers._OTHER_WORDS, *identifiers._MONEY_WORDS,
    *"my his her our your new number digits wa.me/ is was ist no nr num code the it's and then version v section".split(),
]  # fmt: skip
NUMBERS = """202-555-0143 1-202-5550143 (202)-5550143 0171-5550143 (030)-1234567 0-20-79460958 138-1234-5678 98765-43210
11-91234-5678 11912345678 8-(495)-123-45-67 532-123-45-67 20-123-45-67 44-20-794-6095 601-123-456 612-34-56-78 20-12-34-56
91-234-567 912-34-567 8123-4567 9-1234-5678 10-1234-5678 347-123-4567 347-12-34-567 1300-123-456 1-700-123-456 1999-2004
2024-05-12-10-30 12-05-2024-10 4155550132 01715550143 021-555-0143""".split()
CARDS = "4 51 2221 34 37 300 36 3528 6011 65 62 5018 2200 60 9792 6763 99".split()


def digits(draw: random.Random, size: int) -> str:
    return "".join(draw.choice("0123456789") for _ in range(size))


def written(draw: random.Random) -> str:
    """A number in some shape, with what may stand between its groups changed here and there."""
    shape = "".join(
        draw.choice("0123456789") if c.isdigit() and draw.random() < 0.2 else c for c in draw.choice(NUMBERS)
    )
    return "".join(draw.choice(GAPS) if c == "-" and draw.random() < 0.5 else c for c in shape)


def abroad(draw: random.Random) -> str:
    opened = draw.choice(["+", "00", "011", "+(", "(+", "+", ""]) + draw.choice(list(identifiers._COUNTRIES))
    groups = [digits(draw, draw.choice((2, 3, 4))) for _ in range(draw.randint(1, 4))]
    return opened + draw.choice(GAPS) + draw.choice(["", "0", "(0)"]) + draw.choice(GAPS).join(groups)


def card(draw: random.Random) -> str:
    begun = draw.choice(CARDS) + digits(draw, draw.choice((8, 10, 11, 12, 13, 14)))
    whole = begun + next(str(last) for last in range(10) if identifiers._luhn(begun + str(last)))
    return draw.choice(["", "-", " ", "."]).join(whole[at : at + 4] for at in range(0, len(whole), 4))


def account(draw: random.Random) -> str:
    land, body = draw.choice(list(identifiers._IBANS)), ""
    for _ in range(identifiers._IBANS[land] - 4):
        body += draw.choice("0123456789A" if draw.random() < 0.3 else "0123456789")
    check = 98 - int("".join(str(int(c, 36)) for c in body + land + "00")) % 97
    whole = f"{land}{check:02}{body}"
    whole = draw.choice(["", "-", " ", "."]).join(whole[at : at + 4] for at in range(0, len(whole), 4))
    return whole.lower() if draw.random() < 0.2 else whole


def address(draw: random.Random) -> str:
    sizes = [digits(draw, draw.randint(1, 3)), "255", "0", "256", "192", "007"]
    return ".".join(draw.choice(sizes) for _ in range(draw.choice((3, 4, 4, 4, 5))))


def sign(draw: random.Random) -> str:
    before = draw.choice(["", "RT ", "RT", "a", "(", "は", "é", "\u200b", "％", "!", "a.b+c", "’", "foo_", "\u00a0"])
    parts = "anna Bob_1 _ 5pm 7 12h u_abcdefghijklmnop . - é 田 com png local 1 2x xn--a".split()
    handle = "".join(draw.choice(parts) for _ in range(draw.randint(1, 3)))
    after = [
        "",
        ".com",
        ".co.uk",
        "@host.example",
        "@ho_st",
        "://x",
        ":",
        "さん",
        "é",
        ".",
        ":30",
        ".さん",
        "@7xさん",
        "-",
    ]
    return f"{before}@{handle}{draw.choice(after)}"


def row(draw: random.Random) -> str:
    return "".join(digits(draw, draw.randint(1, 5)) + draw.choice(GAPS) for _ in range(draw.randint(1, 9)))


PARTS: tuple[Callable[[random.Random], str], ...] = (
    written, abroad, card, account, address, sign, row, lambda draw: draw.choice(ODD), lambda draw: draw.choice(ODD),
    lambda draw: draw.choice(SAYING), lambda draw: draw.choice(SAYING),
)  # fmt: skip


def text(draw: random.Random) -> str:
    made = "".join(
        draw.choice(PARTS)(draw) + draw.choice(["", "", " ", " ", " ", ": ", "#", ", ", "\n", "."])
        for _ in range(draw.randint(1, 6))
    )
    return made.swapcase() if draw.random() < 0.1 else made
