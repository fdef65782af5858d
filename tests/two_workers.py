"""Two processes that form a torch process group, for the tests of training on two workers."""

from __future__ import annotations

import os
import pickle
import traceback
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch
from torch import distributed as dist

from gluetune.training import DistributedContext

TIMEOUT_S = 600.0


def _serve(connection: Connection, rank: int, meeting: str) -> None:
    """Call what arrives with the process's `DistributedContext` first, and send back what it returned."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    while True:
        function, arguments = pickle.loads(connection.recv_bytes())
        try:
            answer = function(DistributedContext(rank, 2), *arguments)
        except BaseException:
            connection.send_bytes(pickle.dumps((False, traceback.format_exc())))
            os._exit(1)  # the other process may wait for this one
        connection.send_bytes(pickle.dumps((True, answer)))


class TwoWorkers:
    """The two processes; importing torch, which takes seconds, is done once for all tests.

    Args:
        folder: an empty folder, in which they find each other.
    """

    def __init__(self, folder: Path) -> None:
        context = get_context("spawn")
        pipes = [context.Pipe() for _ in range(2)]
        self._connections = [here for here, _ in pipes]
        self._processes = [
            context.Process(target=_serve, args=(there, rank, str(folder / "meeting")), daemon=True)
            for rank, (_, there) in enumerate(pipes)
        ]
        for process in self._processes:
            process.start()
        for _, there in pipes:
            there.close()

    def run(self, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        """Call a function of a module in both processes at the same time; what it returned, by rank."""
        for connection in self._connections:
            connection.send_bytes(pickle.dumps((function, arguments)))
        answers: dict[int, Any] = {}
        while len(answers) < 2:
            missing = {rank: self._connections[rank] for rank in range(2) if rank not in answers}
            ready = wait(missing.values(), TIMEOUT_S)
            assert ready, "the workers do not answer"
            for rank, connection in missing.items():
                if connection in ready:
                    done, answers[rank] = pickle.loads(connection.recv_bytes())
                    assert done, answers[rank]
        return [answers[rank] for rank in range(2)]

    def close(self) -> None:
        """End both."""
        for process in self._processes:
            process.kill()
            process.join()
