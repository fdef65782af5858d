"""Comparisons 8 and 9, with trials that do nothing: the driver's cost per trial, and trials per minute by lanes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.comparison import GLUETUNE, BenchmarkConfig, Comparison, Contender, Figure, Target
from benchmarks.noop_search import (
    SEED,
    SPACE,
    TASK,
    NoopSearchSpec,
    Timeline,
    lane_events,
    make_controller,
    noop_score,
    past_trials,
    seed_journal,
)
from benchmarks.programs import run_python
from gluetune.config import Value
from gluetune.search.searchers import EncodedSpace
from gluetune.search.searchers.algorithms import TPE
from gluetune.storage import Storage

LANES = 2
MODELLED = (100, 1_000)  # trials searched by TPE
MANY = 10_000
_COUNTS = (*MODELLED, MANY)
PART = 1_000  # trials at both ends of the many whose costs are compared
MEASURED = 50  # trials that are measured at the end of a long search
BEHIND, RECIPE = f"{GLUETUNE}, TPE alone", "Tuner + OptunaSearch"


def per_trial_ms(ended: Sequence[float]) -> float:
    """Return the mean milliseconds from one trial's end to the next one's."""
    return 1000 * (ended[-1] - ended[0]) / (len(ended) - 1)


def growth(ended: Sequence[float], part: int) -> float:
    """Return the cost of the last ``part`` trials divided by that of the first ``part``."""
    return per_trial_ms(ended[-part:]) / per_trial_ms(ended[:part])


def optuna_ms(trials: int, behind: int = 0) -> float:
    """Measure the milliseconds per trial of Optuna's ask and tell in a bare study with a search's sampler and space.

    Args:
        trials: how many are asked for.
        behind: how many the study has had before.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = EncodedSpace(SPACE)
    study = optuna.create_study(direction="maximize", sampler=TPE(space, TASK, SEED, None).build(SEED))
    for spec in past_trials(behind):
        codes = dict(zip(space.distributions, space.encode(spec.params), strict=True))
        study.add_trial(
            optuna.trial.create_trial(
                params=codes, distributions=dict(space.distributions), value=noop_score(spec.training)
            )
        )
    began = time.perf_counter()
    for _ in range(trials):
        trial = study.ask(space.distributions)
        study.tell(trial, noop_score(_settings(space, trial)))
    return 1000 * (time.perf_counter() - began) / trials


def controller_ms(trials: int, behind: int, folder: Path) -> float:
    """Measure the milliseconds per trial of gluetune's search controller, without lanes, Ray Tune and MLflow.

    It chooses the trials, asks the scheduler at each evaluation, and writes the journal.

    Args:
        trials: how many are asked for.
        behind: how many trials the search has had before.
        folder: an empty folder for the journal.
    """
    storage = Storage(str(folder))
    seed_journal(behind, storage)
    controller = make_controller(NoopSearchSpec(behind + trials, 1, "tpe"), storage, [])
    began = time.perf_counter()
    while (assignment := controller.next_trial()) is not None:
        for event in lane_events(assignment.number, noop_score(assignment.training)):
            controller.handle_event(event)
    return 1000 * (time.perf_counter() - began) / trials


def _settings(space: EncodedSpace, trial: Any) -> dict[str, Value]:
    return space.decode(tuple(trial.params[name] for name in space.distributions))


def _gluetune(folder: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    for count in MODELLED:
        times = run_noop_program(NoopSearchSpec(count, LANES, "tpe"), folder / str(count), "--track")
        found |= _cost_figures(times, optuna_ms(count))
    times = run_noop_program(NoopSearchSpec(MANY, LANES, "random"), folder / str(MANY), "--track")
    return found | _cost_figures(times, 0.0) | {"growth": growth(times.ended, PART)}


def _cost_figures(times: Timeline, taken_off: float) -> dict[str, float]:
    count = len(times.ended)
    found = {
        f"at_{count}": per_trial_ms(times.ended) - taken_off,
        f"driver_cpu_{count}": 1000 * times.cpu_s / (count - 1) - taken_off,
    }
    if times.recorded is not None:
        found[f"in_mlflow_{count}"] = per_trial_ms([*times.ended[:-1], times.recorded]) - taken_off
    return found


def _tpe_alone(folder: Path) -> dict[str, float]:
    return {
        f"at_{count}": controller_ms(MEASURED, count - MEASURED, folder / str(count))
        - optuna_ms(MEASURED, count - MEASURED)
        for count in _COUNTS
    }


def _recipe(folder: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    for count in MODELLED:
        output = folder / str(count)
        done = run_python(
            ["-m", "benchmarks.baselines.optuna_mlflow", str(count), str(LANES), str(output)], output / "log"
        )
        found |= _cost_figures(Timeline(**done.answer()), optuna_ms(count))
    return found


def _cost_contenders(config: BenchmarkConfig) -> Sequence[Contender]:
    folder = config.scratch / "controller-cost"

    def gluetune(repetition: int) -> Mapping[str, float]:
        return _gluetune(folder / f"gluetune-{repetition}")

    def tpe_alone(repetition: int) -> Mapping[str, float]:
        return _tpe_alone(folder / f"tpe-{repetition}")

    def recipe(repetition: int) -> Mapping[str, float]:
        return _recipe(folder / f"recipe-{repetition}")

    return (
        Contender(
            GLUETUNE,
            f"a whole search on {LANES} lanes whose trials do nothing: Tune's loop, lanes, journal, live table, "
            f"MLflow in SQLite; TPE with ASHA, the {MANY:,} by random search",
            gluetune,
        ),
        Contender(
            BEHIND,
            f"search controller and journal alone, {MEASURED} trials by TPE at the end of a resumed search of so many",
            tpe_alone,
        ),
        Contender(
            RECIPE,
            "Ray's documented combination with MLflowLoggerCallback (SQLite), ASHA and, beyond what is "
            "documented, reuse_actors, which spares it a process per trial",
            recipe,
        ),
    )


DRIVER_COST = Comparison(
    number=8,
    title="driver cost per trial, beyond Optuna's own ask and tell",
    figures=[
        *(Figure(f"at_{count}", "ms", "lower") for count in _COUNTS),
        *(Figure(f"driver_cpu_{count}", "ms", "lower") for count in _COUNTS),
        *(Figure(f"in_mlflow_{count}", "ms", "lower") for count in _COUNTS),
        Figure("growth", "", "lower"),
    ],
    targets=[
        *(Target(f"at_{count}", 20.0) for count in _COUNTS),
        Target("growth", 1.5),
        Target(f"at_{MANY}", 20.0, contender=BEHIND),
    ],
    contenders=_cost_contenders,
    note="time from one trial's end to the next one's, Ray's own loop and communication with the lanes "
    "included; a "
    "bare Optuna study with the same sampler, space and number of trials, timed in the same run, is taken off; "
    "`driver_cpu`: CPU time of the driver's process alone, MLflow's thread and live table included (on a "
    "small machine the lanes run on the same cores); "
    "`in_mlflow`: until MLflow has it all, which gluetune waits for at the end of a search only; "
    f"`growth`: the last {PART:,} of {MANY:,} trials over the first {PART:,}. TPE itself needs many minutes for "
    f"{MANY:,} trials, so those are random, and {RECIPE} is left at {MODELLED[-1]:,}",
)


SCALED_LANES = (1, 2, 4, 8)
TRIALS_PER_LANE = 8
EVALUATIONS, STEPS, STEP_S = 3, 19, 0.05
PROGRAM = "benchmarks.noop_search"


def per_minute(times: Timeline) -> float:
    """Trials per minute from the first one's first step to the last one's end."""
    return 60 * len(times.ended) / (times.ended[-1] - times.started)


def ideal_per_minute(trials: NoopSearchSpec) -> float:
    """Return the trials per minute of lanes that never wait."""
    return 60 * trials.lanes / trials.trial_s


def scaling_figures(runs: Iterable[tuple[NoopSearchSpec, Timeline]]) -> dict[str, float]:
    """Trials per minute by number of lanes, and their share of the ideal; ``linear`` is the smallest share."""
    found, shares = {}, {}
    for trials, times in runs:
        found[f"per_minute_{trials.lanes}"] = per_minute(times)
        shares[f"share_{trials.lanes}"] = per_minute(times) / ideal_per_minute(trials)
    return found | shares | {"linear": min(shares.values())}


def run_noop_program(trials: NoopSearchSpec, folder: Path, *options: str) -> Timeline:
    """Run a search in a process of its own, on a cluster of its own.

    Raises:
        BenchmarkError: it fails.
    """
    done = run_python(["-m", PROGRAM, json.dumps(asdict(trials)), str(folder), *options], folder / "log")
    answer: dict[str, Any] = done.answer()
    return Timeline(**answer)


def _scaling_contenders(config: BenchmarkConfig) -> Sequence[Contender]:
    def gluetune(repetition: int) -> Mapping[str, float]:
        runs = []
        for lanes in SCALED_LANES:
            trials = sleeping_trials(lanes)
            runs.append((trials, run_noop_program(trials, config.scratch / f"scaling-{repetition}-{lanes}", "--track")))
        return scaling_figures(runs)

    def ideal(repetition: int) -> Mapping[str, float]:
        return {f"per_minute_{lanes}": ideal_per_minute(sleeping_trials(lanes)) for lanes in SCALED_LANES}

    return (
        Contender(
            GLUETUNE,
            f"real lanes of {STEP_S * EVALUATIONS * (STEPS + 1):g}-second trials that sleep; journal, MLflow "
            "record and live table as always",
            gluetune,
        ),
        Contender("ideal", "lanes that never wait", ideal),
    )


def sleeping_trials(lanes: int) -> NoopSearchSpec:
    """Return a search whose trials sleep like a training step on a GPU."""
    return NoopSearchSpec(lanes * TRIALS_PER_LANE, lanes, "tpe", "none", EVALUATIONS, STEPS, STEP_S)


SCALING = Comparison(
    number=9,
    title="trials per minute by number of lanes",
    figures=[
        *(Figure(f"per_minute_{lanes}", "trials/min", "higher") for lanes in SCALED_LANES),
        *(Figure(f"share_{lanes}", "", "higher") for lanes in SCALED_LANES),
        Figure("linear", "", "higher"),
    ],
    targets=[Target("linear", 0.9)],
    contenders=_scaling_contenders,
    note=f"{TRIALS_PER_LANE} trials per lane, searched by TPE, none stopped; the lanes' start is not counted: "
    "the first trials wait until all lanes have started, and the time is from the first trial's first step to the "
    "last one's end; `share` is that of the ideal, `linear` the smallest share",
)
COMPARISONS = (DRIVER_COST, SCALING)
