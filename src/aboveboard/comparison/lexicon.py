"""Words that policies decide with, as data: what names a category, a purpose, a recipient, an operation, a company.

Every entry is a pattern over lower-case words and a key of our vocabulary or a name. Nothing here is particular to
one service. A lawyer can read it, and whoever misses a word adds a line and a case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
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
    return tuple(found.span() for found in _COMPANY.finditer(text) if not _shouted_as(found[0], text))


def _shouted_as(words: str, text: str) -> bool:
    """Whether a legal form is the English word "as" in a text of capitals."""
    return words.endswith("AS") and text.isupper()


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
    return tuple((re.compile(rf"\b(?:{pattern})(?!\w)", re.IGNORECASE), key) for pattern, key in pairs)


CATEGORIES = _named(
    (r"encrypted (?:direct )?messag\w*|metadata (?:related to|of|about) [^.;]{0,12}(?:encrypted|messag\w*)",
     "user.communication.encrypted.metadata"),
    (r"contents? of (?:your |the |private |direct )*(?:messages?|chats?|calls?|conversations?|communications?)|"
     r"voice (?:or video )?calls?", "user.communication.message.content"),
    (r"(?:direct|private|voice|personal) messages?|dms?|messages? (?:you )?(?:send|sent|receive)|chats? with|"
     r"inmail", "user.communication.message"),
    (r"who you (?:are )?communicat\w*|recipients?,? and dates?", "user.communication.message.metadata"),
    (r"biometrics?|face ?prints?|facial recognition|face templates?|voice ?prints?", "user.biometric"),
    (r"fingerprints?", "user.biometric.fingerprint"),
    (r"voice recordings?|audio recordings?|voice data", "user.biometric.voice"),
    (r"employment (?:history|preferences)|work (?:history|experience)|job (?:search|applications?|preferences)|"
     r"applicants?|r[eé]sum[eé]s?|professional experience|skills and abilities", "user.employment"),
    (r"educational? (?:history|information|background)|information about your education", "user.employment.education"),
    (r"job titles?|job functions?", "user.job_title"),
    (r"precise (?:geo)?locations?|gps|exact locations?", "user.location.precise"),
    (r"(?:approximate|rough|general|coarse) locations?", "user.location.imprecise"),
    (r"(?:geo)?locations?|whereabouts", "user.location"),
    (r"ip address(?:es)?", "user.device.ip_address"),
    (r"cookies?(?! polic)|pixels?|web beacons?", "user.device.cookie"),
    (r"device (?:information|ids?|identifiers?|type|settings|data)|type of device|operating systems?|browser types?|"
     r"network service providers?|mobile carriers?|unique device", "user.device"),
    (r"address books?|(?:your|their|uploaded|phone|device|imported?) contacts", "user.social.contacts"),
    (r"friends? lists?|followers|people you (?:follow|know)|connections?(?= (?:you|list))|social graph", "user.social"),
    (r"e-?mail address(?:es)?", "user.contact.email"),
    (r"(?:phone|telephone|mobile) numbers?", "user.contact.phone_number"),
    (r"(?:street|postal|mailing|billing|home) address(?:es)?", "user.contact.address"),
    (r"contact (?:details|info(?:rmation)?)", "user.contact"),
    (r"credit (?:or debit )?cards?|payment (?:information|cards?|methods?|details)|bank (?:accounts?|details)|billing "
     r"information", "user.payment"),
    (r"purchases?|transactions?|purchase history|what you (?:bought|purchased)", "user.behavior.purchase_history"),
    (r"search (?:history|terms|quer(?:y|ies))|searches", "user.behavior.search_history"),
    (r"browsing (?:history|activity)|pages? (?:you )?visited|web pages? you|sites? you visit(?:ed)?",
     "user.behavior.browsing_history"),
    (r"viewing history|videos? you (?:watch|view)|watch (?:time|history)|listening history",
     "user.behavior.media_consumption"),
    (r"likes|bookmarks|reposts|retweets|reactions|interact(?:ions?|s)? with|engagement|activity on|how you use|"
     r"usage (?:data|information)|your activity|activities|clicks", "user.behavior"),
    (r"government(?:[- ]issued)? (?:ids?|identifications?|identifiers?)|passports?|driver'?s licen[sc]es?|identity "
     r"documents?|submit an id|social security", "user.government_id"),
    (r"dates? of birth|birth ?(?:dates?|days?)", "user.demographic.date_of_birth"),
    (r"age|age (?:range|assurance|verification)", "user.demographic.age_range"),
    (r"genders?", "user.demographic.gender"),
    (r"religio\w*", "user.demographic.religious_belief"),
    (r"political (?:opinions?|beliefs?|views?)", "user.demographic.political_opinion"),
    (r"racial|ethnic\w*|race", "user.demographic.race_ethnicity"),
    (r"sexual orientation", "user.demographic.sexual_orientation"),
    (r"health|medical", "user.health_and_medical"),
    (r"genetics?", "user.health_and_medical.genetic"),
    (r"criminal (?:records?|history|convictions?)", "user.criminal_history"),
    (r"child(?:ren)?'?s? (?:data|information)|data (?:of|about) children|under (?:the age of )?1[3-8]|"
     r"minors?", "user.childrens"),
    (r"photo(?:s|graphs?)?|selfies?|pictures|images of you|cameras?", "user.content.self_image"),
    (r"public(?:ly)?[- ](?:available|shared|accessible)|public (?:posts?|content|data|profiles?)|post(?:s|ed)? "
     r"publicly", "user.content.public"),
    (r"(?:your|user|customer|member|uploaded) (?:content|inputs?|files|materials?|documents|posts)|content (?:you|"
     r"that you|customers|users)(?= )|posts|user[- ]generated|prompts?|recordings?|transcri\w*", "user.content"),
    (r"user ?names?|display names?|account names?", "user.account.username"),
    (r"passwords?", "user.authorization.password"),
    (r"credentials", "user.authorization.credentials"),
    (r"account (?:information|data|details)", "user.account"),
    (r"(?:device|advertising|unique|mobile|hashed|cookie) (?:identifiers?|ids?)|identifiers|hashed versions?",
     "user.unique_id"),
    (r"diagnostics?|telemetry|crash (?:data|reports?)|log (?:data|information)|service generated data|performance "
     r"data", "user.telemetry"),
    (r"financial (?:information|data|accounts?)|incomes?", "user.financial"),
    (r"(?:personal|your|the|any|all|certain|other|user|members?'?) (?:personal )?(?:information|data)|"
     r"information (?:about you|we collect|you provide)", "user"),
)  # fmt: skip
"""What a phrase says of the data; the narrow ones first. A key below one that was found takes its place.

Every phrase is whole words: "incoming" is no income, "measurements" are data and measure nothing.
"""

_TRAIN = (
    r"\btrain(?:s|ed|ing)?\b(?! (?:of )?(?:our |their |the |its |new |all )*"
    r"(?:staff|employees?|personnel|teams?|people|moderators?|agents?|colleagues|contractors?))"
)
"""To train, but not the people who work there."""

PURPOSES = _named(
    (rf"{_TRAIN}[^.;]{{0,60}}\b(?:generative|large language|foundation|frontier)|(?:generative|foundation|frontier|"
     rf"large language)[^.;]{{0,40}}\b(?:models?|ai)\b[^.;]{{0,40}}{_TRAIN}", "train_ai_system.generative"),
    (rf"{_TRAIN}[^.;]{{0,70}}\b(?:models?|ai|artificial intelligence|machine[- ]learning|algorithms?|"
     rf"systems?|technolog\w*)|(?:ai|models?|machine[- ]learning|artificial intelligence)\b[^.;]{{0,60}}{_TRAIN}|"
     r"develop(?:ing)?\b[^.;]{0,30}\bai|ai models?|artificial intelligence models?|machine learning "
     r"models?", "train_ai_system"),
    (r"recommend\w*[^.;]{0,20}\bjobs?|potential jobs", "employment.recommend_jobs"),
    (r"potential employers when you apply|when you apply for", "employment.share_on_application"),
    (r"employers?\b[^.;]{0,20}\b(?:find|search\w*)|potential candidates", "employment.candidate_search"),
    (r"(?:relevant|personali[sz]ed|targeted|interest-based|behaviou?ral|tailored)\b[^.;]{0,20}\b(?:ads?|advert\w*|"
     r"content and ads)|show you ads", "advertising.relevance"),
    (r"advert\w*|ads?|market(?:ing|ers?)?|promot(?:e[sd]?|ing|ions?|ional)", "advertising"),
    (r"verify\b[^.;]{0,20}\b(?:identity|account|age)|identif(?:y you|ication purposes|y users)|age (?:assurance|"
     r"verification)", "security.identification"),
    (r"authenticat\w*|sign(?:ed|ing)?[- ]?in|log(?:ged|ging)?[- ]?in", "security.authentication"),
    (r"fraud\w*|malware|abus\w*|secur(?:e[sd]?|ing|ity)", "security.security"),
    (r"safety|harmful|violat\w*|enforc\w*", "security.safety"),
    (r"third[- ]part(?:y|ies)|partners?|affiliates?|sell(?:s|ing)?|disclos\w*|shar(?:es?|ed|ing) (?:your|with|it|"
     r"this|that|the|them|these|those|such|information)|transfer\w*", "third_party_sharing"),
    (r"research\w*|analytics|analy[sz](?:e[sd]?|ing)|analys[ei]s|(?<!security )(?<!\ba )(?<!any )(?<!this )measure|"
     r"measur(?:ed|ing)|measurement(?: (?:of|services?|providers?|partners?|purposes?))|statistic\w*|insights?", "analyse"),
    (r"(?:improv|provid|operat|personali[sz])(?:e[sd]?|ing)|(?:maintain|develop)(?:s|ed|ing)?", "service.operation"),
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


# --- terms of time ------------------------------------------------------------------------------------------------

_UNIT_DAYS = {"hour": 1 / 24, "day": 1.0, "week": 7.0, "month": 30.4, "year": 365.0}
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_FIGURES = (
    {word: n for n, word in enumerate(_ONES)}
    | {word: 10 * n for n, word in enumerate(_TENS, 2)}
    | {f"{tens}-{_ONES[one]}": 10 * n + one for n, tens in enumerate(_TENS, 2) for one in range(1, 10)}
    | {"a": 1, "an": 1}
)
COUNTING = frozenset(_FIGURES) - {"a", "an", "one"} | {"hundred", "thousand", "million", "dozen", "half", "twice"}
"""Words that are numbers."""
_TERM = re.compile(
    r"\b(\d+|[a-z]+(?:-[a-z]+)?)\)?(?:[ -](?:full|business|calendar|working))?[ -](hour|day|week|month|year)s?\b", re.I
)
SAME_TERM = 0.04
"""Terms are the same where they differ by less than this share: twelve months and a year, a month and thirty days."""


def terms(text: str) -> Iterator[tuple[int, int, float]]:
    """The terms of time in a text: where each begins and ends, and how many days it has, months and years roughly.

    "One year and six months" is one term.
    """
    held: tuple[int, int, float] | None = None
    for start, end, days in _single_terms(text):
        if held is not None and days < held[2] and _JOINT.fullmatch(text[held[1] : start]):
            held = held[0], end, held[2] + days
            continue
        if held is not None:
            yield held
        held = start, end, days
    if held is not None:
        yield held


_JOINT = re.compile(r",? (?:and )?")


def _single_terms(text: str) -> Iterator[tuple[int, int, float]]:
    for found in _TERM.finditer(text.lower()):
        number = int(found[1]) if found[1].isdigit() else _FIGURES.get(found[1])
        if number is not None:
            yield found.start(), found.end(), number * _UNIT_DAYS[found[2]]


def lengths(text: str) -> tuple[float, ...]:
    """How many days the terms of a text have."""
    return tuple(days for _, _, days in terms(text))


def same_length(one: float, other: float) -> bool:
    """Whether two terms are as long as each other, as far as months and years are."""
    return abs(one - other) <= SAME_TERM * max(one, other)


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
