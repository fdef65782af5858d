"""What a search refuses before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import BertConfig, BertModel, BertTokenizer

from gluetune.config import JobConfig, ModelConfig, TrainingConfig
from gluetune.config.space import Choice, Int, SearchSpace
from gluetune.errors import ModelError
from gluetune.search.prepare import prepare


@pytest.fixture
def encoder(tmp_path: Path) -> ModelConfig:
    """A BERT of two layers."""
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "bear"]))
    BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    BertModel(BertConfig(vocab_size=6, hidden_size=8, num_hidden_layers=2, num_attention_heads=1,
                         intermediate_size=8, max_position_embeddings=16)).save_pretrained(tmp_path)
    return ModelConfig(name_or_path=str(tmp_path))


@pytest.mark.parametrize(("space", "message"), [
    ({"head": Choice(values=("linear", "default")), "pooling": Choice(values=("cls", "mean"))}, r"pooling='mean'"),
    ({"freeze_layers": Int(low=0, high=3)}, r"freeze_layers=3, layers=2"),
], ids=str)
def test_any_trial_that_cannot_be_built_is_found_first(space: dict[str, Choice | Int], message: str,
                                                       encoder: ModelConfig) -> None:
    with pytest.raises(ModelError, match=message):
        prepare(JobConfig(model=encoder, training=TrainingConfig()), SearchSpace(name="s", space=space), print)
