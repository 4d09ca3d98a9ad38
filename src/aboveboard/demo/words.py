"""What birdsite's members write: one small grammar a language, all of it about birds, and invented handles.

A sentence is the language's frame with a phrase in each slot, so every combination is grammatical. None of it
was ever posted by anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

Grammar = Mapping[str, tuple[str, ...]]

GRAMMARS: Mapping[str, Grammar] = {
    "en": {
        "frame": ("{when} {bird} {deed} {where}.", "Update: {bird} {deed} {where}. {when}, of all times."),
        "when": (
            "This morning", "At lunch", "Just now", "On my way home", "Before sunrise", "During the meeting",
        ),
        "bird": (
            "a wren", "the harbour gull", "a very small owl", "an indignant heron", "one robin",
            "a committee of rooks", "the neighbour's jackdaw", "a puffin on holiday", "a swift",
            "somebody's homing pigeon",
        ),
        "deed": (
            "took the last biscuit", "sang the ringtone of my old phone", "inspected my bicycle",
            "won the staring match", "asked for a refund", "moved into the letter box",
            "slept through the ferry", "corrected my whistling",
        ),
        "where": (
            "by the lighthouse", "on the bakery roof", "behind the library", "at platform 2",
            "in the wet grass", "on top of the weathercock", "beside the pond", "outside the town hall",
        ),
        "close": (
            "That makes {n} this week.", "I counted {n} witnesses.", "My notebook is now at page {n}.",
            "Rated {n} out of 10.", "Day {n} of the standoff.", "It took {n} seconds, I was not ready.",
        ),
    },
    "de": {
        "frame": ("{when} hat {bird} {where} {deed}.",),
        "when": (
            "Heute früh", "Gerade eben", "In der Mittagspause", "Auf dem Heimweg", "Kurz vor Sonnenaufgang",
        ),
        "bird": (
            "ein Eisvogel", "eine Amsel", "der Storch vom Rathaus", "ein Zaunkönig", "eine Dohle",
            "ein Kranich",
        ),
        "deed": (
            "meinen Keks gestohlen", "den Wecker nachgemacht", "das Fahrrad geprüft", "die Sitzung eröffnet",
            "ein Nest aus Fahrkarten gebaut", "sehr streng geschaut",
        ),
        "where": (
            "am Hafen", "hinter der Bücherei", "auf dem Kirchturm", "an der Haltestelle", "im nassen Gras",
        ),
        "close": (
            "Das war Nummer {n} in dieser Woche.", "Seite {n} im Notizbuch.",
            "{n} Zeugen, keiner sagt etwas.",
        ),
    },
    "fr": {
        "frame": ("{when}, {bird} {deed} {where}.",),
        "when": ("Ce matin", "À midi", "Tout à l'heure", "Avant l'aube", "En rentrant"),
        "bird": (
            "un héron", "une mésange", "le goéland du port", "un rouge-gorge", "une chouette", "un moineau",
        ),
        "deed": (
            "a volé mon croissant", "a présidé la réunion", "a imité la sonnette",
            "a gagné le concours de silence", "a vérifié mon vélo", "a demandé l'addition",
        ),
        "where": (
            "près du phare", "sur le toit de la boulangerie", "derrière la mairie", "au bord de l'étang",
        ),
        "close": ("C'est le numéro {n} cette semaine.", "Page {n} de mon carnet.", "Note : {n} sur 10."),
    },
    "pt": {
        "frame": ("{when} {bird} {deed} {where}.",),
        "when": (
            "Hoje cedo", "Agora há pouco", "Na hora do almoço", "Antes do sol nascer", "Voltando para casa",
        ),
        "bird": ("um tucano", "um bem-te-vi", "a coruja da praça", "um beija-flor", "o sabiá do vizinho"),
        "deed": (
            "roubou meu pão de queijo", "imitou o despertador", "abriu a reunião", "conferiu a bicicleta",
            "ganhou o concurso de silêncio", "pediu a conta",
        ),
        "where": ("perto do farol", "no telhado da padaria", "atrás da biblioteca", "na beira do lago"),
        "close": ("É o número {n} da semana.", "Página {n} do caderno.", "Nota {n} de 10."),
    },
    "es": {
        "frame": ("{when} {bird} {deed} {where}.",),
        "when": ("Esta mañana", "Hace un momento", "A mediodía", "Antes del amanecer"),
        "bird": (
            "un colibrí", "la lechuza del parque", "un correcaminos", "un gorrión", "la garza del puente",
        ),
        "deed": (
            "se llevó mi galleta", "presidió la reunión", "imitó el timbre", "revisó mi bicicleta",
            "pidió la cuenta",
        ),
        "where": (
            "junto al faro", "en el tejado de la panadería", "detrás de la biblioteca",
            "a la orilla del estanque",
        ),
        "close": ("Ya van {n} esta semana.", "Página {n} del cuaderno.", "Le doy {n} de 10."),
    },
    "ga": {
        "frame": ("Bhí {bird} {deed} {where} {when}.",),
        "when": ("ar maidin", "inné", "tráthnóna inniu"),
        "bird": ("spideog", "dreoilín", "faoileán", "corr réisc", "préachán"),
        "deed": ("ag canadh", "ag goid brioscaí", "ag léamh na nuachta", "ag damhsa"),
        "where": ("in aice leis an gcuan", "sa ghairdín", "ar an díon", "faoin droichead"),
        "close": ("Leathanach {n} i mo leabhar nótaí.", "Uimhir {n} an tseachtain seo."),
    },
    "ja": {
        "frame": ("{when}、{where}で{bird}が{deed}。",),
        "when": ("今朝", "さっき", "お昼休みに", "日の出前", "帰り道"),
        "bird": ("スズメ", "カワセミ", "大きなサギ", "シマエナガ", "フクロウの先生", "カラスの会議"),
        "deed": (
            "おにぎりを見つめていた", "目覚まし時計のまねをした", "自転車を点検した", "会議を始めた",
            "傘の上で寝ていた",
        ),
        "where": ("灯台のそば", "パン屋の屋根", "図書館の裏", "池のほとり", "駅のホーム"),
        "close": ("今週{n}羽目。", "ノートの{n}ページ目。", "{n}点満点です。"),
    },
    "zh": {
        "frame": ("{when}，{bird}在{where}{deed}。",),
        "when": ("今天早上", "刚才", "午休时", "日出之前"),
        "bird": ("一只麻雀", "一只翠鸟", "邻居家的八哥", "一只白鹭", "一只小猫头鹰"),
        "deed": ("偷走了我的饼干", "学会了我的铃声", "检查了我的自行车", "主持了会议"),
        "where": ("灯塔旁边", "面包店的屋顶上", "图书馆后面", "池塘边"),
        "close": ("这是本周第{n}只。", "笔记写到第{n}页。"),
    },
    "ko": {
        "frame": ("{when} {where}에서 {bird}가 {deed}.",),
        "when": ("오늘 아침", "방금", "점심시간에", "해 뜨기 전에"),
        "bird": ("까치", "참새", "제비", "오리", "백로"),
        "deed": ("내 과자를 가져갔다", "회의를 시작했다", "자전거를 살펴봤다", "휘파람을 고쳐 줬다"),
        "where": ("등대 옆", "빵집 지붕", "도서관 뒤", "연못가"),
        "close": ("이번 주 {n}번째.", "수첩 {n}쪽."),
    },
    "ar": {
        "frame": ("{when} رأيتُ {bird} {deed} {where}.",),
        "when": ("هذا الصباح", "قبل قليل", "عند الظهر", "قبل الشروق"),
        "bird": ("نورسًا", "لقلقًا", "هدهدًا", "بلبلًا", "عصفورًا صغيرًا"),
        "deed": ("يسرق خبزي", "يقلّد رنين هاتفي", "يفحص دراجتي", "يترأس الاجتماع"),
        "where": ("قرب المنارة", "فوق سطح المخبز", "خلف المكتبة", "على ضفة البركة"),
        "close": ("هذا رقم {n} هذا الأسبوع.", "الصفحة {n} من دفتري."),
    },
}  # fmt: skip

EMOJI = ("🐦", "🪶", "🐤", "🦉", "🦜", "🐦‍⬛", "🦆", "🦢", "☕", "🌧️", "👩🏽‍🔬", "✨")
"""Some are several code points long: spans that count anything else go wrong on them."""

ADJECTIVES = (
    "amber", "brisk", "cloudy", "dapper", "early", "faraway", "gentle", "hungry", "idle", "jolly", "keen",
    "lofty", "mossy", "nimble", "orderly", "patient", "quiet", "rainy", "sleepy", "tidal",
)  # fmt: skip
NOUNS = (
    "auk", "bittern", "crane", "dunnock", "egret", "finch", "gannet", "heron", "ibis", "jay", "kite",
    "linnet", "merlin", "nuthatch", "ouzel", "plover", "quail", "rook", "siskin", "tern",
)  # fmt: skip
EMPLOYERS = (
    "Puddle & Reed Ferries", "Cuttlebone Bakery", "Nine Bridges Library", "Lantern Rope Works",
    "Tidemark Surveys",
)  # fmt: skip
TITLES = (
    "deck hand", "night baker", "map librarian", "rope tester", "tide clerk", "bird counter",
    "keeper of ladders",
)  # fmt: skip
SITES = ("reedbed-times.example", "tidepool.example", "the-daily-feather.example", "nest-maps.example")
SCENES = (
    "a heron on one leg", "gulls above the ferry", "an empty nest box", "rain on the pond",
    "a very round robin",
)  # fmt: skip
PORTRAITS = ("me at the lighthouse", "the two of us counting swifts", "our club after the long walk")
CHAIN_LETTER = "Pass this on if a gull has ever looked at your chips as if it had paid for them itself."
"""Goes round word for word: long enough that a no of whoever wrote it first could be followed to the copies."""
SMALL_TALK = "Good morning, birds!"
"""Too short to be anybody's: a no of one writer must not silence everyone who says it."""


def sentence(rng: Random, language: str) -> str:
    """Two sentences, now and then with an emoji. The number makes it rare that two members say the same."""
    grammar = GRAMMARS[language]
    phrases = {slot: rng.choice(grammar[slot]) for slot in _slots(grammar)}
    text = rng.choice(grammar["frame"]).format(**phrases)
    text += _between(language) + rng.choice(grammar["close"]).format(n=rng.randint(2, 97))
    return text[:1].upper() + text[1:] + (" " + rng.choice(EMOJI) if rng.random() < 0.3 else "")


def handles(rng: Random, count: int) -> list[str]:
    """So many different handles, none of which is anybody's name."""
    pairs = [f"{adjective}_{noun}" for adjective in ADJECTIVES for noun in NOUNS]
    return rng.sample(pairs, count)


def _between(language: str) -> str:
    """What stands between two sentences: Chinese and Japanese put no space there."""
    return "" if language in ("ja", "zh") else " "


def _slots(grammar: Grammar) -> tuple[str, ...]:
    return tuple(slot for slot in grammar if slot not in ("frame", "close"))
