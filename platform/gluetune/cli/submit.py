"""``gluetune submit``: another command as a job on a Ray cluster, through Ray's Jobs API."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gluetune.api.places import lasting_issues, lasting_job_issues
from gluetune.api.session import storage_path
from gluetune.cli.commands import COMMANDS, NOT_SUBMITTED
from gluetune.cli.flags import ParsedArguments, parse
from gluetune.cli.options import Option, Program
from gluetune.cli.process import FAILED, OK, run, temporary_log
from gluetune.cli.terminal import Terminal
from gluetune.config import StorageConfig, TaskFiles, TrackingConfig, text_without_passwords
from gluetune.config.own_task_checks import SPLITS
from gluetune.config.space_files import SHIPPED, shipped_folder
from gluetune.errors import ClusterError, ConfigError, ConfigIssue, did_you_mean
from gluetune.supervisor import INTERRUPTED, report

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

ADDRESS = "http://127.0.0.1:8265"
ADDRESS_VARIABLE = "RAY_API_SERVER_ADDRESS"
EXCLUDES = (
    "/.git", "/.venv", "/venv", "/runs", "/mlruns", "/mlartifacts", "/build", "/dist",
    "__pycache__", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache", "*.egg-info", "*.db", "*.log",
)  # fmt: skip
STOP_S = 60  # seconds that `ray job stop` gives a search to end in an orderly way; 3 without this
JOB_END_S = 10.0  # from the end of the log until the job's state is final
_SEPARATOR = "--"


def _issues(arguments: ParsedArguments) -> Iterator[ConfigIssue]:
    folder = Path(arguments.options.get("--working-dir", ".")).expanduser()
    if not folder.is_dir():
        yield ConfigIssue("--working-dir", f"must be an existing folder, but got {str(folder)!r}")
    elif folder.resolve() in (Path.home(), Path("/")):
        yield ConfigIssue("--working-dir", f"is uploaded and must be a project's folder, but got {folder.resolve()}")
    address = arguments.options.get("--address")
    if address is not None and not re.match(r"https?://", address):
        yield ConfigIssue("--address", f"must be that of Ray's Jobs API, such as {ADDRESS}, but got {address!r}")
    for variable in arguments.repeated.get("--env", ()):
        name, equals, _ = variable.partition("=")
        if not name.isidentifier():
            yield ConfigIssue("--env", f"must be NAME=VALUE or NAME, but got {variable!r}")
        elif not equals and name not in os.environ:
            yield ConfigIssue("--env", f"must name a variable of this environment, but {name} is not set")


PROGRAM = Program(
    "gluetune submit",
    "Run a command of gluetune as a job on a Ray cluster, and follow its output. The job runs in a copy of the working "
    "folder, with the gluetune that is installed here; the cluster's nodes need its dependencies.",
    None,
    options=(
        Option("--address", "URL", f"the Jobs API (default: {ADDRESS_VARIABLE}, else {ADDRESS})"),
        Option("--working-dir", "FOLDER", "uploaded as the job's working folder (default: the current folder)"),
        Option("--env", "NAME[=VALUE]", "a variable of the job's environment; may be repeated", repeated=True),
        Option("--submission-id", "ID", "the job's name (default: one that Ray makes)"),
        Option("--no-wait", "", "end when the job is submitted, without following its output"),
    ),
    usage="%(prog)s [--address URL] [flags] -- COMMAND [flags of COMMAND]",
    epilog="Not uploaded: .git, .venv, runs, mlruns and what .gitignore and .rayignore name. The exit code is that of "
    "the job. Ctrl-C only ends this command; the job continues.",
    stray="the command must follow --, as in gluetune submit -- tune",
    check=_issues,
)


def main(argv: Sequence[str]) -> int:
    """Run ``gluetune submit``; return the exit code."""
    own, command = _split(argv)
    return run(PROGRAM, lambda arguments, terminal: _submit(arguments, command, terminal), own)


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the arguments before and after ``--``."""
    arguments = list(argv)
    if _SEPARATOR not in arguments:
        return arguments, []
    at = arguments.index(_SEPARATOR)
    return arguments[:at], arguments[at + 1 :]


def _submit(arguments: ParsedArguments, command: Sequence[str], terminal: Terminal) -> int:
    given = arguments.options
    address = given.get("--address") or os.environ.get(ADDRESS_VARIABLE) or ADDRESS
    folder = Path(given.get("--working-dir", ".")).expanduser().resolve()
    _check_command(command, folder)
    terminal.note(f"submitting to {text_without_passwords(address)} what {folder} holds …")
    with temporary_log() as log, terminal.logging_to(log):  # Ray reports each file that stays behind
        client = _connect(address)
        with tempfile.TemporaryDirectory(prefix="gluetune-submit-") as scratch:
            environment = runtime_environment(folder, Path(scratch), arguments.repeated.get("--env", ()))
            job = _start(client, command, environment, given.get("--submission-id"))
        report(starting=False)  # from now on Ctrl-C ends this command, not the job
        terminal.note(f"submitted as {job}\n{_how_to(job, address)}")
        if "--no-wait" in arguments.switches:
            return OK
        try:
            return _follow(client, job, address, terminal)
        except KeyboardInterrupt:
            terminal.note(f"\nthe job {job} continues\n{_how_to(job, address)}")
            return INTERRUPTED


def _check_command(command: Sequence[str], folder: Path) -> None:
    """Refuse a command that would fail in the job, before anything is uploaded.

    Found are: what is no command, mistakes in its flags, in a job file that is uploaded or shipped with gluetune, and
    paths of results below the job's working folder, which Ray deletes. A job file that only the cluster's machines
    have is checked in the job.

    Args:
        command: the command and its flags.
        folder: the working folder, from which the job reads relative paths.

    Raises:
        ConfigError: all mistakes.
    """
    known = [name for name in COMMANDS if name not in NOT_SUBMITTED]
    if not command or command[0] not in known:
        got = f"but got {command[0]!r}{did_you_mean(command[0], known)}" if command else "but got none"
        raise ConfigError([ConfigIssue(_SEPARATOR, f"a command must follow, one of {', '.join(known)}, {got}")])
    name, *flags = command
    program, _ = COMMANDS[name].load()
    if program is None:
        _check_checkout(folder)
        return
    arguments = parse(flags, program)
    with contextlib.chdir(folder):
        issues = list(lasting_issues(_result_flags(name, arguments)))
        if not issues:
            issues = list(_job_issues(name, arguments, folder))
    if issues:
        raise ConfigError(issues)


def _check_checkout(folder: Path) -> None:
    """Refuse `gluetune benchmark` in a folder without the comparisons.

    Raises:
        ConfigError: the folder is no checkout.
    """
    if not (folder / "benchmarks" / "cli.py").is_file():
        rule = f"must be a checkout of gluetune for `gluetune benchmark`, but {folder} has no benchmarks/cli.py"
        raise ConfigError([ConfigIssue("--working-dir", rule)])


def _result_flags(name: str, arguments: ParsedArguments) -> Iterator[tuple[str, str | None]]:
    """Yield the flags of a command that name where results go, and their values."""
    yield "--output", arguments.options.get("--output", "submission.zip" if name == "export" else None)
    paths = {"storage.path": "--storage-path", "tracking.uri": "--tracking-uri"}
    last = {override.path: override for override in arguments.overrides if override.path in paths}
    for path, override in last.items():
        yield paths[path], None if override.value is None else str(override.value)


def _job_issues(name: str, arguments: ParsedArguments, folder: Path) -> Iterator[ConfigIssue]:
    """Results of the command's job that would be lost with the working folder, which is the current folder.

    Raises:
        ConfigError: mistakes in the job file, or in the values on top of it.
    """
    trained = name in ("evaluate", "predict") and arguments.config is None and "--checkpoint" not in arguments.options
    if arguments.resume is not None or trained:  # the storage path is read from the flags alone
        yield from lasting_issues([("--storage-path", storage_path(arguments.overrides))])
        return
    file = arguments.config
    if file is not None and not Path(file).expanduser().resolve().is_relative_to(folder):
        return
    sections = _stored(name, arguments)
    if sections is not None:
        yield from lasting_job_issues(*sections[:2])
        yield from _outside_issues(sections[2], folder)


def _outside_issues(tasks: Mapping[str, TaskFiles], folder: Path) -> Iterator[ConfigIssue]:
    """Yield the files of own tasks that relative paths name outside of the folder that is uploaded."""
    for name, files in tasks.items():
        for split in SPLITS if files.dataset is None else ():
            path = getattr(files, split)
            if path is None or "://" in path or Path(path).expanduser().is_absolute():
                continue
            if not Path(path).resolve().is_relative_to(folder):
                yield ConfigIssue(
                    f"tasks.{name}.{split}",
                    f"must lie in the working folder, which is uploaded, or be an absolute path on the cluster's "
                    f"machines, but got {path!r}",
                )


def _stored(
    name: str, arguments: ParsedArguments
) -> tuple[StorageConfig, TrackingConfig, Mapping[str, TaskFiles]] | None:
    """Where a command's job stores and records, and its own tasks; ``None`` of a command that makes no run.

    Raises:
        ConfigError: mistakes in the job file, or in the values on top of it.
    """
    if name == "tune":
        from gluetune.cli.tune import tune_job

        job = tune_job(arguments)
        return job.storage, job.tracking, job.own_tasks
    if name == "finetune":
        from gluetune.cli.tune import finetune_job

        run_job = finetune_job(arguments)
        return None if run_job is None else (run_job.storage, run_job.tracking, run_job.own_tasks)
    if name == "pretrain":
        from gluetune.cli.pretrain import pretrain_job

        pretraining = pretrain_job(arguments)
        return pretraining.storage, pretraining.tracking, {}
    return None


def runtime_environment(folder: Path, scratch: Path, variables: Sequence[str] = ()) -> dict[str, Any]:
    """Ray's runtime environment of a job: what is uploaded, and the job's environment variables.

    A checkout as working folder brings its own package. With any other working folder the installed package is
    uploaded beside it, with the job files and search spaces that a wheel ships.

    Args:
        folder: the working folder, which Ray uploads.
        scratch: an empty folder that lasts until the upload, for a package that lacks the shipped files.
        variables: further environment variables, as ``NAME=VALUE``, or ``NAME`` with the value that it has here.
            A checkout's ``PYTHONPATH`` is put before one among these.
    """
    environment: dict[str, Any] = {
        "working_dir": str(folder),
        "excludes": list(EXCLUDES),
        "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_S)},
    }
    if (folder / "platform" / "gluetune" / "__init__.py").is_file():
        environment["env_vars"]["PYTHONPATH"] = "platform"  # a checkout: its own package, as it is now
    else:
        environment["py_modules"] = [str(_whole_package(scratch))]
    own_path = environment["env_vars"].get("PYTHONPATH")
    for variable in variables:
        name, equals, value = variable.partition("=")
        environment["env_vars"][name] = value if equals else os.environ[name]
    if own_path is not None and environment["env_vars"]["PYTHONPATH"] != own_path:
        environment["env_vars"]["PYTHONPATH"] = os.pathsep.join([own_path, environment["env_vars"]["PYTHONPATH"]])
    return environment


def _whole_package(scratch: Path) -> Path:
    """Return the installed package; of an editable install a copy, with the files that a wheel ships."""
    package, shipped = Path(__file__).resolve().parents[1], shipped_folder()
    if shipped.parent == package:
        return package
    copy = scratch / package.name
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("jobs", "search_spaces"):
        (copy / SHIPPED / name).mkdir(parents=True)
        for file in (shipped / name).glob("*.yaml"):
            shutil.copy(file, copy / SHIPPED / name)
    return copy


def _connect(address: str) -> JobSubmissionClient:
    """Return a client of the Jobs API, which answers.

    Raises:
        ClusterError: there is none, or it refuses this user.
    """
    import ray.exceptions
    from ray.job_submission import JobSubmissionClient

    os.environ[ADDRESS_VARIABLE] = address  # Ray's client prefers this variable to its argument
    try:
        return JobSubmissionClient(address)
    except ConnectionError as error:
        raise ClusterError(
            f"a Ray cluster's Jobs API must answer at {text_without_passwords(address)}, but none does; start one by "
            "`ray start --head`, forward its port 8265, or name it by --address"
        ) from error
    except (RuntimeError, ray.exceptions.AuthenticationError) as error:
        raise ClusterError(f"the Jobs API at {text_without_passwords(address)} refuses: {error}") from error


def _start(client: JobSubmissionClient, command: Sequence[str], environment: dict[str, Any], name: str | None) -> str:
    """Upload the folder and start the job; return its id.

    Raises:
        ClusterError: Ray refuses the folder or the job.
    """
    entrypoint = shlex.join(["python", "-m", "gluetune", *command])
    try:
        return client.submit_job(entrypoint=entrypoint, runtime_env=environment, submission_id=name)
    except (RuntimeError, ValueError, OSError) as error:
        raise ClusterError(f"Ray does not take the job: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return an error's message, without the server's tracebacks that it may contain."""
    own = re.findall(r"^\w+Error: (.+)$", str(error), re.MULTILINE)
    return str(own[-1]) if own else str(error) or type(error).__name__


def _follow(client: JobSubmissionClient, job: str, address: str, terminal: Terminal) -> int:
    """Print the job's output until it ends; return its exit code.

    Raises:
        ClusterError: the connection to the cluster is lost, or the Jobs API ends the output of a job that runs.
    """

    async def tail() -> None:
        async for lines in client.tail_job_logs(job):
            terminal.out.print(lines, end="", markup=False, highlight=False, emoji=False, soft_wrap=True)

    try:
        asyncio.run(tail())
        deadline = time.monotonic() + JOB_END_S
        while not (details := client.get_job_info(job)).status.is_terminal() and time.monotonic() < deadline:
            time.sleep(0.2)
    except (RuntimeError, OSError) as error:
        raise ClusterError(f"the connection to the cluster is lost: {error}; the job {job} may continue") from error
    if not details.status.is_terminal():
        raise ClusterError(
            f"the connection to the job's output ended, but the job {job} is {str(details.status).lower()}\n"
            f"{_how_to(job, address)}"
        )
    return _exit_code(str(details.status), details.driver_exit_code, details.message, terminal)


def _exit_code(status: str, code: int | None, message: str | None, terminal: Terminal) -> int:
    if status == "SUCCEEDED":
        return OK
    if status == "STOPPED":
        terminal.note("the job was stopped")
        return INTERRUPTED
    terminal.error(f"the job has {status.lower()}" + (f": {message.strip()}" if message and not code else ""))
    return code if code is not None and code > 0 else FAILED


def _how_to(job: str, address: str) -> str:
    where = ["--address", text_without_passwords(address)]
    follow = shlex.join(["ray", "job", "logs", "-f", job, *where])
    stop = shlex.join(["ray", "job", "stop", job, *where])
    return f"follow its output by: {follow}\nstop it by: {stop}"
