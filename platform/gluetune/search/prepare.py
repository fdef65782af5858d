"""What the driver loads once per search (encoder, tokenizer and tokenised data), and the plan made from it."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gluetune.config import (
    SYNTHETIC_ENCODER,
    Choice,
    DataConfig,
    JobConfig,
    ModelConfig,
    SearchSpace,
    TaskFacts,
    Value,
    loss_issues,
    overridden_fields,
    resolve_training,
    spaces_for,
    without_password,
)
from gluetune.data import EncodedTask, open_tasks, prepare_task, token_fingerprint
from gluetune.data.preparation import SAMPLES
from gluetune.errors import ConfigError
from gluetune.events import RunInputs, SearchPlan, SplitInput, TaskPlan
from gluetune.inference import TextSettings
from gluetune.models import (
    Encoder,
    auto_target_modules,
    build_model,
    check_forward_pass,
    check_training_config,
    count_unused_weights,
    encoder_fingerprint,
    load_encoder,
    load_tokenizer,
    nsp_is_default,
)
from gluetune.pretraining import planned_encoder, prepare_synthetic_encoder
from gluetune.search.searchers import TrialSampler
from gluetune.storage import Storage
from gluetune.tasks import Task
from gluetune.tasks.metrics import baseline_score

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

logger = logging.getLogger(__name__)
_MODEL_FIELDS = ("head", "head_hidden_size", "pooling", "freeze_layers", "adapter", "lora_target_modules")


@dataclass(frozen=True)
class SearchInputs:
    """Encoder and data of a search.

    Attributes:
        encoder: initial weights.
        tokenizer: the encoder's tokenizer.
        data: tokenised rows by task.
        samples: texts of a few rows by task and column, as example inputs of the models.
        text: how texts become tokens, beyond what the tokenizer's own files say.
        encoder_fingerprint: fingerprint of the initial weights and settings.
    """

    encoder: Encoder
    tokenizer: PreTrainedTokenizerBase
    data: dict[str, EncodedTask]
    samples: dict[str, dict[str, list[str]]]
    text: TextSettings
    encoder_fingerprint: str = ""

    @property
    def inputs(self) -> RunInputs:
        """Fingerprints of encoder and data, for ``inputs.json``."""
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
            classes={name: task.labels for name, task in self.tasks.items() if task.own},
        )

    @property
    def tasks(self) -> dict[str, Task]:
        """The tasks, by name."""
        return {name: data.task for name, data in self.data.items()}

    def without_dev(self) -> SearchInputs:
        """Return these inputs without development rows, so that winners are saved but not scored."""
        return replace(self, data={task: replace(data, dev={}) for task, data in self.data.items()})

    @property
    def facts(self) -> dict[str, TaskFacts]:
        """What decides, beside a configuration, what a trial trains, by task."""
        nsp_default, lora_auto = nsp_is_default(self.encoder), auto_target_modules(self.encoder)
        return {task: TaskFacts(len(data.train), nsp_default, lora_auto) for task, data in self.data.items()}


def prepare_inputs(job: JobConfig, space: SearchSpace, *, plan_only: bool = False) -> SearchInputs:
    """Load encoder and data of a job, and check that they fit the search space.

    Slow steps are logged before they begin, and unlikely combinations as warnings.

    Args:
        job: the job.
        space: its search space. Fields that the encoder's model type does not have are found here, and heads that do
            not fit a pooling.
        plan_only: whether to use random weights where the synthetic encoder has not been pre-trained yet, instead of
            pre-training it.

    Raises:
        ConfigError: a training setting does not fit the labels of a task.
        DataError: a data file is missing or malformed.
        ModelError: the encoder cannot be used, or its tokenizer does not fit it.
    """
    opened = open_tasks(job.tasks, job.data)  # first: mistakes in the user's own files are found at once
    with _resolved_model(job.model, plan_only=plan_only) as (model, folder):
        encoder, tokenizer = replace(load_encoder(model, job.seed), name=job.model.name_or_path), load_tokenizer(model)
        fingerprint = (
            Path(folder).name if job.model.name_or_path == SYNTHETIC_ENCODER else encoder_fingerprint(encoder, model)
        )
    for warning in compatibility_warnings(job, space, encoder):
        logger.warning(warning)
    trainings = [resolve_training(job, space, point) for point in corner_points(space)]
    for training in trainings:
        check_training_config(encoder, training)
    config = job.data.model_copy(update={"max_seq_length": _fitting_length(job.data, tokenizer)})
    built = build_model(encoder, next(iter(opened.values())).task, trainings[0], job.seed)
    data, samples = {}, {}
    for name, (task, source) in opened.items():
        if issues := list(loss_issues(task, space, job.training)):
            raise ConfigError(issues)
        data[name] = prepare_task(task, source, tokenizer, config, job.seed)
        columns = data[name].samples if task.own else source.load(task, task.dev[0]).columns
        samples[name] = {column: list(texts[:SAMPLES]) for column, texts in columns.items()}
    check_forward_pass(
        built, (rows for each in data.values() for rows in each.splits.values()), tokenizer, encoder.name
    )
    text = TextSettings(max_seq_length=config.max_seq_length, truncation=config.truncation)
    return SearchInputs(encoder, tokenizer, data, samples, text, fingerprint)


def compatibility_warnings(job: JobConfig, space: SearchSpace, encoder: Encoder) -> Iterator[str]:
    """Yield warnings about valid but unlikely combinations.

    They are a search space that was published for other model types, and the synthetic encoder on real text.
    """
    model_type = encoder.config["model_type"]
    if space.space and space.model_types and model_type not in space.model_types:
        others = spaces_for(model_type)
        better = f"; for {model_type}: {', '.join(others)}" if others else ""
        yield (
            f"search space {space.name!r} was published for {', '.join(space.model_types)}, but the encoder "
            f"{encoder.name!r} is of type {model_type}{better}"
        )
    if job.model.name_or_path == SYNTHETIC_ENCODER and (job.own_tasks or job.data.source != "synthetic"):
        yield (
            "the synthetic encoder was pre-trained on generated text only, but the data are not generated; "
            "model.name_or_path (--model-name-or-path) sets another"
        )


@contextmanager
def _resolved_model(model: ModelConfig, *, plan_only: bool) -> Iterator[tuple[ModelConfig, str]]:
    """Provide the model to load, and the folder or name that identifies it.

    The folder of the synthetic encoder is named by a fingerprint of its settings, the same on all machines.
    """
    if model.name_or_path != SYNTHETIC_ENCODER:
        yield model, model.name_or_path
    elif plan_only:
        with planned_encoder(model.cache_dir, logger.info) as (folder, home):
            yield model.model_copy(update={"name_or_path": folder}), home
    else:
        folder = prepare_synthetic_encoder(model.cache_dir, logger.info)
        yield model.model_copy(update={"name_or_path": folder}), folder


def _fitting_length(config: DataConfig, tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the job's length, or the encoder's maximum if that is shorter, as in Hugging Face's ``run_glue.py``."""
    limit = int(tokenizer.model_max_length)
    if config.max_seq_length > limit and "max_seq_length" in config.model_fields_set:
        logger.warning(
            f"data.max_seq_length is {config.max_seq_length}, but this encoder takes at most {limit}: using {limit}"
        )
    return min(config.max_seq_length, limit)


def corner_points(space: SearchSpace) -> Iterator[dict[str, Value]]:
    """Yield points of the space with all combinations of heads, poolings, adapters and frozen layers.

    Ranges of those fields contribute their ends; all other fields contribute their first value.
    """
    columns: list[tuple[Value, ...]] = []
    for field, spec in space.space.items():
        values = spec.values if isinstance(spec, Choice) else (spec.low, spec.high)
        columns.append(values if field in _MODEL_FIELDS else values[:1])
    return (dict(zip(space.space, values, strict=True)) for values in itertools.product(*columns))


def make_plan(
    name: str,
    job: JobConfig,
    space: SearchSpace,
    prepared: SearchInputs,
    sampler: TrialSampler,
    storage: Storage,
    tracking_uri: str,
    resources: str,
) -> SearchPlan:
    """Return the plan of a search.

    Args:
        name: name of the run.
        job: the job.
        space: its search space.
        prepared: encoder and data.
        sampler: knows the number of trials.
        storage: the search's folder.
        tracking_uri: MLflow's tracking URI; a password in it is left out.
        resources: description of the CPUs and GPUs of one worker.
    """
    fixed = {**space.training, **job.training.model_dump(exclude_unset=True)}
    return SearchPlan(
        name=name,
        seed=job.seed,
        model=prepared.encoder.name,
        parameters=prepared.encoder.parameters,
        left_out=count_unused_weights(prepared.encoder),
        space=space.name,
        space_source=space.source,
        fields=tuple(space.space),
        algorithm=job.search.algorithm,
        scheduler=job.search.scheduler.name,
        lanes=job.lanes.lanes,
        workers_per_lane=job.lanes.workers_per_lane,
        resources=resources,
        folder=storage.uri(),
        tracking_uri=without_password(tracking_uri),
        experiment=job.tracking.experiment or name,
        tasks=tuple(_task_plan(task, prepared, sampler) for task in job.tasks),
        time_budget_s=job.search.time_budget_s,
        fixed={field: value for field, value in fixed.items() if field not in overridden_fields(space, job.training)},
    )


def _task_plan(name: str, prepared: SearchInputs, sampler: TrialSampler) -> TaskPlan:
    data = prepared.data[name]
    task, labels = data.task, data.selection.labels
    return TaskPlan(
        task=name,
        title=task.title,
        source=data.source,
        train_rows=len(data.train),
        selection_rows=len(data.selection),
        dev_rows={split: len(rows) for split, rows in data.dev.items()},
        metric=task.primary,
        baseline=baseline_score(task, labels) if labels is not None else 0.0,
        planned=sampler.planned(name),
        configurations=sampler.configurations(name),
        synthetic=data.synthetic,
        fingerprints=dict(data.fingerprints),
        same_rows=dict(data.same_rows),
        columns=task.columns,
        own=task.own,
        card_lines=tuple(data.card.lines()) if data.card else (),
        card=data.card.to_markdown() if data.card else "",
    )
