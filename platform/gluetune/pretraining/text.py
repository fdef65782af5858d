"""The text to pre-train on: where it is read from, and how its lines become documents of sentences.

The formats of a text are:

- ``wikitext``: a line is a paragraph and becomes a document. Headings (`` = Title = ``), blank lines and paragraphs of
  one sentence are skipped. Sentences are separated by `` . ``, as in D2L's ``_read_wiki`` (https://d2l.ai, "The Dataset
  for Pretraining BERT"): the separating full stop is dropped, the one at the end of the paragraph is kept. The text
  itself is not changed: `` @-@ `` and `` @,@ `` of WikiText's tokenisation and ``<unk>`` of its ``.tokens`` stay.
- ``sentences``: one sentence per line, and a blank line between documents, as BERT's ``create_pretraining_data.py``
  reads them.
- ``paragraphs``: prose with a blank line between documents and any line breaks. A sentence ends at ``.``, ``!`` or
  ``?`` and the quotes and brackets that close there, if white space and then a capital letter, a digit or a quote or
  bracket that opens follow. So an abbreviation before a name ("Dr. Grey") ends a sentence too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from gluetune.data.hub import load_dataset_split
from gluetune.data.records import detect_non_text_format
from gluetune.errors import DataError, did_you_mean
from gluetune.pretraining.config import TextConfig
from gluetune.synthetic import generate_corpus

_SUFFIXES = (".raw", ".tokens", ".txt")
_HEADING = re.compile(r"=( =)* .* =( =)*")
_SENTENCE_END = re.compile(r"[.!?][\"'”’»)\]]*\s+")
_OPENING_MARKS = frozenset("\"'“‘«([¿¡")


@dataclass(frozen=True)
class Text:
    """Documents as lists of sentences.

    Attributes:
        documents: documents to train on.
        validation: documents to evaluate on; ``None`` if some of ``documents`` are to be held out.
        source: description of where the text comes from.
        synthetic: whether gluetune generated the text.
    """

    documents: list[list[str]]
    validation: list[list[str]] | None
    source: str
    synthetic: bool = False

    def fingerprints(self) -> dict[str, str]:
        """SHA-256 of all sentences in order, by ``train`` and, if there are validation documents, ``validation``."""
        parts = {"train": self.documents} | ({} if self.validation is None else {"validation": self.validation})
        return {name: _fingerprint(documents) for name, documents in parts.items()}


def _fingerprint(documents: list[list[str]]) -> str:
    digest = hashlib.sha256()
    for document in documents:
        lines = "".join(f"{len(sentence)} {sentence}\n" for sentence in document)
        digest.update(f"{lines}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def read_text(config: TextConfig) -> Text:
    """Read the text of a job; the same configuration gives the same documents in the same order.

    Raises:
        DataError: a file is missing or not UTF-8, the dataset cannot be loaded, or it holds no document.
    """
    return _SOURCES[config.source](config)


def _synthetic(config: TextConfig) -> Text:
    return Text(list(islice(generate_corpus(), config.max_documents)), None, "generated text", synthetic=True)


def _files(config: TextConfig) -> Text:
    assert config.path is not None  # validated by TextConfig
    validation_paths = _paths(config.validation_path, "text.validation_path") if config.validation_path else []
    excluded = {path.resolve() for path in validation_paths}
    paths = [path for path in _paths(config.path, "text.path") if path.resolve() not in excluded]
    documents = _documents((line for path in paths for line in _lines(path)), config, config.path)
    validation = [document for path in validation_paths for document in _FORMATS[config.format](_lines(path))]
    return Text(documents, validation if validation_paths else None, f"files:{config.path}")


def _hub(config: TextConfig) -> Text:
    source = _hub_source(config, config.split)
    documents = _documents(_rows(config, config.split), config, source)
    if config.validation_split is None:
        return Text(documents, None, source)
    validation = _FORMATS[config.format](_rows(config, config.validation_split))
    return Text(documents, list(validation), source)


def _hub_source(config: TextConfig, split: str) -> str:
    return "hub:" + "/".join(part for part in (config.dataset, config.name, split) if part)


_SOURCES: dict[str, Callable[[TextConfig], Text]] = {"synthetic": _synthetic, "files": _files, "hub": _hub}


def _documents(lines: Iterator[str], config: TextConfig, source: str) -> list[list[str]]:
    documents = list(islice(_FORMATS[config.format](lines), config.max_documents))
    if not documents:
        raise DataError(f"the text must hold documents, but none is left of it as `format: {config.format}`", source)
    return documents


def _paths(name: str, setting: str) -> list[Path]:
    path = Path(name).expanduser()
    if path.is_file():
        return [path]
    if not path.is_dir():
        near = did_you_mean(path.name, (other.name for other in path.parent.iterdir())) if path.parent.is_dir() else ""
        raise DataError(f"{setting} must be a file or a folder that exists, but got {name!r}{near}")
    files = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES and file.is_file())
    if not files:
        raise DataError(f"{setting} must be a folder with {', '.join('*' + s for s in _SUFFIXES)}, but got {name!r}")
    return files


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file without line ends, then a blank line, so that no document spans two files."""
    try:
        opened = path.open("rb")
    except OSError as error:
        raise DataError(f"the file must be readable, but got {error.strerror}", path) from error
    with opened as file:
        if kind := detect_non_text_format(file.peek()):
            raise DataError(f"must be UTF-8 text, but is {kind}", path)
        for number, line in enumerate(file, 1):
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"must be UTF-8 text, but byte 0x{line[error.start]:02x} is not", path, number
                ) from error
    yield ""


def _rows(config: TextConfig, split: str) -> Iterator[str]:
    """Yield the lines of a dataset's rows; for prose, each row is followed by a blank line: it is a text by itself."""
    ends = [""] if config.format == "paragraphs" else []
    for row in _column(config, split):
        yield from ((row or "").splitlines() or [""]) + ends


def _column(config: TextConfig, split: str) -> Any:
    source = _hub_source(config, split)
    dataset = load_dataset_split(
        str(config.dataset),
        config.name,
        split,
        cache_dir=config.cache_dir,
        place=source,
        hint="without a network, use `text.source: files` or `synthetic`",
    )
    if config.column not in dataset.column_names:
        raise DataError(
            f"the dataset must have the column {config.column!r}, but got "
            f"({', '.join(dataset.column_names)}){did_you_mean(config.column, dataset.column_names)}",
            source,
        )
    return dataset[config.column]


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
        yield list(_split_sentences(" ".join(document)))


def _split_sentences(text: str) -> Iterator[str]:
    start = 0
    for end in _SENTENCE_END.finditer(text):
        following = text[end.end() : end.end() + 1]
        if following.isupper() or following.isdigit() or following in _OPENING_MARKS:
            yield text[start : end.end()].strip()
            start = end.end()
    if start < len(text):
        yield text[start:].strip()


_FORMATS: dict[str, Callable[[Iterable[str]], Iterator[list[str]]]] = {
    "wikitext": _wikitext,
    "sentences": _sentences,
    "paragraphs": _paragraphs,
}
"""Functions by ``text.format``, from lines to documents of sentences."""
