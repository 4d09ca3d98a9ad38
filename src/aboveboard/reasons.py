"""Every reason a judgement can give: its gate, its effect, what a person reads, what they can do, and the law.

Codes and numbers are stable and never used twice. A number is ``gate * 100 + rank``, so that the lowest number
among the reasons that produced an outcome is the *decisive* one. The bit a reason has in a mask is a separate
thing and may be laid out anew in a new schema version; masks are therefore never part of ``--json``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from aboveboard.errors import unknown_term

GATES = (
    "integrity", "floor", "lifecycle", "visibility", "category", "policy of the record", "choice of the subject",
    "age and jurisdiction", "rights of third parties", "preference signals", "recipient", "retention",
    "obligations", "ground",
)  # fmt: skip
"""Gates 0 to 12 in the order they are judged, and the grounds behind them."""

FIRST_HIGH_GATE = 6
"""Gates 0 to 5 live in the ``_lo`` mask, gates 6 to 12 and the grounds in ``_hi``: 64 bits each, never 128."""


class Effect(StrEnum):
    """What a reason does to the part it stands on."""

    DENY = "deny"
    UNKNOWN = "unknown"
    BY_REGIME = "by regime"
    """Unknown where the regime holds on an unknown signal, a note where it does not."""
    NOTE = "note"
    GROUND = "ground"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason code. ``sentence`` completes "this is not used because ..." (or, for a ground, "used because")."""

    id: int
    code: str
    effect: Effect
    sentence: str
    remedy: str
    law: str = ""
    withdraws: bool = False
    """Whether gaining this reason takes a record out of earlier releases, not only out of the next."""

    @property
    def gate(self) -> int:
        return self.id // 100

    @property
    def anchor(self) -> str:
        """Where the documentation explains it."""
        return f"docs/reasons.md#{self.code.replace('.', '')}"


def _d(id: int, code: str, sentence: str, remedy: str, law: str = "", withdraws: bool = False) -> Reason:
    return Reason(id, code, Effect.DENY, sentence, remedy, law, withdraws)


def _u(id: int, code: str, sentence: str, remedy: str, law: str = "") -> Reason:
    return Reason(id, code, Effect.UNKNOWN, sentence, remedy, law)


_NOTHING = "nothing: this is never used for this"
_PLATFORM = "the platform has to supply the missing fact"
_CHOICE = "change the choice on the choices page"
_EXPLICIT = "a yes that names this kind of data and this purpose: a yes to everything is not enough"
_SIGNAL = "whoever put the signal there can lift it; that alone would still not be a permission"

_ALL = (
    # 0 integrity: is this the record it says it is?
    _d(1, "integrity.hash_mismatch", "its content is not what it was when it was received", "read the source again"),
    _u(2, "integrity.subject_unresolved", "nobody knows whose it is", _PLATFORM),
    _d(3, "integrity.duplicate_conflict", "two different contents carry the same record id",
       "correct the source so that the id is unique"),
    _u(4, "integrity.schema_unknown", "it holds a field or value that is missing or not understood", _PLATFORM),
    _d(5, "integrity.duplicate_repeat", "the same record already stands earlier in this source",
       "nothing: the first one is judged"),
    # 1 floor: what nothing can relax
    _d(101, "floor.direct_message", "it is, or quotes, a direct message", _NOTHING, "ePrivacy Directive art. 5"),
    _d(102, "floor.message_metadata", "it tells who wrote to whom", _NOTHING, "ePrivacy Directive art. 6"),
    _d(103, "floor.encrypted_metadata", "it is metadata of encrypted messages", _NOTHING, "ePrivacy Directive art. 6"),
    _d(104, "floor.credential", "it is a password or another secret", _NOTHING, "GDPR art. 32"),
    _d(105, "floor.illegal_content", "it is illegal content", _NOTHING, "AI Act template C(2025) 8311 s. 3", True),
    _d(106, "floor.legal_hold_only", "it is kept for a legal case and for nothing else", _NOTHING, "GDPR art. 18"),
    _u(107, "floor.provenance_unknown", "nobody knows where it came from", _PLATFORM, "AI Act art. 53(1)(d)"),
    # 2 lifecycle: does it still stand?
    _d(201, "life.deleted_by_author", "its author deleted it", "nothing needed", "GDPR art. 17", True),
    _d(202, "life.deleted_by_parent", "the record these words come from was deleted", "nothing needed",
       "GDPR art. 17", True),
    _d(203, "life.account_deleted", "the account was deleted", "nothing needed", "GDPR art. 17", True),
    _u(204, "life.account_deactivated", "the account is deactivated", "comes back with the account"),
    _d(205, "life.account_suspended", "the account is suspended", "the platform's appeal process", "DSA art. 17"),
    _d(206, "life.account_memorial", "the account is a memorial", "the estate can allow it"),
    _d(207, "life.moderated_removed", "moderators removed it", "the platform's appeal process", "DSA art. 17"),
    _d(208, "life.superseded_edit", "a newer version of it exists", "the newest version is judged", "", True),
    _d(209, "life.draft", "it is a draft", "publish it"),
    _u(210, "life.restored_unconfirmed", "it was made before a restriction was lifted",
       "what is collected after the lifting is judged on its own"),
    _u(211, "life.state_unknown", "nobody knows whether it still stands", _PLATFORM),
    _u(212, "life.account_state_unknown", "nobody knows whether the account is active", _PLATFORM),
    _d(213, "life.taken_out", "its author took this one out", "nothing needed", "GDPR art. 7(3), 21", True),
    # 3 visibility: who could see it, then and ever since?
    _d(301, "vis.not_public_at_collection", "it was not for the audience this use reaches when it was collected",
       _NOTHING),
    _d(302, "vis.not_public_now", "it is no longer for the audience this use reaches", "its author can widen it again",
       "", True),
    _d(303, "vis.account_protected", "the account is or was protected", "what is posted openly later is judged anew",
       "", True),
    _d(304, "vis.followers_only", "it is for followers only", "its author can choose a wider audience next time"),
    _d(305, "vis.circle_or_list", "it is for a closed group, circle or subscribers",
       "its author can choose a wider audience next time"),
    _d(306, "vis.unlisted", "its author kept it off public timelines",
       "its author can choose a wider audience next time"),
    _d(307, "vis.logged_in_only", "it is shown to logged-in people only",
       "its author can choose a wider audience next time"),
    _d(308, "vis.permissioned_space", "it stands in a space that asks for permission", _NOTHING),
    _u(309, "vis.audience_unknown", "nobody knows who could see it", _PLATFORM),
    _d(310, "vis.public_after_collection", "it became public only after it was collected",
       "what is collected from now on counts as public"),
    # 4 category: kinds of data with rules of their own
    _d(401, "cat.biometric_wrong_purpose", "biometric consent was given for other purposes only", _EXPLICIT,
       "GDPR art. 9; BIPA s. 15(b)"),
    _d(402, "cat.biometric_no_consent", "it is biometric without explicit consent", _EXPLICIT, "GDPR art. 9; BIPA s. 15(b)"),
    _d(403, "cat.employment_wrong_purpose", "working life never serves this purpose", _NOTHING, "GDPR art. 5(1)(b)"),
    _d(404, "cat.special_no_explicit_consent", "it is a special category without explicit consent", _EXPLICIT,
       "GDPR art. 9"),
    _d(405, "cat.precise_location", "it is a precise location without explicit consent", _EXPLICIT, "CPRA 1798.121"),
    _d(406, "cat.government_id", "it is a government identifier without explicit consent", _EXPLICIT, "GDPR art. 87"),
    _d(407, "cat.contact_list", "it is an address book: other people's data", _NOTHING, "GDPR art. 14"),
    _d(408, "cat.interaction_private_context", "likes, votes, follows and watch time are no training material",
       _NOTHING, "GDPR art. 5(1)(b)"),
    # 5 policy of the record: category x purpose, in the version of then and of now
    _d(501, "policy.category_purpose_mismatch", "the policy names other purposes for this kind of data",
       "nothing needed", "GDPR art. 5(1)(b)"),
    _d(502, "policy.purpose_not_declared_at_collection",
       "the policy in force when it was collected did not declare this purpose, nor does today's",
       "nothing needed", "GDPR art. 5(1)(b)"),
    _d(503, "policy.purpose_not_declared_now", "today's policy no longer declares this purpose", "nothing needed",
       "GDPR art. 5(1)(b)", True),
    _d(504, "policy.widened_not_reconsented",
       "today's policy declares this purpose but the one in force when it was collected did not",
       "say yes to the use of older posts, if you want it", "GDPR art. 6(4); FTC Act s. 5"),
    _d(505, "policy.notice_window_open", "the time to say no before this use begins is still running",
       "wait, or say no now", "GDPR art. 21"),
    _d(506, "policy.commitment_narrows", "a public promise is narrower than the policy", "nothing needed",
       "FTC Act s. 5", True),
    _d(507, "policy.no_policy_for_time", "no policy was in force at that time", "the platform has to publish one"),
    _u(508, "policy.collection_time_missing", "nobody knows when it was collected", _PLATFORM),
    _u(509, "policy.clause_ambiguous", "the clause leaves open whether it applies", "the platform has to say"),
    # 6 the subject's choice
    _d(601, "subj.opted_out", "the person it is about said no", _CHOICE, "GDPR art. 7(3), 21", True),
    _d(602, "subj.objected", "the person objected", _CHOICE, "GDPR art. 21", True),
    _d(603, "subj.consent_refused", "the person refused", _CHOICE, "GDPR art. 7", True),
    _d(604, "subj.consent_withdrawn", "the person withdrew", _CHOICE, "GDPR art. 7(3)", True),
    _d(605, "subj.consent_expired", "the consent has run out", "renew it on the choices page", "GDPR art. 7", True),
    _u(606, "subj.consent_unknown", "a choice about it is pending or not verified", "confirm or reject the request"),
    _d(607, "subj.sale_or_share_opted_out", "the person opted out of sale and sharing", _CHOICE, "CCPA 1798.120",
       True),
    _d(608, "subj.contract_excludes", "a contract of the person's organisation excludes it",
       "the organisation's administrator", "", True),
    _d(609, "subj.suppressed_identity", "the person was erased here", "nothing needed", "GDPR art. 17", True),
    _d(610, "subj.co_subject_denied", "another person in it said no", "that person's choice", "GDPR art. 21", True),
    _u(611, "subj.co_subject_unknown", "another person in it is unknown or undecided", _PLATFORM),
    _d(612, "subj.quote_authorisation_revoked", "the quoted person withdrew the permission to quote",
       "that person's choice", "", True),
    # 7 age and jurisdiction
    _d(701, "age.under_13_no_parental", "the person is under 13 and no parent agreed to this", "a parent can decide",
       "COPPA rule 2025", True),
    _d(702, "age.minor_policy", "the person is a minor", _NOTHING, "GDPR art. 8", True),
    _d(703, "age.was_minor_at_creation", "the person was a minor when it was made", _NOTHING, "GDPR recital 65", True),
    _u(704, "age.age_unknown", "nobody knows whether the person is of age", _PLATFORM),
    _d(711, "jur.profile_requires_opt_in", "the law or clause that applies needs a yes, and there is none", _CHOICE,
       "GDPR art. 6(1)(a)"),
    _d(712, "jur.region_embargo", "an undertaking excludes this region and time", "nothing needed", "", True),
    _u(713, "jur.residency_unknown", "nobody knows which law applies", _PLATFORM),
    # 8 rights and contracts of third parties
    _d(801, "rights.licence_missing", "it came under a licence that is not on file", "file the licence", "AI Act 53"),
    _d(802, "rights.licence_expired", "its licence is not in force", "renew the licence", "", True),
    _d(803, "rights.licence_purpose", "its licence does not cover this purpose", "extend the licence"),
    _u(804, "rights.licence_not_acquired", "its licence has to be acquired first", "acquire the licence"),
    _d(805, "rights.upstream_deleted", "it was deleted where it came from", "nothing needed", "GDPR art. 19", True),
    _d(806, "rights.contract_forbids", "a contract forbids this use or this recipient", "the contract partner"),
    _d(807, "rights.retracted", "the platform undertook to use it no more", "nothing needed", "", True),
    # 9 preference signals: they only remove
    _d(901, "signal.aipref_disallow", "a Content-Usage preference says no", _SIGNAL, "IETF AIPREF", True),
    _d(902, "signal.lexicon_deny", "an atproto preference says no", _SIGNAL, "community.lexicon.preference.ai", True),
    Reason(903, "signal.lexicon_entity_override", Effect.NOTE,
           "an atproto preference makes an exception for this platform", _SIGNAL, "community.lexicon.preference.ai"),
    _d(904, "signal.user_intent_deny", "a Bluesky user intent says no", _SIGNAL, "Bluesky proposal 0008", True),
    _d(905, "signal.tdm_reserved", "text and data mining is reserved", _SIGNAL, "DSM Directive art. 4; TDMRep", True),
    _d(906, "signal.cawg_not_allowed", "the media file says not allowed", _SIGNAL, "CAWG 1.1", True),
    _d(907, "signal.cawg_constrained", "the media file sets conditions nobody can check", _SIGNAL, "CAWG 1.1", True),
    _d(908, "signal.plus_prohibited", "the media file prohibits it", _SIGNAL, "IPTC/PLUS data mining", True),
    _d(909, "signal.rsl_prohibited", "its licence file prohibits it", _SIGNAL, "RSL 1.0", True),
    _d(910, "signal.content_signal_no", "a Content-Signal says no", _SIGNAL, "Content-Signal", True),
    _d(911, "signal.noai", "a noai mark stands on it", _SIGNAL, "noai", True),
    _d(912, "signal.robots_disallow", "robots.txt keeps it off", _SIGNAL, "RFC 9309", True),
    _d(913, "signal.indexable_false", "the account asks not to be indexed", _SIGNAL, "FEP-5feb", True),
    Reason(914, "signal.parse_error", Effect.BY_REGIME, "a preference signal could not be read", _SIGNAL),
    Reason(915, "signal.conflicting", Effect.BY_REGIME, "preference signals contradict each other", _SIGNAL),
    # 10 recipient
    _d(1001, "rcpt.third_party_not_named", "the clause does not name this third party", "nothing needed",
       "GDPR art. 13(1)(e)"),
    _d(1002, "rcpt.affiliate_not_named", "an affiliate is another company and the clause does not name it",
       "nothing needed", "GDPR art. 13(1)(e)"),
    _d(1003, "rcpt.sale_prohibited", "biometric data may not go to third parties", _NOTHING, "BIPA s. 15(c)"),
    # 11 retention
    _d(1101, "ret.expired", "it is older than the policy keeps it", "nothing needed", "GDPR art. 5(1)(e)", True),
    _d(1102, "ret.last_interaction_3y", "biometric data is destroyed three years after the last interaction",
       "nothing needed", "BIPA s. 15(a)", True),
    _d(1103, "ret.purpose_fulfilled", "its purpose is fulfilled", "nothing needed", "GDPR art. 5(1)(e)", True),
    _u(1104, "ret.last_interaction_unknown", "nobody knows when the person was last here", _PLATFORM, "BIPA s. 15(a)"),
    # 12 obligations
    _u(1201, "xform.redaction_incomplete", "a part has to be removed and nobody knows where it stands", _PLATFORM),
    _d(1202, "xform.nothing_left", "nothing is left once the denied parts are removed", "nothing needed"),
    _d(1203, "xform.mention_pseudonymised", "mentions of people are always replaced", "nothing needed",
       "GDPR art. 25"),
    # grounds
    Reason(1301, "allow.policy_clause", Effect.GROUND, "a clause of the policy allows it", _CHOICE,
           "GDPR art. 6"),
    Reason(1302, "allow.explicit_consent", Effect.GROUND, "the person said yes", _CHOICE, "GDPR art. 6(1)(a)"),
    Reason(1303, "allow.renewed_consent", Effect.GROUND, "the person said yes to the use of older data", _CHOICE,
           "GDPR art. 6(1)(a)"),
    Reason(1304, "allow.notice_elapsed", Effect.GROUND,
           "notice was given, the time to object is over and nobody objected", _CHOICE, "GDPR art. 6(1)(f)"),
    Reason(1305, "allow.licence", Effect.GROUND, "a licence covers it", "the licensor", ""),
    _d(1306, "allow.none", "nothing allows it", "a clause, a licence or a consent would be needed", "GDPR art. 6"),
)  # fmt: skip

BY_CODE: Mapping[str, Reason] = {reason.code: reason for reason in _ALL}
BY_ID: Mapping[int, Reason] = {reason.id: reason for reason in _ALL}
LOW = tuple(reason for reason in _ALL if reason.gate < FIRST_HIGH_GATE)
HIGH = tuple(reason for reason in _ALL if reason.gate >= FIRST_HIGH_GATE)
"""The reasons of each mask; the position in the tuple is the bit, in the order of the numbers."""


class Outcome(StrEnum):
    """What is done with a record; the order of openness is permit > redact > hold, refuse."""

    PERMIT = "permit"
    REDACT = "redact"
    HOLD = "hold"
    REFUSE = "refuse"


OUTCOMES = (Outcome.PERMIT, Outcome.REDACT, Outcome.HOLD, Outcome.REFUSE)
"""Position = the number stored in the ``outcome`` column."""

OTHER_PEOPLE = "contains other people's words or likeness"
"""The one sentence shown, to anyone but that other person, for every reason that comes from somebody else."""
FROM_OTHER_PEOPLE = frozenset(
    {"subj.co_subject_denied", "subj.co_subject_unknown", "subj.quote_authorisation_revoked", "life.deleted_by_parent"}
)

AGAINST = frozenset(r.code for r in BY_ID.values() if r.effect in (Effect.DENY, Effect.UNKNOWN, Effect.BY_REGIME))
"""What can keep a record out."""
ECHOES = frozenset(
    {"allow.none", "subj.objected", "subj.consent_refused", "subj.consent_withdrawn", "vis.public_after_collection",
     "policy.category_purpose_mismatch"}
)  # fmt: skip
"""Reasons that only come with another one and say more about it."""
OWN = frozenset(
    AGAINST - ECHOES - FROM_OTHER_PEOPLE - {"xform.nothing_left", "xform.redaction_incomplete"}
    - {r.code for r in BY_ID.values() if r.effect is Effect.BY_REGIME}
)  # fmt: skip
"""What keeps a record out on account of the record and its own person, whoever else is in it: where nothing is left, or a
part cannot be cut out, it may be another's part; and what only some regimes hold may stand on a record that goes out, so
whether it kept one out would tell what the others chose."""


def reason(code: str) -> Reason:
    """The reason with this code, or VocabularyError with near misses."""
    if code not in BY_CODE:
        raise unknown_term("reason", code, BY_CODE)
    return BY_CODE[code]


def in_order(codes: Iterable[str]) -> list[Reason]:
    """The reasons of these codes, by gate and rank."""
    return sorted((reason(code) for code in codes), key=lambda r: r.id)


def masks(codes: Iterable[str]) -> tuple[int, int]:
    """The codes as the two 64-bit masks ``(lo, hi)`` that decisions are stored in."""
    wanted = set(codes)
    return (
        sum(1 << bit for bit, reason in enumerate(LOW) if reason.code in wanted),
        sum(1 << bit for bit, reason in enumerate(HIGH) if reason.code in wanted),
    )


def codes(lo: int, hi: int) -> frozenset[str]:
    """The inverse of :func:`masks`."""
    low = (reason.code for bit, reason in enumerate(LOW) if lo >> bit & 1)
    high = (reason.code for bit, reason in enumerate(HIGH) if hi >> bit & 1)
    return frozenset([*low, *high])
