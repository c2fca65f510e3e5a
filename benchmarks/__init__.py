"""Benchmarks: one runnable module each, `python -m benchmarks.NAME`; the last results are in docs/benchmarks.md."""
