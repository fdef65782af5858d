"""What the driver loads once per search (encoders, tokenizers and tokenised data), and the plan made from it."""

from __future__ import annotations

import hashlib
import itertools
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
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
from gluetune.data import DataSource, EncodedTask, Tokenization, open_tasks, prepare_for_tokenizers, token_fingerprint
from gluetune.data.preparation import SAMPLES
from gluetune.errors import ConfigError
from gluetune.events import EncoderPlan, RunInputs, SearchPlan, SplitInput, TaskPlan, TrialRecord
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
    tokenizer_fingerprint,
)
from gluetune.pretraining import planned_encoder, prepare_synthetic_encoder
from gluetune.search.planned_work import planned_work
from gluetune.search.searchers import TrialSampler
from gluetune.storage import Storage
from gluetune.tasks import Task
from gluetune.tasks.metrics import baseline_score

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

logger = logging.getLogger(__name__)
_MODEL_FIELDS = ("head", "head_hidden_size", "pooling", "freeze_layers", "adapter", "lora_target_modules")


@dataclass(frozen=True)
class PreparedEncoder:
    """One of a search's encoders, with the rows as its tokens.

    Attributes:
        encoder: initial weights.
        tokenizer: the encoder's tokenizer.
        text: how texts become tokens, beyond what the tokenizer's own files say.
        fingerprint: fingerprint of the initial weights and settings.
        data: tokenised rows by task; encoders with the same tokenizer share them.
    """

    encoder: Encoder
    tokenizer: PreTrainedTokenizerBase
    text: TextSettings
    fingerprint: str = ""
    data: dict[str, EncodedTask] = field(default_factory=dict)

    def facts(self, task: str) -> TaskFacts:
        """Return what decides, beside a configuration, what a trial of this encoder on a task trains."""
        data = self.data[task]
        rows = len(data.train) if data.folds is None else None  # each fold has other rows
        return TaskFacts(rows, nsp_is_default(self.encoder), auto_target_modules(self.encoder))


@dataclass(frozen=True)
class SearchInputs:
    """Encoders and data of a search.

    Attributes:
        encoders: the encoders by name; one by an empty name where the search does not choose among encoders.
        samples: texts of a few rows by task and column, as example inputs of the models.
    """

    encoders: dict[str, PreparedEncoder]
    samples: dict[str, dict[str, list[str]]]

    def of(self, trial: TrialRecord) -> PreparedEncoder:
        """Return the encoder that a trial trains."""
        return self.encoders[trial.model]

    @property
    def first(self) -> PreparedEncoder:
        """The first encoder."""
        return next(iter(self.encoders.values()))

    @property
    def data(self) -> dict[str, EncodedTask]:
        """The rows by task, as tokens of the first encoder; rows, labels and cards do not depend on the encoder."""
        return self.first.data

    @property
    def inputs(self) -> RunInputs:
        """Fingerprints of encoders and data, for ``inputs.json``."""
        several = len(self.encoders) > 1
        return RunInputs(
            encoder="" if several else self.first.fingerprint,
            encoders={name: each.fingerprint for name, each in self.encoders.items()} if several else {},
            tasks={task: self._splits(task) for task in self.data},
            classes={name: task.labels for name, task in self.tasks.items() if task.own},
        )

    def _splits(self, task: str) -> dict[str, SplitInput]:
        """Return the rows and fingerprints of a task's splits; tokens of several tokenizers have one fingerprint."""
        tokenized = list({id(each.data[task]): each.data[task] for each in self.encoders.values()}.values())
        found = {}
        for split, rows in tokenized[0].splits.items():
            tokens = [token_fingerprint(each.splits[split]) for each in tokenized]
            digest = tokens[0] if len(tokens) == 1 else hashlib.sha256("".join(tokens).encode()).hexdigest()
            text = tokenized[0].fingerprints.get(split, "")
            found[split] = SplitInput(rows=len(rows), sha256=text, tokens=digest)
        return found

    @property
    def tasks(self) -> dict[str, Task]:
        """The tasks, by name."""
        return {name: data.task for name, data in self.data.items()}

    def without_dev(self) -> SearchInputs:
        """Return these inputs without development rows, so that winners are saved but not scored."""
        encoders = {}
        for name, each in self.encoders.items():
            data = {task: replace(rows, dev={}) for task, rows in each.data.items()}
            encoders[name] = replace(each, data=data)
        return replace(self, encoders=encoders)

    @property
    def facts(self) -> dict[str, dict[str, TaskFacts]]:
        """What decides, beside a configuration, what a trial trains, by task and encoder."""
        return {task: {name: each.facts(task) for name, each in self.encoders.items()} for task in self.data}


def prepare_inputs(job: JobConfig, space: SearchSpace, *, plan_only: bool = False) -> SearchInputs:
    """Load encoders and data of a job, and check that they fit the search space.

    Slow steps are logged before they begin, and unlikely combinations as warnings.

    Args:
        job: the job.
        space: its search space. Fields that an encoder's model type does not have are found here, and heads that do
            not fit a pooling.
        plan_only: whether to use random weights where the synthetic encoder has not been pre-trained yet, instead of
            pre-training it.

    Raises:
        ConfigError: a training setting does not fit the labels of a task.
        DataError: a data file is missing or malformed.
        ModelError: an encoder cannot be used, or its tokenizer does not fit it.
    """
    opened = open_tasks(job.tasks, job.data)  # first: mistakes in the user's own files are found at once
    encoders = {
        name: _load(job, name or job.model.name, part, plan_only=plan_only) for name, part in space.parts.items()
    }
    samples = {}
    for name, (task, source) in opened.items():
        if issues := [issue for part in space.parts.values() for issue in loss_issues(task, part, job.training)]:
            raise ConfigError(dict.fromkeys(issues))  # equal spaces have equal issues
        for each, rows in zip(encoders.values(), _tokenized(task, source, encoders, job), strict=True):
            each.data[name] = rows
        first = next(iter(encoders.values())).data[name]
        columns = first.samples if task.own else source.load(task, task.dev[0]).columns
        samples[name] = {column: list(texts[:SAMPLES]) for column, texts in columns.items()}
    for name, each in encoders.items():
        training = resolve_training(job, space.parts[name], next(corner_points(space.parts[name])))
        model = build_model(each.encoder, next(iter(opened.values())).task, training, job.seed)
        splits = (rows for data in each.data.values() for rows in data.splits.values())
        check_forward_pass(model, splits, each.tokenizer, each.encoder.name)
    return SearchInputs(encoders, samples)


def _load(job: JobConfig, name: str, space: SearchSpace, *, plan_only: bool) -> PreparedEncoder:
    """Load an encoder and its tokenizer, and check that the configurations of its search space fit it."""
    with _resolved_model(job.model.of(name), plan_only=plan_only) as (model, folder):
        encoder, tokenizer = replace(load_encoder(model, job.seed), name=name), load_tokenizer(model)
        fingerprint = Path(folder).name if name == SYNTHETIC_ENCODER else encoder_fingerprint(encoder, model)
    for warning in compatibility_warnings(job, space, encoder):
        logger.warning(warning)
    for point in corner_points(space):
        check_training_config(encoder, resolve_training(job, space, point))
    length = _fitting_length(job.data, tokenizer, name)
    text = TextSettings(max_seq_length=length, truncation=job.data.truncation)
    return PreparedEncoder(encoder, tokenizer, text, fingerprint)


def _tokenized(
    task: Task, source: DataSource, encoders: Mapping[str, PreparedEncoder], job: JobConfig
) -> list[EncodedTask]:
    """Return a task's rows for each encoder; rows are tokenized once for encoders with the same tokenizer."""
    keys = [(tokenizer_fingerprint(each.tokenizer), each.text.max_seq_length) for each in encoders.values()]
    distinct = {
        key: Tokenization(each.tokenizer, each.text.max_seq_length)
        for key, each in zip(keys, encoders.values(), strict=True)
    }
    rows = dict(zip(distinct, prepare_for_tokenizers(task, source, distinct.values(), job.data, job.seed), strict=True))
    return [rows[key] for key in keys]


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
    if encoder.name == SYNTHETIC_ENCODER and (job.own_tasks or job.data.source != "synthetic"):
        yield (
            "the synthetic encoder was pre-trained on generated text only, but the data are not generated; "
            "model.name_or_path (--model-name-or-path) sets another"
        )


@contextmanager
def _resolved_model(model: ModelConfig, *, plan_only: bool) -> Iterator[tuple[ModelConfig, str]]:
    """Provide the model to load, and the folder or name that identifies it.

    The folder of the synthetic encoder is named by a fingerprint of its settings, the same on all machines.
    """
    if model.name != SYNTHETIC_ENCODER:
        yield model, model.name
    elif plan_only:
        with planned_encoder(model.cache_dir, logger.info) as (folder, home):
            yield model.model_copy(update={"name_or_path": folder}), home
    else:
        folder = prepare_synthetic_encoder(model.cache_dir, logger.info)
        yield model.model_copy(update={"name_or_path": folder}), folder


def _fitting_length(config: DataConfig, tokenizer: PreTrainedTokenizerBase, encoder: str) -> int:
    """Return the job's length, or the encoder's maximum if that is shorter, as in Hugging Face's ``run_glue.py``."""
    limit = int(tokenizer.model_max_length)
    if config.max_seq_length > limit and "max_seq_length" in config.model_fields_set:
        logger.warning(
            f"data.max_seq_length is {config.max_seq_length}, but {encoder!r} takes at most {limit}: using {limit}"
        )
    return min(config.max_seq_length, limit)


def corner_points(space: SearchSpace) -> Iterator[dict[str, Value]]:
    """Yield points of the space with all combinations of heads, poolings, adapters and frozen layers.

    Ranges of those fields contribute their ends; all other fields contribute their first value.
    """
    columns: list[tuple[Value, ...]] = []
    for name, spec in space.space.items():
        values = spec.values if isinstance(spec, Choice) else (spec.low, spec.high)
        columns.append(values if name in _MODEL_FIELDS else values[:1])
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
        prepared: encoders and data.
        sampler: knows the number of trials.
        storage: the search's folder.
        tracking_uri: MLflow's tracking URI; a password in it is left out.
        resources: description of the CPUs and GPUs of one worker.
    """
    encoders = tuple(_encoder_plan(job, space.parts[name], each) for name, each in prepared.encoders.items())
    largest = max(encoders, key=lambda each: each.parameters)
    several = len(encoders) > 1
    return SearchPlan(
        name=name,
        seed=job.seed,
        model=", ".join(each.name for each in encoders),
        parameters=largest.parameters,
        left_out={} if several else largest.left_out,
        space=space.name,
        space_source=space.source,
        fields=space.fields,
        algorithm=job.search.algorithm,
        scheduler=job.search.scheduler.name,
        lanes=job.lanes.lanes,
        workers_per_lane=job.lanes.workers_per_lane,
        resources=resources,
        folder=storage.uri(),
        tracking_uri=without_password(tracking_uri),
        experiment=job.tracking.experiment or name,
        tasks=tuple(_task_plan(task, prepared, sampler, job, space) for task in job.tasks),
        time_budget_s=job.search.time_budget_s,
        fixed=largest.fixed if all(each.fixed == largest.fixed for each in encoders) else {},
        encoders=encoders if several else (),
        objectives=job.search.objective,
        budget=job.search.budget.limits,
        cost_per_hour=job.lanes.cost_per_hour,
        stop_when=None if job.search.stop_when.expected_gain_below is None else job.search.stop_when,
        confirm=job.confirm,
    )


def _encoder_plan(job: JobConfig, space: SearchSpace, prepared: PreparedEncoder) -> EncoderPlan:
    fixed = {**space.training, **job.training.model_dump(exclude_unset=True)}
    return EncoderPlan(
        name=prepared.encoder.name,
        parameters=prepared.encoder.parameters,
        space=space.name,
        space_source=space.source,
        fields=tuple(space.space),
        fixed={name: value for name, value in fixed.items() if name not in overridden_fields(space, job.training)},
        left_out=count_unused_weights(prepared.encoder),
    )


def _task_plan(
    name: str, prepared: SearchInputs, sampler: TrialSampler, job: JobConfig, space: SearchSpace
) -> TaskPlan:
    data = prepared.data[name]
    trainings = data.fold_count or 1
    rows = len(data.train) - (len(data.train) // trainings if data.fold_count else 0)
    work = planned_work(space, job.training, rows)
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
        rows_per_trial=work.rows * trainings,
        evaluations_per_trial=work.evaluations * trainings,
        folds=data.fold_count,
    )
