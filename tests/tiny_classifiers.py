"""Folders of tiny random encoders and classifiers that read characters, for the tests that load or predict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertForSequenceClassification, BertModel, BertTokenizerFast

from gluetune.inference import Classifier
from gluetune.models.build import PROBLEM_TYPES
from gluetune.tasks import Task

Tiny = Callable[[str], Classifier]  # the type of a fixture that makes, saves and loads one for a task
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def spelling(characters: str) -> list[str]:
    """The vocabulary of a tokenizer that spells every word of these characters."""
    return [*SPECIAL, *characters, *(f"##{character}" for character in characters)]


LETTERS = spelling("abcdefghijklmnopqrstuvwxyz")


def write_encoder(folder: Path, words: Sequence[str] = LETTERS, *, seed: int = 0, **config: int) -> Path:
    """A random BERT of one layer without a head, with its tokenizer, as a ``save_pretrained`` folder.

    Args:
        folder: made where missing.
        words: the tokenizer's vocabulary.
        seed: of the weights.
        config: values of `BertConfig` in place of the small ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_tokenizer(folder, words)
    sizes: dict[str, Any] = {"vocab_size": len(words), "hidden_size": 16, "intermediate_size": 32}
    sizes |= {"num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 64}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        BertModel(BertConfig(**sizes | config)).save_pretrained(folder)
    return folder


def _write_tokenizer(folder: Path, words: Sequence[str]) -> None:
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(words))
    BertTokenizerFast(vocab=str(vocabulary)).save_pretrained(folder)


def write_classifier(folder: Path, task: Task, seed: int = 0, spread: float = 3.0) -> Path:
    """A random BERT of one layer that reads letters, as a ``save_pretrained`` folder with the task's class names.

    Args:
        folder: made where missing.
        task: gives class names and the kind of problem.
        seed: of the weights.
        spread: factor of the head's weights; the larger, the surer the model.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = dict(enumerate(task.labels or (task.name,)))
    config = BertConfig(
        vocab_size=len(LETTERS),
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
    _write_tokenizer(folder, LETTERS)
    return folder
