"""Models that cannot be used raise a clear error, and unsafe files are never read."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertTokenizer,
    DebertaV2Config,
    EsmConfig,
    GPT2Config,
    GPT2LMHeadModel,
    IBertConfig,
    LukeConfig,
    NystromformerConfig,
    PretrainedConfig,
    RobertaConfig,
)

from gluetune.config import ModelConfig, TrainingConfig
from gluetune.errors import ModelError
from gluetune.models import build_model, load_encoder, load_tokenizer, load_trained, save_pretrained
from gluetune.models.architecture import max_sequence_length, model_class
from gluetune.tasks import TASKS

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "bear", "sleeps"]
TINY: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny BERT with its tokenizer."""
    config = BertConfig(
        vocab_size=8,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        max_position_embeddings=16,
    )
    BertForMaskedLM(config).save_pretrained(tmp_path / "bear")
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path / "bear")
    return tmp_path / "bear"


def config_of(path: Path | str) -> ModelConfig:
    return ModelConfig(name_or_path=str(path))


def test_a_saved_model_can_be_used_again(folder: Path, tmp_path: Path) -> None:
    encoder, tokenizer = load_encoder(config_of(folder)), load_tokenizer(config_of(folder))
    model = build_model(encoder, TASKS["rte"], TrainingConfig(), seed=1)
    save_pretrained(encoder, TASKS["rte"], model.state_dict(), tokenizer, tmp_path / "saved", TrainingConfig())
    again = type(model).from_pretrained(tmp_path / "saved")
    assert again.config.id2label == {0: "entailment", 1: "not_entailment"}
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in model.state_dict().items())
    assert load_tokenizer(config_of(tmp_path / "saved")).tokenize("a bear sleeps") == ["a", "bear", "sleeps"]
    assert not list((tmp_path / "saved").glob("*.bin"))


def test_the_tokenizer_knows_how_many_positions_the_encoder_has(folder: Path) -> None:
    """The files do not state this limit; one more token would raise an index error in the middle of a trial."""
    assert load_tokenizer(config_of(folder)).model_max_length == 16


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (BertConfig(max_position_embeddings=512), 512),
        (RobertaConfig(max_position_embeddings=514, pad_token_id=1), 512),
        (IBertConfig(max_position_embeddings=40, pad_token_id=1, **TINY), 38),
        (LukeConfig(max_position_embeddings=40, pad_token_id=1, **TINY), 38),
        (EsmConfig(max_position_embeddings=40, pad_token_id=1, **TINY), 38),
        (RobertaConfig(max_position_embeddings=40, pad_token_id=0, **TINY), 39),
        (NystromformerConfig(max_position_embeddings=40, **TINY), 40),
        (DebertaV2Config(max_position_embeddings=512, position_biased_input=False), None),
    ],
    ids=lambda value: getattr(value, "model_type", str(value)),
)
def test_the_longest_row(settings: PretrainedConfig, expected: int | None) -> None:
    assert max_sequence_length(settings) == expected
    if expected is not None and settings.hidden_size == TINY["hidden_size"]:  # and it is what the model computes
        model, ids = model_class(settings)(settings).eval(), torch.full((1, expected), 5)
        model(input_ids=ids)
        with pytest.raises((IndexError, RuntimeError)):
            model(input_ids=torch.full((1, expected + 1), 5))


def test_an_encoder_pickles(folder: Path) -> None:
    encoder = load_encoder(config_of(folder))
    again = pickle.loads(pickle.dumps(encoder))
    assert again.parameters == encoder.parameters == sum(array.size for array in encoder.weights.values())
    assert "weights" not in repr(again)


def test_a_missing_folder_names_the_nearest(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"must be a folder that exists, but got '.*bera'; nearest: 'bear'"):
        load_encoder(config_of(folder.parent / "bera"))


def test_pickled_weights_are_never_read(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"must hold its weights as model.safetensors .* got .*pytorch_model.bin"):
        load_encoder(config_of(folder))


def test_code_of_a_repository_is_never_run(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config"}}')
    (folder / "mine.py").write_text("raise SystemExit('this code ran')")
    with pytest.raises(ModelError, match=r"must hold a config.json of an encoder that transformers knows"):
        load_encoder(config_of(folder))


def test_a_decoder_is_refused(tmp_path: Path) -> None:
    GPT2LMHeadModel(GPT2Config(vocab_size=8, n_embd=8, n_layer=1, n_head=1)).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"must be an encoder .* got model_type 'gpt2'"):
        load_encoder(config_of(tmp_path))


def test_a_missing_tokenizer_is_named(folder: Path) -> None:
    """For such a folder transformers returns a tokenizer that has only special tokens."""
    for path in folder.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(ModelError, match=r"must hold a tokenizer .* got config.json, model.safetensors"):
        load_tokenizer(config_of(folder))


def test_missing_weights_are_named(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["bert.encoder.layer.0.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"1 are missing, such as 'bert.encoder.layer.0.output.dense.weight'"):
        load_encoder(config_of(folder))


def test_a_broken_weights_file_is_named(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"not a safetensors file")
    with pytest.raises(ModelError, match="cannot be loaded as BertForSequenceClassification"):
        load_encoder(config_of(folder))


def test_weights_of_another_shape_are_named(folder: Path) -> None:
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"hidden_size": 8', '"hidden_size": 16'))
    with pytest.raises(ModelError, match=r"such as 'bert\.[^']+': \[8\] in the file, \[16\] by config.json"):
        load_encoder(config_of(folder))


def test_a_name_without_network_says_so_and_names_the_nearest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"'bert-bas-uncased'.*cannot be reached; nearest: 'bert-base-uncased'"):
        load_encoder(ModelConfig(name_or_path="bert-bas-uncased", cache_dir=str(tmp_path)))


@pytest.mark.parametrize("field", ["_attn_implementation", "attn_implementation"])
def test_the_kind_of_attention_is_chosen_where_the_model_runs(field: str, folder: Path) -> None:
    """A config.json may name one that is not installed here."""
    write_settings(folder, {field: "flash_attention_2"})
    encoder = load_encoder(config_of(folder))
    assert build_model(encoder, TASKS["rte"], TrainingConfig(), seed=0).config._attn_implementation == "sdpa"


def test_quantized_weights_are_refused(folder: Path) -> None:
    write_settings(folder, {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}})
    with pytest.raises(ModelError, match=r"bear' must hold floating-point weights .*bitsandbytes.*dequantize"):
        load_encoder(config_of(folder))
    scratch = load_encoder(ModelConfig(name_or_path=str(folder), from_scratch=True))  # which needs the sizes only
    assert "quantization_config" not in scratch.config


@pytest.mark.parametrize(
    ("adapter", "base"),
    [
        ('{"peft_type": "LORA", "base_model_name_or_path": "bert-base-uncased"}', "'bert-base-uncased'"),
        ("{", "its encoder"),
    ],
)
def test_an_adapter_is_refused_with_how_to_merge_it(adapter: str, base: str, folder: Path) -> None:
    (folder / "adapter_config.json").write_text(adapter)
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match=rf"PEFT adapter .* of {base}; merge .*merge_and_unload"):
        load_encoder(config_of(folder))


@pytest.mark.parametrize("inner", ["checkpoint-500", "snapshots/0123abcd"])
def test_a_folder_around_the_model_names_the_model(inner: str, folder: Path) -> None:
    """A trainer's output with its checkpoints, or a folder of the hub's cache."""
    shutil.copytree(folder, folder.parent / "around" / inner)
    with pytest.raises(ModelError, match=rf"around/{inner}' holds one: name that folder"):
        load_encoder(config_of(folder.parent / "around"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"hidden_act": "bear"}, "cannot be loaded as BertForSequenceClassification: KeyError: 'bear'"),
        ({"num_attention_heads": 3}, "not a multiple of the number of attention heads"),
        ({"hidden_size": "wide"}, "'hidden_size' expected int"),
    ],
    ids=["activation", "heads", "type"],
)
def test_settings_that_no_model_can_be_built_to(settings: dict[str, Any], said: str, folder: Path) -> None:
    write_settings(folder, settings)
    with pytest.raises(ModelError, match=said):
        load_encoder(config_of(folder))


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("model.safetensors", b"", "SafetensorError"),
        ("config.json", b"", "not a valid JSON file"),
        ("tokenizer.json", b'{"version": "1.0"}', "must hold a tokenizer"),
        ("tokenizer.json", b"", "must hold a tok"),
    ],
)
def test_files_that_are_cut_off(file: str, content: bytes, said: str, folder: Path) -> None:
    (folder / file).write_bytes(content)
    with pytest.raises(ModelError, match=said):
        load_encoder(config_of(folder)), load_tokenizer(config_of(folder))


def test_a_trained_model_whose_files_are_broken_is_named(folder: Path, tmp_path: Path) -> None:
    encoder, tokenizer = load_encoder(config_of(folder)), load_tokenizer(config_of(folder))
    weights = build_model(encoder, TASKS["rte"], TrainingConfig(), seed=1).state_dict()
    save_pretrained(encoder, TASKS["rte"], weights, tokenizer, tmp_path / "saved", TrainingConfig())
    whole = (tmp_path / "saved" / "model.safetensors").read_bytes()
    weights["classifier.weight"], weights["classifier.bias"] = torch.zeros(3, 8), torch.zeros(3)
    save_file(dict(weights), tmp_path / "saved" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"'classifier.bias': \[3\] in the file, \[2\] by config.json"):
        load_trained(tmp_path / "saved")
    (tmp_path / "saved" / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=r"saved' cannot be loaded as BertForSequenceClassification: SafetensorError"):
        load_trained(tmp_path / "saved")


def write_settings(folder: Path, more: dict[str, Any]) -> None:
    """Add to a folder's config.json."""
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | more))
