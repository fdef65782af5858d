"""The encoders that comparisons train."""

from __future__ import annotations

from typing import Any

from benchmarks.setting import Setting
from gluetune.pretraining import prepare_synthetic_encoder

MINILM = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
VOCABULARY = 30522  # BERT's, as MiniLM has: most of its parameters are word vectors


def compact() -> str:
    """Folder of the synthetic encoder: 2 layers, 128 wide."""
    return prepare_synthetic_encoder()


def minilm(setting: Setting) -> str:
    """The encoder that the user named, or the folder of one of MiniLM's shape with random weights."""
    return setting.model or _random(setting, "minilm-size", MINILM)


def bert_base(setting: Setting) -> str:
    """The folder of an encoder of BERT-base's shape with random weights."""
    return _random(setting, "bert-base-size", {})


def _random(setting: Setting, name: str, shape: dict[str, int]) -> str:
    folder, sizes = setting.scratch / name, dict[str, Any](shape)
    if not folder.exists():
        import torch
        from transformers import AutoTokenizer, BertConfig, BertModel

        tokenizer = AutoTokenizer.from_pretrained(compact())
        with torch.random.fork_rng():
            torch.manual_seed(setting.seed)
            model = BertModel(BertConfig(vocab_size=VOCABULARY, pad_token_id=tokenizer.pad_token_id, **sizes))
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return str(folder)
