"""Names that libraries keep private, or do not document, are used in `gluetune.internals` only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
INTERNALS = ROOT / "platform" / "gluetune" / "internals"
FOLDERS = ("platform/gluetune", "benchmarks", "deploy", "jobs")
CHECKED = ("ray", "torch", "transformers", "mlflow", "optuna")
DOCUMENTED_MODULES = {  # submodules of these libraries whose names, as far as they are used, their documentation has
    "mlflow.entities",
    "mlflow.entities.model_registry",
    "mlflow.exceptions",
    "mlflow.models",
    "mlflow.pyfunc",
    "mlflow.tracking",
    "mlflow.types",
    "mlflow.types.schema",
    "optuna.distributions",
    "optuna.exceptions",
    "optuna.samplers",
    "optuna.storages",
    "optuna.storages.journal",
    "optuna.study",
    "optuna.trial",
    "ray.air.integrations.mlflow",
    "ray.exceptions",
    "ray.job_submission",
    "ray.train",
    "ray.train.huggingface.transformers",
    "ray.train.torch",
    "ray.tune",
    "ray.tune.experiment",
    "ray.tune.integration.ray_train",
    "ray.tune.schedulers",
    "ray.tune.search",
    "ray.tune.search.optuna",
    "ray.util",
    "ray.util.placement_group",
    "ray.util.scheduling_strategies",
    "torch.autograd",
    "torch.autograd.function",
    "torch.distributed",
    "torch.nn",
    "torch.nn.parallel",
    "torch.nn.utils",
    "torch.optim",
    "torch.optim.lr_scheduler",
    "torch.optim.swa_utils",
    "transformers.modeling_outputs",
    "transformers.utils",
}
OWN = ("gluetune", "benchmarks")
ALLOWED = {  # documented in spite of their names, or, of argparse, without a public counterpart
    "os._exit",
    "_replace",
    "parser._actions",
    "from torch.utils._python_dispatch import TorchDispatchMode",
}
SETTINGS = {"torch.compiler.config.recompile_limit", "package.propagate"}  # public settings of a module or a logger


def files() -> list[Path]:
    found = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in found if not path.is_relative_to(INTERNALS)]


def private_uses(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of each import and use of a library's private name, as far as the syntax shows it."""
    modules = _imported_modules(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] not in OWN:
            undocumented = _undocumented_module(node.module) or any(_private(alias.name) for alias in node.names)
            if undocumented and ast.unparse(node) not in ALLOWED:
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if _undocumented_module(alias.name))
        elif isinstance(node, ast.Attribute):
            text = ast.unparse(node)
            stored = isinstance(node.ctx, ast.Store)
            if (
                (_private(node.attr) and not _own_object(node.value) and not {text, node.attr} & ALLOWED)
                or (stored and node.attr == "__class__")
                or (stored and text.split(".")[0] in modules and text not in SETTINGS)
            ):
                yield node.lineno, text


def _imported_modules(tree: ast.Module) -> set[str]:
    """Names that are bound to modules of libraries."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
    return {(alias.asname or alias.name).split(".")[0] for node in nodes for alias in node.names}


def _own_object(value: ast.expr) -> bool:
    return isinstance(value, ast.Name) and value.id in ("self", "cls")


def _private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _undocumented_module(name: str) -> bool:
    """Whether a module's name is private, or it is a submodule of a checked library that is not known as documented."""
    library, *parts = name.split(".")
    unknown = library in CHECKED and parts and name not in DOCUMENTED_MODULES
    return bool(unknown) or any(_private(part) for part in parts)


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_private_names_of_libraries_are_used_in_internals_only(path: Path) -> None:
    assert list(private_uses(ast.parse(path.read_text()))) == []


@pytest.mark.parametrize(
    "code",
    [
        "from ray._private.state import actors",
        "from ray.train.v2._internal.constants import get_env_vars_to_propagate",
        "from ray.tune.execution import class_cache",
        "from mlflow.utils.credentials import read_mlflow_creds",
        "import transformers.trainer_pt_utils",
        "from transformers.masking_utils import sdpa_mask",
        "import torch._dynamo",
        "from ray.util import _hidden",
        "ray._private.worker",
        "model.config._attn_implementation",
        "layer.__class__ = Other",
        "import ray\nray.get = None",
    ],
)
def test_a_private_name_is_found(code: str) -> None:
    assert list(private_uses(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "self._size",
        "os._exit(1)",
        "from __future__ import annotations",
        "from transformers.modeling_outputs import BaseModelOutput",
        "type(x).__name__",
        "from gluetune.x import _y",
    ],
)
def test_other_names_are_allowed(code: str) -> None:
    assert not list(private_uses(ast.parse(code)))
