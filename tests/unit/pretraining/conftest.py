"""Shared by the pre-training tests: a corpus of numbers, a small text and a tiny job."""

from __future__ import annotations

import numpy as np
import pytest

from gluetune.pretraining import Corpus, EncoderConfig, PretrainingConfig, PretrainJob, Text, TokenizerConfig
from gluetune.synthetic import generate_corpus


@pytest.fixture(scope="session")
def tiny() -> PretrainJob:
    """A job of a second."""
    return PretrainJob(
        seed=0,
        tokenizer=TokenizerConfig(vocab_size=2000),
        model=EncoderConfig(hidden_size=32, intermediate_size=64, num_hidden_layers=1, dropout=0.0),
        training=PretrainingConfig(max_steps=30, batch_size=16, evaluate_every=15),
    )


@pytest.fixture(scope="session")
def text() -> Text:
    """60 generated documents."""
    return Text(list(generate_corpus(documents=60)), None, "generated text")


@pytest.fixture(scope="session")
def numbered() -> Corpus:
    """50 documents of four sentences of one token; sentence s of document d is the token 100 d + s."""
    ids = np.array([100 * d + s for d in range(50) for s in range(4)], np.int32)
    return Corpus(ids, np.arange(201), np.arange(0, 201, 4))
