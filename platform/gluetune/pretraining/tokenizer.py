"""WordPiece tokenizers (Schuster and Nakajima 2012, as in Devlin et al. 2019): training, and their special ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.trainers import WordPieceTrainer
from transformers import BertTokenizer, PreTrainedTokenizerBase

from gluetune.errors import ModelError

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_CONTINUATION = "##"
_MAX_ALPHABET = 1000


@dataclass(frozen=True)
class TokenIds:
    """Ids of a tokenizer that pre-training needs; pickles much smaller than the tokenizer.

    Attributes:
        vocab_size: number of ids.
        pad: id of the padding token.
        cls: id of the token at the start of an input.
        sep: id of the token after each sentence.
        mask: id of the mask token.
        special: ids of all special tokens, the unknown token included, sorted.
    """

    vocab_size: int
    pad: int
    cls: int
    sep: int
    mask: int
    special: tuple[int, ...]

    @classmethod
    def from_tokenizer(cls, tokenizer: PreTrainedTokenizerBase) -> TokenIds:
        """Read the ids of a tokenizer.

        Raises:
            ModelError: the tokenizer lacks a special token.
        """
        names = ("pad_token", "cls_token", "sep_token", "mask_token")
        missing = [name for name in names if getattr(tokenizer, name) is None]
        if missing:
            raise ModelError(f"the tokenizer must have {', '.join(names)}, but {', '.join(missing)} is missing")
        return cls(
            len(tokenizer),
            tokenizer.pad_token_id,
            tokenizer.cls_token_id,
            tokenizer.sep_token_id,
            tokenizer.mask_token_id,
            tuple(sorted(tokenizer.all_special_ids)),
        )


def train_tokenizer(
    sentences: Iterable[str],
    vocab_size: int,
    max_length: int,
    *,
    do_lower_case: bool = True,
) -> PreTrainedTokenizerBase:
    """Train a BERT tokenizer; the same text gives the same ids in every process.

    The trainer of ``tokenizers`` numbers the pieces inside words in the order of a hash table, which differs between
    processes, and this order decides between merges of equal frequency. The pieces of one character are therefore
    passed to it as special tokens, in a fixed order.

    Args:
        sentences: the text.
        vocab_size: maximum size of the vocabulary, special tokens included.
        max_length: ``model_max_length`` of the tokenizer, in tokens.
        do_lower_case: whether to lower-case the text and to strip its accents.
    """
    lines = list(sentences)
    tokenizer = Tokenizer(WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=do_lower_case)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    inner = [_CONTINUATION + letter for letter in _alphabet(lines, tokenizer.normalizer)]
    trainer = WordPieceTrainer(
        vocab_size=vocab_size,
        special_tokens=[*SPECIAL_TOKENS, *inner],
        show_progress=False,
        limit_alphabet=_MAX_ALPHABET,
        continuing_subword_prefix=_CONTINUATION,
    )
    tokenizer.train_from_iterator(lines, trainer)
    return BertTokenizer(vocab=tokenizer.get_vocab(), do_lower_case=do_lower_case, model_max_length=max_length)


def _alphabet(lines: Iterable[str], normalizer: BertNormalizer) -> list[str]:
    """List the most frequent characters, sorted by code point."""
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(normalizer.normalize_str(line))
    letters = (letter for letter in counts if not letter.isspace())
    frequent = sorted(letters, key=lambda letter: (-counts[letter], letter))[:_MAX_ALPHABET]
    return sorted(frequent)
