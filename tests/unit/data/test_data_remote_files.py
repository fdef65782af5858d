"""Rows of a task in a bucket: read from a copy, named by their URIs, and kept there for a resume."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from gluetune.api.own_tasks import with_rows_of_memory
from gluetune.config import JobConfig, TaskFiles
from gluetune.data import Examples, open_own_task, read_file
from gluetune.data.examples import examples_fingerprint
from gluetune.errors import DataError
from gluetune.storage import Storage
from gluetune.tasks import Task

ROWS = pd.DataFrame({"text": [f"text {number}" for number in range(20)], "topic": ["a", "b"] * 10})


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URI of an empty bucket on a simulated S3."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0)
    boto3 = pytest.importorskip("boto3")
    server.start()
    host, port = server.get_host_and_port()
    for name, value in (
        ("AWS_ENDPOINT_URL", f"http://{host}:{port}"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ):
        monkeypatch.setenv(name, value)
    name = f"rows-{uuid.uuid4()}"  # buckets stay in the memory of the process
    boto3.client("s3").create_bucket(Bucket=name)
    yield f"s3://{name}"
    server.stop()


def files(train: str) -> TaskFiles:
    return TaskFiles(train=train, text="text", label="topic")


def read(train: str) -> Examples:
    """The train rows of a task."""
    opened = open_own_task("mine", files(train))
    return opened.source.load(opened.task, "train")


def test_files_and_folders_of_a_bucket_have_the_rows_of_local_ones(bucket: str, tmp_path: Path) -> None:
    ROWS.to_csv(tmp_path / "rows.csv", index=False)
    store = Storage(bucket)
    store.put(tmp_path / "rows.csv", "rows.csv")
    ROWS[:10].to_csv(tmp_path / "one.csv", index=False)
    ROWS[10:].to_csv(tmp_path / "two.csv", index=False)
    for part in ("one", "two"):
        store.put(tmp_path / f"{part}.csv", f"parts/{part}.csv")
    rows = [read(place) for place in (str(tmp_path / "rows.csv"), f"{bucket}/rows.csv", f"{bucket}/parts")]
    assert len({examples_fingerprint(each) for each in rows}) == 1
    assert [each.source for each in rows[1:]] == [f"file:{bucket}/rows.csv", f"file:{bucket}/parts/one.csv and 1 more"]
    task = open_own_task("mine", files(f"{bucket}/rows.csv")).task
    assert len(read_file(f"{bucket}/rows.csv", task, labels=False)) == len(ROWS)


def test_a_file_that_changes_is_read_again(bucket: str) -> None:
    store = Storage(bucket)
    for count in (10, 20):
        store.write("rows.csv", ROWS[:count].to_csv(index=False).encode())
        assert len(read(f"{bucket}/rows.csv")) == count


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ["empty"]),
        (b"text,topic\na,b\nc\n", [":3"]),
        (b"text,topic\na\xff,b\nc,d\n", [":2", "UTF-8"]),
        (None, ["none"]),
    ],
)
def test_an_error_names_the_uri(content: bytes | None, parts: list[str], bucket: str) -> None:
    if content is not None:
        Storage(bucket).write("rows.csv", content)
    with pytest.raises(DataError) as refused:
        read(f"{bucket}/rows.csv")
    said = str(refused.value)
    assert said.startswith(f"{bucket}/rows.csv")
    assert "/gluetune-files-" not in said
    assert [part for part in parts if part not in said] == []


def test_rows_of_memory_are_kept_in_the_bucket_of_the_run(bucket: str) -> None:
    task = Task.from_frame(ROWS, name="mine", text="text", label="topic", test=ROWS[:6])
    kept = open_own_task("mine", TaskFiles.model_validate(task.files))
    job = with_rows_of_memory(
        JobConfig(tasks={"mine": TaskFiles.model_validate(task.files)}), Storage(f"{bucket}/runs/1")
    )
    places = job.own_tasks["mine"]
    assert (places.train, places.test) == tuple(
        f"{bucket}/runs/1/rows/mine/{split}/{split}.parquet" for split in ("train", "test")
    )
    found = open_own_task("mine", places)
    for split in ("train", "test"):
        rows = [opened.source.load(opened.task, split) for opened in (kept, found)]
        assert len({examples_fingerprint(each) for each in rows}) == 1
