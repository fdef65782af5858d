"""Prepares the data of a pre-training job once, on the driver: tokenizer and tokenised text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from transformers import PreTrainedTokenizerBase

from gluetune.config import ModelConfig
from gluetune.errors import DataError, ModelError
from gluetune.models import load_tokenizer
from gluetune.pretraining.config import PretrainJob
from gluetune.pretraining.corpus import Corpus, first_sentence_ids, tokenize_documents
from gluetune.pretraining.text import Text, read_text
from gluetune.pretraining.tokenizer import TokenIds, train_tokenizer


@dataclass(frozen=True)
class PretrainingData:
    """Tokenised text of a job; Ray's object store shares its arrays without copies.

    Attributes:
        train: text to train on.
        held_out: text to evaluate on.
        tokens: ids of the tokenizer.
        source: description of where the text comes from.
        synthetic: whether gluetune generated the text.
        fingerprints: SHA-256 of the text by ``train`` and, if it was read separately, ``validation``.
    """

    train: Corpus
    held_out: Corpus
    tokens: TokenIds
    source: str
    synthetic: bool = False
    fingerprints: Mapping[str, str] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, Corpus]:
        """The text by ``train`` and ``validation``."""
        return {"train": self.train, "validation": self.held_out}


def prepare_job(
    job: PretrainJob,
    progress: Callable[[str], None] = lambda line: None,
) -> tuple[PretrainingData, PreTrainedTokenizerBase]:
    """Read the text of a job, train or load the tokenizer, and tokenise the text.

    Args:
        job: the job.
        progress: receives a line before each step that takes time.

    Returns:
        The tokenised text, and the tokenizer.

    Raises:
        DataError: a file or dataset cannot be read, or the text has too few documents.
        ModelError: the tokenizer cannot be used.
    """
    places = {"files": job.text.path, "hub": job.text.dataset, "synthetic": "the generated text"}
    progress(f"reading {places[job.text.source]}")
    return prepare_text(read_text(job.text), job, progress)


def prepare_text(
    text: Text,
    job: PretrainJob,
    progress: Callable[[str], None] = lambda line: None,
) -> tuple[PretrainingData, PreTrainedTokenizerBase]:
    """Train or load the tokenizer of a job, and tokenise a text.

    Args:
        text: the text; if it has no validation documents, its last documents are held out.
        job: gives the tokenizer and the share of documents to hold out.
        progress: receives a line before each step that takes time.

    Returns:
        The tokenised text, and the tokenizer.

    Raises:
        DataError: the text has too few documents.
        ModelError: the tokenizer cannot be used.
    """
    tokenizer = _tokenizer(text, job, progress)
    progress(f"tokenising {len(text.documents)} documents of {text.source}")
    corpus = tokenize_documents(text.documents, tokenizer)
    if text.validation is None:
        cut = max(0, len(corpus) - max(2, round(job.training.held_out * len(corpus))))
        train, held_out = corpus[:cut], corpus[cut:]
    else:
        train, held_out = corpus, tokenize_documents(text.validation, tokenizer)
    for part, name in ((train, "to train on"), (held_out, "held out")):
        _check(part, name, text.source)
    return PretrainingData(
        train, held_out, TokenIds.from_tokenizer(tokenizer), text.source, text.synthetic, text.fingerprints()
    ), tokenizer


def _tokenizer(text: Text, job: PretrainJob, progress: Callable[[str], None]) -> PreTrainedTokenizerBase:
    config = job.tokenizer
    if config.name_or_path is not None:
        return _load(config.name_or_path)
    progress(f"training a vocabulary of {config.vocab_size}")
    return train_tokenizer(
        (line for document in text.documents for line in document),
        config.vocab_size,
        job.training.max_seq_length,
        do_lower_case=config.do_lower_case,
    )


def _load(name_or_path: str) -> PreTrainedTokenizerBase:
    try:  # `from_scratch`, because a folder with a vocabulary and no weights is enough
        return load_tokenizer(ModelConfig(name_or_path=name_or_path, from_scratch=True))
    except ModelError as error:
        raise ModelError(f"tokenizer.name_or_path: {error}") from error


def _check(corpus: Corpus, name: str, source: str) -> None:
    pairs = len(first_sentence_ids(corpus)) if len(corpus) else 0
    if len(corpus) < 2 or not pairs:
        raise DataError(
            "`documents >= 2` and `pairs >= 1` must hold (a pair is two sentences of a document), but got "
            f"(documents={len(corpus)}, pairs={pairs}) {name}",
            source,
        )
