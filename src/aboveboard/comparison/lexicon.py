"""Words that policies decide with, as data: what names a category, a purpose, a recipient, an operation, a company.

Every entry is a pattern over lower-case words and a key of our vocabulary or a name. Nothing here is particular to
one service. A lawyer can read it, and whoever misses a word adds a line and a case.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from aboveboard.comparison.text import Sentence

_COMPANY = re.compile(
    r"\b(?:[A-Z][\w&'-]*,?\s+){1,5}(?:Inc|Corp|Corporation|LLC|L\.L\.C|Ltd|Limited|GmbH|AG|PLC|plc|B\.V|S\.A|S\.à|"
    r"SE|Pty|"
    r"Co|LP|LLP|Oy|AB|AS|K\.K|BV|B\.V|NV|ApS|KG|S\.r\.l|Sàrl|Unlimited Company|International Company|Company|Incorporated)\b\.?"
)


@lru_cache(maxsize=1 << 14)
def company_spans(text: str) -> tuple[tuple[int, int], ...]:
    """Where companies stand by their full names, with their legal form."""
    return tuple(found.span() for found in _COMPANY.finditer(text))


DECIDING = frozenset(
    """not no never nor neither none without unless except only solely all any every each some most much many more less few
    may might can could will would shall should must need and or if when we us our you your they them their it its this that
    these those the a an of to in on by for from with as at is are was were be been have has had do does did
    information data content personal public private location messages message cookies contacts email phone address name
    consent permission share sell disclose use collect process retain keep store delete train training
    advertising ads advertisers partners partner affiliates affiliate vendors providers provider third party parties
    controller processor researchers governments law days weeks months years hours
    services service products product features feature account accounts policy terms settings children users user
    people person other others such including certain
    european union eu eea kingdom uk states america california brazil india canada switzerland""".split()
)
"""Words that no rename may touch: what a policy is made of."""

_SHARING = re.compile(
    r"\b(?:shar(?:e|es|ed|ing)|disclos\w+|sell|sold|transfer\w*|provid(?:e|ed) to|third[- ]part(?:y|ies)|partners?|"
    r"(?:hand|pass|giv)(?:e|es|s|ed|en|ing)? [^.;]{0,40}\bto (?!you\b)|"
    r"vendors?|sub-?processors?|service providers?|recipients?|controllers?|advertisers?)\b", re.IGNORECASE,
)  # fmt: skip


@lru_cache(maxsize=1 << 14)
def is_sharing(text: str) -> bool:
    """Whether a sentence is about handing data on."""
    return _SHARING.search(text) is not None


def goes_to(name: tuple[str, ...], sentences: Sequence[Sentence]) -> bool:
    """Whether data may go to what bears this name: it stands mostly where data is handed on, or right behind "with"."""
    found = [(s, n) for s in sentences for n in range(len(s.tokens)) if s.tokens[n : n + len(name)] == name]
    sharing = [(s, n) for s, n in found if is_sharing(s.text)]
    behind = any(s.tokens[n - 1] in ("with", "to", "by", "like", "via") for s, n in sharing if n)
    return behind or len(sharing) > 0.4 * len(found)


# --- what words name: categories, purposes, recipients ------------------------------------------------------------


def _named(*pairs: tuple[str, str]) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(rf"\b(?:{pattern})", re.IGNORECASE), key) for pattern, key in pairs)


CATEGORIES = _named(
    (r"encrypted (?:direct )?messag|metadata (?:related to|of|about) [^.;]{0,12}(?:encrypted|"
     r"messag)", "user.communication.encrypted.metadata"),
    (r"contents? of (?:your |the |private |direct )*(?:messages?|chats?|calls?|conversations?|communications?)|"
     r"voice (?:or video )?calls?", "user.communication.message.content"),
    (r"(?:direct|private|voice|personal) messages?|\bdms?\b|messages? (?:you )?(?:send|sent|receive)|chats? with|"
     r"inmail", "user.communication.message"),
    (r"who you (?:are )?communicat|recipients?,? and date", "user.communication.message.metadata"),
    (r"biometric|face ?print|facial recognition|faceprint|face template|voiceprint", "user.biometric"),
    (r"fingerprint", "user.biometric.fingerprint"),
    (r"voice recordings?|audio recordings?|voice data", "user.biometric.voice"),
    (r"employment (?:history|preferences)|work (?:history|experience)|job (?:search|applications?|preferences)|"
     r"applicant|r[eé]sum[eé]|professional experience|skills and abilities", "user.employment"),
    (r"educational? (?:history|information|background)|information about your education", "user.employment.education"),
    (r"job titles?|job function", "user.job_title"),
    (r"precise (?:geo)?location|gps|exact location", "user.location.precise"),
    (r"(?:approximate|rough|general|coarse) location", "user.location.imprecise"),
    (r"location|geolocation|whereabouts", "user.location"),
    (r"ip address", "user.device.ip_address"),
    (r"cookies?(?! polic)|pixels?|web beacons?", "user.device.cookie"),
    (r"device (?:information|id|identifiers?|type|settings|data)|type of device|operating system|browser type|"
     r"network service provider|mobile carrier|unique device", "user.device"),
    (r"address books?|(?:your|their|uploaded|phone|device|imported?) contacts\b", "user.social.contacts"),
    (r"friends? lists?|followers|people you (?:follow|know)|connections?\b(?= (?:you|list))|social "
     r"graph", "user.social"),
    (r"e-?mail address", "user.contact.email"),
    (r"(?:phone|telephone|mobile) numbers?", "user.contact.phone_number"),
    (r"(?:street|postal|mailing|billing|home) address", "user.contact.address"),
    (r"contact (?:details|info)", "user.contact"),
    (r"credit (?:or debit )?cards?|payment (?:information|card|method|details)|bank (?:account|details)|billing "
     r"information", "user.payment"),
    (r"purchases?\b|transactions?\b|purchase history|what you (?:bought|purchased)", "user.behavior.purchase_history"),
    (r"search (?:history|terms|quer)|searches\b", "user.behavior.search_history"),
    (r"browsing (?:history|activity)|pages? (?:you )?visited|web pages? you|sites? you "
     r"visit", "user.behavior.browsing_history"),
    (r"viewing history|videos? you (?:watch|view)|watch (?:time|history)|listening "
     r"history", "user.behavior.media_consumption"),
    (r"likes\b|bookmarks|reposts|retweets|reactions|interact(?:ions?|s)? with|engagement|activity on|how you use|"
     r"usage (?:data|information)|your activity|activities|clicks", "user.behavior"),
    (r"government(?:[- ]issued)? (?:id|identification|identifier)|passport|driver'?s licen[sc]e|identity document|"
     r"submit an id\b|social security", "user.government_id"),
    (r"date of birth|birth ?da(?:te|y)", "user.demographic.date_of_birth"),
    (r"\bage\b|age (?:range|assurance|verification)", "user.demographic.age_range"),
    (r"gender", "user.demographic.gender"),
    (r"religio", "user.demographic.religious_belief"),
    (r"political (?:opinion|belief|view)", "user.demographic.political_opinion"),
    (r"(?:racial|ethnic)|\brace\b", "user.demographic.race_ethnicity"),
    (r"sexual orientation", "user.demographic.sexual_orientation"),
    (r"health|medical", "user.health_and_medical"),
    (r"genetic", "user.health_and_medical.genetic"),
    (r"criminal (?:record|history|conviction)", "user.criminal_history"),
    (r"child(?:ren)?'?s? (?:data|information)|data (?:of|about) children|under (?:the age of )?1[3-8]|"
     r"minors?\b", "user.childrens"),
    (r"photos?|selfies?|pictures|images of you|camera", "user.content.self_image"),
    (r"public(?:ly)?[- ](?:available|shared|accessible)|public (?:posts?|content|data|profile)|post(?:s|ed)? "
     r"publicly", "user.content.public"),
    (r"(?:your|user|customer|member|uploaded) (?:content|input|files|materials?|documents|posts)|content (?:you|"
     r"that you|customers|users) |\bposts\b|user[- ]generated|prompts?\b|recordings?\b|transcri", "user.content"),
    (r"user ?names?|display name|account name", "user.account.username"),
    (r"passwords?", "user.authorization.password"),
    (r"credentials", "user.authorization.credentials"),
    (r"account (?:information|data|details)", "user.account"),
    (r"(?:device|advertising|unique|mobile|hashed|cookie) (?:identifiers?|ids?)|identifiers\b|hashed "
     r"version", "user.unique_id"),
    (r"diagnostic|telemetry|crash (?:data|reports?)|log (?:data|information)|service generated data|performance "
     r"data", "user.telemetry"),
    (r"financial (?:information|data|account)|income", "user.financial"),
    (r"(?:personal|your|the|any|all|certain|other|user|members?'?) (?:personal )?(?:information|data)\b|"
     r"information (?:about you|we collect|you provide)", "user"),
)  # fmt: skip
"""What a phrase says of the data; the narrow ones first. A key below one that was found takes its place."""

PURPOSES = _named(
    (r"train\w*[^.;]{0,60}(?:generative|large language|foundation|frontier)|(?:generative|foundation|frontier|"
     r"large language)[^.;]{0,40}(?:models?|ai)\b[^.;]{0,40}train", "train_ai_system.generative"),
    (r"train(?:s|ed|ing)?\b[^.;]{0,70}\b(?:models?|ai|artificial intelligence|machine[- ]learning|algorithms?|"
     r"systems?|technolog)|(?:ai|model|machine[- ]learning|artificial intelligence)[^.;]{0,60}\btrain|"
     r"develop(?:ing)?[^.;]{0,30}\bai\b|\bai models?|artificial intelligence models?|machine learning "
     r"models?", "train_ai_system"),
    (r"recommend[^.;]{0,20}jobs?|potential jobs", "employment.recommend_jobs"),
    (r"potential employers when you apply|when you apply for", "employment.share_on_application"),
    (r"employers?[^.;]{0,20}(?:find|search)|potential candidates", "employment.candidate_search"),
    (r"(?:relevant|personali[sz]ed|targeted|interest-based|behaviou?ral|tailored)[^.;]{0,20}(?:ads?\b|advert|"
     r"content and ads)|targeted advertising|show you ads", "advertising.relevance"),
    (r"advert|\bads?\b|market(?:ing)?\b(?!place)|promot(?:e|ing|ion)", "advertising"),
    (r"verify[^.;]{0,20}(?:identity|account|age)|identif(?:y you|ication purposes|y users)|age (?:assurance|"
     r"verification)", "security.identification"),
    (r"authenticat|sign[- ]?in|log[- ]?in\b", "security.authentication"),
    (r"fraud|malware|abuse|secur(?:e|ity)", "security.security"),
    (r"safety|harmful|violat|enforce", "security.safety"),
    (r"third[- ]part(?:y|ies)|partners?|affiliates?|sell\b|disclos|share (?:your|with|it|this|that|the|"
     r"information)|transfer", "third_party_sharing"),
    (r"research|analytics|analy[sz]e|measure|statistic|insights", "analyse"),
    (r"(?:improve|provide|operate|maintain|personali[sz]e|develop)\b", "service.operation"),
)  # fmt: skip

RECIPIENTS = tuple(
    re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for words in (
        "advertisers?", "advertising partners?", "ad partners?", "business partners?", "affiliates?", "subsidiaries",
        "service providers?", "vendors?", "sub-?processors?", "processors?", "researchers?", "law enforcement",
        "governments?", "regulators?", "third[- ]party collaborators?", "third[- ]party", "third parties", "employers?",
        "recruiters?", "data brokers?", "publishers?", "developers?", "applicant tracking system providers?",
        "payment processors?", "marketing firms?", "other users", "search engines?", "insurers?", "analytics providers?",
        "content partners?", "partners?", "auditors?", "consultants?", "contractors?", "licensors?", "the public",
        "insurance companies", "banks", "lenders", "landlords", "retailers", "shops",
    )
)  # fmt: skip


@lru_cache(maxsize=1 << 14)
def categories(text: str) -> tuple[str, ...]:
    """The categories that words name, broad ones only where no narrow one below them is named."""
    found = {key for pattern, key in CATEGORIES if pattern.search(text)}
    return tuple(sorted(key for key in found if not any(other.startswith(key + ".") for other in found)))


@lru_cache(maxsize=1 << 14)
def purposes(text: str) -> tuple[str, ...]:
    """The purposes that words name; running the service only where nothing else is named."""
    found = {key for pattern, key in PURPOSES if pattern.search(text)}
    found = {key for key in found if not any(other.startswith(key + ".") for other in found)}
    return tuple(sorted(found - {"service.operation"} or found))


@lru_cache(maxsize=1 << 14)
def recipients(text: str) -> tuple[str, ...]:
    """Who the words say receives data: companies by name, and the kinds that policies speak of."""
    kinds = [found[0].lower() for pattern in RECIPIENTS for found in pattern.finditer(text)]
    whole = [kind for kind in kinds if not any(kind != other and kind in other for other in kinds)]
    companies = [text[a:b].rstrip(" .,") for a, b in company_spans(text)]
    return tuple(dict.fromkeys([*companies, *whole]))


# --- what a service calls itself ---------------------------------------------------------------------------------

_SPEAKS = re.compile(
    r"\b([A-Z][\w.&-]+)\s+(?:may|will|does|uses|collects|shares|has|can|processes|receives|provides|discloses|"
    r"retains|reserves)\b"
)
NOT_NAMES = frozenset(
    """We You They It This That These Those The He She Users User Customer Customers Members Member Services Service Content
    Policy Agreement Information Data Terms Who Which There Each Any Some All Others Partners Advertisers Admins Host Zoom's
    Customer's End Party Parties Company Affiliates Cookies Materials Vendors Subscribers Developers People Section""".split()
)


_OF_TITLES = frozenset(
    "Privacy Cookie Data Protection Legal Notice Statement Conditions Use Usage Guidelines Community Your Our".split()
)


def _acting_in_title(sentences: Sequence[Sentence]) -> list[str]:
    """Names in the title of a text that begin a sentence of it, before a word that may be a verb."""
    title = next((s.text for s in sentences if s.kind == "heading"), "")
    words = [w.capitalize() if title.isupper() else w for w in re.findall(r"\b[A-Z][\w&]+\b", title)]
    names = [name for name in words if name not in NOT_NAMES | _OF_TITLES and name.casefold() not in DECIDING]
    return [name for name in names if any(re.match(rf"{re.escape(name)} [a-z]+\b", s.text) for s in sentences)]


@lru_cache(maxsize=8)
def own_names(sentences: Sequence[Sentence]) -> tuple[str, ...]:
    """What the service calls itself, where it does not say "we": names that act three times, or stand in the title."""
    counts: dict[str, int] = dict.fromkeys(_acting_in_title(sentences), 3)
    for sentence in sentences:
        for name in _SPEAKS.findall(sentence.text):
            if name not in NOT_NAMES:
                counts[name] = counts.get(name, 0) + 1
    return tuple(name for name, times in sorted(counts.items(), key=lambda c: (-c[1], c[0]))[:3] if times >= 3)


_INSIDE = re.compile(r"(?<=[a-z,;] )([A-Z][\w&]*(?:'s)?)\b")
OFTEN = 8


@lru_cache(maxsize=8)
def commonest_name(sentences: Sequence[Sentence]) -> str | None:
    """The word that is written as a name most often where no sentence begins: the service itself, in its own policy."""
    counts: dict[str, int] = {}
    for sentence in sentences:
        for found in _INSIDE.findall(sentence.text):
            name = found.removesuffix("'s")
            if name not in NOT_NAMES and name.casefold() not in DECIDING:
                counts[name] = counts.get(name, 0) + 1
    best = max(sorted(counts), key=lambda name: counts[name], default=None)
    return best if best is not None and counts[best] >= OFTEN else None
