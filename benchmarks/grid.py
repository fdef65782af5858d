"""Comparisons 1 to 5: an 18-point search as a whole, and how its lanes spend their time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from benchmarks.comparison import OURS, Comparison, Figure, Goal, Side
from benchmarks.grid_runs import SIZES, EncoderSize, GridRun, GridRuns, grid_runs
from benchmarks.lane_times import percentile, utilisation
from benchmarks.setting import Setting

LOOP, RECIPE, TRAINER = "run_glue loop", "Ray recipe", "Trainer search"
RunGrid = Callable[[EncoderSize, int], GridRun]
Figures = Callable[[GridRun], dict[str, float]]

_WALL_NOTE = (
    "wall: from the command to its exit, with imports, Ray's start, data and everything recorded. best: the "
    "best trial's score on the selection rows, to see that the same was found. One run of a side serves all "
    "of 1 to 5; with few rows a trial's start, with more its padding is the larger part."
)
_LANE_NOTE = "A lane is busy from an epoch's first training step to the end of its evaluation."


def _walls(run: GridRun) -> dict[str, float]:
    return {"wall": run.wall_s, "best": run.best}


def _gaps(run: GridRun) -> dict[str, float]:
    return {"gap p50": percentile(run.gaps, 50), "gap p95": percentile(run.gaps, 95)} if run.gaps else {}


def _utilisation(run: GridRun) -> dict[str, float]:
    return {"utilisation": utilisation(run.trials, run.lanes)}


def _side(name: str, does: str, run: RunGrid, figures: Figures) -> Side:
    """A side that runs the grid with each encoder."""

    def measure(repetition: int) -> Mapping[str, float]:
        return {f"{name} ({size})": value for size in SIZES for name, value in figures(run(size, repetition)).items()}

    return Side(name, does, measure)


def _ours(runs: GridRuns, figures: Figures) -> Side:
    return _side(
        OURS,
        "jobs/tune_glue.py, a lane per core, up to four (on GPUs: auto); its winner scored, and all of "
        "it in MLflow (SQLite)",
        runs.ours,
        figures,
    )


def _recipe(runs: GridRuns, figures: Figures) -> Side:
    return _side(
        RECIPE,
        "Tuner + function + one TorchTrainer per trial, as many at a time as our lanes, with "
        "transformers' Trainer inside; rows padded to 128 tokens, as its documented example pads them",
        runs.recipe,
        figures,
    )


def _against_loop(setting: Setting) -> Sequence[Side]:
    runs = grid_runs(setting)
    return (
        _ours(runs, _walls),
        _side(
            LOOP,
            "a loop over run_glue.py, one process (and GPU) per trial: Trainer, rows padded to 128 tokens, "
            "the best epoch kept, as it is on all sides",
            runs.loop,
            _walls,
        ),
    )


def _against_recipe(setting: Setting) -> Sequence[Side]:
    runs = grid_runs(setting)
    return _ours(runs, _walls), _recipe(runs, _walls)


def _against_trainer(setting: Setting) -> Sequence[Side]:
    runs = grid_runs(setting)
    return (
        _ours(runs, _walls),
        _side(
            TRAINER,
            "Trainer.hyperparameter_search with Optuna's GridSampler in one process with all cores; "
            "batches padded to their longest row",
            runs.trainer_search,
            _walls,
        ),
    )


def _gap_sides(setting: Setting) -> Sequence[Side]:
    runs = grid_runs(setting)
    return _ours(runs, _gaps), _recipe(runs, _gaps)


def _utilisation_sides(setting: Setting) -> Sequence[Side]:
    runs = grid_runs(setting)
    return _ours(runs, _utilisation), _recipe(runs, _utilisation)


def _per_encoder(*figures: Figure) -> tuple[Figure, ...]:
    return tuple(Figure(f"{figure.name} ({size})", figure.unit, figure.better) for size in SIZES for figure in figures)


def _goals(figure: str, limit: float, over: str | None = None) -> tuple[Goal, ...]:
    return tuple(Goal(f"{figure} ({size})", limit, over) for size in SIZES)


def _wall_comparison(
    number: int, title: str, over: str, limit: float, sides: Callable[[Setting], Sequence[Side]]
) -> Comparison:
    figures = _per_encoder(Figure("wall", "s", "lower"), Figure("best", "", "same"))
    return Comparison(number, title, figures, _goals("wall", limit, over), sides, _WALL_NOTE)


COMPARISONS = (
    _wall_comparison(1, "the recommended grid on CoLA, against a loop over run_glue.py", LOOP, 10.0, _against_loop),
    _wall_comparison(2, "the same against Ray's documented recipe", RECIPE, 5.0, _against_recipe),
    _wall_comparison(3, "the same against Trainer.hyperparameter_search", TRAINER, 1.7, _against_trainer),
    Comparison(
        4,
        "gap between a trial and the next one on its lane",
        _per_encoder(Figure("gap p50", "s", "lower"), Figure("gap p95", "s", "lower")),
        _goals("gap p50", 0.2),
        _gap_sides,
        f"{_LANE_NOTE} The gap is from the end of its last trial's last evaluation to the next one's first "
        "training step.",
    ),
    Comparison(
        5,
        "share of the lanes' time that they train and evaluate",
        _per_encoder(Figure("utilisation", "", "higher")),
        _goals("utilisation", 0.9),
        _utilisation_sides,
        f"{_LANE_NOTE} Counted from the first trial's first step to the end of the last one's last evaluation.",
    ),
)
