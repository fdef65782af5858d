"""What a lane's processes import at their start, which each search waits for, and the hooks into Ray around it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from contextlib import suppress

import pytest
from ray.actor import ActorClass
from ray.tune.execution.class_cache import _ActorClassCache
from ray.tune.experiment import trial as experiment_trial

from gluetune.lanes.trainable import LaneTrainable
from gluetune.search.trials import CACHED_FUNCTIONS, _adopt_prestarted, _patched_tune


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("gluetune.lanes.mailbox", ("torch", "transformers", "sklearn")),
        ("gluetune.lanes.trainable", ("torch", "transformers", "sklearn")),
        ("gluetune.workloads.fine_tuning", ("torch", "transformers", "sklearn")),  # which the actor unpickles
        ("gluetune.api.ray_session", ("torch", "transformers", "sklearn")),  # which it imports while Ray starts
    ],
)
def test_only_workers_import_torch_and_transformers(module: str, without: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print([name for name in {without!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_garbage_collection_pauses_during_imports_and_works_afterwards() -> None:
    code = (
        "import gc, weakref\nfrom gluetune.supervisor.driver import gc_paused\nclass Thing: pass\n"
        "with gc_paused():\n    enabled, kept = gc.isenabled(), Thing()\n"
        "frozen = gc.get_freeze_count() > 0 and not any(one is kept for one in gc.get_objects())\n"
        "one = Thing(); one.itself = one; gone = weakref.ref(one); del one; gc.collect()\n"
        "print(enabled, frozen, gone() is None and gc.isenabled())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "True"]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("ray.tune.execution.class_cache", "DEFAULT_ENV_VARS"),
        ("ray.tune.execution.class_cache", "ENV_VARS_TO_PROPAGATE"),
        *(("ray.tune.experiment.trial", name) for name in CACHED_FUNCTIONS),
    ],
)
def test_rays_modules_still_have_the_patched_names(module: str, name: str) -> None:
    assert hasattr(importlib.import_module(module), name)


def test_tunes_actors_have_only_the_users_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    def environment() -> dict[str, str]:
        settings = _ActorClassCache().get(LaneTrainable)._default_options.get("runtime_env") or {}
        return dict(settings.get("env_vars") or {})

    before = environment()
    with suppress(KeyError), _patched_tune():
        assert environment() == {}
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "user")
        assert environment() == {"AWS_ACCESS_KEY_ID": "user"}
        assert hasattr(experiment_trial.get_trainable_cls, "cache_info")
        raise KeyError
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert environment() == before
    assert not hasattr(experiment_trial.get_trainable_cls, "cache_info")


class _Prestarted:
    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []

    def acquire(self, spec: str, settings: dict[str, str]) -> str | None:
        self.asked.append(settings)
        return "a prestarted one" if spec == "a lane's" and len(self.asked) == 1 else None


def test_tune_uses_prestarted_lanes_where_it_would_create_actors(monkeypatch: pytest.MonkeyPatch) -> None:
    def create(
        self: ActorClass,  # type: ignore[type-arg]
        args: object = None,
        kwargs: object = None,
        **options: object,
    ) -> tuple[object, object]:
        return kwargs, options["num_cpus"]

    monkeypatch.setattr(ActorClass, "_remote", create)
    prestarted, before = _Prestarted(), _ActorClassCache.get
    with suppress(KeyError), _adopt_prestarted(prestarted, "a lane's"):  # type: ignore[arg-type]
        kind = _ActorClassCache().get(LaneTrainable).options(num_cpus=0)  # as Tune asks
        assert [kind.remote(config="1"), kind.remote(config="2")] == ["a prestarted one", ({"config": "2"}, 0)]
        raise KeyError
    assert prestarted.asked == [{"config": "1"}, {"config": "2"}]
    assert _ActorClassCache.get is before
