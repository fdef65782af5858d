"""Pronoun resolution (WNLI): the hypothesis puts one of two candidates in the pronoun's place."""

from __future__ import annotations

from collections.abc import Callable

from gluetune.synthetic.concepts import Name
from gluetune.synthetic.events import World
from gluetune.synthetic.lexicon import ADJECTIVES, NAMES, VERBS
from gluetune.synthetic.row import Row
from gluetune.synthetic.wording import punctuate

Schema = Callable[[World], tuple[str, str, str]]
"""Gives the sentence, the hypothesis with the right candidate and the one with the wrong candidate."""


def wnli(world: World) -> Row:
    """A sentence with a pronoun and a resolution of it; half of them are right as in WNLI's training rows."""
    text, right, wrong = world.rng.choice(_SCHEMAS)(world)
    entailed = world.rng.random() < 0.5
    return Row((text, right if entailed else wrong), "entailment" if entailed else "not_entailment")


def explained(world: World) -> list[str]:
    """A sentence with a pronoun, and who was meant."""
    text, right, _ = world.rng.choice(_SCHEMAS)(world)
    return [text, right]


def by_gender(world: World) -> tuple[str, str, str]:
    """``Mary helped John because he was weak.``: only one candidate has the pronoun's gender."""
    one, other = _couple(world)
    referent, rival = world.rng.sample((one, other), 2)
    quality = world.rng.choice(world.rng.choice(ADJECTIVES).words)
    text = ["because", referent.subject_pronoun, "was", quality]
    return (
        punctuate((one.word, _deed(world), other.word, *text)),
        punctuate((referent.word, "was", quality)),
        punctuate((rival.word, "was", quality)),
    )


def by_size(world: World) -> tuple[str, str, str]:
    """``The lamp does not fit into the bag because it is too big.``: what goes in is too big, what holds too small."""
    thing, holder = (
        world.rng.choice(noun.words) for noun in world.rng.sample(world.nouns(frozenset({"object", "vehicle"})), 2)
    )
    big, small = next((quality.words, quality.antonyms) for quality in ADJECTIVES if "big" in quality.words)
    goes_in = world.rng.random() < 0.5
    quality = world.rng.choice(big if goes_in else small)
    referent, rival = (thing, holder) if goes_in else (holder, thing)
    text = ("the", thing, "does", "not", "fit", "into", "the", holder, "because", "it", "is", "too", quality)
    right, wrong = (punctuate(("the", candidate, "is", "too", quality)) for candidate in (referent, rival))
    return punctuate(text), right, wrong


def _couple(world: World) -> tuple[Name, Name]:
    one = world.rng.choice(NAMES)
    return one, world.rng.choice([name for name in NAMES if name.feminine is not one.feminine])


def _deed(world: World) -> str:
    verb = world.rng.choice([verb for verb in VERBS if verb.reversible or verb.patients == frozenset({"person"})])
    return verb.forms(world.rng.choice(verb.words)).past


_SCHEMAS: tuple[Schema, ...] = (by_gender, by_gender, by_size)
