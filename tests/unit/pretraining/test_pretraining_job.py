"""The loop, the folder it writes, and the cache."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertForPreTraining

from gluetune.data.embedded import corpus
from gluetune.pretraining import PretrainingConfig, Progress, embedded, pretrain_folder

TINY = PretrainingConfig(hidden_size=32, intermediate_size=64, num_hidden_layers=1, max_steps=30, batch_size=16,
                         evaluate_every=15)
TEXT = list(corpus(documents=60))


def ignore(_: object) -> None:
    """A report that goes nowhere."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("encoder")
    pretrain_folder(TEXT, path, TINY, ignore)
    return path


def test_writes_a_folder_that_from_pretrained_loads(folder: Path) -> None:
    model, report = BertForPreTraining.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert (folder / "model.safetensors").exists()
    assert model.config.hidden_size == 32


def test_classifiers_start_from_it(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3)
    encoded = tokenizer("The chef helped the dog.", "The dog was helped.", return_tensors="pt")
    assert tokenizer.convert_ids_to_tokens(encoded["input_ids"][0])[:4] == ["[CLS]", "the", "chef", "helped"]
    assert encoded["token_type_ids"][0].tolist().count(1) == 6
    assert model(**encoded).logits.shape == (1, 3)


def test_same_seed_same_weights(folder: Path, tmp_path: Path) -> None:
    torch.rand(1)  # the caller's random state does not matter
    pretrain_folder(TEXT, tmp_path, TINY, ignore)
    one, other = load_file(folder / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_another_seed_gives_other_weights(folder: Path, tmp_path: Path) -> None:
    pretrain_folder(TEXT, tmp_path, TINY.model_copy(update={"seed": 1, "max_steps": 1}), ignore)
    one, other = load_file(folder / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_leaves_the_callers_random_state_alone(tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    pretrain_folder(TEXT, tmp_path, TINY.model_copy(update={"max_steps": 1}), ignore)
    assert torch.equal(before, torch.random.get_rng_state())


def test_reports_both_losses_on_the_way(tmp_path: Path) -> None:
    reports: list[Progress] = []
    final = pretrain_folder(TEXT, tmp_path, TINY, reports.append)
    assert [at.step for at in reports] == [15, 30]
    assert reports[-1].held_out == final
    assert reports[1].train.masked_lm < reports[0].train.masked_lm


@pytest.mark.slow
def test_learns_both_objectives(tmp_path: Path) -> None:
    config = PretrainingConfig(**{**embedded.CONFIG.model_dump(), "max_steps": 1000})
    losses = pretrain_folder(list(corpus(documents=6000)), tmp_path, config, ignore)
    vocabulary = BertForPreTraining.from_pretrained(tmp_path).config.vocab_size
    assert losses.masked_lm < 0.5 * math.log(vocabulary)
    assert losses.next_sentence < 0.95 * math.log(2)


@pytest.fixture
def tiny_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "CONFIG", TINY.model_copy(update={"max_steps": 2, "evaluate_every": 2}))
    monkeypatch.setattr(embedded, "corpus", lambda: iter(TEXT))


@pytest.mark.usefixtures("tiny_embedded")
class TestCache:
    def test_is_built_once(self, tmp_path: Path) -> None:
        lines: list[str] = []
        folder = embedded.embedded_encoder(str(tmp_path), lines.append)
        told = len(lines)
        assert told >= 2
        assert embedded.embedded_encoder(str(tmp_path), lines.append) == folder
        assert len(lines) == told
        AutoTokenizer.from_pretrained(folder)

    def test_leaves_nothing_else_behind(self, tmp_path: Path) -> None:
        folder = embedded.embedded_encoder(str(tmp_path), ignore)
        assert [str(path) for path in tmp_path.iterdir()] == [folder]

    def test_goes_where_the_environment_says(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GLUETUNE_CACHE_DIR", str(tmp_path / "cache"))
        assert Path(embedded.embedded_encoder(progress=ignore)).parent == tmp_path / "cache"

    def test_a_failed_build_leaves_no_folder(self, tmp_path: Path) -> None:
        def fail(line: str) -> None:
            if line.startswith("step"):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            embedded.embedded_encoder(str(tmp_path), fail)
        assert list(tmp_path.iterdir()) == []

    def test_two_at_once_get_the_same_whole_folder(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(2) as pool:
            folders = set(pool.map(lambda _: embedded.embedded_encoder(str(tmp_path), ignore), range(2)))
        assert [str(path) for path in tmp_path.iterdir()] == list(folders)
        BertForPreTraining.from_pretrained(folders.pop())

    def test_another_configuration_is_another_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = embedded.embedded_encoder(str(tmp_path), ignore)
        monkeypatch.setattr(embedded, "CONFIG", embedded.CONFIG.model_copy(update={"seed": 1}))
        assert embedded.embedded_encoder(str(tmp_path), ignore) != folder


def test_the_fingerprint_changes_with_the_text() -> None:
    assert embedded.fingerprint(TEXT, TINY) != embedded.fingerprint(TEXT[1:], TINY)
    assert embedded.fingerprint(TEXT, TINY) == embedded.fingerprint(list(corpus(documents=60)), TINY)
