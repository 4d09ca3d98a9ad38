"""An invented service with a policy that is recorded again and again: a git repository in Open Terms Archive's layout.

Everything is our own writing and comes from a seed. Most versions change nothing but what a capture changes (white
space, numbering, an older text for a day); every ``REAL``-th one changes a clause.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

DOCUMENT = "Chirper/Privacy Policy.md"
REAL = 20

_WHO = ("We", "Our partners", "The teams that keep Chirper running", "Advertisers", "Our affiliates", "Auditors")
_DO = ("may collect", "may use", "keep", "review", "may share", "combine", "infer", "receive")
_WHAT = (
    "the address from which you connect", "the pages that you open", "the words of your chirps", "the people whom you follow",
    "your approximate location", "the language of your device", "the time of your visits", "the names of your lists",
    "the pictures that you upload", "your purchases", "the searches that you make", "the settings that you choose",
)  # fmt: skip
_WHY = (
    "to keep accounts secure", "to answer your questions", "to measure how often a page is opened", "to show fitting adverts",
    "to find faults", "to suggest people", "to meet legal duties", "to train systems that find spam", "to pay creators",
)  # fmt: skip
_TAIL = (
    "while your account is open", "for up to {n} days", "whenever you open the site", "in the countries where we work",
    "once a {day}", "as the law of your country asks", "together with what you told us in the year {n}",
)  # fmt: skip


def sentence(chance: random.Random) -> str:
    tail = chance.choice(_TAIL).format(n=chance.randrange(7, 2000), day=chance.choice(("day", "week", "month")))
    extra = f", item {chance.choice('abcdefghijk')}{chance.randrange(10_000)} of our register"
    return f"{chance.choice(_WHO)} {chance.choice(_DO)} {chance.choice(_WHAT)} {chance.choice(_WHY)} {tail}{extra}."


def policy(chance: random.Random, words: int = 5_000) -> list[list[str]]:
    """Paragraphs of sentences, about so many words."""
    paragraphs, total = [], 0
    while total < words:
        paragraphs.append([sentence(chance) for _ in range(chance.randrange(2, 6))])
        total += sum(len(one.split()) for one in paragraphs[-1])
    return paragraphs


def text(paragraphs: list[list[str]], when: str, style: int = 0) -> str:
    """The policy as a page; ``style`` changes what no reader sees."""
    title = "Chirper Privacy Policy\n" + "=" * 22 if style % 2 else "# Chirper Privacy Policy"
    parts = [title, f"Effective: {when}"]
    for number, paragraph in enumerate(paragraphs):
        if number % 8 == 0:
            head = f"{number // 8 + style % 3}. About part {chr(97 + number // 8 % 26)}{number // 208}"
            parts.append(f"## {head}" if style % 2 else f"**{head}**")
        parts.append(("\n" if style % 4 == 3 else " ").join(paragraph))
    return "\n\n".join(parts) + "\n"


def versions(count: int, seed: int = 7, words: int = 5_000) -> Iterator[tuple[datetime, str, bool]]:
    """Time, text, and whether a clause changed against the version before."""
    chance = random.Random(seed)
    paragraphs, when = policy(chance, words), "2015-01-01"
    at = datetime(2015, 1, 1, tzinfo=UTC)
    for number in range(count):
        at += timedelta(hours=20)
        real = number > 0 and number % REAL == 0
        if real:
            when = at.date().isoformat()
            chosen = chance.choice(paragraphs)
            chosen[chance.randrange(len(chosen))] = sentence(chance)
        yield at, text(paragraphs, when, style=number), real


def repository(folder: Path, count: int, seed: int = 7, words: int = 5_000) -> int:
    """Writes a bare repository by fast-import; returns how many versions really changed something."""
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(folder)], check=True)
    command = ["git", "-C", str(folder), "fast-import", "--quiet"]
    real = 0
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for at, page, changed in versions(count, seed, words):
            real += changed
            data, stamp = page.encode(), int(at.timestamp())
            subject = b"Update Chirper Privacy Policy"
            process.stdin.write(b"commit refs/heads/main\n")
            process.stdin.write(f"committer recorder <recorder@chirper.example> {stamp} +0000\n".encode())
            process.stdin.write(b"data %d\n%s\n" % (len(subject), subject))
            process.stdin.write(b'M 100644 inline "%s"\ndata %d\n%s\n' % (DOCUMENT.encode(), len(data), data))
    assert process.returncode == 0
    return real
