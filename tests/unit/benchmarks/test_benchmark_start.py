"""Comparison 11, and how the benchmark runs programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import BertConfig, BertModel, BertTokenizerFast

from benchmarks import start, tokenization
from benchmarks.comparison import BenchmarkConfig
from benchmarks.grid_runs import GridRuns
from benchmarks.programs import run_python, running_cluster
from gluetune.errors import BenchmarkError

ROWS = {"premise": ["a cat sat", "dogs run", "b"], "hypothesis": ["a cat", "no dog runs", "c"]}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny encoder that spells its words."""
    folder = tmp_path_factory.mktemp("model")
    letters = [*"abcdefghijklmnopqrstuvwxyz", *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")]
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *letters]))
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=128).save_pretrained(folder)
    BertModel(
        BertConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    ).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("method", sorted(tokenization.METHODS))
def test_every_method_tokenizes_all_rows(method: str, model: str, tmp_path: Path) -> None:
    columns = {name: 4 * texts for name, texts in ROWS.items()}
    done = tokenization.METHODS[method](columns, "mnli", model, tmp_path)()
    tokens = sum(3 + len("".join(text.split())) for text in map("".join, zip(*columns.values(), strict=True)))
    assert done == (tokens if method == "gluetune" else 12)


def test_rows_are_repeated_and_counted_per_second(model: str, tmp_path: Path) -> None:
    measured = tokenization.measure_tokenization(ROWS, 10, "mnli", model, "gluetune", tmp_path)
    assert set(measured) == {"rows/s", "peak memory"}
    assert measured["rows/s"] > 0
    assert measured["peak memory"] > 50  # MB, of a process that holds torch


def test_a_folder_without_the_large_task_gives_generated_rows(tmp_path: Path) -> None:
    rows = start._large_task(BenchmarkConfig(tmp_path, glue_dir=str(tmp_path)))
    assert list(rows) == ["premise", "hypothesis"]
    assert len(rows["premise"]) == len(rows["hypothesis"]) > 100


def test_targets_are_for_the_running_cluster_and_for_tokenizing() -> None:
    (comparison,) = start.COMPARISONS
    names = [contender.name for contender in comparison.contenders(BenchmarkConfig(Path()))]
    assert comparison.number == 11
    for target in comparison.targets:
        assert {target.contender, target.over} <= set(names)
        assert comparison.figure(target.figure)


def test_a_programs_answer_is_its_last_line_of_json(tmp_path: Path) -> None:
    code = "print('{\"a\": 0}'); print('{\"a\": 1}'); print('last line')"
    done = run_python(["-c", code], tmp_path / "logs" / "log")
    assert done.answer() == {"a": 1}
    assert done.wall_s > 0


def test_a_failing_program_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"did with 3; the end of what it printed:\n(?s:.*)boom"):
        run_python(["-c", "print('boom'); raise SystemExit(3)"], tmp_path / "log")


def test_only_a_program_with_an_address_inherits_ray_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "elsewhere:6379")
    code = "import json, os; print(json.dumps({'address': os.environ.get('RAY_ADDRESS'), 'own': os.environ['OWN']}))"
    assert run_python(["-c", code], tmp_path / "a", {"OWN": "1"}).answer() == {"address": None, "own": "1"}
    there = run_python(["-c", code, "--address", "x"], tmp_path / "b", {"OWN": "1"}).answer()
    assert there["address"] == "elsewhere:6379"


@pytest.mark.cluster
@pytest.mark.ray
@pytest.mark.slow
def test_gluetune_on_a_running_cluster(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_cluster(tmp_path / "cluster.log") as (address, access):
        for name, value in access.items():
            monkeypatch.setenv(name, value)
        config = BenchmarkConfig(
            tmp_path, model=model, max_train_samples=24, max_eval_samples=12, trials=3, address=address
        )
        run = GridRuns(config).gluetune("MiniLM-size", 0)
    folder = tmp_path / "grid" / "gluetune-MiniLM-size-0" / "gluetune"
    assert len(json.loads((folder / "summary.json").read_text())["trials"]) == len(run.trials) == 3
    assert run.lanes == 2
    assert len(run.gaps) in {1, 2}  # two where the first lane trained all three before the second one was up
    assert run.wall_s > max(trial.ended for trial in run.trials) - min(trial.began for trial in run.trials)
