"""Facts of other projects that change with their releases.

Written by `python -m tools.update_tables --write`; do not edit.
"""

from __future__ import annotations

# fmt: off

DATE = "2026-11-26"
"""The day on which the sources were read."""

SOURCES = {
    "auditwheel": "6.8.2",
    "cibuildwheel": "4.3.5",
    "maturin": "1.16.0",
    "packaging": "26.4",
    "trove-classifiers": "2026.9.21.13",
}
"""The packages that were read; maturin's version is that of the rules in `model/config`."""

SUPPORTED = ("3.11", "3.12", "3.13", "3.14", "3.15")
"""Final CPython versions (cibuildwheel) that get fixes: until October of the fifth year (PEP 602)."""

FREE_THREADED = ("3.14t", "3.15t")
"""Free-threaded versions that cibuildwheel builds; manylinux and PyO3 0.29 dropped 3.13t too."""

NEWEST_MINOR = 16
"""The newest minor version of CPython 3 that has a classifier; it may be in development."""

PYPY_ABI = {
    "pypy3.9": "pypy39_pp73",
    "pypy3.10": "pypy310_pp73",
    "pypy3.11": "pypy311_pp73",
    "pypy3.11-v8": "pypy311_pp80",
    "pypy3.12": "pypy312_pp80",
}
"""PyPy's ABI tags.  `-v8` tells PyPy 8 from 7.3 where both provide a version, as in setup-python."""

GRAALPY_ABI = {
    "3.10": "240_310",
    "3.11": "242_311",
    "3.12": "250_312",
    "3.13": "253_313",
}
"""GraalPy's ABI by Python version."""

ALTERNATIVE_SYSTEMS = {
    "pypy": {
        ("linux", "gnu"): ("aarch64", "i686", "x86_64"),
        ("macos", ""): ("arm64", "x86_64"),
        ("windows", ""): ("win_amd64",),
    },
    "graalpy": {
        ("linux", "gnu"): ("aarch64", "x86_64"),
        ("macos", ""): ("arm64", "x86_64"),
        ("windows", ""): ("win_amd64",),
    },
}
"""The systems for which PyPy and GraalPy are published, by system and libc (cibuildwheel)."""

LEGACY_MANYLINUX = {
    "manylinux1": (2, 5),
    "manylinux2010": (2, 12),
    "manylinux2014": (2, 17),
}
"""The glibc of the old names (packaging; PEP 513, 571 and 599)."""

NEWEST_LIBC = {
    "gnu": (2, 41),
    "musl": (1, 2),
}
"""The newest libc of each kind that auditwheel has a policy for."""
