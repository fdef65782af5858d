"""Two workers pre-train to the same numbers as one with the same global batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from gluetune.errors import DivergedError
from gluetune.events import PretrainingEvaluation
from gluetune.pretraining import (
    EncoderConfig,
    PretrainingConfig,
    PretrainJob,
    Text,
    TokenizerConfig,
    prepare_text,
    train_encoder,
)
from gluetune.storage import Storage
from gluetune.synthetic import generate_corpus
from gluetune.training import Checkpoints, DistributedContext
from two_workers import TwoWorkers

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "accumulation": {"gradient_accumulation_steps": 3},
    "batches of one pair": {"batch_size": 1, "max_steps": 6, "evaluate_every": 3, "eval_batch_size": 64},
}


def job(dropout: float = 0.0, **training: Any) -> PretrainJob:
    settings = {"max_steps": 24, "batch_size": 15, "evaluate_every": 8, "eval_batch_size": 4, **training}
    return PretrainJob(
        tokenizer=TokenizerConfig(vocab_size=500),
        training=PretrainingConfig(**settings),
        model=EncoderConfig(hidden_size=32, intermediate_size=64, num_hidden_layers=1, dropout=dropout),
    )


def run(
    folder: Path,
    case: PretrainJob,
    distributed: DistributedContext = DistributedContext(),
    stop_after: int | None = None,
) -> tuple[list[PretrainingEvaluation], dict[str, torch.Tensor] | None]:
    """Run or resume a case; its evaluations, and its weights once it is done."""
    data, _ = prepare_text(Text(list(generate_corpus(documents=60)), None, "generated"), case)
    checkpoints = Checkpoints(Storage(str(folder)), "run")
    evaluations: list[PretrainingEvaluation] = []

    def report(evaluation: PretrainingEvaluation) -> bool:
        evaluations.append(
            evaluation.model_copy(
                update=dict.fromkeys(("train_seconds", "eval_seconds", "first_step_at", "last_step_at"))
            )
        )
        return evaluation.index != stop_after

    train_encoder(data, case, report=report, checkpoints=checkpoints, distributed=distributed)
    return evaluations, checkpoints.load_best()


def all_cases(distributed: DistributedContext, folder: Path) -> dict[str, Any]:
    """The evaluations of each case, of a run and the same one resumed, and the message of a run that diverges."""
    results: dict[str, Any] = {}
    for number, (case, changes) in enumerate(CASES.items()):
        results[case] = run(folder / str(number), job(**changes), distributed)[0]
    noisy = job(dropout=0.3)
    results["undisturbed"] = run(folder / "undisturbed", noisy, distributed)[0]
    run(folder / "resumed", noisy, distributed, stop_after=2)
    results["resumed"] = run(folder / "resumed", noisy, distributed)[0]
    try:
        run(folder / "diverged", job(learning_rate=1e30), distributed)
    except DivergedError as error:
        results["diverged"] = str(error)
    return results


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workers")


@pytest.fixture(scope="module")
def ranks(two_workers: TwoWorkers, folder: Path) -> list[dict[str, Any]]:
    return two_workers.run(all_cases, folder)


@pytest.mark.parametrize("number", range(len(CASES)), ids=CASES)
def test_two_workers_equal_one(number: int, ranks: list[dict[str, Any]], folder: Path, tmp_path: Path) -> None:
    case = list(CASES)[number]
    alone, weights = run(tmp_path, job(**CASES[case]))
    for one, two in zip(alone, ranks[0][case], strict=True):
        assert two.model_dump() == pytest.approx(one.model_dump(), abs=1e-4)
    together = Checkpoints(Storage(str(folder / str(number))), "run").load_best()
    assert weights is not None
    assert together is not None
    for name, tensor in weights.items():
        torch.testing.assert_close(together[name], tensor, atol=1e-4, rtol=0)


@pytest.mark.parametrize("case", CASES)
def test_all_workers_see_the_same_evaluations(case: str, ranks: list[dict[str, Any]]) -> None:
    assert ranks[0][case] == ranks[1][case]


def test_a_resumed_group_goes_on_to_the_same_numbers(ranks: list[dict[str, Any]]) -> None:
    for results in ranks:
        assert results["resumed"] == results["undisturbed"][1:]


def test_all_workers_see_that_a_run_diverged(ranks: list[dict[str, Any]]) -> None:
    assert ranks[0]["diverged"] == ranks[1]["diverged"]
