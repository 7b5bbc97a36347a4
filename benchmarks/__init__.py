"""How fast cartwheel is, as ratios of two commands' times in one run: `python -m benchmarks` from the repository."""
