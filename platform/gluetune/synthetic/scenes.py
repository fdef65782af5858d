"""Meanings of sentences: who did what to whom, where and when. A sampler draws them at random."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from gluetune.synthetic.lexicon import (
    ADJECTIVES,
    ADJECTIVES_OF_THINGS,
    NOUNS,
    PLACES,
    TIMES,
    VERBS,
    Adjective,
    Domain,
    Noun,
    Place,
    Time,
    Verb,
)


@dataclass(frozen=True, slots=True)
class Participant:
    """A participant of a scene.

    Attributes:
        noun: the kind of person, animal or thing.
        adjective: a quality, if the sentence names one.
        plural: whether there are several.
        determiner: first word of the noun phrase.
    """

    noun: Noun
    adjective: Adjective | None = None
    plural: bool = False
    determiner: str = "the"


@dataclass(frozen=True, slots=True)
class Scene:
    """The meaning of one clause.

    Attributes:
        agent: the participant that acts.
        verb: the action.
        patient: the participant that is acted upon; ``None`` for intransitive verbs.
        place: where it happens, if the sentence names it.
        time: when it happens, if the sentence names it.
        negated: whether the sentence denies the action.
    """

    agent: Participant
    verb: Verb
    patient: Participant | None = None
    place: Place | None = None
    time: Time | None = None
    negated: bool = False

    def with_swapped_roles(self) -> Scene:
        """Return the scene with agent and patient swapped; meaningful only if the verb is reversible.

        Raises:
            ValueError: the scene has no patient.
        """
        if self.patient is None:
            raise ValueError(f"only a transitive scene has roles to swap, but got the verb {self.verb.words}")
        return replace(self, agent=self.patient, patient=self.agent)


@dataclass(frozen=True)
class SceneSampler:
    """Draws scenes of one domain.

    Attributes:
        rng: the generator that every random number is drawn from.
        domain: the topic whose nouns and places occur.
    """

    rng: Random
    domain: Domain = Domain.TOWN

    def nouns(self, kinds: frozenset[str]) -> list[Noun]:
        """Return the domain's nouns of these kinds."""
        return [noun for noun in NOUNS if noun.domain is self.domain and noun.kind in kinds]

    def places(self) -> list[Place]:
        """Return the domain's places."""
        return [place for place in PLACES if place.domain is self.domain]

    def adjective(self, noun: Noun) -> Adjective:
        """Draw a quality that suits the noun."""
        return self.rng.choice(ADJECTIVES if noun.animate else ADJECTIVES_OF_THINGS)

    def participant(self, kinds: frozenset[str], other_than: Noun | None = None, adjective: float = 0.3) -> Participant:
        """Draw a participant.

        Args:
            kinds: kinds of nouns to draw from.
            other_than: a noun that is not drawn.
            adjective: probability of an adjective.
        """
        noun = self.rng.choice([noun for noun in self.nouns(kinds) if noun != other_than])
        return Participant(
            noun, self.adjective(noun) if self.rng.random() < adjective else None, self.rng.random() < 0.25
        )

    def verb(self, *, reversible: bool | None = None, transitive: bool | None = None) -> Verb:
        """Draw a verb.

        Args:
            reversible: whether subject and object must be swappable; ``None`` for any verb.
            transitive: whether the verb must take an object; ``None`` for any verb.
        """
        return self.rng.choice(
            [verb for verb in VERBS if reversible in (None, verb.reversible) and transitive in (None, verb.transitive)]
        )

    def scene(
        self,
        verb: Verb | None = None,
        *,
        place: float = 0.4,
        time: float = 0.4,
        adjective: float = 0.3,
    ) -> Scene:
        """Draw a scene.

        Args:
            verb: the action; ``None`` draws one.
            place: probability of a place.
            time: probability of a time.
            adjective: probability of an adjective, for each participant.
        """
        verb = verb or self.verb()
        agent = self.participant(frozenset({"person"}) if not verb.reversible else verb.patients, adjective=adjective)
        patient = self.participant(verb.patients, agent.noun, adjective) if verb.transitive else None
        return Scene(
            agent,
            verb,
            patient,
            self.rng.choice(self.places()) if self.rng.random() < place else None,
            self.rng.choice(TIMES) if self.rng.random() < time else None,
        )

    def other_verb(self, verb: Verb) -> Verb:
        """Draw another verb that takes the same kinds of objects."""
        return self.rng.choice([other for other in VERBS if other.patients == verb.patients and other != verb])

    def other_noun(self, noun: Noun, *present: Noun) -> Noun:
        """Draw another noun of the same kind that is not among those ``present``."""
        kinds = frozenset({noun.kind})
        return self.rng.choice([other for other in self.nouns(kinds) if other != noun and other not in present])


@dataclass(frozen=True, slots=True)
class SyntheticRow:
    """One generated row.

    Attributes:
        texts: one text per column, in the order of ``Task.columns``.
        label: name of the class, or the value of a regression.
    """

    texts: tuple[str, ...]
    label: str | float


RowGenerator = Callable[[SceneSampler], SyntheticRow]
"""Draws one row of a task."""
