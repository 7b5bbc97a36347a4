"""The seed of tests that draw their cases."""

from __future__ import annotations

import os
import random

SEED = os.environ.setdefault("CARTWHEEL_TEST_SEED", str(random.randrange(10**6)))
"""Chooses the sample of the `full` tests; set the variable to repeat a run.  Workers of one run inherit it."""
