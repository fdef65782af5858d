"""A winner's MLflow model: loading the champion back gives the recorded score on the same rows."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from gluetune.config import DataConfig, ModelConfig, TrainingConfig
from gluetune.data import encode_rows, open_source
from gluetune.models import build_model, load_encoder, load_tokenizer, save_pretrained
from gluetune.reporting import print_models, summarise
from gluetune.storage import Storage
from gluetune.tasks import get_task
from gluetune.tasks.metrics import compute_metrics
from gluetune.tracking import Champion, Registration, Tracker
from gluetune.tracking.registration import register
from gluetune.tracking.runs import open_store
from gluetune.training import predict_logits
from sample_search import BEGIN, COLA, MNLI, events, plan, send_events, started
from tiny_classifiers import spelling, write_encoder

MAX_LENGTH = 16  # short enough to cut rows


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of one layer with random weights and a vocabulary of letters."""
    words = spelling("abcdefghijklmnopqrstuvwxyz.,'?")
    return write_encoder(tmp_path_factory.mktemp("encoder"), words)


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    folder = tmp_path_factory.mktemp("champion")
    cola, mnli = (replace(task, synthetic=False, fingerprints={"selection": "f1"}) for task in (COLA, MNLI))
    tracked = plan(tracking_uri=f"sqlite:///{folder}/mlflow.db", tasks=(cola, mnli))
    made = Tracker(tracked, Storage(str(folder / "small")), artifacts=str(folder / "mlartifacts"))
    made.trials = send_events(made, [*events(), started(4, "cola")])
    made.uri = f"sqlite:///{folder}/mlflow.db"
    assert made.flush()
    return made


@pytest.fixture(autouse=True)
def empty_registry(tracker: Any) -> Any:
    """No registered models of other tests."""
    yield
    client = open_store(tracker.uri, "tests")
    for model in client.search_registered_models():
        client.delete_registered_model(model.name)


@pytest.fixture
def use_store(tracker: Any) -> Any:
    """MLflow with the tracker's store as its default, as a user would have it."""
    import mlflow

    mlflow.set_tracking_uri(tracker.uri)
    yield mlflow
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


def make_champion(
    name: str,
    encoder_folder: Path,
    folder: Path,
    training: TrainingConfig = TrainingConfig(),  # noqa: B008
) -> tuple[Champion, Any, np.ndarray]:
    """A saved model of a task, the rows it is scored on, and its logits on them."""
    task, model_config = get_task(name), ModelConfig(name_or_path=str(encoder_folder))
    encoder, tokenizer = load_encoder(model_config), load_tokenizer(model_config)
    rows = open_source(DataConfig()).load(task, task.dev[0]).take(np.arange(80))
    model = build_model(encoder, task, training, seed=3).eval()
    encoded = encode_rows(rows, task, tokenizer, MAX_LENGTH)
    assert max(encoded.lengths) == MAX_LENGTH
    logits = predict_logits(model, encoded, 32)
    save_pretrained(encoder, task, model.state_dict(), tokenizer, str(folder), training)
    score = compute_metrics(task, logits, encoded.labels)[task.primary]  # type: ignore[arg-type]
    return Champion(task, f"{name}-0000", str(folder), score, {}, rows.columns, MAX_LENGTH), rows, logits


def test_classification(tracker: Any, use_store: Any, encoder_folder: Path, tmp_path: Path) -> None:
    import pandas as pd

    champion, rows, logits = make_champion("mnli", encoder_folder, tmp_path)
    uri = tracker.log_winner(tracker.trials[1], champion).uri
    assert uri == "models:/gluetune-mnli@champion"
    answer = use_store.pyfunc.load_model(uri).predict(pd.DataFrame(rows.columns))
    labels = champion.task.labels
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(answer[[f"probability_{label}" for label in labels]], probabilities, atol=1e-5)
    np.testing.assert_allclose(answer["score"], probabilities.max(axis=1), atol=1e-5)
    predicted = np.eye(len(labels))[[labels.index(label) for label in answer["label"]]]
    assert compute_metrics(champion.task, predicted, rows.labels)["accuracy"] == pytest.approx(champion.score)


def test_regression(tracker: Any, use_store: Any, encoder_folder: Path, tmp_path: Path) -> None:
    import pandas as pd

    champion, rows, logits = make_champion("stsb", encoder_folder, tmp_path)
    uri = tracker.log_winner(tracker.trials[0], champion).uri
    answer = use_store.pyfunc.load_model(uri).predict(pd.DataFrame(rows.columns))
    assert list(answer.columns) == ["score"]
    np.testing.assert_allclose(answer["score"], logits[:, 0], atol=1e-5)


def test_registered_once_with_tags_signature_and_checkpoint(
    tracker: Any, use_store: Any, encoder_folder: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForSequenceClassification

    champion, _, _ = make_champion("cola", encoder_folder, tmp_path)
    champion = replace(champion, score=0.5, dev_scores={"validation": {"matthews_correlation": 0.45}})
    first, again = (tracker.log_winner(tracker.trials[2], champion) for _ in range(2))
    assert first.uri == again.uri == "models:/gluetune-cola@champion"
    client = open_store(tracker.uri, "tests")
    (version,) = client.search_model_versions("name = 'gluetune-cola'")
    assert client.get_model_version_by_alias("gluetune-cola", "champion").version == version.version
    assert version.tags["gluetune.score"] == "0.500000"
    assert version.tags["gluetune.validation.matthews_correlation"] == "0.450000"
    assert (version.tags["gluetune.search"], version.tags["gluetune.data"]) == ("small", "generated (seed 0)")
    assert (version.tags["gluetune.selection_fingerprint"], version.tags["gluetune.synthetic"]) == ("f1", "false")
    info = use_store.models.get_model_info("models:/gluetune-cola@champion")
    assert info.run_id == version.run_id
    assert info.signature.inputs.input_names() == ["sentence"]
    probabilities = ["probability_unacceptable", "probability_acceptable"]
    assert info.signature.outputs.input_names() == ["label", "score", *probabilities]
    checkpoint = use_store.artifacts.download_artifacts(f"runs:/{version.run_id}/model/artifacts/checkpoint")
    assert AutoModelForSequenceClassification.from_pretrained(checkpoint).config.id2label[1] == "acceptable"


def test_a_winner_that_trained_on_becomes_a_new_version(tracker: Any, encoder_folder: Path, tmp_path: Path) -> None:
    """A search out of time registers a stopped trial; resumed, the trial gets better, in the same run."""
    champion, _, _ = make_champion("sst2", encoder_folder, tmp_path)
    tracker.log_winner(tracker.trials[0], replace(champion, score=0.5))
    tracker.log_winner(tracker.trials[0], replace(champion, score=0.6))
    client = open_store(tracker.uri, "tests")
    assert len(client.search_model_versions("name = 'gluetune-sst2'")) == 2
    assert client.get_model_version_by_alias("gluetune-sst2", "champion").tags["gluetune.score"] == "0.600000"


def register_model(tracker: Any, name: str, score: float, **changes: str) -> Registration:
    """Register a model that has tags but no files."""
    client = open_store(tracker.uri, "tests")
    experiment = client.get_experiment_by_name("tests").experiment_id
    run_id = client.create_run(experiment).info.run_id
    model = client.create_logged_model(experiment, "model", run_id)
    client.finalize_logged_model(model.model_id, "READY")
    tags = {
        "gluetune.metric": "accuracy",
        "gluetune.score": f"{score:.6f}",
        "gluetune.synthetic": "false",
        "gluetune.selection_fingerprint": "a",
    } | changes
    return register(client, name, get_task("rte"), model.model_id, run_id, tags)


def champion_of(tracker: Any, name: str) -> str | None:
    """The version that the alias is on."""
    version = open_store(tracker.uri, "tests").get_registered_model(name).aliases.get("champion")
    return None if version is None else str(version)


def test_the_alias_moves_to_a_better_model_of_the_same_data_only(tracker: Any) -> None:
    name = "gluetune-moves"
    assert register_model(tracker, name, 0.9, **{"gluetune.synthetic": "true"}).champion is False
    assert champion_of(tracker, name) is None
    first = register_model(tracker, name, 0.6)
    assert (first.uri, first.champion, champion_of(tracker, name)) == (f"models:/{name}@champion", True, "2")
    for changes in ({"gluetune.selection_fingerprint": "b"}, {"gluetune.metric": "f1"}, {"gluetune.synthetic": "true"}):
        assert register_model(tracker, name, 0.9, **changes).champion is False
        assert champion_of(tracker, name) == "2"
    worse = register_model(tracker, name, 0.5)
    assert (worse.uri, worse.champion, champion_of(tracker, name)) == (f"models:/{name}/6", False, "2")
    assert "version 2 stays champion" in worse.outcome
    client = open_store(tracker.uri, "tests")
    assert str(client.get_model_version_by_alias(name, "latest").version) == "6"  # MLflow's alias of the newest
    assert register_model(tracker, name, 0.7).champion is True
    assert champion_of(tracker, name) == "7"


def test_a_resume_finds_its_version_and_leaves_a_persons_choice(
    tracker: Any,
    encoder_folder: Path,
    tmp_path: Path,
) -> None:
    champion, _, _ = make_champion("qnli", encoder_folder, tmp_path)
    client, name = open_store(tracker.uri, "tests"), champion.registered_name
    tracker.log_winner(tracker.trials[0], replace(champion, score=0.5))
    assert tracker.log_winner(tracker.trials[1], replace(champion, score=0.6)).champion is True
    client.set_registered_model_alias(name, "champion", "1")
    again = tracker.log_winner(tracker.trials[1], replace(champion, score=0.6))
    assert (again.uri, again.champion) == (f"models:/{name}/2", False)
    assert "the champion is version 1" in again.outcome
    assert len(client.search_model_versions(f"name = '{name}'")) == 2


def test_an_attempt_that_was_cut_is_finished(tracker: Any, encoder_folder: Path, tmp_path: Path) -> None:
    """Between making the version, moving the alias, and noting that it is decided."""
    champion, _, _ = make_champion("wnli", encoder_folder, tmp_path)
    client, name = open_store(tracker.uri, "tests"), champion.registered_name
    tracker.log_winner(tracker.trials[0], champion)
    client.delete_model_version_tag(name, "1", "gluetune.promoted")
    assert tracker.log_winner(tracker.trials[0], champion).champion is True  # cut behind the alias
    client.delete_model_version_tag(name, "1", "gluetune.promoted")
    client.delete_registered_model_alias(name, "champion")
    assert tracker.log_winner(tracker.trials[0], champion).champion is True  # cut before it
    assert champion_of(tracker, name) == "1"


def paste(code: str, folder: Path, modules: Path) -> str:
    """Run Python code in an empty folder, in which it must leave nothing; what it prints."""
    folder.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=environment | {"MLFLOW_DISABLE_TELEMETRY": "true", "HF_MODULES_CACHE": str(modules)},
    )
    assert done.returncode == 0, done.stderr
    assert list(folder.iterdir()) == []
    return done.stdout


def printed_code(tracker: Any, champion: Champion, found: Registration) -> str:
    """The Python code at the end of a search of one task."""
    out = Console(file=io.StringIO(), width=60, color_system=None)
    summary = summarise(
        plan(tracking_uri=tracker.uri, tasks=(COLA,)),
        tracker.trials.values(),
        status="complete",
        session_started=BEGIN,
        now=BEGIN + 9,
        models={champion.task.name: found},
    )
    print_models(summary, out)
    said: str = out.file.getvalue()
    assert found.outcome in said
    return said[said.index("import mlflow") :]


def readme_code(tracker: Any) -> str:
    """The documented Python code that loads a model, with another address of the store."""
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "registry.md").read_text()
    (block,) = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "load_model" in block]
    code, stores = re.subn(r'"sqlite:///[^"]*"', repr(tracker.uri), block)
    assert stores == 1
    return code


HEADS: tuple[Any, ...] = ("default", "mlp")
PREDICT_WITHOUT_GLUETUNE = """
import sys
sys.modules["gluetune"] = None
import mlflow, pandas
mlflow.set_tracking_uri({store!r})
for uri in {uris!r}:
    answer = mlflow.pyfunc.load_model(uri).predict(pandas.DataFrame({texts!r}))
    assert set(answer["label"]) <= {{"entailment", "not_entailment"}}, answer
    print(*answer[["probability_entailment", "probability_not_entailment"]].iloc[0])
"""


def test_what_search_and_readme_print_can_be_pasted_anywhere_and_models_need_no_gluetune(
    tracker: Any, encoder_folder: Path, tmp_path: Path
) -> None:
    """In one process, because importing MLflow takes seconds."""
    uris, expected = [], []
    for head in HEADS:
        champion, _, logits = make_champion("rte", encoder_folder, tmp_path / head, TrainingConfig(head=head))
        champion = replace(champion, trial=f"rte-{head}")  # another model on the same run
        logged = tracker.log_winner(tracker.trials[3], champion, register=False)
        assert logged.champion is None
        assert logged.uri.startswith("models:/m-")
        uris.append(logged.uri)
        expected.append(np.exp(logits[0]) / np.exp(logits[0]).sum())
    texts = {name: column[:1] for name, column in champion.examples.items()}
    predict = PREDICT_WITHOUT_GLUETUNE.format(store=tracker.uri, uris=uris, texts=texts)

    cola, _, _ = make_champion("cola", encoder_folder, tmp_path / "saved")
    code = printed_code(tracker, cola, tracker.log_winner(tracker.trials[0], cola)) + readme_code(tracker)
    *probabilities, said = paste(predict + code, tmp_path / "empty", tmp_path / "modules").split("\n", len(HEADS))
    np.testing.assert_allclose([list(map(float, line.split())) for line in probabilities], expected, atol=1e-5)
    assert len(re.findall(r"^[01] +(?:un)?acceptable", said, re.MULTILINE)) == 4


def test_a_missing_folder_is_said_and_does_not_raise(
    tracker: Any, encoder_folder: Path, tmp_path: Path, logged: Callable[[], list[str]]
) -> None:
    champion, _, _ = make_champion("rte", encoder_folder, tmp_path)
    before = len(logged())
    assert tracker.log_winner(tracker.trials[4], replace(champion, folder=str(tmp_path / "gone"))) is None
    (message,) = logged()[before:]
    assert "cola-0004" in message
    assert f"'{tmp_path}/gone'" in message
