"""Trained folders of tiny random classifiers, for the tests that predict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

from gluetune.inference import Classifier
from gluetune.models.build import PROBLEM_TYPES
from gluetune.tasks import Task

Tiny = Callable[[str], Classifier]  # the type of a fixture that makes, saves and loads one for a task
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def write_classifier(folder: Path, task: Task, seed: int = 0, spread: float = 3.0) -> Path:
    """A random BERT of one layer that reads letters, as a ``save_pretrained`` folder with the task's class names.

    Args:
        folder: made where missing.
        task: gives class names and the kind of problem.
        seed: of the weights.
        spread: factor of the head's weights; the larger, the surer the model.
    """
    folder.mkdir(parents=True, exist_ok=True)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(words))
    names = dict(enumerate(task.labels or (task.name,)))
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=40,
        initializer_range=0.5,
        id2label=names,
        label2id={name: number for number, name in names.items()},
        problem_type=PROBLEM_TYPES[task.problem],  # type: ignore[arg-type]
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = BertForSequenceClassification(config).eval()
    with torch.no_grad():
        model.classifier.weight *= spread
    model.save_pretrained(folder)
    BertTokenizerFast(vocab=str(vocabulary)).save_pretrained(folder)
    return folder
