"""Comparisons 1 to 5 and 12: wall clock of an 18-point search, and the use of its lanes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from benchmarks.comparison import GLUETUNE, BenchmarkConfig, Comparison, Contender, Figure, Target
from benchmarks.grid_runs import SIZES, EncoderSize, GridRun, GridRuns, grid_runs, percentile, utilisation

LOOP, RECIPE, TRAINER = "run_glue loop", "Ray recipe", "Trainer search"
PUBLIC = f"{GLUETUNE}, public interfaces alone"
RunGrid = Callable[[EncoderSize, int], GridRun]
Figures = Callable[[GridRun], dict[str, float]]
Contenders = Callable[[BenchmarkConfig], Sequence[Contender]]

PROGRAMS: dict[str, tuple[str, Callable[[GridRuns], RunGrid]]] = {
    GLUETUNE: (
        "gluetune tune, a lane per core, up to four (on GPUs: auto); the winner evaluated, and all of it in MLflow "
        "(SQLite)",
        lambda runs: runs.gluetune,
    ),
    LOOP: (
        "a loop over run_glue.py, one process (and GPU) per trial: Trainer, rows padded to 128 tokens, the best epoch "
        "kept, as it is on all contenders",
        lambda runs: runs.loop,
    ),
    RECIPE: (
        "Tuner + function + one TorchTrainer per trial, as many at a time as gluetune has lanes, with transformers' "
        "Trainer inside; rows padded to 128 tokens, as its documented example pads them",
        lambda runs: runs.recipe,
    ),
    TRAINER: (
        "Trainer.hyperparameter_search with Optuna's GridSampler in one process with all cores; batches padded to "
        "their longest row",
        lambda runs: runs.trainer_search,
    ),
    PUBLIC: (
        "gluetune tune with GLUETUNE_INTERNALS=off: every hook into private names of a library takes its fallback",
        lambda runs: runs.gluetune_public,
    ),
}
"""What each contender runs, in words, and its runs."""

_WALL_NOTE = (
    "wall: from the command to its exit, with imports, Ray's start, data and everything recorded. best: the "
    "best trial's score on the selection rows, to see that the same was found. One run of a contender serves all "
    "of 1 to 5 and 12; with few rows a trial's start, with more its padding is the larger part."
)
_LANE_NOTE = "A lane is busy from an epoch's first training step to the end of its evaluation."


def _walls(run: GridRun) -> dict[str, float]:
    return {"wall": run.wall_s, "best": run.best}


def _gaps(run: GridRun) -> dict[str, float]:
    return {"gap p50": percentile(run.gaps, 50), "gap p95": percentile(run.gaps, 95)} if run.gaps else {}


def _utilisation(run: GridRun) -> dict[str, float]:
    return {"utilisation": utilisation(run.trials, run.lanes)}


def _walls_and_lanes(run: GridRun) -> dict[str, float]:
    return _walls(run) | _gaps(run) | _utilisation(run)


def grid_contender(name: str, runs: GridRuns, figures: Figures) -> Contender:
    """Make a contender that runs the grid with each encoder.

    Args:
        name: a key of `PROGRAMS`.
        runs: the runs that all comparisons share.
        figures: the figures of a run.
    """
    does, run = PROGRAMS[name]

    def measure(repetition: int) -> Mapping[str, float]:
        return {
            f"{figure} ({size})": value
            for size in SIZES
            for figure, value in figures(run(runs)(size, repetition)).items()
        }

    return Contender(name, does, measure)


def _gluetune_against(name: str, figures: Figures) -> Contenders:
    """Make gluetune's and another program's contender."""
    return lambda config: [grid_contender(each, grid_runs(config), figures) for each in (GLUETUNE, name)]


def _per_encoder(*figures: Figure) -> tuple[Figure, ...]:
    return tuple(Figure(f"{figure.name} ({size})", figure.unit, figure.better) for size in SIZES for figure in figures)


def _targets(figure: str, limit: float, over: str | None = None, *, contender: str = GLUETUNE) -> tuple[Target, ...]:
    return tuple(Target(f"{figure} ({size})", limit, over, contender) for size in SIZES)


def _wall_comparison(number: int, title: str, over: str, limit: float) -> Comparison:
    figures = _per_encoder(Figure("wall", "s", "lower"), Figure("best", "", "same"))
    return Comparison(
        number, title, figures, _targets("wall", limit, over), _gluetune_against(over, _walls), _WALL_NOTE
    )


COMPARISONS = (
    _wall_comparison(1, "the recommended grid on CoLA, against a loop over run_glue.py", LOOP, 10.0),
    _wall_comparison(2, "the same against Ray's documented recipe", RECIPE, 5.0),
    _wall_comparison(3, "the same against Trainer.hyperparameter_search", TRAINER, 1.7),
    Comparison(
        4,
        "gap between a trial and the next one on its lane",
        _per_encoder(Figure("gap p50", "s", "lower"), Figure("gap p95", "s", "lower")),
        _targets("gap p50", 0.2),
        _gluetune_against(RECIPE, _gaps),
        f"{_LANE_NOTE} The gap is from the end of its last trial's last evaluation to the next one's first "
        "training step.",
    ),
    Comparison(
        5,
        "share of the lanes' time that they train and evaluate",
        _per_encoder(Figure("utilisation", "", "higher")),
        _targets("utilisation", 0.9),
        _gluetune_against(RECIPE, _utilisation),
        f"{_LANE_NOTE} Counted from the first trial's first step to the end of the last one's last evaluation.",
    ),
    Comparison(
        12,
        "the same on public interfaces of Ray, torch and transformers alone",
        _per_encoder(
            Figure("wall", "s", "lower"),
            Figure("best", "", "same"),
            Figure("gap p50", "s", "lower"),
            Figure("gap p95", "s", "lower"),
            Figure("utilisation", "", "higher"),
        ),
        _targets("wall", 0.8, GLUETUNE, contender=PUBLIC),
        _gluetune_against(PUBLIC, _walls_and_lanes),
        f"{_LANE_NOTE} The target is at most 25% more time.",
    ),
)
