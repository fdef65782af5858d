"""Questions about events."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from random import Random

from gluetune.synthetic.events import Event
from gluetune.synthetic.speaker import Speaker
from gluetune.synthetic.wording import Phrase, Role, Style, Tense, be, clause, punctuate


class Slot(Enum):
    """What is asked for."""

    AGENT = "agent"
    PLACE = "place"
    TIME = "time"

    def answered_by(self, event: Event) -> bool:
        """Whether the event tells it."""
        return getattr(event, self.value) is not None

    def hidden_in(self, event: Event) -> Event:
        """The event without its place or time.

        Raises:
            ValueError: every event has an agent.
        """
        if self is Slot.AGENT:
            raise ValueError("only place and time may be hidden, but got the agent")
        return replace(event, place=None) if self is Slot.PLACE else replace(event, time=None)


_INTERROGATIVE = {Slot.AGENT: ("who",), Slot.PLACE: ("where",), Slot.TIME: ("when",)}


def ask(event: Event, slot: Slot, rng: Random, speaker: Speaker, passive: float = 0.4) -> str:
    """A question about one slot of an event in the past; passive voice at this probability."""
    voice = Style(passive=event.verb.transitive and rng.random() < passive)
    known = event if slot is Slot.AGENT else slot.hidden_in(event)
    phrases = {phrase.role: phrase for phrase in clause(known, speaker, voice)}
    if slot is Slot.AGENT:
        return _ask_agent(phrases, voice)
    return punctuate((*_INTERROGATIVE[slot], *_inverted(event, phrases, voice, speaker)), "?")


def _ask_agent(phrases: dict[Role, Phrase], voice: Style) -> str:
    if not voice.passive:
        kept = [phrase for role, phrase in phrases.items() if role is not Role.SUBJECT]
        return punctuate(("who", *_flat(kept)), "?")
    auxiliary, *rest = phrases[Role.VERB].words
    kept = [phrase for role, phrase in phrases.items() if role not in (Role.SUBJECT, Role.VERB, Role.BY)]
    return punctuate(("by", "whom", auxiliary, *phrases[Role.SUBJECT].words, *rest, *_flat(kept)), "?")


def _inverted(event: Event, phrases: dict[Role, Phrase], voice: Style, speaker: Speaker) -> list[str]:
    subject, verb = phrases[Role.SUBJECT].words, phrases[Role.VERB].words
    others = _flat([phrase for role, phrase in phrases.items() if role not in (Role.SUBJECT, Role.VERB)])
    if voice.passive and event.patient is not None:
        return [be(Tense.PAST, event.patient.many), *subject, *verb[1:], *others]
    said = next(word for word in event.verb.words if event.verb.forms(word).past == verb[0])
    return ["did", *subject, said, *others]


def _flat(phrases: list[Phrase]) -> list[str]:
    return [word for phrase in phrases for word in phrase.words]
