"""What kind of sentence a sentence is: a promise, a prohibition, a choice, a grant, or only a statement.

The direction of a change depends on it: a word more in a grant lets more happen, a word more in a promise less. A
frame is found by patterns over the lower-case words, tried in the order of ``FRAMES``; an item of a list is read with
the words that lead into it, and a fragment with its heading. Nothing here is particular to one service.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from aboveboard.comparison.text import ITEM, ROW, Sentence
from aboveboard.wording import choice_words

PROMISE, KEPT, FORBIDDEN, CHOICE, GRANT, STATEMENT = "promise", "duty", "prohibition", "choice", "grant", "statement"

WEIGHT = {PROMISE: -1, KEPT: -1, FORBIDDEN: -1, CHOICE: -1, GRANT: 1, STATEMENT: 0}
"""Whether such a sentence lets more happen to data (1) or less (-1). A prohibition on people narrows what they may do."""

_OPERATE = (
    r"(?:collect|receiv|obtain|gather|record(?!s)|log\b|infer|deriv|us(?:e|es|ing)\b|process|analy[sz]|scan|train|"
    r"review|access|"
    r"shar(?:e|es|ing)\b|disclos|sell|provid(?:e|es|ing) (?:\w+ ){0,5}to\b|transfer|send|sends|transmit|distribut|"
    r"licens|monetiz|"
    r"combin|associat|match|keep|keeps|retain|retention|stor(?:e|es|ing)\b|preserve|track|monitor|personali[sz]|"
    r"tailor|"
    r"compil|read\b|measure|listen|hand (?:\w+ ){0,4}(?:to|over)\b|pass (?:\w+ ){0,4}to\b|give (?:\w+ ){0,4}to\b|"
    r"create derivative|feed|hold on to|note (?:where|when|which|what|how|the)\b|notes (?:where|when|which|what|how|the)\b|"
    r"let (?:\w+ ){1,3}(?:see|read|use|access)\b|publish|display|make (?:\w+ ){0,4}available|share|redistribut|reproduc|"
    r"extract|scrap(?:e|es|ing)\b|ingest|profile you|"
    r"(?:buy|buys|purchase|rent|rents|append|enrich|import|copy|build|create|make|place|set|draw) "
    r"(?:(?!sure|no\b|not\b)\w+ ){0,4}?(?:information|data|profiles?|inferences|conclusions|automated decisions|cookies|posts|"
    r"messages|photos|contacts|mailing lists?)\b)"
)
_PEOPLE_SUBJECT = (
    r"(?:you|users?|customers?|members?|developers?|end users?|visitors?|people|the public|licensees?|anyone)"
)
_NOT = (
    r"(?:do not|does not|don't|doesn't|will not|won't|would not|wouldn't|never|are not|is not|aren't|isn't|"
    r"shall not|may not|cannot|can't|can not|did not|have not|has not)"
)
_HARMS = (
    r"(?:collect|receive|gather|record|use|used|process|scan|train|read|access|share|shared|disclose|disclosed|"
    r"sell|sold|"
    r"provide|provided|transfer|send|rent|trade|license|monetize|combine|retain|retained|store|stored|keep|kept|"
    r"track|monitor|"
    r"listen|discriminate|contact|identify|reveal|make|made|knowingly|allow|permit|request|require|charge|advertise|"
    r"hand|handed|give|given|pass|passed|lend|lent|feed|fed|let|send|sent|show|shown|release|released|publish|published|"
    r"profile|analy[sz]e|inspect|trained|processed|collected|accessed|rented|traded|revealed|combined|transferred|mine|"
    r"associate[d]?|link|linked|connect|match|matched|merge[d]?|join|engage in|reduce|weaken|diminish|penali[sz]e|retaliate|"
    r"intercept|scrape|export|upload|publici[sz]e|commerciali[sz]e)"
)
_DATA = (
    r"(?:information|data|content|recordings?|messages?|photos?|posts|identifiers?|materials?|input|prompts?|records|logs|"
    r"copies|transactions|conversations|files|documents|metadata)"
)
_PROTECTS = (
    r"(?:delet\w+|eras(?:e|es|ed|ing)|anonymi[sz]\w+|de-?identif\w+|encrypt\w*|notif\w+|inform|tell you|let you know|"
    r"ask (?:for )?(?:your|you)|seek your|obtain your|honou?r\w*|respond|restrict|limit)"
)
_KEEPS_NOT = (
    rf"\b(?:no longer|not|never|cannot|stop(?:ped)?|ceased?(?: to)?)(?! only\b| just\b)(?: be| been| \w+ly)? {_PROTECTS}\b|"
    rf"n't(?: be| been| \w+ly)? {_PROTECTS}\b"
)
"""What protects people and is denied: nothing that is promised."""
_LEADS_OFF = (
    r"(?<!how )(?<!what )(?<!which )(?<!why )(?<!whether )(?<!ways )(?<!when )(?<!where )(?<!data "
    r")(?<!information )(?<!content )(?<!that )(?<!if )"
)
_POINTS = (
    r"^(?:(?:you can |to )?(?:learn|find out|read|know) more about|(?:for )?more (?:information|details) (?:about|on)|"
    r"see our \w+)\b[^.;,]*\.?$"
)
"""A sentence that only says where more can be read."""
_NOT_TOLD = "".join(
    f"(?<!{word} )"
    for word in ("contact", "reach", "write to", "e-mail", "email", "tell", "inform", "notify", "call", "ask")
)
"""Before an "us" that does nothing: whoever is to "contact us using this form"."""
_ADVERBS = (
    r"(?:(?:may|might|will|can|could|would|shall|also|sometimes|often|then|now|already|still|further|instead|even|\w+ly|"
    r"always|only|,|either|both|and|or|our \w+|do|use it to|need to|have to|(?:be )?(?:required|obliged) to|"
    r"(?:have |has )?(?:begun?|began|start(?:ed)?|plan|intend|continued?) to|from now on|"
    r"(?:including|and) \w+,?) ){0,6}"
)


@dataclass(frozen=True, slots=True)
class Frame:
    """A kind of sentence: words that make it one, and words that keep it from being one.

    Of a promise only those words are passed over and the rest is read, because a sentence may go on: "we will not
    sell your letters for any reason, including, but not limited to, our own debts".
    """

    name: str
    pattern: re.Pattern[str]
    unless: re.Pattern[str] | None = None

    def at(self, low: str) -> int | None:
        """Where in lower-case words it is found, or None."""
        if self.unless is not None and self.name == PROMISE:
            low = self.unless.sub(lambda found: "\0" * len(found[0]), low)
        elif self.unless is not None and self.unless.search(low):
            return None
        said = (found.start() for found in self.pattern.finditer(low))
        return next((at for at in said if self.name != PROMISE or not _SUPPOSED.search(low[:at])), None)


_SUPPOSED = re.compile(r"\b(?:if|when|whether|unless|where)\b(?:(?!\bwe\b)[^,.;:])*$")
"""What is only supposed is no promise: "if the form is not provided", but "where we can, we do not share"."""


def _frame(name: str, pattern: str, unless: str = "") -> Frame:
    return Frame(name, re.compile(pattern), re.compile(unless) if unless else None)


FRAMES: tuple[Frame, ...] = (
    _frame(
        FORBIDDEN,
        rf"\b{_PEOPLE_SUBJECT}(?: hereby)? (?:\w+ ){{0,2}}?(?:may not|must not|shall not|cannot|can not|can't|"
        rf"agree not to|agree to not|"
        r"are not (?:allowed|permitted|entitled)|is not (?:allowed|permitted)|do not have (?:a|the|any) right|"
        r"will not (?:and|attempt|be able))|"
        r"\bwaiv(?:e|es|ing)\b|\bprohibit(?:ed|s)\b|\bis (?:forbidden|banned)\b|\bnot permitted\b|\bno (?:right|"
        r"refunds?)\b|\bpermanently banned\b",
        r"\b(?:need|have|required) to\b|\bwhether you\b",
    ),
    _frame(
        PROMISE,
        rf"(?<!you )(?<!your )(?<!if )(?<!that )(?<!which )(?<!who )\b{_NOT} "
        rf"(?:(?:\w+|,) ){{0,3}}?{_HARMS}\b|\bno longer (?:collect|use|share|"
        rf"sell|keep|store|retain)|"
        rf"\b(?:we|us|they) (?:\w+ )?(?:share|sell|hand|give|pass|collect|keep|store|use|disclose|read) (?:no|none)\b|"
        rf"\b(?:under no circumstances?|at no time|in no case)\b(?! (?:will|shall|may|can) you\b)[^.;]{{0,40}}\b{_HARMS}\b|"
        rf"\b(?:promise|pledge|undertake|commit|committed|refuse)(?: \w+)? (?:not to|never to)(?: \w+)? {_HARMS}\b|"
        r"\bwe refuse to (?:sell|share|hand|give|disclose|train)\b|"
        r"\b(?:nobody|no one|no (?:third part(?:y|ies)|advertisers?|partners?|compan(?:y|ies)|employees?|staff))\b[^.;]{0,30}"
        r"\b(?:gets?|sees?|reads?|receives?|learns?|obtains?|has access|have access)\b|"
        r"\byour (?:\w+ ){1,3}(?:stays?|remains?) (?:private|confidential|with us)\b|"
        rf"\bneither\b[^.;]{{0,60}}\bnor\b[^.;]{{0,40}}\b{_HARMS}\b|"
        rf"\bno (?:sale|sharing) of\b|\bwithout (?:your )?(?:selling|sharing)\b|\bnot (?:from|by) (?:selling|"
        rf"sharing|monetizing)",
        rf"\b{_PEOPLE_SUBJECT} (?:\w+ )?{_NOT}|\b(?:cannot|can't|can not|does not|do not) (?:\w+ )?(?:guarantee|"
        rf"require|control|own|apply|affect|allow)|"
        r"\bnot (?:designed|intended|meant|necessarily)\b|\bdo not track\b|"
        r"\b(?:do|does|will) not (?:\w+ly )?(?:support|respond|react|honou?r|recogni[sz]e)\b|"
        r"\bnot (?:require|need|apply|limited|request|responsible)|\bif (?:we|you) (?:do not|don't)|\bcannot "
        r"provide|\bcan not provide|\bunable\b|"
        r"\bmay not (?:reflect|be able|work|monitor|review|control|endorse|verify)|"
        r"\bno longer (?:use|access) (?:the|our) service",
    ),
    _frame(
        KEPT,
        r"\b(?:we|our \w+|[a-z]+) (?:will|shall|always|must|would|commit to|promise to|undertake to|endeavou?r "
        r"to)(?: \w+){0,2}? "
        r"(?:notify|inform|tell you|let you know|respond|delete|erase|anonymi[sz]e|de-?identify|obtain (?:your |"
        r"any )?(?:\w+ )?consent|"
        r"ask (?:for )?(?:your )?(?:consent|permission|you)|seek your|get your consent|provide (?:\w+ "
        r"){0,3}notice|disclose that to you|"
        r"encrypt|honou?r|stop (?:collecting|using|processing)|only (?:use|share|process|collect|retain|keep))\b|"
        r"\bwe (?:\w+ )?(?:use|apply) (?:\w+ ){0,3}(?:encryption|pseudonyms|safeguards)\b|"
        r"\bwe (?:adhere to|are committed to|restrict|limit|de-?identify|anonymi[sz]e|encrypt|require (?:our|"
        r"these|such|them|all))\b|"
        r"\b(?:is|are|be|automatically) deleted (?:after|within)\b|\b(?:retain|keep|stor)\w*\b[^.;]{0,160}\b(?:no "
        r"longer than|no more than|not longer than|at most|a maximum of)\b|"
        r"\b(?:delete|erase|anonymi[sz]e|de-?identify)\b[^.;]{0,50}\b(?:within|after) (?:\w+ )?(?:\d+|\w+) "
        r"(?:hours?|days?|weeks?|months?|years?)\b|"
        r"\bwe (?:\w+ )?ask (?:for )?(?:you|your)\b[^.;]{0,30}\b(?:before|first|permission|consent)\b|"
        r"\bwe (?:\w+ )?(?:seek|aim|strive|try|work|take (?:\w+ )?(?:steps|measures|care)) to (?:\w+ )?(?:require|ensure|"
        r"make sure|limit|restrict|minimi[sz]e|remove|delete|erase|anonymi[sz]e|de-?identify|encrypt|obtain)\b|"
        r"\bwe (?:\w+ ){0,5}only (?:if|with|when|after|where|as long as)\b|"
        r"\b(?:delete|erase|destroy|remove|purge)\b[^.;]{0,60}\b(?:\d+|\w+) (?:hours?|days?|weeks?|months?|"
        r"years?) after\b",
        rf"\bwhether we|\bhow we|{_KEEPS_NOT}",
    ),
    _frame(
        GRANT,
        r"\byou (?:hereby |also |expressly )*(?:agree to )?(?:give us (?:\w+ ){0,3}licen[sc]e|"
        r"grant|consent to|authori[sz]e|agree that "
        r"(?!english)|agree to (?:grant|our)|acknowledge and agree|unconditionally)|"
        r"\bby (?:using|accessing|submitting|posting)[^.;]{0,60}you (?:\w+ )?(?:grant|consent|agree|authori[sz]e|"
        r"are giving)",
        r"\byou agree (?:that you|that your (?:use|access)|to be|to these|to comply|to (?:the|our) (?:\w+ )?(?:terms|agreement))",
    ),
    _frame(
        GRANT,
        rf"{_LEADS_OFF}\b(?:we|{_NOT_TOLD}us|our (?:\w+ ){{0,2}}(?:partners|affiliates|providers|vendors)|they|others|"
        rf"advertisers|affiliates|partners|third parties|"
        rf"(?:data )?brokers|insurers|retailers|governments|employees|staff|moderators|contractors|"
        rf"developers|employers|@name)(?: and (?:our )?\w+(?: \w+)?)?,? (?:including \w+,? )?{_ADVERBS}(?:\w+ "
        rf"(?:and|or),? )?{_OPERATE}",
        rf"\bhow we|\bwhy we|\bwhat we collect$|{_POINTS}",
    ),
    _frame(
        GRANT,
        r"\b(?:partners|affiliates|brokers|advertisers|insurers|employers|retailers|governments|employees|staff|third parties)"
        r"(?: \w+ly| also| now| then| may| will| can)? (?:gets?|sees?)(?! in touch\b| started\b) (?:\w+ ){0,2}"
        r"(?:access|your|what you|information|data|posts|messages)\b",
        r"\bhow\b|\bnot\b|\bwhether\b",
    ),
    _frame(
        GRANT,
        rf"\breserves? the right(?: \w+){{0,3}}? to (?:\w+ (?:and|or) )?{_OPERATE}",
    ),
    _frame(
        GRANT,
        r"\b(?:recipients?|collaborators?|companies|parties|partners?|providers?|vendors?|users|sellers?|employers?|"
        r"employees|staff|moderators|contractors|suppliers)"
        rf"(?: (?!not|who|that)\w+){{0,4}}? (?:may|will|can|might)(?: also| then)? {_OPERATE}",
        r"\bhow (?:they|these)|\byou (?:may|can)\b.{0,40}\bparties",
    ),
    _frame(
        GRANT,
        rf"\b{_DATA}(?: (?!not)\w+){{0,8}} (?:may|will|can|might|is|are)(?: also)?(?: be)? (?:\w+ )?(?:used|shared|"
        rf"disclosed|collected|sold|transferred|processed|"
        r"stored|retained|kept|sent|combined|made available|viewable|visible|available to|read|scanned|reviewed|analy[sz]ed|"
        r"monitored|accessed|recorded|listened to|public by default)\b|"
        rf"\b{_DATA}(?: (?!not|how|never)\w+){{0,4}} (?:may |will |can )?(?:help |also )?trains? "
        r"(?:our\b|the\b|their\b|its\b|(?:\w+ ){0,2}models?\b)|"
        r"\bcookies (?:may |will |can )?(?:are|be) (?:placed|set|used)\b|"
        r"\byour (?:\w+ ){1,3}(?:may|will|can|might|is|are)(?: also)?(?: be)? (?:used|shared|disclosed|sold|fed|handed|given|"
        r"passed|forwarded|released|transmitted|published|kept|stored|"
        r"retained|collected|processed)\b|\w (?:is|are) (?:kept|stored|retained) (?:for|until|up to)\b|"
        rf"\busing (?:\w+ ){{0,3}}{_DATA} to\b|\b(?:may|can|will|might) include (?:information|data)\b",
        r"\bhow (?:your|the)|\bwhether\b",
    ),
)  # fmt: skip
"""In order of precedence, except that a choice comes before a grant where "you can" comes before "we may"."""

_RIGHT = re.compile(
    r"(?<!if )(?<!when )(?<!unless )\byou (?:also |always |still |then )?(?:can|may|could|are (?:free|able|"
    r"entitled) to|have (?:the|a) (?:right|choice|option|ability))"
    r"[^.;]{0,60}?\b(?:request|ask|access|correct|delete|erase|remove|export|download|object|opt|limit|control|"
    r"withdraw|disable|decide|choose|turn|restrict|port|"
    r"switch|stop|refuse|decline|reject|pause|unsubscribe|appeal|contest|challenge|complain|lodge|file a complaint|"
    r"have [^.;]{1,40}(?:deleted|erased|removed|corrected|restricted))\b|"
    r"\b(?:tell|write to|email|contact|let) us\b[^.;]{0,30}\bif you (?:do not want|don't want|object|would rather not)\b|"
    r""
    r"\bright (?:to|of) (?:\w+ )?(?:eras|access|object|know|delet|correct|rectif|data portability|portability|"
    r"restrict|limit|withdraw|be forgotten|request|lodge|complain|appeal|not (?:to )?be|opt)|"
    r"\bwe (?:also |still )?(?:give|offer|provide) you (?:with )?(?:\w+ ){0,3}?(?:choices?|options?|controls?|(?:ability|right|"
    r"possibility) to)\b|"
    r"^(?:switch|turn) (?:\w+ ){0,3}off\b|^opt out\b|"
    r"^(?:withdraw|opt|delete|access|export|correct|object|restrict)\b[^.]{0,50}(?:consent|out|data|information|"
    r"account)"
)
_ABOUT_DATA = re.compile(
    r"collect|\bus(?:e|es|ed|ing)\b|process|shar|disclos|sell|sale|train|track|personali|advertis|\bads\b|cookie|"
    r"\bdata\b|"
    r"information|recommend|\bwe (?:will |then )?stop\b|delet|eras|opt[- ]|consent|object|content|unsubscribe|marketing|"
    r"\bwe (?:also |still )?(?:give|offer|provide) you\b|supervisory authorit|data protection"
)
_OWN_AFFAIR = re.compile(r"\b(?:manage|adjust|change|update|edit)\b[^.;]{0,30}\b(?:settings|preferences|profile)\b")
_REACHES_US = re.compile(r"\b(?:collect|share|use|used|sell|train|process|delete|erase|withdraw|object|opt)\b")
"""What makes a sentence about settings one about what the service does with data."""
_CONTEXT = (
    (
        GRANT,
        re.compile(
            r"\b(?:we|we may|we also|we can|we'll) (?:\w+ ){0,4}?(?:collect|use|share|disclose|receive|process|"
            r"keep|retain|infer|obtain)|how (?:do )?we use|what (?:\w+ ){0,4}collect|how (?:\w+ ){0,3}(?:share|"
            r"disclos)|(?:information|data) (?:that )?(?:we|you) (?:collect|receive|provide|give)|why (?:and how "
            r")?we|purposes"
        ),
    ),
)


LONGEST = 1200
"""Characters of a sentence that decide what kind it is; what comes later is a list."""


@lru_cache(maxsize=1 << 14)
def frame_of(words: str, context: str = "") -> str:
    """The frame of a sentence; ``context`` leads into it and decides where the words alone say nothing."""
    low = words.lower()[:LONGEST]
    found = _by_words(low)
    if found != STATEMENT or not context:
        return found
    lead = context.lower()[:LONGEST]
    before = _by_words(lead)
    if before in (FORBIDDEN, PROMISE, KEPT) and lead.endswith(":"):
        return before
    if before == GRANT or any(pattern.search(lead) for _, pattern in _CONTEXT):
        return GRANT
    return STATEMENT


def _by_words(low: str) -> str:
    right, choice = _right_at(low), _names_choice(low)
    for frame in FRAMES:
        at = frame.at(low)
        if at is not None:
            return CHOICE if frame.name == GRANT and right is not None and right <= at else frame.name
    return CHOICE if right is not None or choice else STATEMENT


_SUBORDINATE = re.compile(r"^(?:unless|if|when|once|until|even if|where|with|without|based on|subject to)\b")
_DEPENDS = re.compile(r"\b(?:depending|depends?|based|subject|according)\s*$")


def _right_at(low: str) -> int | None:
    """Where a sentence says what people can do about their data, or None."""
    found = _RIGHT.search(low)
    return found.start() if found is not None and _is_about_data(low) else None


_ENTITLED = re.compile(
    r"\b(?:you|your \w+|residents|consumers|customers|members|visitors|users|people|individuals|parents|guardians)\b[^.;:]{0,80}?"
    r"\b(?:have|has|retain|enjoy|get|given|granted|afforded) (?:\w+ ){0,3}?(?:rights?|choices?|options?)\b|"
    r"\b(?:you|residents|consumers|customers|members|users) (?:\w+ ){0,2}?(?:are|is|be) entitled to\b|"
    r"\byou (?:\w+ )?(?:can|may|could) (?:\w+ )?(?:appeal|challenge|contest|dispute|complain|object|lodge|"
    r"(?:submit|file|make|raise) (?:a|your|any) (?:\w+ )?(?:complaint|claim|appeal|concern|objection))\b|"
    r"\byour (?:\w+ )?rights? (?:to|of|under)\b|\byour choice whether\b|^right (?:to|of)\b"
)
_WARRANTED = re.compile(
    r"\b(?:represent|warrant|ensure|confirm|make sure|acknowledge|agree|need|must|not|unless|whether)\b[^.;]*$"
)


def right(words: str) -> str:
    """The words that name a right or a choice of people, whatever it is about; nothing where there are none.

    What people have to make sure of is no right: "you warrant that you have the right to upload it".
    """
    low = words.lower()[:LONGEST]
    found = _ENTITLED.search(low)
    return found[0] if found is not None and not _WARRANTED.search(low[: found.end()]) else ""


_DENIAL = re.compile(
    r"\b(?:we|nobody|no one)(?: \w+){0,2}? (?:(?:do|does|will|would|shall) not|don't|doesn't|won't|never|can not|cannot|"
    r"no longer|(?:have )?(?:stopped|ceased))"
    r"(?: \w+ly| ever)? (?!(?:and|or|be (?:able|liable|responsible|held)|guarantee|warrant|promise|control|own|endorse|accept|"
    r"assume|offer|resolve|enforce|operate|require|need|have|make (?:any |no )?(?:representations?|warrant)|insist|fail|mean|"
    r"create|verify|monitor|apply|provide|know|undertake|represent|support|respond|react|recogni[sz]e|resolve)\b)[a-z]+"
)
_NOT_SAID = re.compile(
    r"\b(?:if|when|where|because|since|although|that|which|who|whether|ways|until|unless|case|while)\b[^.;,]*$"
)


def denial(words: str) -> str:
    """What the service says that it does not do, in whatever words; nothing where it says no such thing."""
    low = words.lower()[:LONGEST]
    found = _DENIAL.search(low)
    return found[0] if found is not None and not _NOT_SAID.search(low[: found.start()]) else ""


def _names_choice(low: str) -> bool:
    """Whether a sentence names a choice about data in passing. A condition of something else is no choice."""
    words = (choice_words(low) or "").strip()
    before = low[: max(0, low.find(words))]
    return bool(words) and not _SUBORDINATE.match(words) and not _DEPENDS.search(before) and _is_about_data(low)


def _is_about_data(low: str) -> bool:
    """Whether it is about data at all, and not only about one's own settings and pages."""
    own = _OWN_AFFAIR.search(low) and not _REACHES_US.search(low)
    return _ABOUT_DATA.search(low) is not None and not own


def frame(sentence: Sentence, names: Iterable[str] = ()) -> str:
    """The frame of a sentence where it stands. ``names`` are what the service calls itself: it speaks as "we"."""
    words = as_we(sentence.text, names)
    listed = sentence.kind in (ITEM, ROW)  # a whole sentence speaks for itself, an entry of a list under its heading
    context = sentence.lead or (" ".join(sentence.path[-1:]) if listed else "")
    return frame_of(words, "" if sentence.kind == "heading" else context)


def as_we(words: str, names: Iterable[str]) -> str:
    """The words with "we" for what the service calls itself."""
    for name in names:
        words = re.sub(rf"\b{re.escape(name)}\b(?!'s)", "we", words)
    return words
