"""The words of the generated language, written ``word/synonym``, one concept after another."""

from __future__ import annotations

from gluetune.synthetic.concepts import ANIMATE_KINDS, Adjective, Domain, Name, Noun, Place, Time, Verb

_NOUNS = {
    (Domain.TOWN, "person"): "chef/cook doctor/physician lawyer/attorney boss/manager thief/robber child/kid",
    (Domain.TOWN, "animal"): "dog/hound cat/kitten rabbit/bunny",
    (Domain.TOWN, "vehicle"): "car/automobile truck/lorry",
    (Domain.TOWN, "object"): "picture/painting lamp/lantern bag/sack",
    (Domain.HARBOUR, "person"): "sailor/seaman captain/skipper pirate/smuggler tourist/traveler guard/sentry",
    (Domain.HARBOUR, "animal"): "turtle/tortoise gull/seabird crab/lobster",
    (Domain.HARBOUR, "vehicle"): "ship/vessel boat/canoe",
    (Domain.HARBOUR, "object"): "flag/banner map/chart box/crate",
}
_VERBS = {
    ANIMATE_KINDS: "help/assist follow/trail watch/observe scare/frighten push/shove rescue/save hug/embrace",
    frozenset({"person"}): "greet/welcome blame/accuse",
    frozenset({"vehicle", "object"}): "buy/purchase fix/repair hide/conceal steal/take",
    frozenset[str](): "sleep/nap laugh/giggle weep/sob talk/chat",
}
_QUALITIES_OF_THINGS = {"big/large": "small/little", "cheap/inexpensive": "expensive/costly"}
_QUALITIES = {
    "big/large": "small/little",
    "old/elderly": "young/youthful",
    "happy/glad": "sad/unhappy",
    "rich/wealthy": "poor/needy",
    "strong/powerful": "weak/feeble",
    "loud/noisy": "quiet/silent",
}
_PLACES = {
    (Domain.TOWN, "in"): "kitchen garden/yard street/road office/study",
    (Domain.TOWN, "at"): "market/bazaar station",
    (Domain.HARBOUR, "on"): "beach/shore island/isle",
    (Domain.HARBOUR, "in"): "cave/cavern harbor/port",
}
_FEMININE = "Mary Anna Susan Laura Emma Julia"
_MASCULINE = "John Peter Tom David Paul Mark"


def _concepts(table: str) -> list[tuple[str, ...]]:
    return [tuple(entry.split("/")) for entry in table.split()]


def _qualities(table: dict[str, str]) -> tuple[Adjective, ...]:
    pairs = [(tuple(one.split("/")), tuple(other.split("/"))) for one, other in table.items()]
    return tuple(Adjective(*sides) for pair in pairs for sides in (pair, pair[::-1]))


NOUNS = tuple(Noun(words, kind, domain) for (domain, kind), table in _NOUNS.items() for words in _concepts(table))
VERBS = tuple(Verb(words, patients) for patients, table in _VERBS.items() for words in _concepts(table))
ADJECTIVES = _qualities(_QUALITIES)
ADJECTIVES_OF_THINGS = _qualities(_QUALITIES_OF_THINGS)
PLACES = tuple(
    Place(words, preposition, domain) for (domain, preposition), table in _PLACES.items() for words in _concepts(table)
)
TIMES = tuple(
    Time((words,))
    for words in (
        "on Monday",
        "on Tuesday",
        "on Friday",
        "on Sunday",
        "at noon",
        "at night",
        "in the morning",
        "in the evening",
    )
)
NAMES = tuple(
    Name(word, feminine) for feminine, table in ((True, _FEMININE), (False, _MASCULINE)) for word in table.split()
)

PRAISE = ("good", "great", "wonderful", "brilliant", "charming", "moving", "funny", "lovely", "excellent", "delightful")
SCORN = ("bad", "awful", "terrible", "dull", "boring", "clumsy", "tedious", "horrible", "dreadful", "annoying")
ASPECTS = ("film", "movie", "story", "plot", "music", "acting", "ending", "script", "cast", "dialogue", "song", "show")
INTENSIFIERS = ("very", "really", "truly", "quite")
