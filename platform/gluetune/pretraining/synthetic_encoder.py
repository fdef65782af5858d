"""The small encoder of the offline default, pre-trained on generated text at its first use and then cached."""

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

from gluetune.events import PretrainingEvaluation
from gluetune.pretraining.config import EncoderConfig, PretrainingConfig, PretrainJob, TokenizerConfig
from gluetune.pretraining.encoder import save_encoder
from gluetune.pretraining.pretrainer import pretrain_folder
from gluetune.pretraining.text import Text
from gluetune.pretraining.tokenizer import train_tokenizer
from gluetune.storage.durable import sync_folder, sync_tree, write_file
from gluetune.synthetic import generate_corpus

JOB = PretrainJob(
    seed=0,
    tokenizer=TokenizerConfig(vocab_size=2000),
    model=EncoderConfig(initializer_range=0.08, dropout=0.0),
    training=PretrainingConfig(
        initialisation="mimetic",
        hard_negative_fraction=0.8,
        max_steps=2500,
        batch_size=32,
        learning_rate=1e-3,
        held_out=0.02,
        evaluate_every=500,
    ),
)
"""The job that pre-trains the synthetic encoder."""

FINGERPRINT_DEFAULTS = {
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
"""Values of fields that were added after the first encoders were cached; with these, the fields do not count in the
fingerprint, so that the cached encoders stay in use."""

FINGERPRINT_NAMES = {"hard_negative_fraction": "near_partners"}
"""Names of renamed fields in the fingerprint, so that the cached encoders stay in use."""

FINGERPRINT_FILE = "maker.txt"
"""File in the cached folder with the fingerprint of the generator's code and of the configuration."""


def prepare_synthetic_encoder(cache_dir: str | None = None, progress: Callable[[str], None] = print) -> str:
    """Return the folder of the synthetic encoder; pre-train the encoder if it is not cached.

    Args:
        cache_dir: cache folder; by default ``$GLUETUNE_CACHE_DIR``, else ``~/.cache/gluetune``.
        progress: receives one line at a time.

    Returns:
        A ``from_pretrained`` folder whose name ends in a fingerprint of the text and the configuration.
    """
    folder, documents = _find(cache_dir)
    if documents is not None:
        if folder.exists() and _has_empty_files(folder):
            progress(f"{folder} has empty files, as a power cut may leave them: its encoder is pre-trained again")
            shutil.rmtree(folder)
        if not folder.exists():
            progress(f"pre-training the synthetic encoder on generated text, once: {folder}")
            _build(documents, folder, JOB, progress)
        with suppress(OSError):  # the cache may be read-only
            write_file(folder.absolute() / FINGERPRINT_FILE, fingerprint(_generator_source(), JOB).encode())
    return str(folder)


@contextmanager
def planned_encoder(
    cache_dir: str | None = None,
    progress: Callable[[str], None] = print,
) -> Iterator[tuple[str, str]]:
    """Stand in for `prepare_synthetic_encoder` in a dry run: pre-train nothing and leave no files.

    Args:
        cache_dir: cache folder, as for `prepare_synthetic_encoder`.
        progress: receives a line if the encoder is not cached and would be pre-trained.

    Yields:
        A ``from_pretrained`` folder that exists during the block, and the folder that `prepare_synthetic_encoder`
        would return. If the encoder is not cached, the first folder holds the same vocabulary and architecture with
        random weights.
    """
    folder, documents = _find(cache_dir)
    if documents is None or (folder.exists() and not _has_empty_files(folder)):
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
    """Return the encoder's folder, and the generated text if it was needed to compute the folder's name."""
    cache = Path(cache_dir or os.environ.get("GLUETUNE_CACHE_DIR") or Path.home() / ".cache" / "gluetune")
    if (cached := _cached_by_source(fingerprint(_generator_source(), JOB), cache)) is not None:
        return cached, None
    documents = list(generate_corpus())
    return cache / f"synthetic-encoder-{fingerprint(documents, JOB)}", documents


def fingerprint(documents: Iterable[list[str]], job: PretrainJob) -> str:
    """Compute twelve hexadecimal digits that change with the text or the configuration."""
    fields = {**job.tokenizer.model_dump(), **job.model.model_dump(), **job.training.model_dump(), "seed": job.seed}
    counted = {
        FINGERPRINT_NAMES.get(name, name): value
        for name, value in fields.items()
        if name not in FINGERPRINT_DEFAULTS or value != FINGERPRINT_DEFAULTS[name]
    }
    digest = hashlib.sha256(json.dumps(counted, separators=(",", ":")).encode())
    for document in documents:
        digest.update("\n".join([*document, ""]).encode())
    return digest.hexdigest()[:12]


def _generator_source() -> Iterator[list[str]]:
    """Yield the source code that generates the text: while it is the same, the text need not be generated again."""
    yield [platform.python_version()]
    for source in sorted(files("gluetune.synthetic").iterdir(), key=lambda source: source.name):
        if source.name.endswith(".py"):
            yield [source.name, source.read_text(encoding="utf-8")]


def _cached_by_source(fingerprint: str, cache: Path) -> Path | None:
    """Find the folder that was made by the source code and configuration with this fingerprint."""
    for file in cache.glob(f"synthetic-encoder-*/{FINGERPRINT_FILE}"):
        with suppress(OSError):  # the folder may belong to another user, or be removed meanwhile
            if file.read_bytes() == fingerprint.encode() and not _has_empty_files(file.parent):
                return file.parent
    return None


def _has_empty_files(folder: Path) -> bool:
    """Whether a file of the model is empty, as a power cut may leave it."""
    return not all(file.stat().st_size for file in folder.iterdir() if file.name != FINGERPRINT_FILE)


def _build(documents: list[list[str]], folder: Path, job: PretrainJob, progress: Callable[[str], None]) -> None:
    """Pre-train into a temporary folder and rename it: processes that build at once never see an incomplete one."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".synthetic-encoder-") as scratch:
        built = Path(scratch) / "encoder"
        with _one_thread():
            pretrain_folder(
                Text(documents, None, "generated text", synthetic=True),
                built,
                job,
                lambda evaluation: progress(describe(evaluation)),
            )
        sync_tree(built)  # without it a power cut could leave empty files that later searches load as the encoder
        try:
            built.rename(folder)
        except OSError:
            if not folder.exists():
                raise
        sync_folder(folder.parent)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Make the weights independent of the number of cores; more threads do not speed up matrices of this size."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def describe(evaluation: PretrainingEvaluation) -> str:
    """Format the losses of an evaluation as one line."""
    return (
        f"step {evaluation.step}/{evaluation.total_steps}: held-out masked-LM loss {evaluation.masked_lm_loss:.3f}, "
        f"next-sentence loss {evaluation.next_sentence_loss:.3f}"
    )
