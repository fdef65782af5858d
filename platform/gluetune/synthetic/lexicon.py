"""The words of the generated language: inflection by rule, concepts, and the tables of nouns, verbs and adjectives.

A *concept* is one meaning together with the words that express it. The words of one concept are synonyms; no word
belongs to two concepts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

ANIMATE_KINDS = frozenset({"person", "animal"})
_VOWELS = frozenset("aeiou")
_PLURALS = {"child": "children", "person": "people", "thief": "thieves"}
_IRREGULAR = {
    "buy": ("bought", "bought"),
    "hide": ("hid", "hidden"),
    "sleep": ("slept", "slept"),
    "steal": ("stole", "stolen"),
    "take": ("took", "taken"),
    "weep": ("wept", "wept"),
}
_DOUBLED = frozenset({"hug", "nap", "chat", "sob"})


@dataclass(frozen=True, slots=True)
class VerbForms:
    """The five forms of an English verb."""

    base: str
    third: str
    past: str
    participle: str
    progressive: str


def pluralize(noun: str) -> str:
    """Return the plural of a noun."""
    if noun in _PLURALS:
        return _PLURALS[noun]
    return noun[:-2] + "en" if noun.endswith("man") else _with_s(noun)


def verb_forms(base: str) -> VerbForms:
    """Return all forms of the verb with this base form."""
    stem = base + base[-1] if base in _DOUBLED else base
    regular = _with_ed(stem)
    past, participle = _IRREGULAR.get(base, (regular, regular))
    silent_e = stem.endswith("e") and not stem.endswith("ee")
    return VerbForms(base, _with_s(base), past, participle, (stem[:-1] if silent_e else stem) + "ing")


def _with_s(word: str) -> str:
    if word.endswith(("s", "x", "ch", "sh", "z")):
        return word + "es"
    return word[:-1] + "ies" if _consonant_y(word) else word + "s"


def _with_ed(stem: str) -> str:
    if stem.endswith("e"):
        return stem + "d"
    return stem[:-1] + "ied" if _consonant_y(stem) else stem + "ed"


def _consonant_y(word: str) -> bool:
    return word.endswith("y") and word[-2] not in _VOWELS


class Domain(Enum):
    """A topic with its own nouns and places; MNLI's mismatched splits are generated from `HARBOUR`."""

    TOWN = "town"
    HARBOUR = "harbour"


@dataclass(frozen=True, slots=True)
class Noun:
    """A kind of person, animal or thing.

    Attributes:
        words: synonyms, in the singular.
        kind: word for the hypernym, such as ``animal``.
        domain: the topic that it occurs in.
    """

    words: tuple[str, ...]
    kind: str
    domain: Domain

    @property
    def animate(self) -> bool:
        """Whether the noun can be the agent of a verb."""
        return self.kind in ANIMATE_KINDS

    def hypernym(self) -> Noun:
        """Return the noun for the kind, such as ``animal`` for ``dog``."""
        return Noun((self.kind,), self.kind, self.domain)

    def form(self, word: str, plural: bool) -> str:
        """Return one of the noun's words in the singular or plural."""
        return pluralize(word) if plural else word


@dataclass(frozen=True, slots=True)
class Verb:
    """A kind of action.

    Attributes:
        words: synonyms, in the base form.
        patients: kinds of nouns that can be its object; empty for intransitive verbs.
    """

    words: tuple[str, ...]
    patients: frozenset[str]

    @property
    def transitive(self) -> bool:
        """Whether the verb takes an object."""
        return bool(self.patients)

    @property
    def reversible(self) -> bool:
        """Whether subject and object can be swapped."""
        return self.patients == ANIMATE_KINDS

    def forms(self, word: str) -> VerbForms:
        """Return the forms of one of the verb's words."""
        return verb_forms(word)


@dataclass(frozen=True, slots=True)
class Adjective:
    """A quality.

    Attributes:
        words: synonyms.
        antonyms: the words of the opposite quality.
    """

    words: tuple[str, ...]
    antonyms: tuple[str, ...]

    def opposite(self) -> Adjective:
        """Return the opposite quality."""
        return Adjective(self.antonyms, self.words)


@dataclass(frozen=True, slots=True)
class Place:
    """A place where something happens.

    Attributes:
        words: synonyms, as nouns.
        preposition: stands before the noun.
        domain: the topic that it occurs in.
    """

    words: tuple[str, ...]
    preposition: str
    domain: Domain


@dataclass(frozen=True, slots=True)
class Time:
    """A time at which something happens; ``words`` are whole phrases such as ``on Monday``."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Name:
    """A person's first name."""

    word: str
    feminine: bool

    @property
    def subject_pronoun(self) -> str:
        """The pronoun in subject position: ``she`` or ``he``."""
        return "she" if self.feminine else "he"

    @property
    def object_pronoun(self) -> str:
        """The pronoun in object position: ``her`` or ``him``."""
        return "her" if self.feminine else "him"

    @property
    def reflexive(self) -> str:
        """The reflexive pronoun: ``herself`` or ``himself``."""
        return self.object_pronoun + "self"


# Written as ``word/synonym``, one concept after another.
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
    opposites = [(tuple(one.split("/")), tuple(other.split("/"))) for one, other in table.items()]
    return tuple(Adjective(*words) for pair in opposites for words in (pair, pair[::-1]))


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
