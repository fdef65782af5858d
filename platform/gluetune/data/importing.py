"""Import of a dataset class of the user by its import path."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from gluetune.config.checks import split_dataset
from gluetune.errors import ConfigError, ConfigIssue, did_you_mean, did_you_mean_file

PARAMETERS = ("split", "data_dir")
"""Parameters that gluetune passes to a dataset class."""

_OWN_FILES = (__file__, str(Path(__file__).with_name("custom.py")), importlib.__file__)


def import_class(path: str) -> tuple[Callable[..., Any], tuple[str, ...]]:
    """Import a dataset class.

    Args:
        path: ``package.module:Class`` or ``path/to/file.py:Class``.

    Returns:
        The class, and those of `PARAMETERS` that it accepts.

    Raises:
        ConfigError: module, file or class do not exist; the module raised an exception; the class does not accept
            ``split``, or has another parameter without a default.
    """
    parts = split_dataset(path)
    if parts is None:
        _refuse(f"must be package.module:Class or path/to/file.py:Class, but got {path!r}")
    where, name = parts
    module = _file(where) if where.endswith(".py") else _module(where)
    if not hasattr(module, name):
        known = [known for known, value in vars(module).items() if callable(value)]
        _refuse(f"{where} must have {name!r}, but has none{did_you_mean(name, known)}")
    found = getattr(module, name)
    if not callable(found):
        _refuse(f"{path} must be a class, but is {type(found).__name__}")
    return found, _parameters(found, path)


def describe_exception(error: BaseException, file: str | None = None) -> str:
    """Return the type and the message of an exception in the user's code, and the line that raised it.

    Args:
        error: the exception.
        file: the user's file, whose innermost line is named; ``None`` names the innermost line of the traceback.
    """
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename not in _OWN_FILES and not frame.filename.startswith("<frozen ")
    ]
    in_file = [frame for frame in frames if file is not None and _same_file(frame.filename, file)] or frames
    place = (
        f" ({in_file[-1].filename}, line {in_file[-1].lineno})"
        if in_file and not isinstance(error, SyntaxError)
        else ""
    )
    return message + place


def _same_file(first: str, second: str) -> bool:
    return Path(first).resolve() == Path(second).resolve()


def source_file(found: Callable[..., Any]) -> str | None:
    """Return the file that defines a class or function; ``None`` if there is none."""
    try:
        return inspect.getsourcefile(found)
    except TypeError:
        return None


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        return _raised(name, error)


def _file(name: str) -> ModuleType:
    """Run a file as a module, once per process."""
    file = Path(name).expanduser().resolve()
    if not file.is_file():
        _refuse(f"{name} must be a file, but there is none{did_you_mean_file(file)}")
    known = f"gluetune dataset {file}"
    spec = importlib.util.spec_from_file_location(known, file)
    if known in sys.modules or spec is None or spec.loader is None:
        return sys.modules[known]
    module = sys.modules[known] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[known]
        _raised(name, error)
    return module


def _parameters(found: Callable[..., Any], path: str) -> tuple[str, ...]:
    try:
        signature = inspect.signature(found)
    except ValueError:  # some classes that are written in C have no signature
        return PARAMETERS
    takes = signature.parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes):
        taken: tuple[str, ...] = PARAMETERS
    else:
        named = {p.name for p in takes if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        taken = tuple(name for name in PARAMETERS if name in named)
    needed = [p.name for p in takes if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    if "split" not in taken:
        _refuse(f"{path} must take the parameter 'split', but takes {signature}")
    if other := [name for name in needed if name not in taken]:
        _refuse(f"{path} is called with (split, data_dir) alone, but needs {other[0]!r} too: {signature}")
    return taken


def _raised(name: str, error: Exception) -> NoReturn:
    hint = "; a file can be named as path/to/file.py:Class" if isinstance(error, ModuleNotFoundError) else ""
    file = name if name.endswith(".py") else None
    reason = f"{describe_exception(error, file)}{hint}"
    raise ConfigError([ConfigIssue("data.dataset", f"{name} cannot be imported: {reason}")]) from error


def _refuse(message: str) -> NoReturn:
    raise ConfigError([ConfigIssue("data.dataset", message)])
