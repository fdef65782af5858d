"""What the benchmark ran on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("ray", "torch", "transformers", "optuna", "mlflow", "datasets")


def machine() -> dict[str, str]:
    """Machine and versions, as lines to print."""
    import torch

    cuda = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    packages = (f"{name} {version(name)}" for name in PACKAGES)
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores in use, {pages / 2**30:.0f} GiB",
        "GPU": ", ".join(dict.fromkeys(f"{cuda.count(name)} × {name}" for name in cuda)) or "none",
        "load before": f"{os.getloadavg()[0]:.2f} (one-minute average)",
        "versions": ", ".join([f"Python {platform.python_version()}", *packages]),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
