"""The recorded inputs of a run: what counts as a change, and how a run with other inputs is set aside."""

from __future__ import annotations

from pathlib import Path

import pytest

from gluetune.errors import DataError
from gluetune.events import RunInputs, SplitInput, load_inputs, set_aside
from gluetune.storage import Storage

TRAIN, SELECTION = SplitInput(rows=90, sha256="a", tokens="t"), SplitInput(rows=10, sha256="b", tokens="u")
BEFORE = RunInputs(encoder="e", tasks={"cola": {"train": TRAIN, "selection": SELECTION}})


def changed(**splits: SplitInput) -> RunInputs:
    return BEFORE.model_copy(update={"tasks": {"cola": BEFORE.tasks["cola"] | splits}})


@pytest.mark.parametrize(
    ("now", "lines"),
    [
        (BEFORE, []),
        (changed(train=TRAIN.model_copy(update={"rows": 80, "sha256": "x"})), ["cola, train: 90 rows then, 80 now"]),
        (
            changed(selection=SELECTION.model_copy(update={"sha256": "x"})),
            ["cola, selection: 10 rows, but other texts, labels or order"],
        ),
        (
            changed(train=TRAIN.model_copy(update={"tokens": "x"})),
            ["cola, train: the same rows, but the tokenizer makes other tokens of them"],
        ),
        (changed(validation=TRAIN), ["cola, validation: not used then, present now"]),
        (RunInputs(encoder="e", tasks={"cola": {"train": TRAIN}}), ["cola, selection: used then, missing now"]),
        (BEFORE.model_copy(update={"encoder": "f"}), ["the encoder: other weights or settings"]),
    ],
)
def test_every_change_is_named(now: RunInputs, lines: list[str]) -> None:
    assert BEFORE.changes(now) == lines


def test_the_record_is_read_back(tmp_path: Path) -> None:
    folder = Storage(str(tmp_path))
    assert load_inputs(folder) is None
    BEFORE.save(folder)
    assert load_inputs(folder) == BEFORE


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 0}', '{"tasks": {"cola": {"train": {"rows": 1}}}}'])
def test_a_broken_record_is_a_mistake_that_names_the_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "inputs.json").write_text(content)
    with pytest.raises(DataError, match=r"inputs\.json.*delete it"):
        load_inputs(Storage(str(tmp_path)))


def test_a_newer_versions_record_is_a_mistake_that_does_not_advise_to_delete_it(tmp_path: Path) -> None:
    (tmp_path / "inputs.json").write_text('{"version": 2, "more": []}')
    with pytest.raises(DataError, match=r"inputs\.json.*version 2.*newer version") as refused:
        load_inputs(Storage(str(tmp_path)))
    assert "delete" not in str(refused.value)


def test_a_run_is_set_aside_whole_and_its_job_stays(tmp_path: Path) -> None:
    for name in (
        "journal/000000.jsonl",
        "trials/cola-0000/state.pt",
        "inputs.json",
        "tracking.json",
        "job.yaml",
        "space.yaml",
        "logs/ray.log",
        ".lock",
        ".lease",
        ".lease.12.now",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    folder = Storage(str(tmp_path))
    first = Path(set_aside(folder))
    assert {path.name for path in tmp_path.iterdir()} == {
        "job.yaml",
        "space.yaml",
        "logs",
        ".lock",
        ".lease",
        ".lease.12.now",
        "set-aside",
    }
    assert {path.name for path in first.iterdir()} == {"journal", "trials", "inputs.json", "tracking.json"}
    assert (first / "trials" / "cola-0000" / "state.pt").read_text() == "trials/cola-0000/state.pt"
    BEFORE.save(folder)
    second = Path(set_aside(folder))
    assert second != first
    assert {path.name for path in second.iterdir()} == {"inputs.json"}


@pytest.mark.parametrize("moves", range(5))
def test_a_run_that_is_half_set_aside_is_still_one_on_other_inputs(
    moves: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("trials/cola-0000/state.pt", "tracking.json", "winners/cola/config.json", "summary.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "000000.jsonl").write_text("{}\n")
    BEFORE.save(Storage(str(tmp_path)))
    move, done = Storage.move, []  # type: ignore[var-annotated]

    def cut(storage: Storage, path: str, target: str) -> None:
        if len(done) == moves:
            raise KeyboardInterrupt
        done.append(path)
        move(storage, path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "move", cut)
        with pytest.raises(KeyboardInterrupt):
            set_aside(Storage(str(tmp_path)))
    left = {path.name for path in tmp_path.iterdir()} - {"set-aside"}
    assert left == {"inputs.json"} or {"journal", "inputs.json"} <= left
