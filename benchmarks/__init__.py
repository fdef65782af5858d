"""Speed, side by side with what people run today: what `jobs/benchmark.py` measures."""
