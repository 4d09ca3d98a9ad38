"""What the files of an X archive say about each other, gathered before any of its rows is read.

Whose archive it is, which posts were deleted or edited, which long text belongs to which post, when the account was
closed, what became of an article. What cannot be joined for sure is not joined. Unreadable rows are left out here and
go to quarantine when their turn comes.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from aboveboard.errors import SourceError
from aboveboard.sources import x_archive_kinds as kinds
from aboveboard.sources.reader import FileKind
from aboveboard.sources.values import EPOCH, Unreadable, iso_time, mapping, text_id, twitter_time
from aboveboard.sources.x_archive_parts import REPOST, inside, listed, word
from aboveboard.sources.x_archive_text import Broken, continues, cut, plain

Said = Mapping[str, Any]
T = TypeVar("T")

POSTS = (kinds.POSTS, kinds.CIRCLE, kinds.COMMUNITY, kinds.DELETED)
"""The kinds of file whose rows are posts."""
NEAR = timedelta(seconds=5)
"""A long text and its post are made in one request; their times are whole seconds."""
SECOND = timedelta(seconds=1)


# Rows -------------------------------------------------------------------------------------------------------------


def inner(said: object, *wrappers: str) -> Said:
    """What a row holds: each is wrapped in an object of one key, but for the oldest archives."""
    if isinstance(said, Broken):
        raise Unreadable(said.reason)
    row = mapping(said, "the row")
    name = next((one for one in wrappers if one in row), None)
    return row if name is None else mapping(row[name], "the row")


def server_id(said: object) -> str:
    """An id that X's servers count: digits, below 2**63."""
    id = text_id(said, "the id")
    if not (id.isascii() and id.isdigit() and len(id) <= 19 and int(id) < 2**63):
        raise Unreadable("the id is none that X makes")
    return id


@dataclass(frozen=True, slots=True)
class Post:
    """A post as its row says it; ``text`` is still escaped, and ``versions`` are its edits, itself among them."""

    said: Said
    id: str
    text: str
    made: datetime | None
    parent: str | None
    versions: tuple[str, ...]


def post_of(row: object) -> Post:
    """Raises Unreadable for every row that goes to quarantine, so that nobody counts on a post that is not read."""
    said = inner(row, "tweet")
    text = said["full_text"] if "full_text" in said else said.get("text")
    if not isinstance(text, str):
        raise Unreadable("the post has no text")
    id = server_id(said["id_str"] if "id_str" in said else said.get("id"))
    parents = (said.get(name) for name in ("in_reply_to_status_id_str", "in_reply_to_status_id"))
    parent = next((server_id(one) for one in parents if one is not None), None)
    return Post(said, id, text, twitter_time(said.get("created_at")), parent, _versions(said.get("edit_info"), id))


def _versions(said: object, id: str) -> tuple[str, ...]:
    """All versions of a post that it knows of: the first one lists them, a later one also names the first."""
    if said is None:
        return (id,)
    info = mapping(said, "what is said of edits")
    edit = mapping(info.get("edit", {}), "what is said of edits")
    named = mapping(info.get("initial", edit.get("editControlInitial", {})), "the list of edits").get(
        "editTweetIds", []
    )
    if not isinstance(named, list):
        raise Unreadable("the list of edits is no list")
    first = [edit["initialTweetId"]] if "initialTweetId" in edit else []
    return tuple({id, *map(server_id, [*named, *first])})


@dataclass(frozen=True, slots=True)
class Note:
    """A long text: its words, and in ``core`` the people and links in it; ``post`` where it names its post."""

    id: str
    text: str
    core: Said
    made: datetime | None
    post: str | None


def note_of(row: object) -> Note:
    said = inner(row, "noteTweet", "deletedNoteTweet")
    core = mapping(said.get("core", said.get("noteTweetResults")), "the long text")
    if not isinstance(core.get("text"), str):
        raise Unreadable("the long text has no words")
    post = said.get("tweetId")
    id = server_id(said.get("noteTweetId"))
    return Note(id, core["text"], core, iso_time(said.get("createdAt")), None if post is None else server_id(post))


def account_of(row: object) -> str:
    """The account whose archive it is."""
    return text_id(inner(row, "account").get("accountId"), "the account's id")


def deleted_of(row: object) -> str:
    """The post that a header of a deleted post is about."""
    return server_id(inner(row, "tweet", "deletedTweetHeader").get("tweetId"))


def protection_of(row: object) -> tuple[datetime, bool]:
    """When the account was closed to all but its followers (True), or opened."""
    said = inner(row, "protectedHistory")
    at, action = iso_time(said.get("protectedAt")), said.get("action")
    if at is None or action not in ("Protect", "Unprotect"):
        raise Unreadable("a line of the protected history cannot be read, so every audience is unknown")
    return at, action == "Protect"


def article_state_of(row: object) -> Said:
    """What is said of one article."""
    return inner(row, "articleMetadata", "twitterArticleMetadata")


# All of them together ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Brief:
    """What other rows have to know of a post."""

    id: str
    kind: FileKind
    made: datetime | None
    body: str | None
    versions: tuple[str, ...]
    articles: frozenset[str]


@dataclass(frozen=True)
class Known:
    """What is known of an archive before its rows are read."""

    exporter: str | None
    standing: frozenset[str]
    """Posts that are there and were not deleted."""
    deleted: frozenset[str]
    first: Mapping[str, str]
    """The first version of each post that was edited."""
    newest: Mapping[str, str]
    protected: Sequence[tuple[datetime, bool]] | None
    """When the account was closed and opened; None where a line of that history cannot be read."""
    notes: Mapping[str, Note] = field(default_factory=dict)
    """The long text of each post that surely has one."""
    joined: frozenset[str] = frozenset()
    articles: Mapping[str, Said] = field(default_factory=dict)
    """What is said of each article, by its id."""

    def closed_at(self, moment: datetime | None) -> bool | None:
        """Whether the account was closed, by its history. That covers six months; before it, the account answers.

        Where the history begins with an opening, the account was closed before, and nobody knows since when.
        """
        if self.protected is None or (self.protected and moment is None):
            return None
        before = [closed for at, closed in self.protected if moment is not None and at <= moment]
        if before:
            return before[-1]
        return None if self.protected and not self.protected[0][1] else False

    @property
    def closed_now(self) -> bool | None:
        if self.protected is None:
            return None
        return self.protected[-1][1] if self.protected else False


def gather(rows: Mapping[FileKind, Sequence[Any]], posts: Sequence[Brief]) -> Known:
    """What the rows of the telling kinds, and the posts, say together."""
    headers = _readable(deleted_of, rows.get(kinds.DELETED_HEADERS, ()))
    deleted = {post.id for post in posts if post.kind == kinds.DELETED}.union(headers)
    first, newest = _chains(posts)
    notes = _joined(_readable(note_of, rows.get(kinds.NOTES, ())), posts)
    lines = rows.get(kinds.PROTECTED, ())
    history = sorted(_readable(protection_of, lines))
    return Known(
        exporter=_exporter(_readable(account_of, rows.get(kinds.ACCOUNT, ()))),
        standing=frozenset({post.id for post in posts} - deleted),
        deleted=frozenset(deleted),
        first=first,
        newest=newest,
        protected=history if len(history) == len(lines) else None,
        notes=notes,
        joined=frozenset(note.id for note in notes.values()),
        articles=_articles(_readable(article_state_of, rows.get(kinds.ARTICLE_STATES, ())), posts),
    )


def brief(kind: FileKind, row: object) -> Brief | None:
    """What others have to know of a post; None where it cannot be read."""
    found = _readable(post_of, [row])
    if not found:
        return None
    post, text = found[0], plain(found[0].text)
    links = [word(one, "expanded_url") or "" for one in listed(inside(post.said, "entities", "urls"))]
    articles = frozenset(found[1] for found in map(_ARTICLE_LINK.fullmatch, links) if found)
    body = None if REPOST.match(text) else cut(text)
    return Brief(post.id, kind, post.made, body, post.versions, articles)


_ARTICLE_LINK = re.compile(r"https?://(?:www\.)?(?:twitter|x)\.com/i/article/([0-9]{1,19})/?")


def _readable(read: Callable[[object], T], rows: Sequence[object]) -> list[T]:
    found = []
    for row in rows:
        try:
            found.append(read(row))
        except Unreadable:
            continue  # counted when the row's own turn comes
    return found


def _exporter(accounts: Sequence[str]) -> str | None:
    """Whose archive it is; unknown where no account says so, an error where two do."""
    if len(set(accounts)) > 1:
        raise SourceError("an archive of two accounts", hint="give each archive a folder of its own")
    return accounts[0] if accounts else None


def _chains(posts: Sequence[Brief]) -> tuple[dict[str, str], dict[str, str]]:
    """The first and the newest version of each post that was edited. X's ids grow with time."""
    first: dict[str, str] = {}
    newest: dict[str, str] = {}
    for versions in (post.versions for post in posts if len(post.versions) > 1):
        for id in versions:
            first[id] = min(first.get(id, id), *versions, key=int)
            newest[id] = max(newest.get(id, id), *versions, key=int)
    return first, newest


def _joined(notes: Sequence[Note], posts: Sequence[Brief]) -> dict[str, Note]:
    """Each post's long text, where exactly one belongs to it and it belongs to exactly one post."""
    ids, near = {post.id for post in posts}, defaultdict(list)
    for post in posts:
        if post.made is not None and post.body is not None:
            near[_second(post.made)].append(post)
    pairs = {(post, note.id) for note in notes for post in _posts_of(note, near, ids)}
    by_post, by_note = Counter(post for post, _ in pairs), Counter(note for _, note in pairs)
    named, told = {note.id: note for note in notes}, Counter(note.id for note in notes)
    return {post: named[note] for post, note in pairs if by_post[post] == by_note[note] == told[note] == 1}


def _posts_of(note: Note, near: Mapping[int, Sequence[Brief]], ids: set[str]) -> set[str]:
    """The posts whose text this may be: the one it names, else those of its seconds that it continues."""
    if note.post is not None:
        return {note.post} & ids
    if note.made is None:
        return set()
    at, width = _second(note.made), NEAR // SECOND
    around = (post for second in range(at - width, at + width + 1) for post in near.get(second, ()))
    return {post.id for post in around if post.body is not None and continues(note.text, post.body)}


def _second(moment: datetime) -> int:
    return (moment - EPOCH) // SECOND


def _articles(states: Sequence[Said], posts: Sequence[Brief]) -> dict[str, Said]:
    """What is said of each article: by its id, or by the post that links to it. Two sayings are none."""
    announced = {post.id: min(post.articles) for post in posts if len(post.articles) == 1}
    found: dict[str, list[Said]] = defaultdict(list)
    for said in states:
        id = said.get("articleId", said.get("id", announced.get(str(said.get("tweetId")))))
        if isinstance(id, str):
            found[id].append(said)
    return {id: said[0] for id, said in found.items() if len(said) == 1}
