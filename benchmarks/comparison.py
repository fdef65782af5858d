"""What a benchmark measures: contenders that do the same work, figures of each, and targets; repeated and summed up.

Its settings, and the encoders that its comparisons train, are those of `BenchmarkConfig`.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gluetune.pretraining import prepare_synthetic_encoder


@dataclass(frozen=True)
class BenchmarkConfig:
    """Settings that all comparisons of a benchmark run share.

    Attributes:
        scratch: an empty folder for runs, encoders and logs.
        glue_dir: the official GLUE folder; ``None``: the generated data.
        model: encoder by name or folder, beside the synthetic one; ``None``: one of MiniLM's shape (Wang et al. 2020:
            6 layers, 384 wide, 12 heads, ffn 1,536) with random weights, which trains as fast as the real one.
        max_train_samples: training rows per task.
        max_eval_samples: selection rows per task.
        trials: only so many points of the grid, the first ones; ``None``: all.
        tokenized_rows: rows of the large task that is tokenized.
        address: Ray cluster; ``None``: a local one is started where one is needed.
        seed: of data, searches and models.
        note: called with a line of progress for the user.
    """

    scratch: Path
    glue_dir: str | None = None
    model: str | None = None
    max_train_samples: int = 256
    max_eval_samples: int = 256
    trials: int | None = None
    tokenized_rows: int = 400_000
    address: str | None = None
    seed: int = 42
    note: Callable[[str], None] = field(default=lambda _: None, repr=False)


MINILM = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
VOCABULARY = 30522  # BERT's, as MiniLM has: most of its parameters are word vectors


def compact_encoder() -> str:
    """Return the folder of the synthetic encoder (2 layers, 128 wide)."""
    return prepare_synthetic_encoder()


def minilm_encoder(config: BenchmarkConfig) -> str:
    """Return the encoder that the user named, or the folder of one of MiniLM's shape with random weights."""
    return config.model or _random(config, "minilm-size", MINILM)


def bert_base_encoder(config: BenchmarkConfig) -> str:
    """Return the folder of an encoder of BERT-base's shape with random weights."""
    return _random(config, "bert-base-size", {})


def _random(config: BenchmarkConfig, name: str, shape: dict[str, int]) -> str:
    folder, sizes = config.scratch / name, dict[str, Any](shape)
    if not folder.exists():
        import torch
        from transformers import AutoTokenizer, BertConfig, BertModel

        tokenizer = AutoTokenizer.from_pretrained(compact_encoder())
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            model = BertModel(BertConfig(vocab_size=VOCABULARY, pad_token_id=tokenizer.pad_token_id, **sizes))
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return str(folder)


GLUETUNE = "gluetune"


@dataclass(frozen=True)
class Figure:
    """A quantity that contenders are measured by.

    Attributes:
        name: key of its values in the result of `Contender.measure`.
        unit: such as ``s``, ``examples/s``, ``MB``; empty for a share.
        better: whether lower or higher values are better; ``same`` where all contenders should agree.
    """

    name: str
    unit: str
    better: Literal["lower", "higher", "same"]


@dataclass(frozen=True)
class Target:
    """The value that a figure should reach.

    Attributes:
        figure: the figure's name.
        limit: the lowest or highest accepted value, by the figure's ``better``; with ``over``, how many times better
            than that contender's value.
        over: name of the contender to compare with; ``None`` if the limit is one of the figure's own values.
        contender: name of the contender that should reach it.
    """

    figure: str
    limit: float
    over: str | None = None
    contender: str = GLUETUNE


@dataclass(frozen=True)
class Contender:
    """One program or library that does the work of a comparison.

    Attributes:
        name: short; `GLUETUNE`, or beginning so, for gluetune's own.
        does: a description of what it runs.
        measure: does the work once and returns values by figure name; a figure may be missing. Its argument is the
            repetition's number, from 0.
    """

    name: str
    does: str
    measure: Callable[[int], Mapping[str, float]] = field(repr=False)


@dataclass(frozen=True)
class Comparison:
    """One comparison of a benchmark run.

    Attributes:
        number: its number for ``--only``.
        title: a line that names what is measured.
        figures: its figures, in the order of the printed table.
        targets: the values that figures should reach.
        contenders: makes the contenders; called once per run.
        note: how to read the figures.
    """

    number: int
    title: str
    figures: Sequence[Figure]
    targets: Sequence[Target]
    contenders: Callable[[BenchmarkConfig], Sequence[Contender]] = field(repr=False)
    note: str = ""

    def figure(self, name: str) -> Figure:
        """Return the figure of this name."""
        return next(figure for figure in self.figures if figure.name == name)


@dataclass
class Samples:
    """The values of one figure that the repetitions of one contender measured."""

    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The median of the values."""
        return statistics.median(self.values)


@dataclass(frozen=True)
class Outcome:
    """The measured values of a comparison.

    Attributes:
        comparison: the comparison.
        contenders: the contenders that were measured.
        values: samples by contender's and figure's name.
    """

    comparison: Comparison
    contenders: Sequence[Contender]
    values: dict[tuple[str, str], Samples]

    def median(self, contender: str, figure: str) -> float | None:
        """Return a contender's median of a figure; ``None`` where it was not measured."""
        values = self.values.get((contender, figure))
        return values.median if values else None

    def times_better(self, figure: str, contender: str, than: str) -> float | None:
        """Return how many times better one contender's median is than another's.

        Returns:
            The ratio; ``None`` where a median is missing or negative, or the figure should be the same for all.
        """
        own, other, better = (
            self.median(contender, figure),
            self.median(than, figure),
            self.comparison.figure(figure).better,
        )
        if own is None or other is None or better == "same" or min(own, other) < 0:
            return None
        above, below = (other, own) if better == "lower" else (own, other)
        return above / below if below else float("inf")

    def reached(self, target: Target) -> tuple[float, bool] | None:
        """Return the value that a target is for and whether it reaches it; ``None`` where it was not measured."""
        if target.over is not None:
            value = self.times_better(target.figure, target.contender, target.over)
            return None if value is None else (value, value >= target.limit)
        value = self.median(target.contender, target.figure)
        if value is None:
            return None
        lower = self.comparison.figure(target.figure).better == "lower"
        return value, value <= target.limit if lower else value >= target.limit


def run_comparison(comparison: Comparison, config: BenchmarkConfig, repeat: int) -> Outcome:
    """Measure all contenders in turn, several times over, so that a slow minute affects all of them."""
    contenders = comparison.contenders(config)
    values: dict[tuple[str, str], Samples] = {}
    for repetition in range(repeat):
        for contender in contenders:
            config.note(f"{comparison.number}: {contender.name} ({repetition + 1} of {repeat}) …")
            for figure, value in contender.measure(repetition).items():
                values.setdefault((contender.name, figure), Samples()).values.append(value)
    return Outcome(comparison, contenders, values)
