"""Hosts on one machine: Linux namespaces on a bridge, for clusters that tests may stop, cut off and kill at will.

``ray stop``, Ray's autoscaler and ``kill`` reach nothing outside a host. Needs root.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from searches import ROOT

BIN = Path(sys.executable).parent
TOOLS = ("unshare", "nsenter", "ip")
UNSHARE = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--net", "--uts"]


def missing() -> str | None:
    """Why this machine cannot make hosts; ``None`` where it can."""
    if os.geteuid() != 0:
        return "needs root, to make namespaces"
    without = [tool for tool in TOOLS if shutil.which(tool) is None]
    if without:
        return f"needs {', '.join(without)}"
    tried = subprocess.run([*UNSHARE, "ip", "link", "add", "bridge0", "type", "bridge"], capture_output=True, text=True)
    return f"may not make namespaces: {tried.stderr.strip()}" if tried.returncode else None


class Host:
    """One host.

    Args:
        name: its host name.
        address: its address on the bridge.
        environment: of its processes, beside those of the tests.
    """

    def __init__(self, name: str, address: str, environment: Mapping[str, str]) -> None:
        self.name, self.address = name, address
        kept = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
        self._environment = kept | {"PATH": f"{BIN}:{os.environ['PATH']}", "COLUMNS": "120"} | dict(environment)
        self._namespace = subprocess.Popen(
            [*UNSHARE, "bash", str(Path(__file__).with_name("host.sh")), name, address],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._namespace.stdout is not None
        self._own = self._namespace.stdout.readline().split()[-1]
        (self.pid,) = [child.pid for child in psutil.Process(self._namespace.pid).children()]
        self._space = os.readlink(f"/proc/{self.pid}/ns/pid")

    def inside(self, command: Sequence[str | Path], cwd: Path = ROOT) -> list[str]:
        """A command that runs another one on the host."""
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--uts", "--net", "--pid"]
        return [*enter, "env", "-C", str(cwd), *map(str, command)]

    def popen(
        self, command: Sequence[str | Path], cwd: Path = ROOT, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        """Start a command on the host."""
        environment = self._environment | dict(env or {})
        return subprocess.Popen(self.inside(command, cwd), env=environment, text=True, **options)

    def run(
        self,
        command: Sequence[str | Path],
        cwd: Path = ROOT,
        env: Mapping[str, str] | None = None,
        timeout: float = 600,
        code: int | None = 0,
    ) -> str:
        """Run a command on the host and return what it printed; its exit code must be ``code``."""
        done = subprocess.run(
            self.inside(command, cwd),
            env=self._environment | dict(env or {}),
            timeout=timeout,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert code is None or done.returncode == code, f"exit code {done.returncode}\n{done.stdout}"
        return done.stdout

    def processes(self, part: str = "") -> list[psutil.Process]:
        """The host's processes whose command line holds a text, oldest first."""
        found = []
        for process in psutil.process_iter():
            with suppress(OSError, psutil.Error):
                if os.readlink(f"/proc/{process.pid}/ns/pid") == self._space and part in " ".join(process.cmdline()):
                    found.append(process)
        return sorted(found, key=lambda process: process.create_time())

    def process(self, pid: int) -> psutil.Process:
        """The process that has a number on the host."""
        return next(process for process in self.processes() if _number(process.pid) == pid)

    def kill(self) -> None:
        """End the host and all its processes by ``kill -9``."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self._namespace.wait(timeout=60)
        shutil.rmtree(self._own, ignore_errors=True)


def _number(pid: int) -> int:
    """A process's number in its innermost namespace."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[-1])


class Network:
    """A laptop and hosts on one bridge; no other machine can be reached from there.

    Args:
        environment: of processes on all hosts, beside those of the tests.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._count = 0
        self.laptop = Host("laptop", "10.77.0.1", self._environment)
        for command in ("link add bridge0 type bridge", "addr add 10.77.0.1/24 dev bridge0", "link set bridge0 up"):
            self._ip(self.laptop, command)
        self.hosts: list[Host] = []

    def add(self, name: str) -> Host:
        """A new host; its cable is called like it."""
        self._count += 1
        host = Host(name, f"10.77.0.{9 + self._count}", self._environment)
        self.hosts.append(host)
        self._ip(self.laptop, f"link add {name} type veth peer name e0 netns {host.pid}")
        self._ip(self.laptop, f"link set {name} master bridge0 up")
        for command in (f"addr add {host.address}/24 dev e0", "link set e0 up", "route add default via 10.77.0.1"):
            self._ip(host, command)
        return host

    def lose(self, host: Host) -> None:
        """Simulate the loss of a host: its network is cut, then all its processes are killed."""
        self._ip(self.laptop, f"link set {host.name} down")
        host.kill()
        self.hosts.remove(host)

    def close(self) -> None:
        """End all hosts."""
        for host in [*self.hosts, self.laptop]:
            host.kill()

    @staticmethod
    def _ip(host: Host, command: str) -> None:
        subprocess.run(["nsenter", f"--target={host.pid}", "--net", "ip", *command.split()], check=True)
