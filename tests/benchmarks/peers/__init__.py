"""The same work through Motet and through others, side by side in one run: speed, and what a killed worker leaves behind.

    python -m benchmarks.peers --peers motet,dbos --seconds 15

The others are optional downloads of this benchmark alone; `install` puts them under build/peers. docs/benchmarks.md is written from a run.
"""
