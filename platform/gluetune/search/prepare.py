"""Everything that is loaded once per search, in the driver: encoder, tokenizer and tokenised data."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gluetune.config import (
    Choice,
    DataConfig,
    JobConfig,
    ModelConfig,
    SearchSpace,
    TaskFacts,
    Value,
    resolve_training,
    spaces_for,
)
from gluetune.data import EncodedTask, open_source, prepare_task, token_fingerprint
from gluetune.events import RunInputs, SplitInput
from gluetune.inference import TextSettings
from gluetune.models import (
    Encoder,
    build_model,
    check_forward_pass,
    check_training_config,
    encoder_fingerprint,
    load_encoder,
    load_tokenizer,
    nsp_is_default,
)
from gluetune.pretraining import planned_encoder, prepare_synthetic_encoder
from gluetune.tasks import get_task

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class SearchInputs:
    """What the driver hands to the lanes.

    Attributes:
        encoder: initial weights.
        tokenizer: its tokenizer.
        data: tokenised rows by task.
        samples: a few rows of text by task and column, to show what a model takes.
        text: how rows became tokens, but for what the tokenizer's own files say.
        encoder_fingerprint: of the initial weights and settings.
    """

    encoder: Encoder
    tokenizer: PreTrainedTokenizerBase
    data: dict[str, EncodedTask]
    samples: dict[str, dict[str, list[str]]]
    text: TextSettings
    encoder_fingerprint: str = ""

    @property
    def inputs(self) -> RunInputs:
        """Fingerprints of all of it, for the run's record."""
        return RunInputs(
            encoder=self.encoder_fingerprint,
            tasks={
                task: {
                    split: SplitInput(
                        rows=len(rows), sha256=data.fingerprints.get(split, ""), tokens=token_fingerprint(rows)
                    )
                    for split, rows in data.splits.items()
                }
                for task, data in self.data.items()
            },
        )

    def unscored(self) -> SearchInputs:
        """These inputs without the development rows, which only winners are scored on."""
        return replace(self, data={task: replace(data, dev={}) for task, data in self.data.items()})

    @property
    def facts(self) -> dict[str, TaskFacts]:
        """By task, what decides beside a configuration what its trial trains."""
        own = nsp_is_default(self.encoder)
        return {task: TaskFacts(len(data.train), own) for task, data in self.data.items()}


SAMPLES = 3
_OF_THE_MODEL = ("head", "head_hidden_size", "pooling", "freeze_layers")


def prepare(
    job: JobConfig,
    space: SearchSpace,
    progress: Callable[[str], None],
    *,
    plan_only: bool = False,
) -> SearchInputs:
    """Loads encoder and data of a job.

    Args:
        job: the job.
        space: its search space; a field that the encoder's family does not have is found here, and so is a head that
            does not go with a pooling.
        progress: told what takes its time.
        plan_only: pre-trains no encoder; where the synthetic one is not there yet, its weights are random.

    Raises:
        DataError: a data file breaks its format, or there is none.
        ModelError: the encoder cannot be used, or its tokenizer's rows do not fit it.
    """
    with _located(job.model, progress, plan_only=plan_only) as (model, home):
        encoder, tokenizer = replace(load_encoder(model, job.seed), name=job.model.name_or_path), load_tokenizer(model)
        known_by = Path(home).name if job.model.name_or_path == SYNTHETIC else encoder_fingerprint(encoder, model)
    for remark in remarks(job, space, encoder):
        progress(remark)
    trainings = [resolve_training(job, space, point) for point in corners(space)]
    for training in trainings:
        check_training_config(encoder, training)
    built = build_model(encoder, get_task(next(iter(job.tasks))), trainings[0], job.seed)
    config = job.data.model_copy(update={"max_seq_length": _fitting_length(job.data, tokenizer, progress)})
    source = open_source(config)
    data, samples = {}, {}
    for name in job.tasks:
        task = get_task(name)
        data[name] = prepare_task(task, source, tokenizer, config, job.seed)
        columns = source.load(task, task.dev[0]).columns
        samples[name] = {column: texts[:SAMPLES] for column, texts in columns.items()}
    check_forward_pass(
        built, (rows for each in data.values() for rows in each.splits.values()), tokenizer, encoder.name
    )
    text = TextSettings(max_seq_length=config.max_seq_length, truncation=config.truncation)
    return SearchInputs(encoder, tokenizer, data, samples, text, known_by)


def remarks(job: JobConfig, space: SearchSpace, encoder: Encoder) -> Iterator[str]:
    """What works, but is hardly meant: another family's search space, the synthetic encoder on real text."""
    family = encoder.config["model_type"]
    if space.space and space.model_types and family not in space.model_types:
        others = spaces_for(family)
        better = f"; for {family}: {', '.join(others)}" if others else ""
        yield (
            f"search space {space.name!r} was published for {', '.join(space.model_types)}, but the encoder "
            f"{encoder.name!r} is of type {family}{better}"
        )
    if job.model.name_or_path == SYNTHETIC and job.data.source != "synthetic":
        yield (
            "the synthetic encoder has been pre-trained on generated text only, but the data are not generated; "
            "--model-name-or-path names another"
        )


@contextmanager
def _located(
    model: ModelConfig,
    progress: Callable[[str], None],
    *,
    plan_only: bool,
) -> Iterator[tuple[ModelConfig, str]]:
    """The model to load, and where it is kept.

    The folder of the synthetic encoder is named by a fingerprint of what it is made from, the same on all machines.
    """
    if model.name_or_path != SYNTHETIC:
        yield model, model.name_or_path
    elif plan_only:
        with planned_encoder(model.cache_dir, progress) as (folder, home):
            yield model.model_copy(update={"name_or_path": folder}), home
    else:
        folder = prepare_synthetic_encoder(model.cache_dir, progress)
        yield model.model_copy(update={"name_or_path": folder}), folder


def _fitting_length(config: DataConfig, tokenizer: PreTrainedTokenizerBase, progress: Callable[[str], None]) -> int:
    """The length asked for, or the most that the encoder takes, as ``run_glue.py`` does."""
    most = int(tokenizer.model_max_length)
    if config.max_seq_length > most and "max_seq_length" in config.model_fields_set:
        progress(f"data.max_seq_length is {config.max_seq_length}, but this encoder takes at most {most}: using {most}")
    return min(config.max_seq_length, most)


def corners(space: SearchSpace) -> Iterator[dict[str, Value]]:
    """Points with all heads, poolings and numbers of frozen layers together; of ranges the ends."""
    columns: list[tuple[Value, ...]] = []
    for field, spec in space.space.items():
        values = spec.values if isinstance(spec, Choice) else (spec.low, spec.high)
        columns.append(values if field in _OF_THE_MODEL else values[:1])
    return (dict(zip(space.space, values, strict=True)) for values in itertools.product(*columns))
