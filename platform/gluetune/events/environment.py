"""What a run was computed with: the versions of Python and of the packages that decide its numbers, by session."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from gluetune import __version__
from gluetune.storage import Storage

ENVIRONMENT_FILE = "environment.json"
_PACKAGES = (
    *("torch", "transformers", "tokenizers", "datasets", "numpy", "scipy", "scikit-learn", "safetensors", "peft"),
    *("ray", "optuna", "cmaes", "mlflow"),
)


class Environment(BaseModel):
    """The environment of one session of a run.

    Attributes:
        started: when the session began, in seconds since the epoch.
        python: version of Python.
        platform: operating system and processor.
        cpus: number of CPUs of the driver's machine.
        packages: version by package, gluetune's own included.
    """

    model_config = ConfigDict(frozen=True)

    started: float
    python: str
    platform: str
    cpus: int
    packages: dict[str, str]

    @classmethod
    def current(cls) -> Environment:
        """Return the environment of this process."""
        return cls(
            started=time.time(),
            python=platform.python_version(),
            platform=platform.platform(),
            cpus=os.cpu_count() or 1,
            packages={"gluetune": __version__} | {name: found for name in _PACKAGES if (found := _version(name))},
        )

    def differs(self, other: Environment) -> bool:
        """Return whether anything but the time is different."""
        return self.model_copy(update={"started": other.started}) != other


_SESSIONS: TypeAdapter[list[Environment]] = TypeAdapter(list[Environment])


def load_environments(folder: Storage) -> list[Environment]:
    """Return the environments of a run's sessions, of each only the first session in a row; empty where unknown."""
    data = folder.read(ENVIRONMENT_FILE)
    try:
        return [] if data is None else _SESSIONS.validate_json(data)
    except ValidationError:  # of another version, or cut short
        return []


def save_environment(folder: Storage) -> None:
    """Add this process's environment to a run's folder, where it differs from that of the session before.

    Raises:
        StorageError: the file cannot be written.
    """
    known, now = load_environments(folder), Environment.current()
    if not known or now.differs(known[-1]):
        folder.write(ENVIRONMENT_FILE, _SESSIONS.dump_json([*known, now], indent=1))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
