"""From meanings to sentences: word choice, agreement, voice, order.

A clause is a list of phrases rather than a string so that acceptability violations can be made from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from random import Random

from gluetune.synthetic.concepts import Noun, Place, Verb
from gluetune.synthetic.events import Entity, Event
from gluetune.synthetic.speaker import Speaker


class Tense(Enum):
    """Tense of a clause."""

    PAST = "past"
    PRESENT = "present"
    PROGRESSIVE = "progressive"


class Role(Enum):
    """What a phrase does in its clause."""

    SUBJECT = "subject"
    VERB = "verb"
    OBJECT = "object"
    BY = "by"
    PLACE = "place"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that stay together."""

    role: Role
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Style:
    """How a meaning is said.

    Attributes:
        passive: passive voice (for transitive verbs).
        fronted: the time comes first.
        tense: tense of the verb.
    """

    passive: bool = False
    fronted: bool = False
    tense: Tense = Tense.PAST


def any_style(rng: Random, tense: Tense = Tense.PAST, passive: float = 0.4, fronted: float = 0.4) -> Style:
    """Any style of this tense."""
    return Style(rng.random() < passive, rng.random() < fronted, tense)


def clause(event: Event, speaker: Speaker, style: Style = Style()) -> list[Phrase]:
    """Says an event, each concept by any of its words."""
    agent = entity_words(event.agent, speaker)
    patient = None if event.patient is None else entity_words(event.patient, speaker)
    if event.patient is not None and patient is not None and style.passive:
        verb = verb_words(event.verb, speaker, style.tense, event.patient.many, passive=True, negated=event.negated)
        phrases = [Phrase(Role.SUBJECT, patient), Phrase(Role.VERB, verb), Phrase(Role.BY, ("by", *agent))]
    else:
        verb = verb_words(event.verb, speaker, style.tense, event.agent.many, passive=False, negated=event.negated)
        phrases = [Phrase(Role.SUBJECT, agent), Phrase(Role.VERB, verb)]
        phrases += [] if patient is None else [Phrase(Role.OBJECT, patient)]
    phrases += [] if event.place is None else [Phrase(Role.PLACE, place_words(event.place, speaker))]
    if event.time is None:
        return phrases
    when = Phrase(Role.TIME, tuple(speaker.choose(event.time.words).split()))
    return [when, *phrases] if style.fronted else [*phrases, when]


def entity_words(entity: Entity, speaker: Speaker) -> tuple[str, ...]:
    """A noun phrase."""
    quality = () if entity.adjective is None else (speaker.choose(entity.adjective.words),)
    return (entity.determiner, *quality, noun_word(entity.noun, entity.many, speaker))


def noun_word(noun: Noun, many: bool, speaker: Speaker) -> str:
    """One of a noun's words."""
    return noun.form(speaker.choose(noun.words), many)


def place_words(place: Place, speaker: Speaker) -> tuple[str, ...]:
    """A prepositional phrase."""
    return (place.preposition, "the", speaker.choose(place.words))


def verb_words(
    verb: Verb,
    speaker: Speaker,
    tense: Tense,
    many: bool,
    *,
    passive: bool = False,
    negated: bool = False,
) -> tuple[str, ...]:
    """A finite verb with its auxiliaries, agreeing with a subject that is one or ``many``."""
    forms = verb.forms(speaker.choose(verb.words))
    no = ("not",) if negated else ()
    if passive or tense is Tense.PROGRESSIVE:
        rest = (forms.participle,) if passive else (forms.progressive,)
        being = ("being",) if passive and tense is Tense.PROGRESSIVE else ()
        return (be(tense, many), *no, *being, *rest)
    if negated:
        return (do(tense, many), "not", forms.base)
    return (forms.past if tense is Tense.PAST else forms.base if many else forms.third,)


def be(tense: Tense, many: bool) -> str:
    """The auxiliary *be*."""
    if tense is Tense.PAST:
        return "were" if many else "was"
    return "are" if many else "is"


def do(tense: Tense, many: bool) -> str:
    """The auxiliary *do*."""
    if tense is Tense.PAST:
        return "did"
    return "do" if many else "does"


def sentence(phrases: Iterable[Phrase], end: str = ".") -> str:
    """A clause as a sentence."""
    return punctuate((word for phrase in phrases for word in phrase.words), end)


def punctuate(words: Iterable[str], end: str = ".") -> str:
    """Words as a sentence: capital first letter, ``a``/``an``, full stop."""
    spoken = list(words)
    for i, word in enumerate(spoken[:-1]):
        if word in ("a", "an"):
            spoken[i] = "an" if spoken[i + 1][0] in "aeiou" else "a"
    text = " ".join(spoken).replace(" ,", ",")
    return text[0].upper() + text[1:] + end


def say(event: Event, speaker: Speaker, style: Style = Style()) -> str:
    """An event as a sentence."""
    return sentence(clause(event, speaker, style))
