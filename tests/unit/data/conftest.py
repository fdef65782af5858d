"""Small tokenizers, made in memory."""

from __future__ import annotations

import string

import pytest
from transformers import BertTokenizerFast, PreTrainedTokenizerBase, RobertaTokenizerFast

WORDS = ("the", "a", "cat", "dog", "sat", "ran", "on", "mat", "is", "not", "good", "bad", "number", "##s", "##ed")
CHARACTERS = string.ascii_lowercase + string.digits + string.punctuation


@pytest.fixture(scope="session")
def bert() -> PreTrainedTokenizerBase:
    """WordPiece with token types, as BERT's."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *CHARACTERS, *(f"##{c}" for c in CHARACTERS)]
    return BertTokenizerFast(
        vocab={piece: number for number, piece in enumerate(dict.fromkeys(pieces))}, model_max_length=512
    )


@pytest.fixture(scope="session")
def roberta() -> PreTrainedTokenizerBase:
    """Byte-level pairs without token types, as RoBERTa's; its padding token is not 0."""
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "Ġ", *CHARACTERS]
    return RobertaTokenizerFast(
        vocab={piece: number for number, piece in enumerate(pieces)}, merges=[], model_max_length=512
    )
