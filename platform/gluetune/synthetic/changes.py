"""Changes of meaning that keep a sentence plausible; each changes one slot of an event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gluetune.synthetic.lexicon import TIMES, Noun
from gluetune.synthetic.scenes import Participant, Scene, SceneSampler

SceneChange = Callable[[Scene, SceneSampler], Scene | None]
"""Gives the changed event, or ``None`` where it does not apply."""


def other_agent(scene: Scene, sampler: SceneSampler) -> Scene:
    """Somebody else does it."""
    noun = sampler.other_noun(scene.agent.noun, *_nouns(scene))
    return replace(scene, agent=replace(scene.agent, noun=noun))


def other_patient(scene: Scene, sampler: SceneSampler) -> Scene | None:
    """Somebody or something else undergoes it."""
    if scene.patient is None:
        return None
    noun = sampler.other_noun(scene.patient.noun, *_nouns(scene))
    return replace(scene, patient=replace(scene.patient, noun=noun))


def other_verb(scene: Scene, sampler: SceneSampler) -> Scene:
    """Something else is done."""
    return replace(scene, verb=sampler.other_verb(scene.verb))


def other_place(scene: Scene, sampler: SceneSampler) -> Scene | None:
    """It is done elsewhere."""
    if scene.place is None:
        return None
    return replace(scene, place=sampler.rng.choice([place for place in sampler.places() if place != scene.place]))


def other_time(scene: Scene, sampler: SceneSampler) -> Scene | None:
    """It is done at another time."""
    if scene.time is None:
        return None
    return replace(scene, time=sampler.rng.choice([time for time in TIMES if time != scene.time]))


def swap_roles(scene: Scene, sampler: SceneSampler) -> Scene | None:
    """Who did it undergoes it; no word changes."""
    return scene.with_swapped_roles() if scene.patient is not None and scene.verb.reversible else None


def opposite_quality(scene: Scene, sampler: SceneSampler) -> Scene | None:
    """One participant has the opposite quality."""
    return _on_participant(
        scene,
        sampler,
        lambda participant: (
            None if participant.adjective is None else replace(participant, adjective=participant.adjective.opposite())
        ),
    )


def add_quality(scene: Scene, sampler: SceneSampler) -> Scene | None:
    """One participant gets a quality."""
    return _on_participant(
        scene,
        sampler,
        lambda participant: (
            None
            if participant.adjective is not None
            else replace(participant, adjective=sampler.adjective(participant.noun))
        ),
    )


def drop_quality(scene: Scene, sampler: SceneSampler) -> Scene | None:
    """One participant's quality is not told."""
    return _on_participant(
        scene,
        sampler,
        lambda participant: None if participant.adjective is None else replace(participant, adjective=None),
    )


def hypernym(scene: Scene, sampler: SceneSampler) -> Scene | None:
    """One participant is named by its kind."""
    return _on_participant(
        scene,
        sampler,
        lambda participant: (
            None
            if participant.noun == participant.noun.hypernym()
            else replace(participant, noun=participant.noun.hypernym())
        ),
    )


def negate(scene: Scene, sampler: SceneSampler) -> Scene:
    """It did not happen; or it did where it had not."""
    return replace(scene, negated=not scene.negated)


def drop_circumstance(scene: Scene, sampler: SceneSampler) -> Scene | None:
    """Place or time is not told."""
    present = [name for name in ("place", "time") if getattr(scene, name) is not None]
    if not present:
        return None
    return replace(scene, time=None) if sampler.rng.choice(present) == "time" else replace(scene, place=None)


def add_circumstance(scene: Scene, sampler: SceneSampler) -> Scene | None:
    """A place or time is told."""
    absent = [name for name in ("place", "time") if getattr(scene, name) is None]
    if not absent:
        return None
    if sampler.rng.choice(absent) == "time":
        return replace(scene, time=sampler.rng.choice(TIMES))
    return replace(scene, place=sampler.rng.choice(sampler.places()))


def apply_any(scene: Scene, sampler: SceneSampler, changes: list[SceneChange]) -> Scene:
    """Applies one change, tried in random order.

    Raises:
        ValueError: none applies.
    """
    for change in sampler.rng.sample(changes, len(changes)):
        changed = change(scene, sampler)
        if changed is not None:
            return changed
    raise ValueError(f"one of the changes must apply to {scene}, but none of {len(changes)} does")


def _nouns(scene: Scene) -> tuple[Noun, ...]:
    return tuple(participant.noun for participant in (scene.agent, scene.patient) if participant is not None)


def _on_participant(
    scene: Scene, sampler: SceneSampler, alter: Callable[[Participant], Participant | None]
) -> Scene | None:
    agent = alter(scene.agent)
    patient = None if scene.patient is None else alter(scene.patient)
    options = [replace(scene, agent=agent)] if agent is not None else []
    options += [replace(scene, patient=patient)] if patient is not None else []
    return sampler.rng.choice(options) if options else None
