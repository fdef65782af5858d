"""The small encoder of the offline default, pre-trained on first use and cached."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path

import torch

from gluetune.pretraining.config import EncoderConfig, PretrainingConfig, PretrainJob, TokenizerConfig
from gluetune.pretraining.encoder import save_encoder
from gluetune.pretraining.evaluation import PretrainingEvaluation
from gluetune.pretraining.local import pretrain_folder
from gluetune.pretraining.text import Text
from gluetune.pretraining.vocabulary import train_tokenizer
from gluetune.storage.durable import sync_folder, sync_tree, write_file
from gluetune.synthetic import generate_corpus

JOB = PretrainJob(
    seed=0,
    tokenizer=TokenizerConfig(vocab_size=2000),
    model=EncoderConfig(initializer_range=0.08, dropout=0.0),
    training=PretrainingConfig(
        initialisation="mimetic",
        near_partners=0.8,
        max_steps=2500,
        batch_size=32,
        learning_rate=1e-3,
        held_out=0.02,
        evaluate_every=500,
    ),
)
"""What the synthetic encoder is made with."""

_SINCE = {
    "name_or_path": None,
    "do_lower_case": True,
    "initialisation": "mimetic",
    "gradient_accumulation_steps": 1,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-8,
    "bf16": "auto",
    "eval_batch_size": 128,
}
"""Fields that are younger than the first cached folders, and what stood in their place: so those stay in use."""


_MAKER = "maker.txt"
"""In the folder: fingerprint of the code and the configuration that it was made with."""


def prepare_synthetic_encoder(cache_dir: str | None = None, progress: Callable[[str], None] = print) -> str:
    """The folder of the synthetic encoder; pre-trains it if it is not cached.

    Args:
        cache_dir: where it is kept; by default ``$GLUETUNE_CACHE_DIR``, else ``~/.cache/gluetune``.
        progress: gets one line at a time.

    Returns:
        A ``from_pretrained`` folder whose name carries a fingerprint of the text and the configuration.
    """
    folder, documents = _find(cache_dir)
    if documents is not None:
        if folder.exists() and _damaged(folder):
            progress(f"{folder} has empty files, as a power cut may leave them: it is made anew")
            shutil.rmtree(folder)
        if not folder.exists():
            progress(f"pre-training the synthetic encoder on generated text, once: {folder}")
            _build(documents, folder, JOB, progress)
        with suppress(OSError):  # a cache that may only be read
            write_file(folder.absolute() / _MAKER, fingerprint(_generator(), JOB).encode())
    return str(folder)


@contextmanager
def planned_encoder(
    cache_dir: str | None = None,
    progress: Callable[[str], None] = print,
) -> Iterator[tuple[str, str]]:
    """What stands in for the synthetic encoder in a plan: pre-trains nothing and leaves nothing.

    Args:
        cache_dir: as for `prepare_synthetic_encoder`.
        progress: told that the encoder would be pre-trained, where it is not cached.

    Yields:
        A ``from_pretrained`` folder that exists during the block, and the one that `prepare_synthetic_encoder` returns.
        Where that is not there, the first holds the same vocabulary and architecture under random weights.
    """
    folder, documents = _find(cache_dir)
    if documents is None or (folder.exists() and not _damaged(folder)):
        yield str(folder), str(folder)
        return
    progress(f"the synthetic encoder would first be pre-trained on generated text, once, for some minutes: {folder}")
    with tempfile.TemporaryDirectory(prefix="gluetune-plan-") as scratch:
        lines = (line for document in documents for line in document)
        tokenizer = train_tokenizer(
            lines, JOB.tokenizer.vocab_size, JOB.training.max_seq_length, do_lower_case=JOB.tokenizer.do_lower_case
        )
        save_encoder(scratch, {}, JOB, tokenizer)
        yield scratch, str(folder)


def _find(cache_dir: str | None) -> tuple[Path, list[list[str]] | None]:
    """The encoder's folder, and the text it is made from where that had to be generated to know the folder."""
    cache = _cache(cache_dir)
    if (known := _made_by(fingerprint(_generator(), JOB), cache)) is not None:
        return known, None
    documents = list(generate_corpus())
    return cache / f"synthetic-encoder-{fingerprint(documents, JOB)}", documents


def fingerprint(documents: Iterable[list[str]], job: PretrainJob) -> str:
    """Twelve hexadecimal digits that change with the text or the configuration."""
    fields = {**job.tokenizer.model_dump(), **job.model.model_dump(), **job.training.model_dump(), "seed": job.seed}
    told = {name: value for name, value in fields.items() if name not in _SINCE or value != _SINCE[name]}
    digest = hashlib.sha256(json.dumps(told, separators=(",", ":")).encode())
    for document in documents:
        digest.update("\n".join([*document, ""]).encode())
    return digest.hexdigest()[:12]


def _generator() -> Iterator[list[str]]:
    """What the text follows from: as long as it is the same, the text need not be generated to be known."""
    yield [platform.python_version()]
    for source in sorted(files("gluetune.synthetic").iterdir(), key=lambda source: source.name):
        if source.name.endswith(".py"):
            yield [source.name, source.read_text(encoding="utf-8")]


def _made_by(maker: str, cache: Path) -> Path | None:
    for mark in cache.glob(f"synthetic-encoder-*/{_MAKER}"):
        with suppress(OSError):  # somebody else's
            if mark.read_bytes() == maker.encode() and not _damaged(mark.parent):
                return mark.parent
    return None


def _damaged(folder: Path) -> bool:
    """Whether a file that a model needs is empty."""
    return not all(file.stat().st_size for file in folder.iterdir() if file.name != _MAKER)


def _cache(cache_dir: str | None) -> Path:
    return Path(cache_dir or os.environ.get("GLUETUNE_CACHE_DIR") or Path.home() / ".cache" / "gluetune")


def _build(documents: list[list[str]], folder: Path, job: PretrainJob, progress: Callable[[str], None]) -> None:
    """Writes beside the folder and renames, so that the folder is whole or absent, whoever else builds it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".synthetic-encoder-") as scratch:
        made = Path(scratch) / "encoder"
        with _one_thread():
            pretrain_folder(
                Text(documents, None, "generated text", synthetic=True),
                made,
                job,
                lambda at: progress(describe(at, job.training.max_steps)),
            )
        sync_tree(made)  # or a power cut would leave empty files that every later search takes for the encoder
        try:
            made.rename(folder)
        except OSError:
            if not folder.exists():
                raise
        sync_folder(folder.parent)


@contextmanager
def _one_thread() -> Iterator[None]:
    """So the weights do not depend on the number of cores; matrices this small gain nothing from more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def describe(at: PretrainingEvaluation, max_steps: int) -> str:
    """One line on how pre-training goes."""
    return (
        f"step {at.step}/{max_steps}: held-out masked-LM loss {at.masked_lm_loss:.3f}, "
        f"next-sentence loss {at.next_sentence_loss:.3f}"
    )
