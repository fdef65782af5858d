"""Settings of a benchmark run, and the encoders that its comparisons train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gluetune.pretraining import prepare_synthetic_encoder


@dataclass(frozen=True)
class BenchmarkConfig:
    """Settings that all comparisons of a benchmark run share.

    Attributes:
        scratch: an empty folder for runs, encoders and logs.
        glue_dir: the official GLUE folder; ``None``: the generated data.
        model: encoder by name or folder, beside the synthetic one; ``None``: one of MiniLM's shape (Wang et al. 2020:
            6 layers, 384 wide, 12 heads, ffn 1,536) with random weights, which trains as fast as the real one.
        max_train_samples: training rows per task.
        max_eval_samples: selection rows per task.
        trials: only so many points of the grid, the first ones; ``None``: all.
        tokenized_rows: rows of the large task that is tokenized.
        address: Ray cluster; ``None``: a local one is started where one is needed.
        seed: of data, searches and models.
        note: called with a line of progress for the user.
    """

    scratch: Path
    glue_dir: str | None = None
    model: str | None = None
    max_train_samples: int = 256
    max_eval_samples: int = 256
    trials: int | None = None
    tokenized_rows: int = 400_000
    address: str | None = None
    seed: int = 42
    note: Callable[[str], None] = field(default=lambda _: None, repr=False)


MINILM = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
VOCABULARY = 30522  # BERT's, as MiniLM has: most of its parameters are word vectors


def compact_encoder() -> str:
    """Return the folder of the synthetic encoder (2 layers, 128 wide)."""
    return prepare_synthetic_encoder()


def minilm_encoder(config: BenchmarkConfig) -> str:
    """Return the encoder that the user named, or the folder of one of MiniLM's shape with random weights."""
    return config.model or _random(config, "minilm-size", MINILM)


def bert_base_encoder(config: BenchmarkConfig) -> str:
    """Return the folder of an encoder of BERT-base's shape with random weights."""
    return _random(config, "bert-base-size", {})


def _random(config: BenchmarkConfig, name: str, shape: dict[str, int]) -> str:
    folder, sizes = config.scratch / name, dict[str, Any](shape)
    if not folder.exists():
        import torch
        from transformers import AutoTokenizer, BertConfig, BertModel

        tokenizer = AutoTokenizer.from_pretrained(compact_encoder())
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            model = BertModel(BertConfig(vocab_size=VOCABULARY, pad_token_id=tokenizer.pad_token_id, **sizes))
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return str(folder)
