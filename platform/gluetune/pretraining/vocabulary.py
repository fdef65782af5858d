"""WordPiece vocabularies (Schuster and Nakajima 2012, as in Devlin et al. 2019), trained on a text or given."""

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
_LARGEST_ALPHABET = 1000


@dataclass(frozen=True)
class TokenIds:
    """What pre-training knows of a tokenizer: ids alone, so it pickles small.

    Attributes:
        vocab_size: number of ids.
        pad, cls, sep, mask: ids of the special tokens that inputs are made with.
        special: ids of all special tokens, the unknown one among them, in order.
    """

    vocab_size: int
    pad: int
    cls: int
    sep: int
    mask: int
    special: tuple[int, ...]

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> TokenIds:
        """The ids of a tokenizer.

        Raises:
            ModelError: it lacks one of the special tokens.
        """
        names = ("pad_token", "cls_token", "sep_token", "mask_token")
        lacking = [name for name in names if getattr(tokenizer, name) is None]
        if lacking:
            raise ModelError(f"the tokenizer must have {', '.join(names)}, but {', '.join(lacking)} is missing")
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
    """Trains a BERT tokenizer; the same text gives the same ids.

    The trainer numbers the pieces inside words in the order of a hash table, which differs from process to process and
    decides between merges that are equally frequent. So it is given them in a fixed order.

    Args:
        sentences: the text.
        vocab_size: upper limit, special tokens included.
        max_length: longest input of the model, in tokens.
        do_lower_case: whether case is dropped, and accents with it.
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
        limit_alphabet=_LARGEST_ALPHABET,
        continuing_subword_prefix=_CONTINUATION,
    )
    tokenizer.train_from_iterator(lines, trainer)
    return BertTokenizer(vocab=tokenizer.get_vocab(), do_lower_case=do_lower_case, model_max_length=max_length)


def _alphabet(lines: Iterable[str], normalizer: BertNormalizer) -> list[str]:
    """The most frequent characters, in the alphabet's order."""
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(normalizer.normalize_str(line))
    letters = (letter for letter in counts if not letter.isspace())
    kept = sorted(letters, key=lambda letter: (-counts[letter], letter))[:_LARGEST_ALPHABET]
    return sorted(kept)
