"""The small encoder of the embedded default, pre-trained on first use and cached."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from gluetune.data.embedded import corpus
from gluetune.pretraining.config import PretrainingConfig
from gluetune.pretraining.job import pretrain_folder
from gluetune.pretraining.loop import Progress

CONFIG = PretrainingConfig(initializer_range=0.08, near_partners=0.8, max_steps=2500, batch_size=32,
                           learning_rate=1e-3, held_out=0.02, evaluate_every=500)
"""What the embedded encoder is made with."""


def embedded_encoder(cache_dir: str | None = None, progress: Callable[[str], None] = print) -> str:
    """The folder of the embedded encoder; pre-trains it if it is not cached.

    Args:
        cache_dir: where it is kept; by default ``$GLUETUNE_CACHE_DIR``, else ``~/.cache/gluetune``.
        progress: gets one line at a time.

    Returns:
        A ``from_pretrained`` folder whose name carries a fingerprint of the text and the configuration.
    """
    documents = list(corpus())
    folder = _cache(cache_dir) / f"embedded-encoder-{fingerprint(documents, CONFIG)}"
    if not folder.exists():
        progress(f"pre-training the embedded encoder on generated text, once: {folder}")
        _build(documents, folder, CONFIG, progress)
    return str(folder)


def fingerprint(documents: Iterable[list[str]], config: PretrainingConfig) -> str:
    """Twelve hexadecimal digits that change with the text or the configuration."""
    digest = hashlib.sha256(config.model_dump_json().encode())
    for document in documents:
        digest.update("\n".join([*document, ""]).encode())
    return digest.hexdigest()[:12]


def _cache(cache_dir: str | None) -> Path:
    return Path(cache_dir or os.environ.get("GLUETUNE_CACHE_DIR") or Path.home() / ".cache" / "gluetune")


def _build(documents: list[list[str]], folder: Path, config: PretrainingConfig, progress: Callable[[str], None],
           ) -> None:
    """Writes beside the folder and renames, so that the folder is whole or absent, whoever else builds it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".embedded-encoder-") as scratch:
        made = Path(scratch) / "encoder"
        with _one_thread():
            pretrain_folder(documents, made, config, lambda at: progress(describe(at)))
        try:
            made.rename(folder)
        except OSError:
            if not folder.exists():
                raise


@contextmanager
def _one_thread() -> Iterator[None]:
    """So the weights do not depend on the number of cores; matrices this small gain nothing from more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def describe(at: Progress) -> str:
    """One line on how pre-training goes."""
    return (f"step {at.step}/{at.max_steps}: held-out masked-LM loss {at.held_out.masked_lm:.3f}, "
            f"next-sentence loss {at.held_out.next_sentence:.3f}")
