"""Benchmarks: each states its claim as a ratio, measures both sides in one run and records it in `results/`."""
