"""English inflection by rule, with a table of the exceptions that the lexicon needs."""

from __future__ import annotations

from dataclasses import dataclass

_VOWELS = frozenset("aeiou")
_PLURALS = {"child": "children", "person": "people", "thief": "thieves"}
_IRREGULAR = {
    "buy": ("bought", "bought"),
    "hide": ("hid", "hidden"),
    "sleep": ("slept", "slept"),
    "steal": ("stole", "stolen"),
    "take": ("took", "taken"),
    "weep": ("wept", "wept"),
}
_DOUBLED = frozenset({"hug", "nap", "chat", "sob"})


@dataclass(frozen=True, slots=True)
class VerbForms:
    """The five forms of a verb."""

    base: str
    third: str
    past: str
    participle: str
    progressive: str


def plural(noun: str) -> str:
    """The plural of a noun."""
    if noun in _PLURALS:
        return _PLURALS[noun]
    return noun[:-2] + "en" if noun.endswith("man") else _with_s(noun)


def verb_forms(base: str) -> VerbForms:
    """All the forms of a verb."""
    stem = base + base[-1] if base in _DOUBLED else base
    regular = _with_ed(stem)
    past, participle = _IRREGULAR.get(base, (regular, regular))
    silent_e = stem.endswith("e") and not stem.endswith("ee")
    return VerbForms(base, _with_s(base), past, participle, (stem[:-1] if silent_e else stem) + "ing")


def _with_s(word: str) -> str:
    if word.endswith(("s", "x", "ch", "sh", "z")):
        return word + "es"
    return word[:-1] + "ies" if _consonant_y(word) else word + "s"


def _with_ed(stem: str) -> str:
    if stem.endswith("e"):
        return stem + "d"
    return stem[:-1] + "ied" if _consonant_y(stem) else stem + "ed"


def _consonant_y(word: str) -> bool:
    return word.endswith("y") and word[-2] not in _VOWELS
