"""WordPiece vocabularies (Schuster and Nakajima 2012, as in Devlin et al. 2019) trained on a corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.trainers import WordPieceTrainer
from transformers import BertTokenizer, PreTrainedTokenizerBase

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_CONTINUATION = "##"
_LARGEST_ALPHABET = 1000


def train_tokenizer(sentences: Iterable[str], vocab_size: int, max_length: int) -> PreTrainedTokenizerBase:
    """Trains a lower-casing BERT tokenizer; the same text gives the same ids.

    The trainer numbers the pieces inside words in the order of a hash table, which differs from process to process and
    decides between merges that are equally frequent. So it is given them in a fixed order.

    Args:
        sentences: the text.
        vocab_size: upper limit, special tokens included.
        max_length: longest input of the model, in tokens.
    """
    lines = list(sentences)
    tokenizer = Tokenizer(WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    inner = [_CONTINUATION + letter for letter in _alphabet(lines, tokenizer.normalizer)]
    trainer = WordPieceTrainer(vocab_size=vocab_size, special_tokens=[*SPECIAL_TOKENS, *inner], show_progress=False,
                               limit_alphabet=_LARGEST_ALPHABET, continuing_subword_prefix=_CONTINUATION)
    tokenizer.train_from_iterator(lines, trainer)
    return BertTokenizer(vocab=tokenizer.get_vocab(), do_lower_case=True, model_max_length=max_length)


def _alphabet(lines: Iterable[str], normalizer: BertNormalizer) -> list[str]:
    """The most frequent characters, in the alphabet's order."""
    counts = Counter(letter for line in lines for letter in normalizer.normalize_str(line) if not letter.isspace())
    kept = sorted(counts, key=lambda letter: (-counts[letter], letter))[:_LARGEST_ALPHABET]
    return sorted(kept)
