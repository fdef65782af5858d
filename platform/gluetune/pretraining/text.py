"""Where the text to pre-train on comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from gluetune.data.hub import load_dataset_split
from gluetune.data.records import detect_non_text_format
from gluetune.errors import DataError, did_you_mean
from gluetune.pretraining.config import TextConfig
from gluetune.pretraining.formats import FORMATS
from gluetune.synthetic import generate_corpus

_SUFFIXES = (".raw", ".tokens", ".txt")


@dataclass(frozen=True)
class Text:
    """Documents as lists of sentences.

    Attributes:
        documents: the text.
        validation: other documents, to evaluate on; ``None`` if some of the text's own are to be held out.
        source: where it comes from, in words.
        synthetic: whether gluetune generated it.
    """

    documents: list[list[str]]
    validation: list[list[str]] | None
    source: str
    synthetic: bool = False

    def fingerprints(self) -> dict[str, str]:
        """The SHA-256 of all sentences in order, of ``train`` and, where it is other text, ``validation``."""
        parts = {"train": self.documents} | ({} if self.validation is None else {"validation": self.validation})
        return {name: _fingerprint(documents) for name, documents in parts.items()}


def _fingerprint(documents: list[list[str]]) -> str:
    digest = hashlib.sha256()
    for document in documents:
        lines = "".join(f"{len(sentence)} {sentence}\n" for sentence in document)
        digest.update(f"{lines}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def read_text(config: TextConfig) -> Text:
    """Reads the text of a job; the same configuration gives the same documents in the same order.

    Raises:
        DataError: a file is missing or not UTF-8, the dataset cannot be loaded, or there is no document in it.
    """
    return _SOURCES[config.source](config)


def _synthetic(config: TextConfig) -> Text:
    return Text(list(islice(generate_corpus(), config.max_documents)), None, "generated text", synthetic=True)


def _files(config: TextConfig) -> Text:
    assert config.path is not None  # by the section's own check
    held_out = _paths(config.validation_path, "text.validation_path") if config.validation_path else []
    apart = {path.resolve() for path in held_out}
    paths = [path for path in _paths(config.path, "text.path") if path.resolve() not in apart]
    documents = _documents((line for path in paths for line in _lines(path)), config, config.path)
    validation = [document for path in held_out for document in FORMATS[config.format].documents(_lines(path))]
    return Text(documents, validation if held_out else None, f"files:{config.path}")


def _hub(config: TextConfig) -> Text:
    place = _place(config, config.split)
    documents = _documents(_rows(config, config.split), config, place)
    if config.validation_split is None:
        return Text(documents, None, place)
    validation = FORMATS[config.format].documents(_rows(config, config.validation_split))
    return Text(documents, list(validation), place)


def _place(config: TextConfig, split: str) -> str:
    return "hub:" + "/".join(part for part in (config.dataset, config.name, split) if part)


_SOURCES: dict[str, Callable[[TextConfig], Text]] = {"synthetic": _synthetic, "files": _files, "hub": _hub}


def _documents(lines: Iterator[str], config: TextConfig, place: str) -> list[list[str]]:
    documents = list(islice(FORMATS[config.format].documents(lines), config.max_documents))
    if not documents:
        raise DataError(f"the text must hold documents, but none is left of it as `format: {config.format}`", place)
    return documents


def _paths(given: str, setting: str) -> list[Path]:
    path = Path(given).expanduser()
    if path.is_file():
        return [path]
    if not path.is_dir():
        near = did_you_mean(path.name, (other.name for other in path.parent.iterdir())) if path.parent.is_dir() else ""
        raise DataError(f"{setting} must be a file or a folder that exists, but got {given!r}{near}")
    found = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES and file.is_file())
    if not found:
        raise DataError(f"{setting} must be a folder with {', '.join('*' + s for s in _SUFFIXES)}, but got {given!r}")
    return found


def _lines(path: Path) -> Iterator[str]:
    """Lines without their ends, and a blank one at the end, so that no document goes on in the next file."""
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
    ends = [""] if FORMATS[config.format].whole else []
    for row in _column(config, split):
        yield from ((row or "").splitlines() or [""]) + ends


def _column(config: TextConfig, split: str) -> Any:
    place = _place(config, split)
    dataset = load_dataset_split(
        str(config.dataset),
        config.name,
        split,
        cache_dir=config.cache_dir,
        place=place,
        hint="without a network, use `text.source: files` or `synthetic`",
    )
    if config.column not in dataset.column_names:
        raise DataError(
            f"the dataset must have the column {config.column!r}, but got "
            f"({', '.join(dataset.column_names)}){did_you_mean(config.column, dataset.column_names)}",
            place,
        )
    return dataset[config.column]
