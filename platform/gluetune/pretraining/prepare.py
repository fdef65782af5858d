"""Everything that is made once per job, where the text is at hand: vocabulary and tokenised text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from transformers import PreTrainedTokenizerBase

from gluetune.config import ModelConfig
from gluetune.errors import DataError, ModelError
from gluetune.models import load_tokenizer
from gluetune.pretraining.config import PretrainJob
from gluetune.pretraining.corpus import Corpus, tokenize
from gluetune.pretraining.pairs import firsts
from gluetune.pretraining.text import Text, read_text
from gluetune.pretraining.vocabulary import TokenIds, train_tokenizer


@dataclass(frozen=True)
class PretrainingData:
    """The text as arrays; pickles, and Ray's object store shares it without copies.

    Attributes:
        train: what is trained on.
        held_out: what is evaluated on.
        tokens: the tokenizer's special ids.
        source: where the text comes from, in words.
        synthetic: whether gluetune generated it.
        fingerprints: of the text, by ``train`` and, where it is other text, ``validation``.
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
    """Reads the text of a job, makes or loads the tokenizer and tokenises.

    Args:
        job: the job.
        progress: told what takes its time.

    Raises:
        DataError: see `read_text`; or too few documents.
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
    """`prepare_job` for text that is at hand.

    Raises:
        DataError: too few documents.
        ModelError: the tokenizer cannot be used.
    """
    tokenizer = _tokenizer(text, job, progress)
    progress(f"tokenising {len(text.documents)} documents of {text.source}")
    corpus = tokenize(text.documents, tokenizer)
    if text.validation is None:
        cut = max(0, len(corpus) - max(2, round(job.training.held_out * len(corpus))))
        train, held_out = corpus[:cut], corpus[cut:]
    else:
        train, held_out = corpus, tokenize(text.validation, tokenizer)
    for part, name in ((train, "to train on"), (held_out, "held out")):
        _check(part, name, text.source)
    return PretrainingData(
        train, held_out, TokenIds.of(tokenizer), text.source, text.synthetic, text.fingerprints()
    ), tokenizer


def _tokenizer(text: Text, job: PretrainJob, progress: Callable[[str], None]) -> PreTrainedTokenizerBase:
    wish = job.tokenizer
    if wish.name_or_path is not None:
        return _existing(wish.name_or_path)
    progress(f"training a vocabulary of {wish.vocab_size}")
    return train_tokenizer(
        (line for document in text.documents for line in document),
        wish.vocab_size,
        job.training.max_seq_length,
        do_lower_case=wish.do_lower_case,
    )


def _existing(name_or_path: str) -> PreTrainedTokenizerBase:
    try:
        return load_tokenizer(ModelConfig(name_or_path=name_or_path, from_scratch=True))  # a vocabulary alone will do
    except ModelError as error:
        raise ModelError(f"tokenizer.name_or_path: {error}") from error


def _check(corpus: Corpus, name: str, source: str) -> None:
    pairs = len(firsts(corpus)) if len(corpus) else 0
    if len(corpus) < 2 or not pairs:
        raise DataError(
            "`documents >= 2` and `pairs >= 1` must hold (a pair is two sentences of a document), but got "
            f"(documents={len(corpus)}, pairs={pairs}) {name}",
            source,
        )
