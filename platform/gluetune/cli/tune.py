"""``gluetune tune``, a search, and ``gluetune finetune``, one configuration trained and evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gluetune.api.session import ACCEPT, Session, new_session, resumed_session, storage_path
from gluetune.api.settings import check_one_encoder, searched_issues
from gluetune.cli.evaluate import run_evaluate
from gluetune.cli.flags import ParsedArguments
from gluetune.cli.options import (
    ACCEPT_OPTION,
    BUDGET_FLAGS,
    DATA_AND_MODEL_FLAGS,
    LANE_FLAGS,
    SEARCH_FLAGS,
    STORAGE_FLAGS,
    TRACKING_FLAGS,
    TRAINING_FLAGS,
    WORKER_FLAGS,
    Option,
    Program,
    accept_issues,
)
from gluetune.cli.own_task import DATASET, TASK_OPTIONS, TRAIN, own_task_issues, with_own_task
from gluetune.cli.predict import INPUT, OUTPUT, run_predict
from gluetune.cli.process import FAILED, OK, ProcessFrontend, run
from gluetune.cli.terminal import Terminal
from gluetune.cli.trained_models import CHECKPOINT, one_configuration
from gluetune.config import JobConfig, default_job_file, load_job
from gluetune.errors import ConfigError, ConfigIssue, StorageError
from gluetune.supervisor import INTERRUPTED, report

MODES = ("train_and_eval", "train", "eval", "predict")
_USES = {
    CHECKPOINT: ("eval", "predict"),
    INPUT: ("predict",),
    OUTPUT: ("predict",),
}
VERIFY_AFTERWARDS = Option(
    "--verify", "", "at the end of the search, train the winners again from the record, as gluetune verify does"
)
TUNE = Program(
    "gluetune tune",
    "Search hyperparameters for fine-tuning encoders, on your own files (--train FILE --text COLUMN --label COLUMN) or "
    "on GLUE tasks. Without flags: the offline quickstart, which "
    "needs no network. It also stands behind flags that only say how much, where and under which name: --num-samples, "
    "--time-budget-s, --max-train-samples, --max-eval-samples, --confirm-top, --confirm-seeds, --seed, --name, "
    "budgets, lanes, storage, tracking. Any other flag without --config starts from the defaults of a job instead (all "
    "of the space, by grid), and --data must be named; --data-dir alone means --data dir.",
    "job file (default: see above)",
    {
        "what to search": SEARCH_FLAGS,
        "budget of all sessions of the search": BUDGET_FLAGS,
        "data and model": DATA_AND_MODEL_FLAGS,
        "lanes": LANE_FLAGS,
        "storage and tracking": STORAGE_FLAGS + TRACKING_FLAGS,
    },
    (*TASK_OPTIONS, ACCEPT_OPTION, VERIFY_AFTERWARDS),
    check=lambda arguments: (*accept_issues(arguments), *own_task_issues(arguments)),
)
FINETUNE = Program(
    "gluetune finetune",
    "Fine-tune an encoder with one configuration, on the lanes that searches train on; score a trained model; predict.",
    "job file (such as jobs/cola_tutorial.yaml; must be given)",
    {
        "what to train": TRAINING_FLAGS,
        "data and model": DATA_AND_MODEL_FLAGS,
        "lane": WORKER_FLAGS,
        "storage and tracking": STORAGE_FLAGS + TRACKING_FLAGS,
    },
    (
        Option("--mode", "MODE", "train_and_eval (default) or train; eval, predict: as those commands", MODES),
        *(replace(option, help=f"with --mode {' or '.join(modes)}: {option.help}") for option, modes in _USES.items()),
        *TASK_OPTIONS,
        ACCEPT_OPTION,
    ),
    check=lambda arguments: (*accept_issues(arguments), *own_task_issues(arguments)),
)


def tune_main(argv: Sequence[str] | None = None) -> int:
    """Run ``gluetune tune``; return the exit code."""
    return run(TUNE, run_tune_command, argv)


def open_session(
    arguments: ParsedArguments, terminal: Terminal, *, score: bool = True, single: bool = False
) -> Session:
    """Open the session that the arguments ask for.

    Args:
        arguments: those of `gluetune tune` or `gluetune finetune`.
        terminal: the user's.
        score: whether winners are scored on the official rows; the command that resumes the run says so.
        single: whether one configuration is run instead of a search.

    Raises:
        UserError: the arguments, the job file or the folder cannot be used.
    """
    overrides = list(arguments.overrides)
    if arguments.resume is None:
        file = arguments.config or default_job_file(with_own_task(arguments).overrides)
        job = _single_job(arguments) if single else tune_job(arguments)
        return new_session(job, file, starts=not arguments.dry_run)
    path = storage_path(overrides)
    session = resumed_session(arguments.resume, path, overrides, starts=not arguments.dry_run)
    frontend = ProcessFrontend(terminal)
    report(resume=frontend.resume_command(session.name, session.job.storage, arguments.address, score=score))
    return session


def tune_job(arguments: ParsedArguments) -> JobConfig:
    """Return the job of a new run that the arguments ask for.

    Raises:
        ConfigError: mistakes in the job file or the arguments.
    """
    overrides = list(with_own_task(arguments).overrides)
    return load_job(arguments.config or default_job_file(overrides), overrides)


def run_tune_command(arguments: ParsedArguments, terminal: Terminal) -> int:
    """Run or resume a search, or show its plan; return the exit code.

    Raises:
        UserError: arguments, job, data, model, cluster or folder cannot be used, or no trial could be evaluated.
    """
    session, accept = open_session(arguments, terminal), ACCEPT in arguments.switches
    if arguments.dry_run:  # the imports are slow, and a mistake in a flag need not wait for them
        from gluetune.api.search_run import show_plan

        show_plan(session, ProcessFrontend(terminal), accept_inputs=accept)
        return OK
    from gluetune.api.runs import SearchViews, search_session

    finished = search_session(
        session, arguments.address, ProcessFrontend(terminal), SearchViews(), accept_inputs=accept
    )
    if finished.interrupted or VERIFY_AFTERWARDS.name not in arguments.switches:
        return INTERRUPTED if finished.interrupted else OK
    from gluetune.cli.verify import verify_and_print

    return verify_and_print(session.name, session.job.storage.path, arguments.address, terminal)


def finetune_main(argv: Sequence[str] | None = None) -> int:
    """Run ``gluetune finetune``; return the exit code."""
    return run(FINETUNE, _finetune, argv)


def _finetune(arguments: ParsedArguments, terminal: Terminal) -> int:
    mode = arguments.options.get("--mode", MODES[0])
    _check(arguments, mode)
    arguments = one_run(arguments)
    if mode == "eval":
        return run_evaluate(arguments, terminal)
    if mode == "predict":
        return run_predict(arguments, terminal)
    return _train(arguments, mode, terminal)


def one_run(arguments: ParsedArguments) -> ParsedArguments:
    """Return the arguments with what makes a job file one configuration; a run that is resumed is one already."""
    if arguments.resume is not None:
        return arguments
    return one_configuration(arguments, FINETUNE.name)


def finetune_job(arguments: ParsedArguments) -> JobConfig | None:
    """Return the job of a new run that the arguments ask for; ``None`` where a trained model is evaluated.

    Raises:
        ConfigError: mistakes in the job file or the arguments.
    """
    mode = arguments.options.get("--mode", MODES[0])
    _check(arguments, mode)
    return None if mode in ("eval", "predict") else _single_job(one_run(arguments))


def _single_job(arguments: ParsedArguments) -> JobConfig:
    job = tune_job(arguments)
    check_one_encoder(job)
    return job


def _check(arguments: ParsedArguments, mode: str) -> None:
    issues = [
        ConfigIssue(option.name, f"goes with --mode {' or '.join(modes)} only, but got --mode {mode}")
        for option, modes in _USES.items()
        if option.name in arguments.options and mode not in modes
    ]
    described = {TRAIN, DATASET} & set(arguments.options)
    if arguments.config is None and arguments.resume is None and not described:
        issues.append(
            ConfigIssue(
                "--config", "must be given: a job file such as jobs/cola_tutorial.yaml, or your own rows by --train"
            )
        )
    if arguments.resume is not None and mode in ("eval", "predict"):
        issues.append(
            ConfigIssue(
                "--resume",
                f"goes with training only, but got --mode {mode}; name a trained model "
                "by --checkpoint or its run by --name",
            )
        )
    if mode in ("eval", "predict"):
        issues += [
            ConfigIssue(option.name, f"goes with training only, but got --mode {mode}")
            for option in TASK_OPTIONS
            if option.name in arguments.options
        ]
    if arguments.dry_run and mode in ("eval", "predict"):
        issues.append(ConfigIssue("--dry-run", f"goes with training only, but got --mode {mode}"))
    issues += searched_issues(arguments.overrides)
    if issues:
        raise ConfigError(issues)


def _train(arguments: ParsedArguments, mode: str, terminal: Terminal) -> int:
    session = open_session(arguments, terminal, score=mode != "train", single=True)
    if session.space.fields:
        raise StorageError(f"{session.name!r} is a search; resume it by gluetune tune --resume {session.name}")
    if arguments.dry_run:  # the imports are slow, and a mistake in a flag need not wait for them
        from gluetune.api.search_run import show_plan

        accept = ACCEPT in arguments.switches
        show_plan(session, ProcessFrontend(terminal), score=mode != "train", accept_inputs=accept)
        return OK
    from gluetune.api.runs import RunViews, search_session

    views = RunViews(session.job.published)
    finished = search_session(
        session,
        arguments.address,
        ProcessFrontend(terminal),
        views,
        score=mode != "train",
        accept_inputs=ACCEPT in arguments.switches,
    )
    if finished.interrupted:
        return INTERRUPTED
    for trial in views.failed:
        terminal.error(f"{trial.name} {trial.status.replace('_', ' ')}: {trial.message}")
    return FAILED if views.failed else OK
