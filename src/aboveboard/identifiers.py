"""Identifiers in a post's text: mentions, e-mail and IP addresses, phone, card and bank account numbers.

One function finds them, one replaces them; the rules are tables in this file and their specification is
docs/formats/scrubbing.md. Only Python's own ``re`` and closed lists of characters decide, never an engine's character
classes, so every launcher gives the same text; no text ever stands in an error.
"""

from __future__ import annotations

import re
import unicodedata
from base64 import b32encode
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hmac import digest
from itertools import accumulate, pairwise

KINDS = ("mention", "email", "phone", "ip", "card", "iban")
"""Every kind of identifier, in the order in which figures are shown."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Where one identifier stands: code points ``start`` up to ``end`` of the text as given, and its kind."""

    start: int
    end: int
    kind: str


def find(text: str) -> list[Span]:
    """The identifiers in ``text``, in order and without overlap; defined for every ``str``, lone surrogates included."""
    return search(text, ALL_STAGES)


def search(text: str, stages: int) -> list[Span]:
    """As :func:`find`, by those stages alone whose bits :func:`touched` has set for this text.

    Searching goes on until nothing is left to find, with what was found out of sight. INVARIANT: that is why
    scrubbing scrubbed text changes nothing: a mask is out of sight from the start.
    """
    if stages == _SIGNS and (plain := _plain_mentions(text)) is not None:
        return plain
    seen, index = _folded(text)
    seen = _MASK.sub(_hidden, seen) if "[" in seen else seen
    spans: list[Span] = []
    chosen = _CHOSEN[stages]
    stage = 0
    while stage < len(chosen):
        if found := chosen[stage](seen, text, index):
            seen = _without(seen, found)
            spans += [span for span in found if span.kind]
            stage = 0
        else:
            stage += 1
    if index is not None:
        spans = [Span(index[s.start], _inked_end(text, index[s.end - 1] + 1), s.kind) for s in spans]
    return sorted(spans) if len(spans) > 1 else spans


def replace(text: str, key: bytes, spans: Iterable[Span] | None = None) -> str:
    """``text`` with every mention as a pseudonym under ``key`` and every other identifier as its mask.

    ``spans`` are those of :func:`find` for this very text, where the caller has them already.
    """
    return rewritten(text, find(text) if spans is None else spans, lambda handle: pseudonym(handle, key))


def rewritten(text: str, spans: Iterable[Span], name: Callable[[str], str]) -> str:
    """As :func:`replace`, with a function from normalised handles to what stands for them."""
    out: list[str] = []
    at = 0
    for span in sorted(spans):
        word = name(normalised(text[span.start + 1 : span.end])) if span.kind == "mention" else f"[{span.kind}]"
        out += (text[at : span.start], word)
        at = span.end
    return "".join([*out, text[at:]]) if out else text


def pseudonym(handle: str, key: bytes) -> str:
    """``@u_`` and 16 letters or digits for a normalised handle: HMAC-SHA256 under ``key``, ten bytes in base32."""
    told = digest(key, b"mention\0" + handle.encode("utf-8", "surrogatepass"), "sha256")
    return "@u_" + b32encode(told[:10]).decode("ascii").lower()


def normalised(handle: str) -> str:
    """The one spelling of a handle (without its first ``@``): folded, NFKC, case folded, NFKC again.

    The dot that case folding leaves behind ``İ`` goes, so that ``@İrem`` and ``@irem`` are one person.
    """
    if handle.isascii():
        return handle.lower()
    composed = unicodedata.normalize("NFKC", _folded(handle)[0])
    return unicodedata.normalize("NFKC", composed.casefold().replace("i\u0307", "i"))


def traces(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Where identifiers may stand in UTF-8 text: ``(start, end, stages)``, ends in bytes, in no order, overlapping.

    Cheap, and never too few: whatever a stage finds, some trace with its bit touches the text that it stands in.
    """
    for stages, _, match in _traced(data):
        yield *match.span(), stages


def _traced(data: bytes) -> Iterator[tuple[int, bytes, re.Match[bytes]]]:
    """Every trace with its stages and the bytes that its pattern was looked for in."""
    low = data.translate(_CLASS)
    for stages, sign, pattern in _TRACES:
        for match in pattern.finditer(low) if sign in low else ():
            yield stages, low, match
    for sign, pattern in _FAR_TRACES:
        for match in pattern.finditer(data) if sign in data else ():
            yield ALL_STAGES, data, match


def touched(data: bytes, offsets: Sequence[int]) -> bytearray:
    """One byte a text, the stages that could find something in it; text ``i`` is ``data[offsets[i]:offsets[i + 1]]``.

    The texts lie end to end, so a trace may run over a border: then each text on its way is asked by itself.
    """
    flags = bytearray(len(offsets) - 1)
    for stages, searched, match in _traced(data):
        start, end = match.span()
        row = bisect_right(offsets, start) - 1
        if end <= offsets[row + 1]:
            flags[row] |= stages
            continue
        while row < len(flags) and offsets[row] < end:
            if match.re.search(searched, offsets[row], offsets[row + 1]):
                flags[row] |= stages
            row += 1
    return flags


# --- characters -------------------------------------------------------------------------------------------------
# Closed lists: what Python, or an engine, calls a letter or a digit differs between their versions.

_ZEROS = """30 660 6F0 7C0 966 9E6 A66 AE6 B66 BE6 C66 CE6 D66 DE6 E50 ED0 F20 1040 1090 17E0 1810 1946 19D0 1A80 1A90
1B50 1BB0 1C40 1C50 A620 A8D0 A900 A9D0 A9F0 AA50 ABF0 FF10 104A0 10D30 10D40 11066 110F0 11136 111D0 112F0 11450 114D0
11650 116C0 116D0 116DA 11730 118E0 11950 11BF0 11C50 11D50 11DA0 11DE0 11F50 16A60 16AC0 16B50 16D70 1CCF0 1D7CE 1D7D8
1D7E2 1D7EC 1D7F6 1E140 1E2F0 1E4F0 1E5F1 1E950 1FBF0"""
"""The zero of every script with decimal digits; the nine others follow it."""

_LOOKALIKES = (
    (0xFF01, 0xFF5E),  # full-width forms
    (0xFE50, 0xFE6B),  # small forms
    (0x1D400, 0x1D7CB),  # mathematical letters
    (0x2102, 0x2149),  # letter-like signs
    (0x2460, 0x2468),  # digits in circles
    (0x24B6, 0x24E9),  # letters in circles
)
_SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\ufe58\ufe63\uff0d"
_DOTS = "\u00b7\u2022\u2024\u2027\u30fb\uff65"
_NOT_FOLDED = "\uff1a\ufe55"  # a full-width colon ends a sentence's label; addresses are never written with it

_UNSEEN = (
    "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff\u20e3"
    "\U000e0000-\U000e007f\U000e0100-\U000e01ef"
)
"""What leaves no ink between characters: joiners, direction marks, variation selectors, the frame of a keycap."""


def _fold_table() -> dict[str, str]:
    table = {chr(c): unicodedata.normalize("NFKC", chr(c)) for low, high in _LOOKALIKES for c in range(low, high + 1)}
    table = {c: plain for c, plain in table.items() if len(plain) == 1 and plain.isascii()}
    for sign, characters in ((" ", _SPACES), ("-", _DASHES), (".", _DOTS)):
        table |= dict.fromkeys(characters, sign)
    table |= {chr(int(zero, 16) + n): str(n) for zero in _ZEROS.split()[1:] for n in range(10)}
    return {c: plain for c, plain in table.items() if c not in _NOT_FOLDED}


def _ranges(points: Iterable[int]) -> str:
    """The inside of a character class; ranges, because ``re`` walks through single characters beyond U+FFFF."""
    runs: list[list[int]] = []
    for point in sorted(points):
        if runs and runs[-1][1] == point - 1:
            runs[-1][1] = point
        else:
            runs.append([point, point])
    return "".join(f"{re.escape(chr(low))}-{re.escape(chr(high))}" for low, high in runs)


_FOLD = _fold_table()

# Letters of alphabets that look alike belong together; each script written without spaces stands by itself, so that
# a handle ends where the sentence around it goes on.
_EUROPEAN = (
    "\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02c1\u0300-\u036f\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f"
    "\u0386\u0388-\u0481\u0483-\u0559\u0560-\u0588\u10a0-\u10fa\u10fc-\u10ff\u13a0-\u13fd\u1c80-\u1caf\u1d00-\u1fbc"
    "\u1fc2-\u1fcc\u1fd0-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ffc\u2c00-\u2ce4\u2d00-\u2d2d\ua640-\ua66e\ua680-\ua69d"
    "\ua722-\ua788\ua78b-\ua7ff\uab30-\uab5a\ufb00-\ufb17"
)
_SCRIPTS = (
    "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003347f",  # Han
    "\u3041-\u3096\u309d-\u309f",  # Hiragana
    "\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f",  # Katakana
    "\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7a3\ud7b0-\ud7fb",  # Hangul
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7-\u05f2\ufb1d-\ufb4f",  # Hebrew
    "\u0610-\u061a\u0620-\u065f\u066e-\u06d3\u06d5-\u06dc\u06df-\u06e8\u06ea-\u06ef\u06fa-\u06fc\u0710-\u07bf"
    "\u0750-\u077f\u0870-\u08ff\ufb50-\ufdfb\ufe70-\ufefc",  # Arabic, Syriac, Thaana
    "\u0900-\u0963\u0971-\u09e3\u09f0\u09f1\u0a01-\u0a65\u0a70-\u0ae3\u0af9-\u0b65\u0b71-\u0be5\u0c00-\u0c65"
    "\u0c80-\u0ce5\u0cf1-\u0d65\u0d7a-\u0de5\u0df2\u0df3",  # the scripts of India and Sri Lanka
    "\u0e01-\u0e3a\u0e40-\u0e4e",  # Thai
    "\u0e81-\u0ece\u0edc-\u0edf\u0f00\u0f18-\u0f1f\u0f35-\u0f84\u0f86-\u0fbc\u1000-\u103f\u1050-\u108f\u109a-\u109d"
    "\u1780-\u17d3\u17dc\u17dd\u1820-\u18aa",  # Lao, Tibetan, Burmese, Khmer, Mongolian
    "\u07ca-\u07f5\u1200-\u135a\u1380-\u138f\u1401-\u166c\u166f-\u167f\u2d30-\u2d67\u2d80-\u2dde\ua000-\ua48c"
    "\ua4d0-\ua4fd\ua500-\ua60b\ua610-\ua61f\U00010000-\U000100fa\U0001e900-\U0001e94b",  # Ge'ez, N'Ko, and others
)
_WORD = "A-Za-z0-9_" + _EUROPEAN
_ALPHABET = "A-Za-z" + _EUROPEAN
_FAR = "".join(_SCRIPTS)
_HOLE = "\0"
"""Stands where something was found. In no list here: no rule reads across it, and none counts how many there are."""

_FOLDS = re.compile(f"[{_ranges(map(ord, _FOLD))}]")
_LONG_DASH = re.compile("(?<=[0-9])\u30fc(?=[0-9])")  # the Japanese long vowel between digits is a dash
_INVISIBLE = re.compile(f"[{_UNSEEN}]")
_MASK = re.compile(r"\[(?:email|phone|ip|card|iban)\]")
_PSEUDONYM = re.compile(r"u_[a-z2-7]{16}")


def _folded(text: str) -> tuple[str, list[int] | None]:
    """The text as the rules read it, and where each of its code points stood, if that is not the same place."""
    if text.isascii():
        return text, None
    seen = _FOLDS.sub(lambda m: _FOLD[m[0]], text)
    index = None
    if _INVISIBLE.search(seen):
        gone = {m.start() for m in _INVISIBLE.finditer(seen)}
        index = [i for i in range(len(seen)) if i not in gone]
        seen = _INVISIBLE.sub("", seen)
    return seen, index


def _inked_end(text: str, end: int) -> int:
    """Where a span ends whose last digit may stand in the frame of a keycap."""
    while text[end : end + 1] in {"\ufe0f", "\u20e3"}:
        end += 1
    return end


def _hidden(match: re.Match[str]) -> str:
    return _HOLE * len(match[0])


def _without(seen: str, spans: Sequence[Span]) -> str:
    if len(spans) == 1:
        [span] = spans
        return seen[: span.start] + _HOLE * (span.end - span.start) + seen[span.end :]
    out, at = [], 0
    for span in sorted(spans):
        out += [seen[at : span.start], _HOLE * (span.end - span.start)]
        at = span.end
    return "".join([*out, seen[at:]])


# --- @: e-mail addresses and mentions ---------------------------------------------------------------------------

_LABEL = rf"(?:[{_ALPHABET}0-9-]+|[{_FAR}]+)"
_TOP = rf"(?:xn--[A-Za-z0-9-]+|[{_ALPHABET}]{{2,}}|[{_FAR}]{{2,}})"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+{_TOP}")
_NO_DOMAIN = re.compile(
    r"[0-9]+\.[0-9]|.*\.(?:png|jpe?g|gif|svg|webp|avif|bmp|ico|pdf|css|s[ac]ss|jsx?|tsx?|html?|php|json|ya?ml|xml|txt"
    r"|exe|dll|jar|whl|tgz|mp[34]|local|localhost|invalid)\Z",
    re.DOTALL | re.IGNORECASE,
)
"""Versions (`left-pad@1.3.0-rc.one`) and files (`logo@2x.png`): no mail is delivered there."""
_PART = "(?:(?:" + "|".join(f"[{script}]+" for script in _SCRIPTS) + f")[{_WORD}]*|[{_WORD}]+)"
_HANDLE = re.compile(rf"{_PART}(?:[.-]{_PART})*")
_HOST = re.compile(rf"@(?!-){_LABEL}++(?:\.{_LABEL}++)*+(?![{_WORD}@]|[.-]{_PART})")
_TIME = re.compile(r"[0-9]{1,2}(?:[ap]m|h|uhr)?\Z", re.IGNORECASE)
_LOCAL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-'%")
_NOT_BEFORE_MENTION = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_!#$%&*@")
_RETOLD = re.compile(r"(?:\A|[^a-zA-Z0-9_+~.-])(?:rt|RT|rT|Rt):?\Z")
_IS_WORD = re.compile(f"[{_ALPHABET}]")
_IS_SCRIPT = tuple(re.compile(f"[{script}]") for script in _SCRIPTS)
_AT = re.compile("@|%40")


_PLAIN_MENTION = re.compile(r'@(?<![^ \n("]@)(?:(u_[a-z2-7]{16})|(?!u_)[A-Za-z][A-Za-z0-9_]*+)(?=[ \n,!?;)"]|\.?\Z)')
"""Its one group is there where it is a pseudonym already."""


def _plain_mentions(text: str) -> list[Span] | None:
    """The mentions of a text in which every @ begins a plain one, as in most posts that have any; else None.

    INVARIANT: it says what ``_at_signs`` says. Such a sign follows a blank, a bracket or a quotation mark, so it is in
    no address; its handle begins with a letter, so it is no time of day, and ends where no rule reads on.
    """
    if not text.isascii() or "[" in text or "%40" in text:
        return None
    found = list(_PLAIN_MENTION.finditer(text))
    if len(found) != text.count("@"):
        return None
    return [Span(*match.span(), "mention") for match in found if match[1] is None]


def _at_signs(seen: str, text: str, index: list[int] | None) -> list[Span]:
    """E-mail addresses and mentions, from left to right. A span without a kind is a pseudonym: out of sight, no find."""
    if "@" not in seen and "%40" not in seen:
        return []
    spans: list[Span] = []
    done = 0
    for sign in _AT.finditer(seen):
        at = sign.start()
        if at < done or (sign[0] != "@" and not _written_plainly(text, index, *sign.span(), sign[0])):
            continue
        span = _email(seen, done, at, sign.end())
        if span is None and sign[0] == "@":
            span = _mention(seen, done, at, parted=index is not None and _parted(text, index, at))
        if span is not None:
            spans.append(span)
            done = span.end
    return spans


def _parted(text: str, index: list[int], at: int) -> bool:
    """Whether something unseen stands right before this sign: it keeps a word and a mention apart."""
    return index[at] > 0 and _INVISIBLE.match(text, index[at] - 1) is not None


def _email(seen: str, done: int, at: int, after: int) -> Span | None:
    if at == done or (seen[at - 1] < "\x80" and seen[at - 1] not in _LOCAL):
        return None
    if not (domain := _DOMAIN.match(seen, after)) or _NO_DOMAIN.match(domain[0]):
        return None
    start = _local_start(seen, done, at)
    return Span(start, domain.end(), "email") if start < at else None


def _local_start(seen: str, done: int, at: int) -> int:
    """Where the part before the sign begins; in a script without spaces it is the run of that script."""
    start = at
    script = _IS_WORD if seen[at - 1] < "\x80" else next((s for s in _IS_SCRIPT if s.match(seen, at - 1)), _IS_WORD)
    while start > done and (seen[start - 1] in _LOCAL or script.match(seen, start - 1)):
        start -= 1
    while start < at and seen[start] in ".+-'%":
        start += 1
    return start


def _mention(seen: str, done: int, at: int, parted: bool) -> Span | None:
    if (
        at > done
        and not parted
        and seen[at - 1] in _NOT_BEFORE_MENTION
        and not _RETOLD.search(seen, max(done, at - 4), at)
    ):
        return None
    handle = _HANDLE.match(seen, at + 1)
    if handle is None or not handle[0].strip("_") or seen.startswith("://", handle.end()):
        return None
    if _TIME.match(handle[0]) and (not handle[0].isdigit() or seen[handle.end() : handle.end() + 1] == ":"):
        return None  # `@5pm`, `@7:30`
    host = _HOST.match(seen, handle.end())
    kind = "" if _PSEUDONYM.fullmatch(handle[0]) and not host else "mention"
    return Span(at, host.end() if host else handle.end(), kind)


# --- e-mail addresses in words ----------------------------------------------------------------------------------

_DOT_WORD = r"(?:[ \t]*[(\[{<][ \t]*(?:dot|punkt|punto|point|\.)[ \t]*[)\]}>][ \t]*|[ \t]+dot[ \t]+)"
_AT_WORD = re.compile(
    r"[ \t]*[(\[{<][ \t]*(?P<sign>at|@|arroba)[ \t]*[)\]}>][ \t]*"
    rf"|[ \t]+(?P<plain>at)[ \t]+(?=[{_WORD}-]+[ \t]+(?P<dot>dot)[ \t])",
    re.IGNORECASE,
)
_SPELT_HOST = re.compile(rf"{_LABEL}(?:(?:\.|{_DOT_WORD}){_LABEL})*", re.IGNORECASE)
_SPELT_LOCAL = re.compile(rf"(?:[{_WORD}+%'-]+(?:\.|{_DOT_WORD}))*[{_WORD}.+%'-]+\Z", re.IGNORECASE)
_COMMON = frozenset(
    """a about all am an and are available be been came come down everyone for free from go going good great guys
    happening have he here hi hosted i im in is it join just look looking lot me meet met more my new not now off on out
    over people read see she shop site so stay team that the them there they this time up us visit was we were what
    where who work worked working works you your""".split()
)
"""Words before a plain `at` that are no name: `we work at example dot com`."""


_AT_CLOSES = re.compile(r"(?:at|@|arroba)[ \t]*[)\]}>]")


def _may_spell(low: str) -> bool:
    if "dot " in low or "dot\t" in low:
        return True
    return (")" in low or "]" in low or "}" in low or ">" in low) and _AT_CLOSES.search(low) is not None


def _hidden_emails(seen: str, text: str, index: list[int] | None) -> list[Span]:
    if not _may_spell(seen.lower()):
        return []
    spans: list[Span] = []
    for word in _AT_WORD.finditer(seen):
        group = "sign" if word["sign"] else "dot"
        host = _SPELT_HOST.match(seen, word.end())
        local = _SPELT_LOCAL.search(seen, max(spans[-1].end if spans else 0, word.start() - 80), word.start())
        if not host or not local or not _written_plainly(text, index, *word.span(group), word[group]):
            continue
        if group == "dot" and local[0].lower() in _COMMON:
            continue
        spans.append(Span(local.start(), host.end(), "email"))
    return spans


def _written_plainly(text: str, index: list[int] | None, start: int, end: int, word: str) -> bool:
    """Whether the word stands in the text as it was read, so that a search over bytes would see it."""
    if index is not None:
        start, end = index[start], index[end - 1] + 1
    return word == "@" or text[start:end] == word


# --- IP addresses -----------------------------------------------------------------------------------------------

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|0[0-9]{2}|[1-9]?[0-9])"
_V4 = re.compile(rf"(?<![A-Za-z0-9_.])(?:{_OCTET}\.){{3}}{_OCTET}(?![A-Za-z0-9_]|\.[0-9])")
_MAY_BE_V4 = re.compile(r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]")
_V6 = re.compile(
    rf"(?<![A-Za-z0-9_:.])(?:[0-9A-Fa-f]{{0,4}}:){{2,8}}(?:{_OCTET}(?:\.{_OCTET}){{3}}|[0-9A-Fa-f]{{0,4}})"
    r"(?![A-Za-z0-9_:])"
)
_NOT_AN_IP = re.compile(
    r"(?:(?<![a-z])(?:v|ver|version|versions|release|build|firmware|section|sections|chapter|clause|appendix|figure|fig"
    r"|table|android|ios|macos|windows|chrome|firefox|safari|driver|kernel|update|patch|oid)[ \t.:=]*|[a-z]/|§[ \t]*)\Z",
    re.IGNORECASE,
)


def _addresses(seen: str, _text: str, _index: list[int] | None) -> list[Span]:
    spans: list[Span] = []
    if "::" in seen or seen.count(":") >= 7:
        spans = [Span(*m.span(), "ip") for m in _V6.finditer(seen) if _is_v6(m[0])]
    if not _MAY_BE_V4.search(seen):
        return spans
    taken = {i for span in spans for i in range(span.start, span.end)}
    for m in _V4.finditer(seen):
        if m.start() not in taken and not _NOT_AN_IP.search(seen, max(0, m.start() - 16), m.start()):
            spans.append(Span(*m.span(), "ip"))
    return spans


def _is_v6(address: str) -> bool:
    """Eight groups, or fewer around one `::`; not a hardware address, a time or a name such as `abc::def`."""
    head, squeezed, tail = address.partition("::")
    groups = [group for side in (head, tail) if side for group in side.split(":")]
    if ":::" in address or "::" in tail or any(not group for group in groups):
        return False
    size = len(groups) + (1 if "." in address else 0)
    if not squeezed:
        return size == 8 and any(len(group) != 2 for group in groups)
    telling = any(len(g) >= 3 for g in groups) or not head
    return 1 <= size <= 7 and telling and any(c.isdigit() for c in address)


# --- numbers ----------------------------------------------------------------------------------------------------

_GAP = r"[ \t.()/-]"
_SEVEN_DIGITS = re.compile(rf"[0-9](?:{_GAP}{{0,4}}[0-9]){{6}}")
_CLUSTER = re.compile(rf"[0-9](?:{_GAP}{{0,4}}[0-9]){{6,}}")
_DIGITS = re.compile(r"[0-9]+")
_DAY = re.compile(r"(?:19|20)[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])(?: (?:[01][0-9]|2[0-3]))?")
_MOST_GROUPS = 8


def _numbers(seen: str, _text: str, _index: list[int] | None) -> list[Span]:
    seen = _LONG_DASH.sub("-", seen) if "\u30fc" in seen else seen
    if not _SEVEN_DIGITS.search(seen):
        return []
    spans = _ibans(seen)
    here = _without(seen, spans) if spans else seen
    for cluster in _CLUSTER.finditer(here):
        if _DAY.fullmatch(here, *cluster.span()) and not here[: cluster.start()].endswith(("+", "(")):
            continue  # by far the most frequent row of digits in posts, so it is told apart first
        spans += _in_cluster(here, [m.span() for m in _DIGITS.finditer(here, *cluster.span())])
    return spans


Group = tuple[int, int]


def _in_cluster(seen: str, groups: list[Group]) -> list[Span]:
    """Cards, then phones, among groups of digits: the leftmost first, and from there the longest."""
    free = _breaks(seen, groups)
    sizes = [0, *accumulate(end - start for start, end in groups)]
    cards = _cards(seen, groups, free, sizes) if sizes[-1] >= 12 else {}
    spans: list[Span] = []
    at = begin = 0
    while at < len(groups):
        if at in cards:
            spans.append(Span(groups[at][0], groups[cards[at] - 1][1], "card"))
            at = begin = cards[at]
        elif phone := _phone_from(seen, groups, free, sizes, at, begin, _before_card(cards, at, len(groups))):
            last, span = phone
            spans.append(span)
            at = begin = last
        else:
            at += 1
    return spans


def _before_card(cards: dict[int, int], at: int, end: int) -> int:
    return min((first for first in cards if first > at), default=end) if cards else end


def _breaks(seen: str, groups: list[Group]) -> list[bool]:
    """Before each group, and behind the last, whether a number may begin or end: at a space or stroke, not a dash."""
    if len(groups) == 1:
        return [True, True]
    gaps = [seen[a[1] : b[0]] for a, b in pairwise(groups)]
    return [True, *(" " in gap or "\t" in gap or "/" in gap for gap in gaps), True]


def _cards(seen: str, groups: list[Group], free: list[bool], sizes: list[int]) -> dict[int, int]:
    """From the first group of each card to the group behind its last."""
    found: dict[int, int] = {}
    for first in range(len(groups)):
        for last in range(min(len(groups), first + _MOST_GROUPS), first, -1) if free[first] else ():
            if free[last] and 12 <= sizes[last] - sizes[first] <= 19 and _is_card(seen, groups[first:last]):
                found.setdefault(first, last)
    return found


# --- cards ------------------------------------------------------------------------------------------------------

_CARD = re.compile(
    r"4[0-9]{12}(?:[0-9]{3}(?:[0-9]{3})?)?"  # Visa
    r"|(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"  # Mastercard
    r"|3[47][0-9]{13}"  # American Express
    r"|3(?:0[0-5]|[689][0-9])[0-9]{11}"  # Diners Club
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12,15}"  # JCB
    r"|6(?:011|4[4-9][0-9]|5[0-9]{2})[0-9]{12,15}"  # Discover
    r"|62[0-9]{14,17}"  # UnionPay
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])[0-9]{8,15}"  # Maestro
    r"|220[0-4][0-9]{12,15}|(?:60|81|82)[0-9]{14}|9792[0-9]{12}"  # Mir, RuPay, Troy
)


def _is_card(seen: str, groups: list[Group]) -> bool:
    digits = "".join(seen[start:end] for start, end in groups)
    if min((end - start for start, end in groups[:-1]), default=3) < 3:
        return False
    before = seen[groups[0][0] - 1 : groups[0][0]]
    after = seen[groups[-1][1] : groups[-1][1] + 1]
    return not (_glued(before) or _glued(after)) and _CARD.fullmatch(digits) is not None and _luhn(digits)


_DOUBLED = str.maketrans("0123456789", "0246813579")


def _luhn(digits: str) -> bool:
    doubled = digits[-2::-2].translate(_DOUBLED)
    return sum(map(int, doubled + digits[::-2])) % 10 == 0


def _glued(character: str) -> bool:
    return character != "" and (character == "_" or _IS_WORD.match(character) is not None)


# --- bank accounts ----------------------------------------------------------------------------------------------

_IBAN_LENGTHS = """15 NO; 16 BE; 18 DK FI FO GL NL SD FK; 19 MK SI; 20 AT BA EE KZ LT LU XK MN; 21 CH HR LI LV; 22 BG BH
CR DE GB GE IE ME RS VA; 23 AE GI IL IQ OM TL SO; 24 AD CZ ES MD PK RO SA SE SK TN VG DZ; 25 LY PT ST AO CV MZ; 26 IS TR
CF BI; 27 BF CI FR GR IT MC MG MR SM CG DJ KM NE TG TD CM GQ GA; 28 AL AZ BY CY DO GT HU LB PL SV BJ ML SN MA NI HN; 29 BR EG
PS QA UA; 30 JO KW MU YE; 31 MT SC; 32 LC; 33 RU"""
_IBANS = {land: int(length) for row in _IBAN_LENGTHS.split(";") for length, *lands in [row.split()] for land in lands}
_IBAN = re.compile(r"(?<![A-Za-z0-9_])[A-Za-z]{2}[ \t.-]?[0-9][ \t.-]?[0-9](?:[ \t.-]?[A-Za-z0-9]){11,30}")
_MAY_BE_IBAN = re.compile(r"[0-9](?:(?<=[A-Za-z]{2}[0-9])|(?<=[A-Za-z]{2}[ \t.-][0-9]))")
_ALNUM = re.compile(r"[A-Za-z0-9]")


def _ibans(seen: str) -> list[Span]:
    if not _MAY_BE_IBAN.search(seen):
        return []
    return [span for m in _IBAN.finditer(seen) if (span := _iban(seen, m.start(), m[0]))]


def _iban(seen: str, start: int, run: str) -> Span | None:
    places = [m.start() for m in _ALNUM.finditer(run)][: _IBANS.get(run[:2].upper(), 0)]
    account = "".join(run[i] for i in places).upper()
    if len(places) < _IBANS.get(run[:2].upper(), 99):
        return None
    end = start + places[-1] + 1
    if _glued(seen[end : end + 1]) or seen[end : end + 1].isdigit() or not _SEVEN_DIGITS.search(run):
        return None
    return Span(start, end, "iban") if _mod97(account) else None


def _mod97(account: str) -> bool:
    return int("".join(str(int(c, 36)) for c in account[4:] + account[:4])) % 97 == 1


# --- phones -----------------------------------------------------------------------------------------------------

_CALLING_CODES = """5-5 290 500 682; 5-6 247; 5-7 676 677 678 688 690; 5-8 47 386 686; 5-10 27 64 98 685; 5-11 31 352
852; 5-12 61 358 971; 5-13 43 598; 5-14 82; 5-15 49; 6-6 298 299 672 687; 6-7 597; 6-9 40 252 355 376 421 508 681 689;
6-10 48 53 95 880; 6-11 375 595; 6-12 39 46 359 381; 6-13 63; 7-7 238 239 246 248 269 291 297 592 673 674 680 683 691
692; 7-8 241 599 670 675 853 961 965 975; 7-9 220 231 245 265 354 385 423 967 968; 10-10 1; 7-10 44 84 230 243 254 263
267 353 372 960; 7-11 501 503 507 679 886 974; 7-12 86 882 972; 7-13 62 90; 8-8 45 216 222 223 226 227 228 232 235 236
253 257 266 350 356 357 370 371 373 374 389 505 509 800 808 973 993; 8-9 32 36 51 213 224 233 237 250 258 264 268 377
382 387 591 962 963; 8-10 20 60 378 506 850 855 856 964 970 976; 8-11 55 57 65 502 504 593 977; 8-12 92 383 883; 8-13
66 91 81; 9-9 33 34 93 94 211 212 218 221 240 242 244 249 251 255 256 260 261 262 351 590 594 596 979 992 994 995 998;
9-10 380 881 966 996; 9-11 56; 9-12 41 420 870; 10-10 52 58 225 229; 10-11 54; 10-12 30; 10-14 7 234; 11-12 878 888"""
"""Country calling codes and how many digits a number has behind them, the trunk zero left out (libphonenumber)."""
_COUNTRIES = {
    code: (int(low), int(high))
    for row in _CALLING_CODES.split(";")
    for lengths, *codes in [row.split()]
    for low, high in [lengths.split("-")]
    for code in codes
}

_SHAPES = {
    "North America": r"(?:1-)?(?:[2-9][0-9]{2}|\([2-9][0-9]{2}\))-[2-9][0-9]{2}-[0-9]{4}",
    "North America, in one": r"1?[2-9][0-9]{2}[2-9][0-9]{6}",
    "North America, area apart": r"(?:1-)?(?:[2-9][0-9]{2}|\([2-9][0-9]{2}\))-[2-9][0-9]{6}",
    "trunk zero": r"(?=(?:[^0-9]*[0-9]){8,12}[^0-9]*\Z)(?![0-9]{5}-[0-9]{4}\Z|[0-9]{3}-[0-9]{2}-[0-9]{4}\Z)"
    r"(?:0[1-9][0-9]{0,3}|\(0[1-9]?[0-9]{0,3}\)|0-[1-9][0-9]{0,3})(?:-[0-9]{2,8}){1,4}",
    "trunk zero, in one": r"0[1-9][0-9]{8,9}",
    "area in brackets": r"(?=(?:[^0-9]*[0-9]){8,12}[^0-9]*\Z)\([1-9][0-9]{1,4}\)(?:-[0-9]{2,8}){1,4}",
    "China, mobile": r"1[3-9][0-9]-?[0-9]{4}-?[0-9]{4}",
    "India, mobile": r"[6-9][0-9]{4}-?[0-9]{5}",
    "Brazil, Mexico, Argentina": r"[1-9][0-9]-9?[0-9]{4}-[0-9]{4}",
    "Brazil, mobile in one": r"[1-9]{2}9[0-9]{8}",
    "Russia": r"8-?(?:[3489][0-9]{2}|\([3489][0-9]{2}\))-?[0-9]{3}-?[0-9]{2}-?[0-9]{2}",
    "Turkey, Russia, no trunk": r"[2-9][0-9]{2}-[0-9]{3}-[0-9]{2}-[0-9]{2}",
    "2-3-2-2": r"[2-9][0-9]-[0-9]{3}-[0-9]{2}-[0-9]{2}",
    "country code, no plus": r"(?:1|7|[2-9][0-9]{1,2})-[1-9][0-9]{1,2}-[0-9]{3}-[0-9]{3,4}",
    "Poland, Spain, Portugal": r"[2-9][0-9]{2}-[0-9]{3}-(?!000)[0-9]{3}",
    "Spain, mobile": r"[6-9][0-9]{2}-[0-9]{2}-[0-9]{2}-[0-9]{2}",
    "Denmark, Norway": r"[2-9][0-9]-[0-9]{2}-[0-9]{2}-[0-9]{2}",
    "Norway, mobile": r"[49][0-9]{2}-[0-9]{2}-[0-9]{3}",
    "Singapore, Hong Kong": r"[689][0-9]{3}-(?![0-9]{2}00)[0-9]{4}",
    "Chile": r"9-[0-9]{4}-[0-9]{4}",
    "Korea, no trunk": r"1[016-9]-[0-9]{4}-[0-9]{4}",
    "Italy, mobile": r"3[0-9]{2}-(?:[0-9]{3}-[0-9]{3,4}|[0-9]{2}-[0-9]{2}-[0-9]{3}|[0-9]{6,7})",
    "Australia, shared cost": r"1[38]00-[0-9]{3}-[0-9]{3}",
    "Israel, toll free": r"1-[78]00-[0-9]{3}-[0-9]{3}",
}
"""Numbers without a plus that look like a phone, groups joined by dashes, brackets kept."""


def _one_of(*names: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{_SHAPES[name]})" for name in names))


_SHAPE = _one_of(*_SHAPES)
# Sets of four, scores and draws go on and on: inside a longer row only the surest shapes count.
_SHAPE_IN_ROW = _one_of("North America")
_SHAPE_BEFORE_ROW = _one_of("North America", "trunk zero")
_DOTTED = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")

_DATE = re.compile(
    r"(?:19|20)[0-9]{2}-?(?:0?[1-9]|1[0-2])-?(?:0?[1-9]|[12][0-9]|3[01])(?:-[0-9]{2}){0,3}"
    r"|[0-3]?[0-9]-[0-3]?[0-9]-(?:19|20)[0-9]{2}(?:-[0-9]{2}){0,3}|(?:19|20)[0-9]{2}-(?:19|20)[0-9]{2}"
)

_PHONE_WORDS = """call calls text tel tél tlf tfn phone telephone mobile mob cell cellphone fax whatsapp sms dial ring
hotline landline contact signal viber telefon telefonnummer handy handynummer mobil rufnummer teléfono telefono móvil
celular cel llama llámame téléphone portable appelle appelez telefone telemóvel ligue cellulare chiama telefoon bel
puhelin puh тел телефон звоните звони моб τηλ τηλέφωνο""".split()
_PHONE_SIGNS = """☎ ✆ 📞 📱 📲 🤙 電話 携帯 电话 手机 手機 致电 전화 휴대폰 연락처 هاتف جوال اتصل تلفن موبايل
טלפון נייד फोन फ़ोन मोबाइल โทร""".split()
_SAYS_PHONE = re.compile(
    rf"(?:(?<![{_ALPHABET}@0-9])(?:{'|'.join(_PHONE_WORDS)}|(?:my|his|her|our|your|their)[ ](?:new[ ])?(?:number|digits)"
    rf"|wa[.]me/)|{'|'.join(_PHONE_SIGNS)})(?![{_ALPHABET}])"
    rf"[ \t:\uff1a.=,;(+/-]*(?:[{_ALPHABET}']{{1,8}}[.:]?[ \t]+){{0,3}}[ \t(+]*\Z",
    re.IGNORECASE,
)
_OTHER_WORDS = """order orders invoice receipt tracking parcel ticket case ref reference isbn issn ean upc gtin asin doi
pmid arxiv sku serial part model account acct policy booking confirmation id uid userid pin ssn vin imei patent item lot
batch bestellung bestellnummer auftrag rechnung kundennummer aktenzeichen sendung pedido factura commande facture ordine
заказ счет timestamp epoch unix port row block commit hash tweet status build lat lon gps coordinates license licence
member customer transaction claim""".split()
_MONEY_WORDS = "usd eur gbp chf inr rs kr rmb jpy".split()
_SAYS_OTHER = re.compile(
    rf"(?:(?<![{_ALPHABET}])(?:{'|'.join(_OTHER_WORDS)})(?:[ \t]*(?:no|nr|num|number|nummer|code|id))?"
    r"(?:[ \t]+(?:is|was|ist|:))?[ \t.:#=№-]*"
    rf"|[#$£€¥₹₽₿№][ \t]*|(?<![{_ALPHABET}])(?:{'|'.join(_MONEY_WORDS)})[ \t.]*|(?:訂單|订单|注文番号)[： :]*)\Z",
    re.IGNORECASE,
)
_HINTS_PHONE = frozenset([*_PHONE_WORDS, *"my his her our your their wa".split()])
_HINTS_OTHER = frozenset([*_OTHER_WORDS, *_MONEY_WORDS])
_ASCII_WORDS = re.compile(r"[A-Za-z]+")
_UNIT = re.compile(
    r"[ \t]?(?:[%€$£¥₹₽°]|(?:usd|eur|gbp|euros?|dollars?|kr|zł|people|views|likes|followers|km|kg|bytes|円|元|원)(?![a-z]))",
    re.IGNORECASE,
)
_EXTENDS = frozenset(" \t,xXeEdDд")
_EXTENSION = re.compile(
    r"[ \t]?(?:,[ \t]?)?(?:x|ext\.?|extension|durchwahl|доб\.?)[ \t:.]{0,2}[0-9]{1,6}(?![0-9A-Za-z])", re.IGNORECASE
)


def _phone_from(
    seen: str, groups: list[Group], free: list[bool], sizes: list[int], first: int, begin: int, stop: int
) -> tuple[int, Span] | None:
    """The longest phone number that begins with this group: the group after it, and its span.

    ``begin`` is the first group that no earlier number has taken, ``stop`` the first of the next card.
    """
    if not free[first]:
        return None
    for last in range(min(stop, first + _MOST_GROUPS), first, -1):
        if free[last] and 7 <= sizes[last] - sizes[first] <= 18:
            window = groups[first:last]
            start, plus = _opening(seen, window[0])
            more = (
                _EXTENSION.match(seen, window[-1][1]) if seen[window[-1][1] : window[-1][1] + 1] in _EXTENDS else None
            )
            end = more.end() if more else window[-1][1]
            if _is_phone(seen, window, start, plus, end, _goes_on(seen, groups, first, last, begin)):
                return last, Span(start, end, "phone")
    return None


def _opening(seen: str, group: Group) -> tuple[int, bool]:
    """Where a number begins that has this group first: before its bracket, before its plus."""
    start, end = group
    before = seen[max(0, start - 2) : start]
    closes = seen[end : end + 1] == ")"
    for sign, bracketed in (("(+", True), ("+(", True), ("+", False), ("(", True)):
        if before.endswith(sign) and closes >= bracketed:
            return start - len(sign), "+" in sign
    return start, False


def _goes_on(seen: str, groups: list[Group], first: int, last: int, begin: int) -> str:
    """Where a window is part of a longer row of spaced groups: `<` before it, `>` behind it, both or nowhere."""
    if last == first + 1 or not any(" " in seen[a[1] : b[0]] for a, b in pairwise(groups[first:last])):
        return ""
    before = first > begin and groups[first - 1][1] - groups[first - 1][0] > 1
    behind = last < len(groups) and groups[last][1] - groups[last][0] > 1
    return "<" * before + ">" * behind


def _is_phone(seen: str, groups: list[Group], start: int, plus: bool, end: int, row: str) -> bool:
    if _touches(seen, start, end) or _torn(seen, groups):
        return False
    written = "-".join(f"({g})" if _bracketed(seen, *at) else g for at in groups for g in [seen[at[0] : at[1]]])
    digits = "".join(seen[a:b] for a, b in groups)
    if plus:
        return _international(digits)
    if _DATE.fullmatch(written):
        return False
    abroad = not row and digits[0] == "0" and _from_abroad(digits)
    if not (abroad or _shaped(seen, written, start, end, row)) and not (len(digits) <= 15 and _says_phone(seen, start)):
        return False
    return not _says_other(seen, start)


def _from_abroad(digits: str) -> bool:
    return any(digits.startswith(code) and _international(digits[len(code) :]) for code in ("00", "011"))


def _shaped(seen: str, written: str, start: int, end: int, row: str) -> bool:
    """Whether it looks like a phone number of some country, and neither a link nor a sum around it says otherwise."""
    shape = _SHAPE if not row else _SHAPE_IN_ROW if "<" in row else _SHAPE_BEFORE_ROW
    if not shape.fullmatch(written) or _DOTTED.fullmatch(seen, start, end):
        return False
    return not _linked(seen, start) and not _UNIT.match(seen, end)


def _says_phone(seen: str, start: int) -> bool:
    return _says(_SAYS_PHONE, _HINTS_PHONE, seen, start, 48)


def _says_other(seen: str, start: int) -> bool:
    if seen[max(0, start - 2) : start].rstrip()[-1:] in {"#", "$"}:
        return True
    return _says(_SAYS_OTHER, _HINTS_OTHER, seen, start, 32)


def _says(pattern: re.Pattern[str], hints: frozenset[str], seen: str, start: int, reach: int) -> bool:
    """Whether words right before a number say what it is; in ASCII the pattern is tried only where a hint stands."""
    begin = max(0, start - reach)
    if not seen[begin:start].isascii():
        return pattern.search(seen, begin, start) is not None
    if hints.isdisjoint(_ASCII_WORDS.findall(seen[begin:start].lower())):
        return False
    words = _ASCII_WORDS.finditer(seen, begin, start)
    return any(word[0].lower() in hints and pattern.match(seen, word.start(), start) for word in words)


def _international(digits: str) -> bool:
    """Whether these digits are a country calling code and as many digits as that country's numbers have."""
    for size in (1, 2, 3):
        if lengths := _COUNTRIES.get(digits[:size]):
            rest = digits[size:]
            rest = rest[1:] if rest.startswith("0") and len(rest) > lengths[0] else rest
            return lengths[0] <= len(rest) <= lengths[1] and (digits[0] != "1" or rest[0] in "23456789")
    return False


def _bracketed(seen: str, start: int, end: int) -> bool:
    return seen[start - 1 : start] == "(" and seen[end : end + 1] == ")"


_APART = frozenset(["", " ", "\n", "(", ")", ".", "/", "+", "!", "?"])
"""What keeps a number and a word apart, whatever stands beyond it."""


def _touches(seen: str, start: int, end: int) -> bool:
    """Whether a letter, or a digit behind a comma or colon, is part of the same word: then it is no phone."""
    before, after = seen[max(0, start - 2) : start], seen[end : end + 2]
    if before[-1:] in _APART and after[:1] in _APART:
        return False
    if _glued(before[-1:]) or _glued(after[:1]):
        return True
    return (before[-1:] in {",", ":"} and before[:1].isdigit()) or (after[:1] in {",", ":"} and after[1:].isdigit())


def _torn(seen: str, groups: list[Group]) -> bool:
    """Whether a sentence ends, or a single digit ends it, between the first group and the last."""
    if len(groups) == 1:
        return False
    if groups[-1][1] - groups[-1][0] == 1:
        return True
    return any(". " in seen[a[1] : b[0]] for a, b in pairwise(groups))


def _linked(seen: str, start: int) -> bool:
    """Whether what stands before is part of a link or of a longer code, as in `?id=`, `/status/` or `SKU-`."""
    before = seen[max(0, start - 2) : start]
    if before[-1:] in {"=", "/", "&", "_", "\\", "@"}:
        return True
    return before[-1:] in {"-", ".", ","} and before[:1].isalnum() and len(before) == 2


# --- traces -----------------------------------------------------------------------------------------------------


def _class_table() -> bytes:
    """Capitals as small letters, digits as 0, tabs as spaces, everything outside ASCII as FF."""
    table = bytearray(b.lower()[0] if (b := bytes([i])).isascii() else 0xFF for i in range(256))
    table[ord("0") : ord("9") + 1] = b"0" * 10
    table[ord("\t")] = ord(" ")
    return bytes(table)


_CLASS = _class_table()
_SIGNS, _SPELT, _IPS, _DIGITED = 1, 2, 4, 8
ALL_STAGES = _SIGNS | _SPELT | _IPS | _DIGITED
_TRACES = tuple(
    (stages, sign, re.compile(pattern))
    for stages, sign, pattern in (
        (_SIGNS, b"@", rb"@"),
        (_SIGNS, b"%00", rb"%00"),  # %40, of a link
        (_DIGITED, b"0", rb"0(?:[ .()/\xff-]*+0){6}"),  # seven digits
        (_IPS, b"0", rb"0[0.\xff]{6}"),  # 1.1.1.1
        (_IPS, b":", rb":[0-9a-f\xff]*+:"),  # IPv6
        (_SPELT, b"dot", rb"dot[ \xff]"),
        (
            _SPELT,
            b"at",
            rb"at[ \xff]*[)\]}>\xff]",
        ),  # three patterns: each has a literal to look for, one would have none
        (_SPELT, b"@", rb"@[ \xff]*[)\]}>\xff]"),
        (_SPELT, b"arroba", rb"arroba"),
    )
)
"""Stages, what stands in every such trace and is looked for much quicker, and the pattern."""


def _far_traces() -> Iterator[tuple[bytes, re.Pattern[bytes]]]:
    """At signs and digits outside ASCII, as UTF-8: first bytes, each with its pattern. A flat list would be slow."""
    tree: dict[bytes, dict[bytes, list[int]]] = {}
    for sign in (c.encode() for c, plain in _FOLD.items() if plain == "@" or plain.isdigit()):
        tree.setdefault(sign[:1], {}).setdefault(sign[1:-1], []).append(sign[-1])
    for lead, rest in tree.items():
        followed = b"|".join(re.escape(mid) + _one_byte(last) for mid, last in rest.items())
        yield lead, re.compile(re.escape(lead) + b"(?:" + followed + b")")


def _one_byte(values: list[int]) -> bytes:
    return b"[" + b"".join(re.escape(bytes([value])) for value in sorted(values)) + b"]"


_FAR_TRACES = tuple(_far_traces())
Stage = Callable[[str, str, list[int] | None], list[Span]]
_STAGES: tuple[tuple[int, Stage], ...] = (
    (_SIGNS, _at_signs),
    (_SPELT, _hidden_emails),
    (_IPS, _addresses),
    (_DIGITED, _numbers),
)
"""In the order of precedence: what one has found the later ones do not see, and then the earlier ones look again."""
_CHOSEN = tuple(tuple(stage for bit, stage in _STAGES if bit & chosen) for chosen in range(ALL_STAGES + 1))


# --- for the compiled kernel --------------------------------------------------------------------------------------


_TRACE, _SPACE, _IS_UNSEEN, _CLOSES, _READ, _IN_WORDS, _IS_LETTER = 1, 2, 4, 8, 16, 32, 64
"""What a character outside ASCII may be to a rule, as bits (kernel/text.h)."""


@cache
def tables() -> tuple[bytes, bytes, bytes, bytes]:
    """What is said here of characters outside ASCII, countries and calling codes, as the compiled rules read it: numbers of
    pages, pages of characters, lengths of accounts, lengths of numbers (``struct ab_rules``).
    """
    return *_paged(_far_classes()), _lengths_of_accounts(), _lengths_of_numbers()


def _far_classes() -> dict[int, int]:
    """By code points outside ASCII what they may be to a rule; those that are not there end what ASCII began."""
    classes = {ord(c): _READ | _read_as(plain) for c, plain in _FOLD.items()}
    classes |= dict.fromkeys(_points(_UNSEEN), _READ | _IS_UNSEEN)
    classes[0x30FC] = _READ  # `_LONG_DASH`
    return dict.fromkeys(_points(_EUROPEAN), _IN_WORDS) | classes


def _read_as(plain: str) -> int:
    if plain == "@" or plain.isdigit():
        return _TRACE
    if plain.isalpha():
        return _IS_LETTER
    return _SPACE if plain == " " else _CLOSES if plain in ")]}>" else 0


def _points(inside: str) -> Iterator[int]:
    """The code points of the inside of a character class."""
    for low, high in re.findall("(.)(?:-(.))?", inside):
        yield from range(ord(low), ord(high or low) + 1)


def _paged(classes: dict[int, int]) -> tuple[bytes, bytes]:
    """Of each 256 code points the number of their page, and the pages; most points are on one that says nothing."""
    pages = {bytes(256): 0}
    numbers = bytearray(0x1100)
    for number in {point >> 8 for point in classes}:
        page = bytes(classes.get(number << 8 | low, 0) for low in range(256))
        numbers[number] = pages.setdefault(page, len(pages))
    return bytes(numbers), b"".join(pages)


def _lengths_of_accounts() -> bytes:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return bytes(_IBANS.get(a + b, 0) for a in letters for b in letters)


def _lengths_of_numbers() -> bytes:
    codes = [f"{code:0{size}}" for size in (1, 2, 3) for code in range(10**size)]
    return bytes(length for code in codes for length in _COUNTRIES.get(code, (0, 0)))
