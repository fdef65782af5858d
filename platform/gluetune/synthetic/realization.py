"""Surface realization: turns scenes into sentences and questions by word choice, agreement, voice and word order.

A clause is a list of phrases and not a string, so that violations of the grammar can be made from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from random import Random

from gluetune.synthetic.lexicon import Noun, Place, Verb
from gluetune.synthetic.scenes import Participant, Scene


class LexicalChooser:
    """Chooses a word for each concept and remembers its choices, to control how far two sentences share words.

    The first choice for a concept is random. A later one is another synonym with probability ``switch_probability``,
    and else the same word.

    Args:
        rng: the generator that every random number is drawn from.
        switch_probability: probability that a concept gets another word than before.
    """

    def __init__(self, rng: Random, switch_probability: float = 0.5) -> None:
        self._rng = rng
        self._switch_probability = switch_probability
        self._previous: dict[tuple[str, ...], str] = {}

    def choose(self, words: Sequence[str]) -> str:
        """Return one of these synonyms.

        Args:
            words: all words of one concept, in any order.
        """
        concept = tuple(sorted(words))
        last = self._previous.get(concept)
        choices = list(concept)
        if last is not None and len(choices) > 1:
            choices = (
                [word for word in choices if word != last] if self._rng.random() < self._switch_probability else [last]
            )
        self._previous[concept] = self._rng.choice(choices)
        return self._previous[concept]


class Tense(Enum):
    """Tense of a clause."""

    PAST = "past"
    PRESENT = "present"
    PROGRESSIVE = "progressive"


class Role(Enum):
    """Grammatical role of a phrase in its clause."""

    SUBJECT = "subject"
    VERB = "verb"
    OBJECT = "object"
    BY = "by"
    PLACE = "place"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that form one constituent of a clause.

    Attributes:
        role: grammatical role in the clause.
        words: the words in order.
    """

    role: Role
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Style:
    """Voice, word order and tense of a sentence.

    Attributes:
        passive: whether a transitive verb is in the passive voice.
        fronted: whether the time comes first.
        tense: tense of the verb.
    """

    passive: bool = False
    fronted: bool = False
    tense: Tense = Tense.PAST


def sample_style(rng: Random, tense: Tense = Tense.PAST, passive: float = 0.4, fronted: float = 0.4) -> Style:
    """Draw a style.

    Args:
        rng: source of random numbers.
        tense: tense of the verb.
        passive: probability of the passive voice.
        fronted: probability that the time comes first.
    """
    return Style(rng.random() < passive, rng.random() < fronted, tense)


def build_clause(scene: Scene, chooser: LexicalChooser, style: Style = Style()) -> list[Phrase]:
    """Return the phrases of a clause that expresses a scene.

    Args:
        scene: the meaning.
        chooser: chooses the words.
        style: voice, word order and tense.
    """
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
    """Return determiner, adjective and noun of a participant."""
    quality = () if participant.adjective is None else (chooser.choose(participant.adjective.words),)
    return (participant.determiner, *quality, noun_form(participant.noun, participant.plural, chooser))


def noun_form(noun: Noun, plural: bool, chooser: LexicalChooser) -> str:
    """Return one of a noun's words in the singular or plural."""
    return noun.form(chooser.choose(noun.words), plural)


def prepositional_phrase(place: Place, chooser: LexicalChooser) -> tuple[str, ...]:
    """Return preposition, article and noun of a place."""
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
    """Return a finite verb with its auxiliaries.

    Args:
        verb: the action.
        chooser: chooses the word.
        tense: tense of the verb.
        plural: whether the subject is plural.
        passive: whether the verb is in the passive voice.
        negated: whether the verb is negated.
    """
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
    """Return the form of the auxiliary *be* that agrees with the subject."""
    if tense is Tense.PAST:
        return "were" if plural else "was"
    return "are" if plural else "is"


def form_of_do(tense: Tense, plural: bool) -> str:
    """Return the form of the auxiliary *do* that agrees with the subject."""
    if tense is Tense.PAST:
        return "did"
    return "do" if plural else "does"


def join_phrases(phrases: Iterable[Phrase], end: str = ".") -> str:
    """Return the phrases of a clause as a sentence that ends with ``end``."""
    return punctuate((word for phrase in phrases for word in phrase.words), end)


def punctuate(words: Iterable[str], end: str = ".") -> str:
    """Return words as a sentence with a capital first letter, the right one of ``a`` and ``an``, and ``end``."""
    corrected = list(words)
    for i, word in enumerate(corrected[:-1]):
        if word in ("a", "an"):
            corrected[i] = "an" if corrected[i + 1][0] in "aeiou" else "a"
    text = " ".join(corrected).replace(" ,", ",")
    return text[0].upper() + text[1:] + end


def render(scene: Scene, chooser: LexicalChooser, style: Style = Style()) -> str:
    """Return a sentence that expresses a scene.

    Args:
        scene: the meaning.
        chooser: chooses the words.
        style: voice, word order and tense.
    """
    return join_phrases(build_clause(scene, chooser, style))


class Slot(Enum):
    """The part of a scene that a question asks for."""

    AGENT = "agent"
    PLACE = "place"
    TIME = "time"

    def answered_by(self, scene: Scene) -> bool:
        """Return whether the scene contains this part."""
        return getattr(scene, self.value) is not None

    def removed_from(self, scene: Scene) -> Scene:
        """Return the scene without this part, which must be place or time.

        Raises:
            ValueError: the part is the agent, which every scene has.
        """
        if self is Slot.AGENT:
            raise ValueError("only place and time can be removed, but got the agent")
        return replace(scene, place=None) if self is Slot.PLACE else replace(scene, time=None)


_INTERROGATIVE = {Slot.AGENT: ("who",), Slot.PLACE: ("where",), Slot.TIME: ("when",)}


def render_question(scene: Scene, slot: Slot, rng: Random, chooser: LexicalChooser, passive: float = 0.4) -> str:
    """Return a question in the past tense about one part of a scene.

    Args:
        scene: the scene that contains the answer.
        slot: the part that the question asks for.
        rng: source of random numbers.
        chooser: chooses the words.
        passive: probability of the passive voice.
    """
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
    base = next(word for word in scene.verb.words if scene.verb.forms(word).past == verb[0])
    return ["did", *subject, base, *others]


def _flat(phrases: list[Phrase]) -> list[str]:
    return [word for phrase in phrases for word in phrase.words]
