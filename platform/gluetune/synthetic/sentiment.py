"""Opinions (SST-2): negation flips, intensifiers do not, and the main or last clause of a contrast decides."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from gluetune.synthetic.events import World
from gluetune.synthetic.lexicon import ASPECTS, INTENSIFIERS, PRAISE, SCORN
from gluetune.synthetic.row import Row
from gluetune.synthetic.wording import punctuate

Frame = Callable[[Random, bool], list[str]]


def sst2(world: World) -> Row:
    """An opinion; 55% are positive as in SST-2 (Socher et al. 2013)."""
    positive = world.rng.random() < 0.55
    return Row((opinion(world.rng, positive),), "positive" if positive else "negative")


def opinion(rng: Random, positive: bool) -> str:
    """A sentence that praises or not."""
    return punctuate(rng.choice(_FRAMES)(rng, positive))


def _judgement(rng: Random, positive: bool) -> list[str]:
    """``is (very) good``, or its negated opposite."""
    negated = rng.random() < 0.3
    quality = rng.choice(PRAISE if positive is not negated else SCORN)
    strong = [rng.choice(INTENSIFIERS)] if rng.random() < 0.4 else []
    return ["is", *([rng.choice(("not", "never"))] if negated else []), *strong, quality]


def _plain(rng: Random, positive: bool) -> list[str]:
    return ["the", rng.choice(ASPECTS), *_judgement(rng, positive)]


def _contrast(rng: Random, positive: bool) -> list[str]:
    first, second = rng.sample(ASPECTS, 2)
    return ["the", first, *_judgement(rng, not positive), "but", "the", second, *_judgement(rng, positive)]


def _concession(rng: Random, positive: bool) -> list[str]:
    first, second = rng.sample(ASPECTS, 2)
    return ["although", "the", first, *_judgement(rng, not positive), ",", "the", second, *_judgement(rng, positive)]


def _agreement(rng: Random, positive: bool) -> list[str]:
    first, second = rng.sample(ASPECTS, 2)
    return ["the", first, *_judgement(rng, positive), "and", "the", second, *_judgement(rng, positive)]


def _verdict(rng: Random, positive: bool) -> list[str]:
    caller, same = rng.choice((("nobody", False), ("everybody", True)))
    quality = rng.choice(PRAISE if positive is same else SCORN)
    return [caller, "would", "call", "the", rng.choice(ASPECTS), quality]


def _doubt(rng: Random, positive: bool) -> list[str]:
    return ["I", "do", "not", "think", "that", *rng.choice((_plain, _contrast))(rng, not positive)]


def _exception(rng: Random, positive: bool) -> list[str]:
    """The other way round than a contrast: the first clause decides, since the second only excepts."""
    first, second = rng.sample(ASPECTS, 2)
    return ["the", first, *_judgement(rng, positive), "even", "if", "the", second, *_judgement(rng, not positive)]


_FRAMES: tuple[Frame, ...] = (
    _plain,
    _plain,
    _plain,
    _agreement,
    _agreement,
    _contrast,
    _concession,
    _exception,
    _verdict,
    _doubt,
)
