"""Outputs that the user names: files, links, devices and pipes."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import numpy as np
import pytest

from gluetune.cli.terminal import Terminal
from gluetune.errors import StorageError
from gluetune.inference import Predictions, write_predictions
from gluetune.storage.output_file import check_output, replaces, write_output
from gluetune.tasks import get_task


def test_a_file_is_replaced_atomically_and_keeps_its_permissions(tmp_path: Path) -> None:
    file = tmp_path / "new" / "out.tsv"
    write_output(file, b"one")
    file.chmod(0o640)
    with open(file, "rb") as before:
        write_output(file, b"two")
        assert before.read() == b"one"
    assert file.read_bytes() == b"two"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [path.name for path in file.parent.iterdir()] == ["out.tsv"]


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    links = {"link": tmp_path / "far" / "file", "dangling": tmp_path / "far" / "new"}
    (tmp_path / "far" / "file").write_text("old")
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
        check_output(tmp_path / name)
        write_output(tmp_path / name, b"new")
        assert (tmp_path / name).is_symlink()
        assert target.read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["dangling", "far", "file", "link", "new"]


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    check_output(pipe)
    assert not replaces(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_predictions(Predictions(get_task("stsb"), np.array([[5.25]], np.float32)), pipe)
    reader.join(10)
    assert read == [b"index\tscore\n0\t5.250000\n"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def device(path: Path, minor: int) -> Path:
    """A device node of the test's own, such as /dev/null: code that is wrong must not replace the machine's."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, minor))
        with open(path, "wb"):
            return path
    except PermissionError:
        pytest.skip("only root may make devices, and not on every file system")


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    null = device(tmp_path / "null", 3)
    (tmp_path / "link").symlink_to(null)
    for path in (null, tmp_path / "link"):
        check_output(path)
        write_output(path, b"nothing")
        assert stat.S_ISCHR(null.stat().st_mode)
    with pytest.raises(StorageError, match=r"cannot write .*full: No space left on device"):
        write_output(device(tmp_path / "full", 7), b"too much")


def test_a_terminal_is_written_to() -> None:
    reader, writer = os.openpty()
    try:
        check_output(os.ttyname(writer))
        write_output(os.ttyname(writer), b"rows")
        assert os.read(reader, 100) == b"rows"
    finally:
        os.close(reader)
        os.close(writer)


def test_outputs_that_cannot_be_written_are_found_by_the_check(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(StorageError, match="is a folder"):
        check_output(tmp_path)
    for path in (tmp_path / "taken" / "out", tmp_path / "loop"):
        with pytest.raises(StorageError, match="cannot write"):
            check_output(path)
        with pytest.raises(StorageError, match="cannot write"):
            write_output(path, b"")


def test_the_terminals_own_stream_is_not_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.keep_out_of("/dev/stdout")
    with terminal.logging_to(tmp_path / "log"):
        stream = terminal.data_stream("/dev/stdout")
        assert stream is not None
        stream.write(b"rows\n")
        stream.flush()
        terminal.note("written")
    assert terminal.data_stream("out.tsv") is None
    terminal.close()
    said = capfd.readouterr()
    assert said.out == "rows\n"
    assert "written" in said.err
    assert (tmp_path / "log").read_text() == ""


def test_memory_backed_files_are_files_like_others() -> None:
    folder = Path("/dev/shm")
    if not os.access(folder, os.W_OK):
        pytest.skip("there is no /dev/shm here that may be written")
    file = folder / f"gluetune-test-{os.getpid()}.tsv"
    try:
        for data in (b"first\n", b"second\n"):
            write_output(file, data)
        assert file.read_bytes() == b"second\n"
        assert replaces(file)
    finally:
        file.unlink(missing_ok=True)
