"""``gluetune export MODEL --onnx``: what it writes and prints, which models it finds, and what it refuses."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from transformers import AutoTokenizer

from gluetune.cli.export import main
from gluetune.errors import ModelError
from gluetune.inference import TextSettings, load_classifier
from gluetune.inference.onnx_model import export_onnx
from gluetune.tasks import Task, get_task
from hand_made_runs import write_run
from tiny_classifiers import write_classifier


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two winners, one of single texts and one of pairs."""
    root = tmp_path_factory.mktemp("runs")
    write_run(root, "first", {"cola": 0.5, "rte": 0.5})
    return root


def test_a_winner_is_exported_and_gives_the_same_labels(
    runs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.jsonl"
    pairs = [("a b c", "d"), ("x", "y z"), ("h e l l o", "w o r l d")]
    rows.write_text("".join(f'{{"sentence1": "{one}", "sentence2": "{two}"}}\n' for one, two in pairs))
    assert main(["first/rte", "--onnx", "--storage-path", str(runs), "--input", str(rows)]) == 0
    shown = capfd.readouterr().out
    assert "same labels" in shown
    assert "3 rows" in shown
    assert "ms per row" in shown
    folder = runs / "first" / "winners" / "rte" / "onnx"
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    assert {each.name for each in session.get_inputs()} == {"input_ids", "attention_mask", "token_type_ids"}
    tokenizer = AutoTokenizer.from_pretrained(folder)  # as a program without gluetune would use the folder
    classifier = load_classifier(str(folder.parent), get_task("rte"), device="cpu")
    expected = classifier.predict_proba(pairs)
    for number, (one, two) in enumerate(pairs):  # other numbers of rows and tokens than at export
        logits = session.run(["logits"], dict(tokenizer([one], [two], return_tensors="np")))[0]
        shares = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(shares[0], expected[number], atol=1e-5)


def test_the_exported_folder_decides_by_the_thresholds_of_the_model(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    task = Task("moods", "moods", ("text",), ("joy", "fear", "anger"), ("f1_macro",), "f1_macro", layouts={})
    task = replace(task, problem="multi_label", files={"text": ["text"], "label": ["joy", "fear", "anger"]})
    model = write_classifier(tmp_path / "model", task)
    thresholds = {"joy": 0.85, "fear": 0.15, "anger": 0.5}
    text = TextSettings(max_seq_length=16, truncation="longest_first").of_task(task)
    text.model_copy(update={"thresholds": thresholds}).write(model)
    assert main([str(model), "--onnx", "--output", str(tmp_path / "out" / "m.onnx")]) == 0
    assert "0.150 to 0.850" in capfd.readouterr().out
    texts = [f"{one} {two}" for one in "abcdefgh" for two in "xyz"]
    folder = tmp_path / "out"  # all that a program without gluetune has
    settings = json.loads((folder / "gluetune.json").read_text())
    labels = json.loads((folder / "config.json").read_text())["id2label"].values()
    inputs = AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="np")
    session = onnxruntime.InferenceSession(str(folder / "m.onnx"), providers=["CPUExecutionProvider"])
    shares = 1 / (1 + np.exp(-session.run(["logits"], dict(inputs))[0]))
    cuts = np.array([settings["thresholds"][label] for label in labels])
    found = [[label for label, yes in zip(labels, row, strict=True) if yes] for row in shares > cuts]
    classifier = load_classifier(str(model), task, device="cpu")
    assert found == classifier.predict(texts)
    assert found != replace(classifier, thresholds=None).predict(texts)


def test_a_file_whose_settings_give_other_labels_is_not_written(runs: Path, tmp_path: Path) -> None:
    task, folder = get_task("cola"), str(runs / "first" / "winners" / "cola")
    classifier = replace(load_classifier(folder, task, device="cpu"), thresholds=np.array([0.0, 1.0]))
    with pytest.raises(ModelError, match="labels differ"):
        export_onnx(classifier, folder, tmp_path / "out" / "model.onnx")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--onnx", ["MODEL --onnx"]),
        ("first/rta --onnx", ["'rta'", "cola, rte", "'rte'"]),
        ("first --onnx", ["cola, rte", "first/cola"]),
        ("frist --onnx", ["'frist'", "'first'"]),
        ("first/cola --onnx --output model.bin", ["--output", ".onnx", "'model.bin'"]),
        ("first/cola --onnx --output s3://bucket/model.onnx", ["--output", "on this machine"]),
        ("first/cola --onnx --run first --fill-missing", ["--run", "--fill-missing"]),
        ("first/cola --onnx --batch-size none", ["--batch-size", "'none'"]),
        ("first/cola", ["MODEL", "--onnx", "'first/cola'", "--run NAME"]),
        ("--run first --input rows.tsv", ["--input", "--onnx"]),
        ("first/cola --onnx --input none.tsv", ["none.tsv"]),
        ("first/cola second --onnx", ["'second'"]),
    ],
)
def test_mistakes(line: str, expected: list[str], runs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*line.split(), "--storage-path", str(runs)]) == 2
    said = capfd.readouterr().err
    assert [part for part in expected if part not in said] == []


def test_missing_packages_are_named(
    runs: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)  # as where it is not installed
    assert main(["first/cola", "--onnx", "--storage-path", str(runs)]) == 2
    assert "onnxscript" in (said := capfd.readouterr().err)
    assert "pip install 'gluetune[onnx]'" in said
