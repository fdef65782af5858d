"""What the generated language speaks of.

A *concept* is one meaning with the words that say it: words of one concept are synonyms, words of two concepts are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gluetune.synthetic.inflection import VerbForms, plural, verb_forms

ANIMATE_KINDS = frozenset({"person", "animal"})


class Domain(Enum):
    """A world with its own nouns and places; the mismatched splits come from `HARBOUR`."""

    TOWN = "town"
    HARBOUR = "harbour"


@dataclass(frozen=True, slots=True)
class Noun:
    """A kind of person, animal or thing.

    Attributes:
        words: synonyms, in the singular.
        kind: the hypernym's word.
        domain: the world it occurs in.
    """

    words: tuple[str, ...]
    kind: str
    domain: Domain

    @property
    def animate(self) -> bool:
        """Whether it can act."""
        return self.kind in ANIMATE_KINDS

    def hypernym(self) -> Noun:
        """The kind itself, as a noun."""
        return Noun((self.kind,), self.kind, self.domain)

    def form(self, word: str, many: bool) -> str:
        """One of its words, singular or plural."""
        return plural(word) if many else word


@dataclass(frozen=True, slots=True)
class Verb:
    """A kind of event.

    Attributes:
        words: synonyms, in the base form.
        patients: kinds of nouns that may undergo it; empty for intransitive verbs.
    """

    words: tuple[str, ...]
    patients: frozenset[str]

    @property
    def transitive(self) -> bool:
        """Whether it needs an object."""
        return bool(self.patients)

    @property
    def reversible(self) -> bool:
        """Whether who does it and who undergoes it may be swapped."""
        return self.patients == ANIMATE_KINDS

    def forms(self, word: str) -> VerbForms:
        """The forms of one of its words."""
        return verb_forms(word)


@dataclass(frozen=True, slots=True)
class Adjective:
    """A quality; ``antonyms`` are the words of the opposite quality."""

    words: tuple[str, ...]
    antonyms: tuple[str, ...]

    def opposite(self) -> Adjective:
        """The opposite quality."""
        return Adjective(self.antonyms, self.words)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something happens; ``words`` are nouns."""

    words: tuple[str, ...]
    preposition: str
    domain: Domain


@dataclass(frozen=True, slots=True)
class Time:
    """When something happens; ``words`` are whole phrases."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Name:
    """A person's name."""

    word: str
    feminine: bool

    @property
    def subject_pronoun(self) -> str:
        """The pronoun as a subject."""
        return "she" if self.feminine else "he"

    @property
    def object_pronoun(self) -> str:
        """The pronoun as an object."""
        return "her" if self.feminine else "him"

    @property
    def reflexive(self) -> str:
        """The reflexive pronoun."""
        return self.object_pronoun + "self"
