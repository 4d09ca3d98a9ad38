"""The closed sets of words every rule, record and choice is written in. An unknown word is an error.

Categories are fideslang 3.1 keys where fideslang has one, extended under the same naming (marked ``ours``);
DPV terms are kept as aliases. A dot makes a child: a rule about ``user.content`` is a rule about
``user.content.public``. Each leaf carries the vocabulary version it appeared in (``since``): a deny on a
parent covers all leaves, now and later; a grant covers only the leaves that existed when it was given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from aboveboard.errors import unknown_term

VERSION = 1
"""Version of the vocabulary; raised with every word of law that is added."""


@dataclass(frozen=True, slots=True)
class Term:
    """One word of the vocabulary: its key, what it says to a person, and its aliases elsewhere."""

    key: str
    says: str
    since: int = 1
    dpv: str = ""
    ours: bool = False


def _terms(*terms: Term) -> Mapping[str, Term]:
    return {term.key: term for term in terms}


def _f(key: str, says: str, dpv: str = "") -> Term:
    return Term(key, says, dpv=dpv)


def _o(key: str, says: str, dpv: str = "") -> Term:
    return Term(key, says, dpv=dpv, ours=True)


CATEGORIES: Mapping[str, Term] = _terms(
    _f("user", "anything about a person", "dpv:PersonalData"),
    _f("user.account", "account data"),
    _f("user.account.settings", "account settings"),
    _f("user.account.username", "account name", "dpv-pd:Username"),
    _f("user.authorization", "what proves who someone is"),
    _f("user.authorization.credentials", "credentials", "dpv-pd:Authenticating"),
    _f("user.authorization.password", "passwords", "dpv-pd:Password"),
    _f("user.authorization.biometric", "biometrics used to sign in", "dpv-pd:Biometric"),
    _f("user.behavior", "what someone does: likes, votes, follows, watch time", "dpv-pd:Behavioral"),
    _f("user.behavior.browsing_history", "pages visited", "dpv-pd:BrowsingBehavior"),
    _f("user.behavior.media_consumption", "what was watched or heard"),
    _f("user.behavior.purchase_history", "what was bought"),
    _f("user.behavior.search_history", "what was searched for"),
    _f("user.biometric", "biometric data", "dpv-pd:Biometric"),
    _o("user.biometric.face_template", "face templates", "dpv-pd:FacialPrint"),
    _f("user.biometric.fingerprint", "fingerprints", "dpv-pd:Fingerprint"),
    _f("user.biometric.retinal", "retinal scans", "dpv-pd:Retina"),
    _f("user.biometric.voice", "voice recordings", "dpv-pd:VoiceCommunicationRecording"),
    _f("user.biometric.health", "biometric health data"),
    _f("user.childrens", "data of children"),
    _o("user.communication", "private communication", "dpv-pd:Communication"),
    _o("user.communication.message", "direct messages"),
    _o("user.communication.message.content", "what direct messages say"),
    _o("user.communication.message.metadata", "who wrote to whom, and when", "dpv-pd:CommunicationsMetadata"),
    _o("user.communication.encrypted", "end-to-end encrypted messages"),
    _o("user.communication.encrypted.metadata", "metadata of end-to-end encrypted messages"),
    _f("user.contact", "contact details", "dpv-pd:Contact"),
    _f("user.contact.address", "postal address", "dpv-pd:PhysicalAddress"),
    _f("user.contact.email", "e-mail address", "dpv-pd:EmailAddress"),
    _f("user.contact.phone_number", "phone number", "dpv-pd:TelephoneNumber"),
    _f("user.contact.url", "personal web address"),
    _f("user.content", "what someone made", "dpv-pd:UserGeneratedContent"),
    _f("user.content.public", "what someone made for everybody", "dpv-pd:PubliclyAvailableSocialMediaData"),
    _f("user.content.private", "what someone made for few"),
    _f("user.content.self_image", "pictures of oneself", "dpv-pd:Picture"),
    _f("user.criminal_history", "criminal history", "dpv-pd:CriminalOffense"),
    _f("user.demographic", "demographic data", "dpv-pd:Demographic"),
    _f("user.demographic.age_range", "age range", "dpv-pd:AgeRange"),
    _f("user.demographic.date_of_birth", "date of birth", "dpv-pd:BirthDate"),
    _f("user.demographic.gender", "gender", "dpv-pd:Gender"),
    _f("user.demographic.language", "language", "dpv-pd:Language"),
    _f("user.demographic.political_opinion", "political opinions", "dpv-pd:PoliticalOpinion"),
    _f("user.demographic.race_ethnicity", "race or ethnic origin", "dpv-pd:EthnicOrigin"),
    _f("user.demographic.religious_belief", "religious beliefs", "dpv-pd:ReligiousBelief"),
    _f("user.demographic.sexual_orientation", "sexual orientation", "dpv-pd:SexualPreference"),
    _f("user.device", "devices", "dpv-pd:DeviceBased"),
    _f("user.device.cookie", "cookies"),
    _f("user.device.ip_address", "IP addresses", "dpv-pd:IPAddress"),
    _o("user.employment", "working life", "dpv-pd:Professional"),
    _o("user.employment.education", "education", "dpv-pd:EducationalQualification"),
    _o("user.employment.history", "work history", "dpv-pd:EmploymentHistory"),
    _o("user.employment.job_search", "job search"),
    _o("user.employment.preferences", "job preferences"),
    _o("user.employment.skills", "skills", "dpv-pd:Skill"),
    _f("user.financial", "finances", "dpv-pd:Financial"),
    _f("user.government_id", "government identifiers", "dpv-pd:OfficialID"),
    _f("user.health_and_medical", "health", "dpv-pd:Health"),
    _f("user.health_and_medical.genetic", "genetic data", "dpv-pd:Genetic"),
    _f("user.job_title", "job title", "dpv-pd:JobTitle"),
    _f("user.location", "location", "dpv-pd:Location"),
    _f("user.location.imprecise", "rough location"),
    _f("user.location.precise", "precise location", "dpv-pd:GPSCoordinate"),
    _f("user.name", "name", "dpv-pd:Name"),
    _f("user.payment", "payments", "dpv-pd:PaymentCard"),
    _f("user.privacy_preferences", "privacy choices", "dpv-pd:PrivacyPreference"),
    _f("user.social", "who someone knows", "dpv-pd:SocialNetwork"),
    _o("user.social.contacts", "uploaded address books"),
    _f("user.telemetry", "telemetry"),
    _f("user.unique_id", "unique identifiers", "dpv-pd:UID"),
    _f("user.unique_id.pseudonymous", "pseudonymous identifiers"),
    _f("user.workplace", "workplace", "dpv-pd:Workplace"),
)

PURPOSES: Mapping[str, Term] = _terms(
    Term("train_ai_system", "train models"),
    _o("train_ai_system.generative", "train models that write or draw"),
    _o("train_ai_system.discriminative", "train models that classify or score"),
    _o("train_ai_system.search_ranking", "train models that rank search results"),
    _f("employment", "work and recruiting"),
    _o("employment.recommend_jobs", "recommend jobs to you"),
    _o("employment.share_on_application", "share your work history when you apply"),
    _o("employment.candidate_search", "let employers find you"),
    _o("advertising", "advertising", "dpv:Advertising"),
    _o("advertising.relevance", "show more relevant advertising", "dpv:PersonalisedAdvertising"),
    _o("security", "safety and security", "dpv:EnforceSecurity"),
    _o("security.safety", "keep people safe"),
    _o("security.security", "keep accounts secure"),
    _o("security.identification", "check who someone is", "dpv:IdentityVerification"),
    _o("security.authentication", "let someone sign in", "dpv:IdentityAuthentication"),
    _o("service", "run the service"),
    _o("service.operation", "operate the service people asked for"),
    _f("third_party_sharing", "hand data to others", "dpv:DataSharing"),
    _o("use", "feed models at run time"),
    _o("use.rag", "ground a model's answers"),
    _o("use.embedding", "make embeddings"),
    _o("synthesise", "make synthetic content"),
    _o("synthesise.persona", "imitate a person"),
    _o("publish", "publish data"),
    _o("publish.release", "publish a data set"),
    _o("analyse", "analyse data", "dpv:Analytics"),
    _o("analyse.tdm", "text and data mining"),
)

AUDIENCES = ("public", "unlisted", "logged_in", "followers", "group", "circle", "private")
"""Widest first: the position is the rank that the gate compares. Unknown is not public; it is no rank at all."""

BASES: Mapping[str, Term] = _terms(
    _f("consent", "you said yes", "dpv:Consent"),
    _f("legitimate_interest", "allowed unless you say no", "dpv:LegitimateInterest"),
    _f("contract", "needed for what you asked for", "dpv:Contract"),
    _f("legal_obligation", "required by law", "dpv:LegalObligation"),
)

ROLES = (
    "author", "exporter", "reposter", "uploader", "quoted_author", "depicted", "mentioned", "recipient",
    "conversation_partner", "tenant", "copied_author", "possible_author",
)  # fmt: skip
ROLES_WITHOUT_VETO = frozenset({"exporter"})
"""Whoever exported an archive is not thereby an author; every other role may say no."""
ROLES_IN_DOUBT = frozenset({"possible_author"})
"""Who may have a part in it, and may not: a no of theirs holds, where that of others refuses."""

KINDS = (
    "post", "reply", "quote", "repost", "article", "comment", "message", "like", "vote", "follow", "view",
    "profile", "employment", "media", "transcript", "template", "telemetry", "derived", "document",
)  # fmt: skip
INTERACTION_KINDS = frozenset({"like", "vote", "follow", "view"})
PART_KINDS = ("main", "quote", "parent_quote", "mention", "media", "card", "geotag", "field")
PLACES = ("span", "field")
"""Where a part stands: inside the main text (``span``, code points) or beside it (``field``)."""

ORIGINS = ("first_party", "licensed", "federated", "crawled")
LIFECYCLES = ("published", "draft", "deleted", "removed", "restored")
EDITIONS = ("latest", "superseded", "deleted")
DUPLICATES = ("unique", "first", "repeat", "conflict")
INTEGRITIES = ("none", "match", "mismatch")
SOURCE_STATES = ("own", "present", "deleted")
UPSTREAMS = ("present", "deleted")
LABELS = (
    "illegal", "legal_hold_only", "permissioned_space", "purpose_fulfilled", "quote_authorisation_revoked",
    "unidentified_person",
)  # fmt: skip
ACCOUNT_STATES = ("active", "deactivated", "memorial", "suspended", "deleted")
"""Mildest first; at one instant the most restrictive wins."""
AGE_BANDS = ("under_13", "13_17", "adult")
"""Youngest first; conditions compare by this order, and at one instant the youngest wins."""
RECIPIENT_KINDS = ("controller", "processor", "affiliate", "third_party")

BIOMETRIC = ("user.biometric", "user.authorization.biometric")
"""fideslang keeps biometrics in two trees; a rule about biometrics must name both."""
SPECIAL = (
    "user.demographic.political_opinion", "user.demographic.race_ethnicity", "user.demographic.religious_belief",
    "user.demographic.sexual_orientation", "user.health_and_medical", "user.criminal_history", "user.biometric.health",
)  # fmt: skip
"""GDPR articles 9 and 10."""
EMPLOYMENT = ("user.employment", "user.job_title", "user.workplace")
EMPLOYMENT_PURPOSES = ("employment", "advertising.relevance", "service", "security")
"""The only purposes working life may serve; training is not among them and no policy can add it."""
AGE_GATED = (
    "train_ai_system", "employment", "advertising", "third_party_sharing", "use", "synthesise", "publish", "analyse",
)  # fmt: skip
"""Purposes for which an unknown age holds; running and securing the service is not among them."""

_EU = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()
REGION_GROUPS: Mapping[str, frozenset[str]] = {
    "EU": frozenset(_EU),
    "EEA": frozenset([*_EU, "IS", "LI", "NO"]),
}
COUNTRIES = frozenset(
    """AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR
    GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO
    JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR
    MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO
    RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV
    TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW""".split()
)
"""ISO 3166-1 alpha-2. A residency is a country or a country with a subdivision (``US-TX``); others are unknown."""


@lru_cache(maxsize=1 << 16)
def covers(parent: str, key: str) -> bool:
    """Whether ``key`` is ``parent`` or stands below it in the tree that dots make."""
    return key == parent or key.startswith(parent + ".")


def covered_by(parents: Iterable[str], key: str) -> bool:
    """Whether any of ``parents`` covers ``key``."""
    return _covered_by(tuple(parents), key)


@lru_cache(maxsize=1 << 16)
def _covered_by(parents: tuple[str, ...], key: str) -> bool:
    return any(covers(parent, key) for parent in parents)


def touches(labels: Iterable[str | None], roots: Iterable[str]) -> bool:
    """Whether any known label lies below one of these roots, or is so broad that it includes one."""
    return _touches(tuple(labels), tuple(roots))


@lru_cache(maxsize=1 << 16)
def _touches(labels: tuple[str | None, ...], roots: tuple[str, ...]) -> bool:
    known = [label for label in labels if label is not None and label in CATEGORIES]
    return any(covers(root, label) or covers(label, root) for root in roots for label in known)


def grants(parents: Iterable[str], key: str, terms: Mapping[str, Term], vocabulary: int) -> bool:
    """As :func:`covered_by`, but only for a ``key`` that existed in vocabulary version ``vocabulary``.

    A yes cannot mean a word that did not exist when it was said; a no can, so denies use ``covered_by``.
    """
    return key in terms and terms[key].since <= vocabulary and covered_by(parents, key)


def leaves(terms: Mapping[str, Term]) -> tuple[str, ...]:
    """The terms that have no child, in order."""
    return tuple(key for key in terms if not any(other.startswith(key + ".") for other in terms))


def category(key: str) -> str:
    """``key`` itself, or raises VocabularyError with near misses."""
    return _expect("category", key, CATEGORIES)


def purpose(key: str) -> str:
    """``key`` itself, or raises VocabularyError with near misses."""
    return _expect("purpose", key, PURPOSES)


def member(noun: str, key: str, known: Iterable[str]) -> str:
    """``key`` if it is one of ``known``, or raises VocabularyError with near misses."""
    return _expect(noun, key, tuple(known))


def recipient(key: str) -> str:
    """``controller``, ``processor:ID``, ``affiliate:ID`` or ``third_party:ID``; ``ID`` may be ``*`` in a clause."""
    kind, _, ident = key.partition(":")
    if kind not in RECIPIENT_KINDS or (kind == "controller") != (not ident):
        raise unknown_term("recipient", key, ["controller", "processor:ID", "affiliate:ID", "third_party:ID"])
    return key


def recipient_covers(named: str, key: str) -> bool:
    """Whether a rule that names ``named`` reaches recipient ``key``.

    A processor acts for the controller (GDPR art. 28), so ``controller`` reaches it; an affiliate is another
    company and is reached only by name, by ``affiliate`` (all of them, in a choice) or ``affiliate:*``.
    """
    kind = key.partition(":")[0]
    return named in (key, kind, f"{kind}:*") or (named == "controller" and kind == "processor")


def known_residency(code: str | None) -> str | None:
    """``code`` when it is a country or subdivision code, else None: a place we cannot read is an unknown place."""
    return code if code is not None and code.partition("-")[0] in COUNTRIES else None


@lru_cache(maxsize=1 << 16)
def in_region(residency: str, region: str) -> bool:
    """Whether ``residency`` (``DE``, ``US-TX``) lies in ``region`` (``DE``, ``US``, ``EU``, ``EEA``)."""
    country = residency.partition("-")[0]
    return region in (residency, country) or country in REGION_GROUPS.get(region, ())


def may_be_in(residency: str, region: str) -> bool:
    """Whether ``residency`` is too coarse to say: somebody in ``US`` may live in ``US-TX``."""
    return region.startswith(residency + "-")


def _expect(noun: str, key: str, known: Iterable[str]) -> str:
    if key not in known:
        raise unknown_term(noun, key, known)
    return key
