"""The folder that a pre-training job writes, and the cache of the synthetic encoder."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertForPreTraining

from gluetune.config import ModelConfig, TrainingConfig
from gluetune.events import PretrainingEvaluation
from gluetune.models import build_model, load_encoder, load_tokenizer
from gluetune.pretraining import PretrainJob, Text, pretrain_folder, synthetic_encoder
from gluetune.tasks import get_task


def ignore(_: object) -> None:
    """Ignores a report."""


def changed(job: PretrainJob, *, seed: int | None = None, **training: object) -> PretrainJob:
    """A job with another seed or other fields of its section ``training``."""
    return job.model_copy(
        update={"seed": job.seed if seed is None else seed, "training": job.training.model_copy(update=training)}
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, text: Text, tiny: PretrainJob) -> Path:
    path = tmp_path_factory.mktemp("encoder")
    pretrain_folder(text, path, tiny, ignore)
    return path


def test_writes_a_folder_that_from_pretrained_loads(folder: Path) -> None:
    model, report = BertForPreTraining.from_pretrained(folder, output_loading_info=True)  # type: ignore[misc]
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert (folder / "model.safetensors").exists()
    assert (model.config.hidden_size, model.config.max_position_embeddings) == (32, 128)


def test_classifiers_start_from_it(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3)
    encoded = tokenizer("The chef helped the dog.", "The dog was helped.", return_tensors="pt")
    assert tokenizer.convert_ids_to_tokens(encoded["input_ids"][0])[:4] == ["[CLS]", "the", "chef", "helped"]
    assert encoded["token_type_ids"][0].tolist().count(1) == 6
    assert model(**encoded).logits.shape == (1, 3)


def test_fine_tuning_starts_from_its_encoder_and_its_pooler(folder: Path) -> None:
    config = ModelConfig(name_or_path=str(folder))
    model = build_model(load_encoder(config), get_task("cola"), TrainingConfig(), 0)
    weights, state = load_file(folder / "model.safetensors"), model.state_dict()
    kept = [name for name in weights if name.startswith("bert.")]
    assert "bert.pooler.dense.weight" in kept
    assert all(torch.equal(state[name], weights[name]) for name in kept)
    assert load_tokenizer(config).model_max_length == 128


def test_same_seed_same_weights(folder: Path, text: Text, tmp_path: Path, tiny: PretrainJob) -> None:
    torch.rand(1)  # the caller's random state does not matter
    pretrain_folder(text, tmp_path, tiny, ignore)
    one, other = load_file(folder / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_another_seed_gives_other_weights(folder: Path, text: Text, tmp_path: Path, tiny: PretrainJob) -> None:
    pretrain_folder(text, tmp_path, changed(tiny, seed=1, max_steps=1), ignore)
    one, other = load_file(folder / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_leaves_the_callers_random_state_alone(text: Text, tmp_path: Path, tiny: PretrainJob) -> None:
    before = torch.random.get_rng_state()
    pretrain_folder(text, tmp_path, changed(tiny, max_steps=1), ignore)
    assert torch.equal(before, torch.random.get_rng_state())


def test_reports_both_losses(text: Text, tmp_path: Path, tiny: PretrainJob) -> None:
    reports: list[PretrainingEvaluation] = []
    pretrain_folder(text, tmp_path, tiny, reports.append)
    assert [evaluation.step for evaluation in reports] == [15, 30]
    assert reports[1].train_masked_lm_loss < reports[0].train_masked_lm_loss
    assert reports[1].masked_lm_loss < reports[0].masked_lm_loss
    assert all(0 < evaluation.next_sentence_loss < 1 for evaluation in reports)


@pytest.fixture
def tiny_synthetic(monkeypatch: pytest.MonkeyPatch, text: Text, tiny: PretrainJob) -> None:
    monkeypatch.setattr(synthetic_encoder, "JOB", changed(tiny, max_steps=2, evaluate_every=2))
    monkeypatch.setattr(synthetic_encoder, "generate_corpus", lambda: iter(text.documents))


@pytest.mark.usefixtures("tiny_synthetic")
class TestCache:
    def test_is_built_once(self, tmp_path: Path) -> None:
        lines: list[str] = []
        folder = synthetic_encoder.prepare_synthetic_encoder(str(tmp_path), lines.append)
        printed = len(lines)
        assert printed >= 2
        assert synthetic_encoder.prepare_synthetic_encoder(str(tmp_path), lines.append) == folder
        assert len(lines) == printed
        AutoTokenizer.from_pretrained(folder)

    def test_is_found_without_generating_the_text(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = synthetic_encoder.prepare_synthetic_encoder(str(tmp_path), ignore)
        monkeypatch.setattr(synthetic_encoder, "generate_corpus", lambda: pytest.fail("generating takes seconds"))
        assert synthetic_encoder.prepare_synthetic_encoder(str(tmp_path), ignore) == folder

    def test_of_another_version_stays_in_use_while_the_text_is_the_same(self, tmp_path: Path) -> None:
        folder = synthetic_encoder.prepare_synthetic_encoder(str(tmp_path), ignore)
        (Path(folder) / synthetic_encoder.FINGERPRINT_FILE).write_text("another version")
        lines: list[str] = []
        assert synthetic_encoder.prepare_synthetic_encoder(str(tmp_path), lines.append) == folder
        assert lines == []

    def test_with_empty_files_is_built_again(self, tmp_path: Path) -> None:
        folder, lines = synthetic_encoder.prepare_synthetic_encoder(str(tmp_path), ignore), list[str]()
        (Path(folder) / "model.safetensors").write_bytes(b"")  # as a power cut may leave it
        assert synthetic_encoder.prepare_synthetic_encoder(str(tmp_path), lines.append) == folder
        assert folder in lines[0]
        BertForPreTraining.from_pretrained(folder)

    def test_leaves_nothing_else_behind(self, tmp_path: Path) -> None:
        folder = synthetic_encoder.prepare_synthetic_encoder(str(tmp_path), ignore)
        assert [str(path) for path in tmp_path.iterdir()] == [folder]

    def test_a_plan_trains_nothing_and_leaves_nothing(self, tmp_path: Path) -> None:
        lines: list[str] = []
        with synthetic_encoder.planned_encoder(str(tmp_path), lines.append) as (stand_in, folder):
            planned = AutoTokenizer.from_pretrained(stand_in).get_vocab()
            BertForPreTraining.from_pretrained(stand_in)
        assert len(lines) == 1
        assert folder in lines[0]
        assert list(tmp_path.iterdir()) == []
        assert not Path(stand_in).exists()
        assert synthetic_encoder.prepare_synthetic_encoder(str(tmp_path), ignore) == folder
        assert AutoTokenizer.from_pretrained(folder).get_vocab() == planned

    def test_a_plan_uses_a_cached_encoder(self, tmp_path: Path) -> None:
        folder, lines = synthetic_encoder.prepare_synthetic_encoder(str(tmp_path), ignore), list[str]()
        with synthetic_encoder.planned_encoder(str(tmp_path), lines.append) as found:
            assert found == (folder, folder)
        assert lines == []

    def test_is_in_the_folder_that_the_environment_names(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GLUETUNE_CACHE_DIR", str(tmp_path / "cache"))
        assert Path(synthetic_encoder.prepare_synthetic_encoder(progress=ignore)).parent == tmp_path / "cache"

    def test_a_failed_build_leaves_no_folder(self, tmp_path: Path) -> None:
        def fail(line: str) -> None:
            if line.startswith("step"):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            synthetic_encoder.prepare_synthetic_encoder(str(tmp_path), fail)
        assert list(tmp_path.iterdir()) == []

    def test_two_at_once_get_the_same_whole_folder(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(2) as pool:
            folders = set(
                pool.map(lambda _: synthetic_encoder.prepare_synthetic_encoder(str(tmp_path), ignore), range(2))
            )
        assert [str(path) for path in tmp_path.iterdir()] == list(folders)
        BertForPreTraining.from_pretrained(folders.pop())

    def test_another_configuration_is_another_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = synthetic_encoder.prepare_synthetic_encoder(str(tmp_path), ignore)
        monkeypatch.setattr(synthetic_encoder, "JOB", changed(synthetic_encoder.JOB, seed=1))
        assert synthetic_encoder.prepare_synthetic_encoder(str(tmp_path), ignore) != folder


def test_the_fingerprint_changes_with_text_and_configuration(text: Text, tiny: PretrainJob) -> None:
    one = synthetic_encoder.fingerprint(text.documents, tiny)
    assert synthetic_encoder.fingerprint([list(document) for document in text.documents], tiny) == one
    assert synthetic_encoder.fingerprint(text.documents[1:], tiny) != one
    assert synthetic_encoder.fingerprint(text.documents, changed(tiny, adam_epsilon=1e-6)) != one
    assert synthetic_encoder.fingerprint(text.documents, changed(tiny, initialisation="mimetic")) != one


def test_the_fingerprint_is_that_of_folders_that_are_cached_already() -> None:
    assert synthetic_encoder.fingerprint([["a text"]], synthetic_encoder.JOB) == "5bd645abb27e"
