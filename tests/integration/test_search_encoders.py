"""A real search among encoders with other tokenizers, sizes and search spaces: trials, winners, record and resume."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import gluetune
from gluetune.errors import ConfigError, DataError
from gluetune.events import JournalReader
from gluetune.storage import Storage
from tiny_classifiers import LETTERS, write_encoder

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Three encoders; the first two have the same tokenizer."""
    folder = tmp_path_factory.mktemp("encoders")
    sizes: dict[str, dict[str, Any]] = {"narrow": {}, "wide": {"hidden_size": 64}, "other": {"words": LETTERS[:-4]}}
    return {name: str(write_encoder(folder / name, **size)) for name, size in sizes.items()}


@pytest.fixture(scope="module")
def result(encoders: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> gluetune.SearchResult:
    folder = tmp_path_factory.mktemp("search")
    rows = [f"{word} {number}" for number in range(60) for word in ("good", "bad")]
    file = folder / "texts.csv"
    file.write_text("text,label\n" + "".join(f"{row},{row.split()[0]}\n" for row in rows))
    fast = folder / "fast.yaml"
    fast.write_text("space: {learning_rate: [1e-2, 1e-3]}\ntraining: {num_train_epochs: 2}\n")
    return gluetune.tune(
        name="encoders",
        tasks={"tone": {"train": str(file), "text": "text", "label": "label"}},
        model={"name_or_path": list(encoders.values())},
        training={"batch_size": 32, "eval_batch_size": 32},
        search={
            "space": {"name": "slow", "space": {"learning_rate": [1e-3]}, "training": {"num_train_epochs": 1}},
            "spaces": {encoders["wide"]: str(fast)},
            "algorithm": "nsga2",
            "num_samples": 9,
            "objective": ["score", "ms_per_row"],
        },
        lanes={"max_concurrent_trials": 1},
        storage={"path": str(folder)},
        progress=False,
    )


def journal(result: gluetune.SearchResult) -> list[Any]:
    return sorted(JournalReader(Storage(result.folder)).trials.values(), key=lambda trial: trial.number)


def test_each_encoder_is_trained_in_its_own_space(result: gluetune.SearchResult, encoders: dict[str, str]) -> None:
    trials = journal(result)
    assert result.status == "complete"
    assert sorted((trial.model, trial.params["learning_rate"]) for trial in trials) == sorted(
        [(encoders["narrow"], 1e-3), (encoders["wide"], 1e-2), (encoders["wide"], 1e-3), (encoders["other"], 1e-3)]
    )
    for trial in trials:
        assert len(trial.evaluations) == (2 if trial.model == encoders["wide"] else 1)


def test_lanes_switch_encoders_without_a_restart(result: gluetune.SearchResult) -> None:
    assert len({evaluation.lane for trial in journal(result) for evaluation in trial.evaluations}) == 1


def test_the_winner_is_saved_with_its_own_encoder_and_tokenizer(
    result: gluetune.SearchResult, encoders: dict[str, str]
) -> None:
    best = result.best("tone")
    folder, encoder = Path(best.folder or ""), Path(str(best.params["model"]))
    saved, original = (json.loads((each / "config.json").read_text()) for each in (folder, encoder))
    assert saved["hidden_size"] == original["hidden_size"]
    kept, loaded = (json.loads((each / "tokenizer.json").read_text())["model"]["vocab"] for each in (folder, encoder))
    assert kept == loaded
    assert set(best.load(device="cpu").predict(["good 1", "bad 2"])) <= {"good", "bad"}
    assert f"# tone: {encoder.name}\n" in (folder / "README.md").read_text()


def test_the_summary_compares_the_encoders(result: gluetune.SearchResult, encoders: dict[str, str]) -> None:
    (task,) = json.loads((Path(result.folder) / "summary.json").read_text())["tasks"]
    assert {each["model"]: each["trials"] for each in task["encoders"]} == {
        encoders["narrow"]: 1,
        encoders["wide"]: 2,
        encoders["other"]: 1,
    }
    scores = [each["score"] for each in task["encoders"]]
    assert scores == sorted(scores, reverse=True)
    assert all(each["ms_per_row"] > 0 and each["parameters"] > 1000 for each in task["encoders"])
    front = task["pareto"]
    assert front
    assert front[0]["score"] == task["winner"]["score"]
    assert [point["ms_per_row"] for point in front] == sorted((point["ms_per_row"] for point in front), reverse=True)
    assert (Path(result.folder) / "report" / "tone_pareto.png").read_bytes().startswith(b"\x89PNG")


def test_mlflow_has_the_encoder_of_each_trial_and_the_picture(
    result: gluetune.SearchResult, encoders: dict[str, str]
) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(result.tracking_uri)
    runs = client.search_runs([client.get_experiment_by_name("encoders").experiment_id])
    trials = [run for run in runs if run.data.tags["gluetune.level"] == "trial"]
    assert {run.data.params["model"] for run in trials} == set(encoders.values())
    (task,) = [run for run in runs if run.data.tags["gluetune.level"] == "task"]
    assert "pareto.png" in {file.path for file in client.list_artifacts(task.info.run_id)}


def test_a_resume_needs_nothing_but_the_name_and_refuses_another_encoder(
    result: gluetune.SearchResult, encoders: dict[str, str]
) -> None:
    storage = {"path": str(Path(result.folder).parent)}
    assert gluetune.resume("encoders", storage=storage, progress=False).status == "complete"
    folder = Path(encoders["narrow"])
    before = (folder / "model.safetensors").read_bytes()
    write_encoder(folder, seed=5)
    with pytest.raises(DataError, match=r"the encoder \S*narrow: other weights"):
        gluetune.resume("encoders", storage=storage, progress=False)
    (folder / "model.safetensors").write_bytes(before)


def test_one_configuration_takes_one_encoder(encoders: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"model\.name_or_path.*one encoder"):
        gluetune.fine_tune(
            tasks=["cola"], data={"source": "synthetic"}, model={"name_or_path": list(encoders.values())}
        )
