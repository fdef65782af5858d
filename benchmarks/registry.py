"""All comparisons, by the number that ``--only`` calls them."""

from __future__ import annotations

from benchmarks import driver_cost, efficiency, grid, limit, scaling, start, throughput
from benchmarks.comparison import Comparison

COMPARISONS: dict[int, Comparison] = {
    comparison.number: comparison
    for module in (grid, throughput, limit, driver_cost, scaling, efficiency, start)
    for comparison in sorted(module.COMPARISONS, key=lambda comparison: comparison.number)
}
