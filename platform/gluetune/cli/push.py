"""``gluetune push``: a trained model's folder to the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gluetune.cli.flags import ParsedArguments
from gluetune.cli.model_argument import model_folder
from gluetune.cli.options import Option, Program
from gluetune.cli.process import OK, run
from gluetune.cli.terminal import Terminal
from gluetune.config import StorageConfig
from gluetune.errors import ConfigIssue
from gluetune.supervisor import report

MODEL = Option("MODEL", "", "a trained model's folder, a run's winner (RUN/TASK), or a models:/ URI of MLflow")
REPO = Option("REPO", "", "the repository on the hub: NAMESPACE/NAME, or NAME in your own namespace")
PRIVATE = Option("--private", "", "where the repository is created: make it private")
REVISION = Option("--revision", "BRANCH", "branch to upload to; created where it does not exist (default: main)")
STORAGE = Option("--storage-path", "PATH", f"folder or bucket that the runs lie in (default: {StorageConfig().path})")


def _issues(arguments: ParsedArguments) -> Iterator[ConfigIssue]:
    for option in (MODEL, REPO):
        if option.name not in arguments.options:
            yield ConfigIssue(option.name, "must be given: gluetune push MODEL REPO")


PROGRAM = Program(
    "gluetune push",
    "Upload a trained model's folder, with its model card, to the Hugging Face hub; the repository is created where it "
    "does not exist. Works in this process; no Ray is started.",
    None,
    options=(PRIVATE, REVISION, STORAGE),
    positionals=(MODEL, REPO),
    usage="%(prog)s MODEL REPO [--private] [--revision BRANCH]",
    epilog="The token is that of HF_TOKEN or of `hf auth login`; HF_ENDPOINT names another hub.",
    check=_issues,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``gluetune push``; return the exit code."""
    return run(PROGRAM, _push, argv)


def _push(arguments: ParsedArguments, terminal: Terminal) -> int:
    from gluetune.inference.hub_upload import push_folder

    report(starting=False)
    given = arguments.options
    with model_folder(given[MODEL.name], given.get(STORAGE.name, StorageConfig().path)) as folder:
        terminal.note(f"uploading {folder} …")
        upload = push_folder(
            folder,
            given[REPO.name],
            private=PRIVATE.name in arguments.switches,
            revision=given.get(REVISION.name),
        )
    terminal.out.print(
        f"{upload.files} files → {upload.url} ({upload.commit})",
        soft_wrap=True,
        highlight=False,
        markup=False,
        emoji=False,
    )
    return OK
