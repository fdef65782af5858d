"""From meanings to sentences: word choice, agreement, voice, order.

A clause is a list of phrases rather than a string so that acceptability violations can be made from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from random import Random

from gluetune.synthetic.lexicon import Noun, Place, Verb
from gluetune.synthetic.scenes import Participant, Scene


class LexicalChooser:
    """Chooses one of a concept's words.

    A concept said before is said by another of its words with probability ``renewal``, else by the same one.

    Args:
        rng: the only source of chance.
        renewal: probability of another word.
    """

    def __init__(self, rng: Random, switch_probability: float = 0.5) -> None:
        self._rng = rng
        self._switch_probability = switch_probability
        self._said: dict[tuple[str, ...], str] = {}

    def choose(self, words: Sequence[str]) -> str:
        """One of these synonyms."""
        concept = tuple(sorted(words))
        last = self._said.get(concept)
        choices = list(concept)
        if last is not None and len(choices) > 1:
            choices = (
                [word for word in choices if word != last] if self._rng.random() < self._switch_probability else [last]
            )
        self._said[concept] = self._rng.choice(choices)
        return self._said[concept]


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


def sample_style(rng: Random, tense: Tense = Tense.PAST, passive: float = 0.4, fronted: float = 0.4) -> Style:
    """Any style of this tense."""
    return Style(rng.random() < passive, rng.random() < fronted, tense)


def build_clause(scene: Scene, chooser: LexicalChooser, style: Style = Style()) -> list[Phrase]:
    """Says an event, each concept by any of its words."""
    agent = noun_phrase(scene.agent, chooser)
    patient = None if scene.patient is None else noun_phrase(scene.patient, chooser)
    if scene.patient is not None and patient is not None and style.passive:
        verb = verb_phrase(scene.verb, chooser, style.tense, scene.patient.plural, passive=True, negated=scene.negated)
        phrases = [Phrase(Role.SUBJECT, patient), Phrase(Role.VERB, verb), Phrase(Role.BY, ("by", *agent))]
    else:
        verb = verb_phrase(scene.verb, chooser, style.tense, scene.agent.plural, passive=False, negated=scene.negated)
        phrases = [Phrase(Role.SUBJECT, agent), Phrase(Role.VERB, verb)]
        phrases += [] if patient is None else [Phrase(Role.OBJECT, patient)]
    phrases += [] if scene.place is None else [Phrase(Role.PLACE, prepositional_phrase(scene.place, chooser))]
    if scene.time is None:
        return phrases
    when = Phrase(Role.TIME, tuple(chooser.choose(scene.time.words).split()))
    return [when, *phrases] if style.fronted else [*phrases, when]


def noun_phrase(participant: Participant, chooser: LexicalChooser) -> tuple[str, ...]:
    """A noun phrase."""
    quality = () if participant.adjective is None else (chooser.choose(participant.adjective.words),)
    return (participant.determiner, *quality, noun_form(participant.noun, participant.plural, chooser))


def noun_form(noun: Noun, plural: bool, chooser: LexicalChooser) -> str:
    """One of a noun's words."""
    return noun.form(chooser.choose(noun.words), plural)


def prepositional_phrase(place: Place, chooser: LexicalChooser) -> tuple[str, ...]:
    """A prepositional phrase."""
    return (place.preposition, "the", chooser.choose(place.words))


def verb_phrase(
    verb: Verb,
    chooser: LexicalChooser,
    tense: Tense,
    plural: bool,
    *,
    passive: bool = False,
    negated: bool = False,
) -> tuple[str, ...]:
    """A finite verb with its auxiliaries, agreeing with a subject that is one or ``many``."""
    forms = verb.forms(chooser.choose(verb.words))
    no = ("not",) if negated else ()
    if passive or tense is Tense.PROGRESSIVE:
        rest = (forms.participle,) if passive else (forms.progressive,)
        being = ("being",) if passive and tense is Tense.PROGRESSIVE else ()
        return (form_of_be(tense, plural), *no, *being, *rest)
    if negated:
        return (form_of_do(tense, plural), "not", forms.base)
    return (forms.past if tense is Tense.PAST else forms.base if plural else forms.third,)


def form_of_be(tense: Tense, plural: bool) -> str:
    """The auxiliary *be*."""
    if tense is Tense.PAST:
        return "were" if plural else "was"
    return "are" if plural else "is"


def form_of_do(tense: Tense, plural: bool) -> str:
    """The auxiliary *do*."""
    if tense is Tense.PAST:
        return "did"
    return "do" if plural else "does"


def join_phrases(phrases: Iterable[Phrase], end: str = ".") -> str:
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


def render(scene: Scene, chooser: LexicalChooser, style: Style = Style()) -> str:
    """An event as a sentence."""
    return join_phrases(build_clause(scene, chooser, style))


class Slot(Enum):
    """What is asked for."""

    AGENT = "agent"
    PLACE = "place"
    TIME = "time"

    def answered_by(self, scene: Scene) -> bool:
        """Whether the event tells it."""
        return getattr(scene, self.value) is not None

    def removed_from(self, scene: Scene) -> Scene:
        """The event without its place or time.

        Raises:
            ValueError: every event has an agent.
        """
        if self is Slot.AGENT:
            raise ValueError("only place and time may be hidden, but got the agent")
        return replace(scene, place=None) if self is Slot.PLACE else replace(scene, time=None)


_INTERROGATIVE = {Slot.AGENT: ("who",), Slot.PLACE: ("where",), Slot.TIME: ("when",)}


def render_question(scene: Scene, slot: Slot, rng: Random, chooser: LexicalChooser, passive: float = 0.4) -> str:
    """A question about one slot of an event in the past; passive voice at this probability."""
    voice = Style(passive=scene.verb.transitive and rng.random() < passive)
    known = scene if slot is Slot.AGENT else slot.removed_from(scene)
    phrases = {phrase.role: phrase for phrase in build_clause(known, chooser, voice)}
    if slot is Slot.AGENT:
        return _agent_question(phrases, voice)
    return punctuate((*_INTERROGATIVE[slot], *_inverted(scene, phrases, voice, chooser)), "?")


def _agent_question(phrases: dict[Role, Phrase], voice: Style) -> str:
    if not voice.passive:
        kept = [phrase for role, phrase in phrases.items() if role is not Role.SUBJECT]
        return punctuate(("who", *_flat(kept)), "?")
    auxiliary, *rest = phrases[Role.VERB].words
    kept = [phrase for role, phrase in phrases.items() if role not in (Role.SUBJECT, Role.VERB, Role.BY)]
    return punctuate(("by", "whom", auxiliary, *phrases[Role.SUBJECT].words, *rest, *_flat(kept)), "?")


def _inverted(scene: Scene, phrases: dict[Role, Phrase], voice: Style, chooser: LexicalChooser) -> list[str]:
    subject, verb = phrases[Role.SUBJECT].words, phrases[Role.VERB].words
    others = _flat([phrase for role, phrase in phrases.items() if role not in (Role.SUBJECT, Role.VERB)])
    if voice.passive and scene.patient is not None:
        return [form_of_be(Tense.PAST, scene.patient.plural), *subject, *verb[1:], *others]
    said = next(word for word in scene.verb.words if scene.verb.forms(word).past == verb[0])
    return ["did", *subject, said, *others]


def _flat(phrases: list[Phrase]) -> list[str]:
    return [word for phrase in phrases for word in phrase.words]
