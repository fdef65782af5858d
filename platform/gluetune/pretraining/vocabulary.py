"""WordPiece vocabularies (Schuster and Nakajima 2012, as in Devlin et al. 2019) trained on a corpus."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.trainers import WordPieceTrainer
from transformers import BertTokenizer, PreTrainedTokenizerBase

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_CONTINUATION = "##"


def train_tokenizer(sentences: Iterable[str], vocab_size: int, max_length: int) -> PreTrainedTokenizerBase:
    """Trains a lower-casing BERT tokenizer.

    The trainer numbers tokens in an order that differs from process to process; they are numbered anew by the alphabet,
    so that the same text gives the same ids.

    Args:
        sentences: the text.
        vocab_size: upper limit, special tokens included.
        max_length: longest input of the model, in tokens.
    """
    tokenizer = Tokenizer(WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    trainer = WordPieceTrainer(vocab_size=vocab_size, special_tokens=list(SPECIAL_TOKENS), show_progress=False,
                               continuing_subword_prefix=_CONTINUATION)
    tokenizer.train_from_iterator(sentences, trainer)
    pieces = sorted(set(tokenizer.get_vocab()) - set(SPECIAL_TOKENS))
    vocabulary = {token: number for number, token in enumerate((*SPECIAL_TOKENS, *pieces))}
    return BertTokenizer(vocab=vocabulary, do_lower_case=True, model_max_length=max_length)
