"""Encoders from scratch: architectures, vocabularies and values that replace single settings."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertModel, BertTokenizer

from encoder_families import FAMILIES, batch, masked_lm
from gluetune.config import ModelConfig, TrainingConfig
from gluetune.errors import ModelError
from gluetune.models import build_model, load_encoder, load_tokenizer, load_trained, save_pretrained
from gluetune.models.architecture import load_architecture
from gluetune.tasks import TASKS

VOCABULARY = os.environ.get("GLUETUNE_BERT_VOCAB_DIR")
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "bear", "sleeps", "##s"]
TINY = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24}
LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A folder with nothing but a vocabulary."""
    folder = tmp_path / "words"
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    return folder


def scratch(folder: Path, **overrides: bool | float | str) -> ModelConfig:
    return ModelConfig(name_or_path=str(folder), from_scratch=True, config_overrides=overrides)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_architecture_stays_and_the_weights_are_drawn_by_the_seed(family: str, tmp_path: Path) -> None:
    folder = masked_lm(family, tmp_path)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    trained = load_encoder(ModelConfig(name_or_path=str(folder)))
    state = torch.get_rng_state()
    first, again, other = (load_encoder(scratch(folder), seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    shapes = {name: array.shape for name, array in first.weights.items() if "pooler" not in name}
    assert shapes == {name: array.shape for name, array in trained.weights.items() if not name.startswith("head.")}
    assert all(np.array_equal(array, again.weights[name]) for name, array in first.weights.items())
    drawn = [name for name, array in first.weights.items() if array.std() > 0]
    assert drawn
    for name in drawn:
        assert not np.array_equal(first.weights[name], other.weights[name])
        assert name not in trained.weights or not np.array_equal(first.weights[name], trained.weights[name])
    model = build_model(first, TASKS["rte"], TrainingConfig(head="mlp", pooling="mean"), seed=1)
    assert model(**batch(FAMILIES[family].pad_token_id)).logits.shape == (4, 2)


def test_a_vocabulary_alone_is_enough(words: Path) -> None:
    encoder, tokenizer = load_encoder(scratch(words, **TINY)), load_tokenizer(scratch(words, **TINY))
    assert encoder.config["vocab_size"] == len(tokenizer) == len(WORDS)
    assert {key: encoder.config[key] for key in TINY} == TINY
    assert encoder.weights["bert.embeddings.word_embeddings.weight"].shape == (len(WORDS), 16)
    assert sum("attention.self.query.weight" in name for name in encoder.weights) == 3
    assert tokenizer.tokenize("A bears SLEEPS") == ["a", "bear", "##s", "sleeps"]
    assert tokenizer.model_max_length == 512


def test_what_comes_of_it_is_saved_whole(words: Path, tmp_path: Path) -> None:
    encoder, tokenizer = load_encoder(scratch(words, **TINY)), load_tokenizer(scratch(words, **TINY))
    model = build_model(encoder, TASKS["rte"], TrainingConfig(), seed=1).eval()
    save_pretrained(encoder, TASKS["rte"], model.state_dict(), tokenizer, tmp_path / "saved", TrainingConfig())
    again, its_tokenizer = load_trained(tmp_path / "saved")
    inputs = its_tokenizer("A bear", "sleeps", return_tensors="pt")
    assert inputs["input_ids"].tolist() == [[2, 5, 6, 3, 7, 3]]
    assert inputs["token_type_ids"].tolist() == [[0, 0, 0, 0, 1, 1]]
    assert torch.equal(again(**inputs).logits, model(**inputs).logits)


def test_a_cased_vocabulary_keeps_the_case(words: Path) -> None:
    (words / "vocab.txt").write_text("\n".join([*WORDS, "Bear"]))
    assert load_tokenizer(scratch(words)).tokenize("a Bear bear") == ["a", "Bear", "bear"]


def test_googles_name_of_the_architecture(words: Path) -> None:
    (words / "bert_config.json").write_text(
        json.dumps(
            TINY | {"vocab_size": 9, "max_position_embeddings": 20, "hidden_dropout_prob": 0.3, "type_vocab_size": 2}
        )
    )
    encoder = load_encoder(scratch(words, num_hidden_layers=1))
    assert encoder.weights["bert.embeddings.position_embeddings.weight"].shape == (20, 16)
    assert sum("attention.self.query.weight" in name for name in encoder.weights) == 1
    assert encoder.config["hidden_dropout_prob"] == 0.3
    assert load_tokenizer(scratch(words)).model_max_length == 20
    assert load_tokenizer(scratch(words, max_position_embeddings=12)).model_max_length == 12


@pytest.mark.skipif(not VOCABULARY, reason="GLUETUNE_BERT_VOCAB_DIR is not set")
def test_berts_own_folder() -> None:
    config = scratch(
        Path(str(VOCABULARY)), num_hidden_layers=1, hidden_size=32, num_attention_heads=2, intermediate_size=32
    )
    encoder, tokenizer = load_encoder(config), load_tokenizer(config)
    assert encoder.weights["bert.embeddings.word_embeddings.weight"].shape == (len(tokenizer), 32) == (30522, 32)
    assert tokenizer("Hello Wörld")["input_ids"] == [101, 7592, 2088, 102]


@pytest.mark.parametrize(("overrides", "parameters"), [({}, 109_482_240), (LARGE, 335_141_888)], ids=["base", "large"])
def test_base_and_large_have_as_many_weights_as_published(
    overrides: dict[str, int],
    parameters: int,
    words: Path,
) -> None:
    """110M and 340M in Devlin et al. 2019, section 3; exactly those of bert-base-uncased and bert-large-uncased."""
    settings = load_architecture(words, scratch(words, vocab_size=30522, **overrides))
    with torch.device("meta"):
        model = BertModel(settings)  # type: ignore[arg-type]
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_every_pretrained_weight_but_the_heads_is_counted(words: Path) -> None:
    config = scratch(words, **TINY)
    with torch.device("meta"):
        model = BertModel(load_architecture(words, config))  # type: ignore[arg-type]
    assert load_encoder(config).parameters == sum(parameter.numel() for parameter in model.parameters())


def test_settings_made_of_others_follow(tmp_path: Path) -> None:
    """ModernBERT's kinds of attention, one a layer."""
    folder = masked_lm("modernbert", tmp_path)
    settings = load_architecture(folder, scratch(folder, num_hidden_layers=4, global_attn_every_n_layers=2))
    assert settings.layer_types == ["full_attention", "sliding_attention"] * 2


def test_aliases_of_settings(tmp_path: Path) -> None:
    folder = masked_lm("distilbert", tmp_path)
    assert load_architecture(folder, scratch(folder, num_hidden_layers=5)).n_layers == 5
    assert load_architecture(folder, scratch(folder, n_layers=4)).num_hidden_layers == 4


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"num_layers": 2}, r"must name settings of 'bert', but got 'num_layers'; nearest: 'num_hidden_layers'"),
        ({"model_type": "roberta"}, r"must name settings of 'bert', but got 'model_type'"),
        ({"hidden_size": "wide"}, r"must hold values that 'bert' takes, .*'hidden_size' expected int, got str"),
        ({"num_hidden_layers": True}, r"'num_hidden_layers' expected int, got bool"),
        ({"hidden_size": 30, "num_attention_heads": 4}, r"cannot be built .*hidden size \(30\) is not a multiple"),
        ({"hidden_act": "gelo"}, r"cannot be built .*gelo"),
        ({"num_attention_heads": 0}, r"cannot be built .*ZeroDivisionError"),
        ({"vocab_size": 8}, r"`tokens of the vocabulary <= vocab_size` must hold, but got \(tokens=9, vocab_size=8\)"),
    ],
    ids=str,
)
def test_values_that_do_not_suit_are_named(overrides: dict[str, bool | float | str], message: str, words: Path) -> None:
    with pytest.raises(ModelError, match=message):
        load_encoder(scratch(words, **overrides))


def test_pretrained_weights_go_with_other_dropout_rates_only(tmp_path: Path) -> None:
    folder = masked_lm("bert", tmp_path)
    config = ModelConfig(name_or_path=str(folder), config_overrides={"hidden_dropout_prob": 0.4})
    assert load_encoder(config).config["hidden_dropout_prob"] == 0.4
    for key, value in (("num_hidden_layers", 1), ("num_attention_heads", 4)):
        config = ModelConfig(name_or_path=str(folder), config_overrides={key: value})
        with pytest.raises(ModelError, match=rf"dropout rates only unless model.from_scratch .*\({key}={value}\)"):
            load_encoder(config)


def test_a_vocabulary_alone_needs_from_scratch(words: Path) -> None:
    with pytest.raises(ModelError, match=r"must hold the config.json .*; model.from_scratch needs none"):
        load_encoder(ModelConfig(name_or_path=str(words)))


def test_a_folder_without_anything_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.md").touch()
    with pytest.raises(ModelError, match=r"must hold an architecture .* or a vocabulary .*got notes.md"):
        load_encoder(scratch(tmp_path))


def test_a_list_of_words_is_no_vocabulary(words: Path) -> None:
    (words / "vocab.txt").write_text("bear\nsleeps\n")
    with pytest.raises(ModelError, match=r"must be a vocabulary of BERT's.* has no \[PAD\], \[UNK\]"):
        load_encoder(scratch(words))
