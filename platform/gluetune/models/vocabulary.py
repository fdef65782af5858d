"""Tokenizers of folders: transformers' files, or BERT's ``vocab.txt`` alone, as Google's own checkpoints have it."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoTokenizer, BertTokenizer, PreTrainedTokenizerBase

from gluetune.errors import ModelError
from gluetune.models.files import list_files
from gluetune.models.logging_level import silence_transformers_logging

VOCABULARY = "vocab.txt"
_MORE = ("config.json", "tokenizer.json", "tokenizer_config.json")


def open_tokenizer(folder: Path, name: str) -> PreTrainedTokenizerBase:
    """The folder's tokenizer, with its own ``model_max_length``.

    Args:
        folder: where its files are.
        name: what the user calls the model.

    Raises:
        ModelError: there is none.
    """
    if has_only_vocab_txt(folder):
        return _of_vocabulary(folder / VOCABULARY)
    try:
        with silence_transformers_logging():
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, TypeError, LookupError, AttributeError, ImportError) as error:
        raise ModelError(
            f"{name!r} must hold a tokenizer, but its files ({list_files(folder)}) cannot be used: "
            f"{type(error).__name__}: {error}"
        ) from error
    if len(tokenizer) <= len(tokenizer.all_special_tokens):  # what transformers makes of a folder without vocabulary
        raise ModelError(
            f"{name!r} must hold a tokenizer (tokenizer.json, vocab.txt or a sentencepiece "
            f"model), but got {list_files(folder)}"
        )
    return tokenizer


def has_only_vocab_txt(folder: Path) -> bool:
    """Whether all that the folder says of its tokenizer is BERT's vocabulary."""
    return (folder / VOCABULARY).exists() and not any((folder / file).exists() for file in _MORE)


def _of_vocabulary(path: Path) -> PreTrainedTokenizerBase:
    """Lower-cases the text where no token but the special ones has an upper-case letter: nothing else says so."""
    tokens = path.read_text(encoding="utf-8").split("\n")
    missing = [token for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") if token not in tokens]
    if missing:
        raise ModelError(f"{path} must be a vocabulary of BERT's, a token a line, but it has no {', '.join(missing)}")
    cased = any(token != token.lower() for token in tokens if not token.startswith("["))
    return BertTokenizer(str(path), do_lower_case=not cased)
