"""Tokenizes many rows in a process of its own, by gluetune or ``datasets.map``; prints speed and memory as JSON."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from benchmarks.programs import peak_memory_mb

MAX_SEQ_LENGTH = 128


def gluetune_encode(columns: dict[str, list[str]], task: str, model: str, folder: Path) -> Callable[[], int]:
    """Prepare gluetune's tokenization; the returned function counts tokens."""
    from gluetune.config import ModelConfig
    from gluetune.data import Examples, encode_rows
    from gluetune.models import load_tokenizer
    from gluetune.tasks import get_task

    tokenizer = load_tokenizer(ModelConfig(name_or_path=model))
    examples = Examples(task, "train", columns, None, "benchmark")
    return lambda: int(encode_rows(examples, get_task(task), tokenizer, MAX_SEQ_LENGTH).offsets[-1])


def datasets_map(columns: dict[str, list[str]], task: str, model: str, folder: Path) -> Callable[[], int]:
    """Prepare the tokenization of ``run_glue.py`` for rows in an Arrow file, as after ``load_dataset``; it counts rows.

    Without its padding, which would only add to the work.
    """
    from datasets import Dataset, load_from_disk
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    Dataset.from_dict(columns).save_to_disk(str(folder / "rows"))
    rows, names = load_from_disk(str(folder / "rows")), list(columns)

    def preprocess(examples: dict[str, list[str]]) -> Any:
        return tokenizer(*(examples[name] for name in names), max_length=MAX_SEQ_LENGTH, truncation=True)

    return lambda: len(rows.map(preprocess, batched=True))


METHODS = {"gluetune": gluetune_encode, "datasets.map": datasets_map}


def measure_tokenization(
    rows: dict[str, list[str]], count: int, task: str, model: str, method: str, folder: Path
) -> dict[str, float]:
    """Tokenize ``count`` rows, repeating the given ones.

    Returns:
        ``rows/s``, and ``peak memory`` of the whole process in MB.
    """
    columns = {name: list(islice(cycle(texts), count)) for name, texts in rows.items()}
    act = METHODS[method](columns, task, model, folder)
    started = time.perf_counter()
    act()
    seconds = time.perf_counter() - started
    return {"rows/s": count / seconds, "peak memory": peak_memory_mb()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", required=True, help="JSON: a list of texts by column")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--task", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--method", required=True, choices=METHODS)
    parser.add_argument("--output-dir", required=True)
    options = parser.parse_args()
    texts = json.loads(Path(options.rows).read_text())
    print(
        json.dumps(
            measure_tokenization(
                texts, options.count, options.task, options.model, options.method, Path(options.output_dir)
            )
        )
    )
