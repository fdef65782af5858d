"""Upload of a trained model's folder to the Hugging Face hub, by ``huggingface_hub``."""

from __future__ import annotations

from typing import NamedTuple

from gluetune.errors import ConfigError, ConfigIssue, ModelError
from gluetune.inference.model_folder import local_model_folder

_MAIN = "main"


class Upload(NamedTuple):
    """An upload.

    Attributes:
        repo: the repository, as ``namespace/name``.
        url: address of the repository.
        commit: address of the commit.
        files: number of files in the folder.
    """

    repo: str
    url: str
    commit: str
    files: int


def push_folder(folder: str, repo: str, *, private: bool = False, revision: str | None = None) -> Upload:
    """Upload a trained model's folder to the hub, and create the repository where it does not exist.

    The token is the one that ``huggingface_hub`` finds: ``HF_TOKEN``, else that of ``hf auth login``. The hub is that
    of ``HF_ENDPOINT``. Files of the repository that the folder does not have stay.

    Args:
        folder: a ``save_pretrained`` folder, by path or URI.
        repo: ``namespace/name``, or a name in the namespace of the token's user.
        private: whether a repository that is created is private; an existing one stays as it is.
        revision: branch to upload to, created where it does not exist; ``None`` for ``main``.

    Raises:
        ConfigError: ``repo`` is no name of a repository.
        ModelError: there is no token, the hub cannot be reached, or it refuses the upload.
    """
    from huggingface_hub import HfApi, constants, get_token
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError  # type: ignore[attr-defined]
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        message = f"must be a repository of the hub (NAMESPACE/NAME or NAME), but got {repo!r}: {error}"
        raise ConfigError([ConfigIssue("REPO", message)]) from error
    hub = constants.ENDPOINT
    if get_token() is None:
        raise ModelError(
            f"an upload to {hub} needs a token with write access, but there is none: run `hf auth login`, or set "
            "HF_TOKEN"
        )
    api = HfApi()
    try:
        with local_model_folder(folder) as local:
            created = api.create_repo(repo, private=private or None, exist_ok=True)
            if revision not in (None, _MAIN) and not str(revision).startswith("refs/"):
                api.create_branch(created.repo_id, branch=str(revision), exist_ok=True)
            commit = api.upload_folder(
                repo_id=created.repo_id,
                folder_path=local,
                revision=revision,
                commit_message="Upload a model trained by gluetune",
            )
            files = sum(path.is_file() for path in local.rglob("*"))
    except HfHubHTTPError as error:
        raise ModelError(f"{hub} refuses the upload to {repo!r}: {_reason(error)}") from error
    except (HTTPError, ConnectionError) as error:
        raise ModelError(
            f"{hub} cannot be reached ({error}); an upload needs a network, and HF_HUB_OFFLINE must not be set"
        ) from error
    except ValueError as error:  # metadata of the model card, or an answer of another server
        raise ModelError(f"the upload to {repo!r} on {hub} failed: {error}") from error
    return Upload(created.repo_id, str(created), str(commit.commit_url), files)


def _reason(error: Exception) -> str:
    """Return the first lines of what the hub answered, as one line."""
    return " ".join(str(error).split())[:500]
