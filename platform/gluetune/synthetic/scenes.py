"""Meanings of sentences: who did what to whom, where and when."""

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
    """A participant: ``determiner`` + adjective + noun."""

    noun: Noun
    adjective: Adjective | None = None
    plural: bool = False
    determiner: str = "the"


@dataclass(frozen=True, slots=True)
class Scene:
    """One event. ``patient`` is ``None`` for intransitive verbs."""

    agent: Participant
    verb: Verb
    patient: Participant | None = None
    place: Place | None = None
    time: Time | None = None
    negated: bool = False

    def with_swapped_roles(self) -> Scene:
        """The same event with its roles swapped; only for reversible verbs and animate patients."""
        if self.patient is None:
            raise ValueError(f"only a transitive event has roles to swap, but got the verb {self.verb.words}")
        return replace(self, agent=self.patient, patient=self.agent)


@dataclass(frozen=True)
class SceneSampler:
    """Draws events of one domain.

    Attributes:
        rng: the only source of chance.
        domain: which nouns and places occur.
    """

    rng: Random
    domain: Domain = Domain.TOWN

    def nouns(self, kinds: frozenset[str]) -> list[Noun]:
        """The domain's nouns of these kinds."""
        return [noun for noun in NOUNS if noun.domain is self.domain and noun.kind in kinds]

    def places(self) -> list[Place]:
        """The domain's places."""
        return [place for place in PLACES if place.domain is self.domain]

    def adjective(self, noun: Noun) -> Adjective:
        """A quality that such a participant may have."""
        return self.rng.choice(ADJECTIVES if noun.animate else ADJECTIVES_OF_THINGS)

    def participant(self, kinds: frozenset[str], other_than: Noun | None = None, adjective: float = 0.3) -> Participant:
        """A participant of one of these kinds, with an adjective at this probability."""
        noun = self.rng.choice([noun for noun in self.nouns(kinds) if noun != other_than])
        return Participant(
            noun, self.adjective(noun) if self.rng.random() < adjective else None, self.rng.random() < 0.25
        )

    def verb(self, *, reversible: bool | None = None, transitive: bool | None = None) -> Verb:
        """Any verb that is as asked."""
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
        """An event, with place, time and adjectives at these probabilities."""
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
        """Another verb for the same participants."""
        return self.rng.choice([other for other in VERBS if other.patients == verb.patients and other != verb])

    def other_noun(self, noun: Noun, *present: Noun) -> Noun:
        """Another noun of the same kind."""
        kinds = frozenset({noun.kind})
        return self.rng.choice([other for other in self.nouns(kinds) if other != noun and other not in present])


@dataclass(frozen=True, slots=True)
class SyntheticRow:
    """Texts in the order of ``Task.columns`` and the label: a class name, or a number for regression."""

    texts: tuple[str, ...]
    label: str | float


RowGenerator = Callable[[SceneSampler], SyntheticRow]
"""Draws one row of a task."""
