"""Pre-training job files."""

from __future__ import annotations

from pathlib import Path

import pytest

from gluetune.config import Override
from gluetune.errors import ConfigError
from gluetune.pretraining import dump_pretrain_job, load_pretrain_job, parse_pretrain_job

JOBS = Path(__file__).resolve().parents[3] / "jobs"


def job_file(folder: Path, text: str) -> str:
    path = folder / "job.yaml"
    path.write_text(text)
    return str(path)


def mistakes(path: str, *overrides: Override) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_pretrain_job(path, overrides)
    return [str(issue).removeprefix(f"{path}:") for issue in caught.value.issues]


def test_the_shipped_job_is_d2ls() -> None:
    job = load_pretrain_job(str(JOBS / "bert_wikitext_d2l.yaml"))
    model, training = job.model, job.training
    assert (
        model.num_hidden_layers,
        model.hidden_size,
        model.num_attention_heads,
        model.intermediate_size,
        model.dropout,
    ) == (2, 128, 2, 128, 0.2)
    assert (training.max_seq_length, training.batch_size, training.max_steps) == (128, 256, 4000)
    assert job.published is not None
    assert job.published.figures == {
        "train.masked_lm_loss": 5.715,
        "train.next_sentence_loss": 0.321,
        "train.pairs_per_second": 5718,
    }


def test_a_job_is_read_back_equal() -> None:
    job = load_pretrain_job(str(JOBS / "bert_wikitext_d2l.yaml"), [Override("training.bf16", False)])
    assert parse_pretrain_job(dump_pretrain_job(job).encode(), "job.yaml") == job


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    path = job_file(tmp_path, "training: {max_steps: 10, batch_size: 8}\n")
    job = load_pretrain_job(path, [Override("training.max_steps", 20), Override("text.max_documents", 50)])
    assert (job.training.max_steps, job.training.batch_size, job.text.max_documents) == (20, 8, 50)


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert load_pretrain_job(job_file(tmp_path, "")).text.source == "synthetic"


def test_all_mistakes_at_once_with_their_lines(tmp_path: Path) -> None:
    path = job_file(tmp_path, "model:\n  hidden_sise: 64\ntraining:\n  max_steps: 0\n  initialisation: mimetik\n")
    assert mistakes(path, Override("seed", -1, "--seed")) == [
        "2: model.hidden_sise: no such key; nearest: 'hidden_size'",
        "4: training.max_steps: must be a whole number >= 1, but got 0",
        "5: training.initialisation: must be one of random, mimetic, but got 'mimetik'; nearest: 'mimetic'",
        "--seed: must be a whole number >= 0 and < 2147483648, but got -1",
    ]


def test_heads_must_fit_the_width(tmp_path: Path) -> None:
    assert mistakes(job_file(tmp_path, "model:\n  hidden_size: 100\n  num_attention_heads: 3\n")) == [
        "1: model: `hidden_size % num_attention_heads == 0` must hold, but got (hidden_size=100, num_attention_heads=3)"
    ]


@pytest.mark.parametrize(("source", "needed"), [("files", "path"), ("hub", "dataset")])
def test_a_source_needs_its_place(source: str, needed: str, tmp_path: Path) -> None:
    assert mistakes(job_file(tmp_path, f"text:\n  source: {source}\n")) == [
        f"1: text: `{needed}` must be given for `source: {source}`, but got null"
    ]


def test_a_file_that_is_no_mapping(tmp_path: Path) -> None:
    assert mistakes(job_file(tmp_path, "- 1\n")) == ["1: must be a mapping of keys to values, but got [1]"]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("text: {source: files, path: a.txt, dataset: x}", "text.dataset"),
        ("text: {source: hub, dataset: x, path: a.txt}", "text.path"),
        ("text: {validation_path: a.txt}", "text.validation_path"),
        ("tokenizer: {name_or_path: bert, vocab_size: 500}", "tokenizer.vocab_size"),
    ],
)
def test_a_setting_without_effect_is_rejected(text: str, path: str, tmp_path: Path) -> None:
    (found,) = mistakes(job_file(tmp_path, text))
    assert found.startswith(f"1: {path}: must not be given with ")


def test_a_flag_that_changes_the_source_drops_the_settings_of_the_former_one() -> None:
    path = str(JOBS / "bert_wikitext_d2l.yaml")
    job = load_pretrain_job(
        path,
        [Override("text.source", "synthetic", "--text"), Override("tokenizer.name_or_path", "bert", "--tokenizer")],
    )
    assert (job.text.dataset, job.tokenizer.name_or_path) == (None, "bert")
