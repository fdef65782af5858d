"""Text formats: from lines to documents of sentences.

``wikitext``: a line is a paragraph and counts as a document; headings (`` = Title = ``) and blank lines are skipped.
Sentences are what stands between `` . ``, as in D2L's ``_read_wiki`` (https://d2l.ai, "The Dataset for Pretraining
BERT"): that full stop is dropped, the paragraph's last one stays, and paragraphs of one sentence are left out. The
text is kept as it is, with the `` @-@ `` and `` @,@ `` of WikiText's tokenisation and the ``<unk>`` of its ``.tokens``.

``sentences``: one sentence per line, a blank line between documents, as BERT's own ``create_pretraining_data.py``.

``paragraphs``: plain prose with a blank line between documents, lines broken anywhere. A sentence ends at ``.``, ``!``
or ``?``, closing quotes and brackets included, where white space and a capital letter, a digit or an opening quote
follow. An abbreviation before a name ("Dr. Grey") ends one too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

_HEADING = re.compile(r"=( =)* .* =( =)*")
_END = re.compile(r"[.!?][\"'”’»)\]]*\s+")
_OPENING = frozenset("\"'“‘«([¿¡")


@dataclass(frozen=True)
class Format:
    """How lines become documents.

    Attributes:
        documents: documents of lines, which have no line ends.
        whole: whether a dataset's row is a text of its own, not one line of a long one.
    """

    documents: Callable[[Iterable[str]], Iterator[list[str]]]
    whole: bool


def _wikitext(lines: Iterable[str]) -> Iterator[list[str]]:
    for line in map(str.strip, lines):
        sentences = [sentence.strip() for sentence in line.split(" . ")]
        if len(sentences) >= 2 and not _HEADING.fullmatch(line):
            yield sentences


def _sentences(lines: Iterable[str]) -> Iterator[list[str]]:
    document: list[str] = []
    for line in map(str.strip, lines):
        if line:
            document.append(line)
        elif document:
            yield document
            document = []
    if document:
        yield document


def _paragraphs(lines: Iterable[str]) -> Iterator[list[str]]:
    for document in _sentences(lines):
        yield list(_cut(" ".join(document)))


def _cut(text: str) -> Iterator[str]:
    begun = 0
    for end in _END.finditer(text):
        following = text[end.end() : end.end() + 1]
        if following.isupper() or following.isdigit() or following in _OPENING:
            yield text[begun : end.end()].strip()
            begun = end.end()
    if begun < len(text):
        yield text[begun:].strip()


FORMATS = {
    "wikitext": Format(_wikitext, whole=False),
    "sentences": Format(_sentences, whole=False),
    "paragraphs": Format(_paragraphs, whole=True),
}
