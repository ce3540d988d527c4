"""The benchmark: every scenario beside what could be had at best, in one report (`python -m tests.bench`)."""
