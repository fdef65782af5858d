"""Comparison 6: all contenders train the same rows, baselines with their own defaults, without counting padding."""

from __future__ import annotations

import subprocess
import sys
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertModel, TrainerState, TrainingArguments

from benchmarks import gluetune_throughput, throughput
from benchmarks.baselines import trainer_speed
from benchmarks.baselines.trainer_speed import Counted, EpochClock, speed_arguments
from benchmarks.baselines.work import Speed, Work
from benchmarks.comparison import GLUETUNE, BenchmarkConfig
from benchmarks.programs import peak_memory_mb
from gluetune.pretraining import prepare_synthetic_encoder
from gluetune.tasks import get_task

MRPC = get_task("mrpc")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    """Generated rows, and a tiny encoder with the synthetic tokenizer."""
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = AutoTokenizer.from_pretrained(prepare_synthetic_encoder())
    BertModel(
        BertConfig(
            vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
        )
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return throughput.task_work(BenchmarkConfig(folder, max_train_samples=70), MRPC, str(folder), 3)


def real_tokens(work: Work) -> int:
    tokenizer = AutoTokenizer.from_pretrained(work.model)
    first, second = (work.train[name] for name in MRPC.columns)
    return sum(len(ids) for ids in tokenizer(first, second, truncation=True, max_length=128)["input_ids"])


@pytest.mark.parametrize(("padded", "sampling"), [(True, "random"), (False, "random"), (False, "group_by_length")])
def test_all_contenders_train_the_same_tokens(work: Work, padded: bool, sampling: str, tmp_path: Path) -> None:
    gluetune = gluetune_throughput.measure_gluetune(work, MRPC)
    speed = trainer_speed.measure_trainer(work, MRPC, str(tmp_path), padded=padded, sampling=sampling)
    assert (speed.examples, speed.tokens) == (gluetune.examples, gluetune.tokens) == (2 * 70, 2 * real_tokens(work))
    assert speed.seconds > 0


def test_baselines_are_trainers_defaults(tmp_path: Path) -> None:
    given = speed_arguments(throughput.TRAINING | {"num_train_epochs": 3}, str(tmp_path), 42, "group_by_length")
    default = TrainingArguments(output_dir=str(tmp_path))
    for name in (
        "optim",
        "max_grad_norm",
        "adam_epsilon",
        "dataloader_num_workers",
        "torch_compile",
        "gradient_accumulation_steps",
        "dataloader_drop_last",
    ):
        assert getattr(given, name) == getattr(default, name)
    assert given.train_sampling_strategy == "group_by_length"
    assert default.train_sampling_strategy == "random"
    assert (given.per_device_train_batch_size, given.num_train_epochs, given.learning_rate) == (32, 3, 3e-5)
    assert given.bf16 == torch.cuda.is_available()  # as in gluetune


def test_contenders_differ_in_padding_and_sampling_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs: dict[str, list[str]] = {}

    def note(arguments: list[str], log: Path, variables: Any) -> SimpleNamespace:
        programs[contender.name] = arguments
        return SimpleNamespace(answer=lambda: {"examples/s": 2.0, "tokens/s": 20.0, "peak memory": 1.0})

    monkeypatch.setattr(throughput, "run_python", note)
    monkeypatch.setattr(throughput, "_work_file", lambda config, task, size: tmp_path / "work.json")
    (comparison,) = throughput.COMPARISONS
    names = {figure.name for figure in comparison.figures}
    for contender in comparison.contenders(BenchmarkConfig(tmp_path)):
        assert set(contender.measure(0)) == names
    assert programs[GLUETUNE][1] == "benchmarks.gluetune_throughput"
    expected = {
        throughput.PADDED: ("max_length", "random"),
        throughput.DYNAMIC: ("longest", "random"),
        throughput.BY_LENGTH: ("longest", "group_by_length"),
    }
    for name, (padding, sampling) in expected.items():
        program = programs[name]
        assert program[1] == "benchmarks.baselines.trainer_speed"
        assert program[program.index("--padding") + 1] == padding
        assert program[program.index("--sampling") + 1] == sampling
    assert {target.figure for target in comparison.targets} <= names
    assert {target.over for target in comparison.targets} == set(expected)


def test_tokens_are_counted_without_padding() -> None:
    batches = Counted(lambda rows: {"attention_mask": torch.tensor(rows)})
    batches([[1, 1, 1, 0], [1, 0, 0, 0]])
    batches([[1, 1]])
    assert batches.counts == [(2, 4), (1, 2)]


def test_clock_times_what_follows_the_first_epoch() -> None:
    seconds = count(10.0, 2.5)
    clock = EpochClock(1, now=lambda: next(seconds))
    state = TrainerState(max_steps=6)
    for step in range(6):
        state.global_step, state.epoch = step, step / 3
        clock.on_step_begin(None, state, None)  # type: ignore[arg-type]
        state.global_step = step + 1
        clock.on_step_end(None, state, None)  # type: ignore[arg-type]
    assert (clock.first_step, clock.seconds) == (3, 2.5)


def test_speeds_are_per_second_of_the_measured_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    figures = Speed(examples=64, tokens=640, seconds=4.0).figures()
    assert (figures["examples/s"], figures["tokens/s"]) == (16.0, 160.0)
    assert figures["peak memory"] == pytest.approx(peak_memory_mb(), rel=0.01)


def test_peak_memory_is_the_programs_own_and_not_its_parents() -> None:
    held = bytearray(300_000_000)
    program = "from benchmarks.programs import peak_memory_mb; held = bytearray(50_000_000); print(peak_memory_mb())"
    peak = float(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)
    assert 50 < peak < len(held) / 1e6
