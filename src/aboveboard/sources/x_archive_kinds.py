"""Every kind of file in the archive that a person downloads from X, and what is decided about each.

The file's name decides, never its content, and then the name that the file itself assigns has to agree. Names moved
over the years (``tweet.js`` became ``tweets.js``), so a kind has several. What is not in this table is unknown, and
the file is refused by name. Specification: docs/formats/exports-x-archive.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from aboveboard.sources.reader import FileKind

POSTS = FileKind("posts")
CIRCLE = FileKind("circle posts")
COMMUNITY = FileKind("community posts")
DELETED = FileKind("deleted posts")
NOTES = FileKind("long texts")
DELETED_NOTES = FileKind("deleted long texts")
ARTICLES = FileKind("articles")
MESSAGES = FileKind("messages")
GROUP_MESSAGES = FileKind("group messages")
LIKES = FileKind("likes")
PROFILE = FileKind("profile")
PROMPTS = FileKind("replies that were never sent")
MANIFEST = FileKind("manifest")
ACCOUNT = FileKind("account")
PROTECTED = FileKind("protected history")
DELETED_HEADERS = FileKind("headers of deleted posts")
ARTICLE_STATES = FileKind("states of articles")

RECORDS: Mapping[FileKind, str] = {
    POSTS: "tweets tweet",
    CIRCLE: "twitter-circle-tweet twitter-circle-tweets",
    COMMUNITY: "community-tweet community-tweets",
    DELETED: "deleted-tweets deleted-tweet",
    NOTES: "note-tweet note-tweets",
    DELETED_NOTES: "deleted-note-tweet deleted-note-tweets",
    ARTICLES: "article articles twitter-article",
    MESSAGES: "direct-messages direct-message",
    GROUP_MESSAGES: "direct-messages-group direct-message-group",
    LIKES: "like likes",
    PROFILE: "profile",
    PROMPTS: "reply-prompt reply-prompts",
}
"""What becomes records: file and variable names of each kind, written with hyphens."""

EVIDENCE: Mapping[FileKind, str] = {
    MANIFEST: "manifest",
    ACCOUNT: "account",
    PROTECTED: "protected-history",
    DELETED_HEADERS: "deleted-tweet-headers",
    ARTICLE_STATES: "article-metadata twitter-article-metadata",
}
"""What is read for what it says about records, and is none itself."""

NEVER: Mapping[str, str] = {
    "who wrote to whom and when; the messages themselves are counted": (
        "direct-message-headers direct-message-group-headers direct-messages-headers direct-message-mute"
    ),
    "calls between people": "audio-video-calls-in-dm audio-video-calls-in-dm-recipient-sessions",
    "keys of encrypted messages": "key-registry",
    "what somebody asked an assistant": "grok-chat-item grok-chat-items",
    "other people's addresses": "contact contacts",
    "whom somebody follows, blocks, mutes or lists": (
        "follower following block mute smartblock lists-created lists-member lists-subscribed"
        " twitter-circle twitter-circle-member"
    ),
    "devices and sign-ins": "ni-devices device-token ip-audit account-creation-ip sso connected-application app",
    "contact details": "phone-number email-address-change professional-data",
    "what the platform inferred or was told about a person": (
        "personalization ageinfo expanded-profile verified verified-organization account-timezone account-label"
    ),
    "what somebody read, searched, saved or clicked": (
        "saved-search user-link-clicks branch-links bookmark bookmarks tweetdeck ad-free-article-visits"
    ),
    "advertising shown to a person": (
        "ad-engagements ad-impressions ad-mobile-conversions-attributed ad-mobile-conversions-unattributed"
        " ad-online-conversions-attributed ad-online-conversions-unattributed"
    ),
    "payments and trade": (
        "ads-revenue-sharing catalog-item commerce-catalog product-drop product-set shop-module shopify-account"
        " twitter-shop"
    ),
    "written under an alias that only this archive ties to a person": (
        "community-note community-notes community-note-rating community-note-tombstone community-note-batsignal"
        " birdwatch-note birdwatch-notes birdwatch-note-rating birdwatch-note-tombstone"
    ),
    "who took part in a conversation": "spaces-metadata",
    "other people's posts in a collection": "moment moments",
    "a service that is closed; its audience cannot be known": (
        "periscope-account-information periscope-ban-information periscope-broadcast-metadata"
        " periscope-comments-made-by-user periscope-expired-broadcasts periscope-followers"
        " periscope-profile-description"
    ),
    "account history; the operator's account facts say it": "account-suspension screen-name-change",
    "nothing that the posts do not say": "tweet-headers",
}
"""Why some files are never read, and their names. Whatever is in them cannot reach a release."""

MEDIA = frozenset(
    "tweets_media tweet_media deleted_tweets_media deleted_tweet_media community_tweet_media twitter_circle_tweet_media"
    " direct_messages_media direct_message_media direct_messages_group_media direct_message_group_media profile_media"
    " moments_media moments_tweets_media spaces_media periscope_broadcast_media twitter_article_media article_media"
    " article_metadata_media grok_chat_media".split()
)
"""Folders of pictures, sound and film."""

_ATTACHMENT = FileKind(
    "attachments", "pictures, sound and film: posts name them, and faces and EXIF need gates of their own"
)
_VIEWER = FileKind("viewer", "the archive's own viewer")
_README = FileKind("read me", "the archive's description of itself")
_LITTER = FileKind("litter", "left by an operating system")

BY_NAME: Mapping[str, FileKind] = {
    **{name: kind for table in (RECORDS, EVIDENCE) for kind, names in table.items() for name in names.split()},
    **{name: FileKind(name, reason) for reason, names in NEVER.items() for name in names.split()},
}
"""The kind of a data file by its name without ending and part number, written with hyphens."""

_DATA = re.compile(r"([a-z][a-z0-9_-]*?)(?:-part[0-9]+)?\.js")


def kind(name: str) -> FileKind | None:
    """What kind of file this is, by its name alone; None where the table does not know it."""
    path = PurePosixPath(name)
    folders = path.parts[:-1]
    if "__MACOSX" in folders or path.name.startswith("._") or path.name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        return _LITTER
    if "assets" in folders[:2] and "data" not in folders:
        return _VIEWER
    if folders and folders[-1] in MEDIA:
        return _ATTACHMENT
    if path.name == "Your archive.html" and "data" not in folders:
        return _VIEWER
    if path.name == "README.txt":
        return _README
    return _data(path)


def _data(path: PurePosixPath) -> FileKind | None:
    """A data file stands in a folder `data`, or by itself where somebody took it out."""
    found = _DATA.fullmatch(path.name)
    if found is None or path.parent.name not in ("data", ""):
        return None
    return named(found[1])


def named(name: str) -> FileKind | None:
    """The kind that a file or variable name means, whichever way its words are joined."""
    return BY_NAME.get(name.replace("_", "-"))


def root(name: str) -> str:
    """The folder of the archive that a data file belongs to: one export may hold several archives."""
    folder = PurePosixPath(name).parent
    return (folder.parent if folder.name == "data" else folder).as_posix()
