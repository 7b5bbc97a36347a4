"""What a wheel is for: `abi3`, `abi3t`, `3.13`, `3.14t`, `pypy3.11`, `py3`, and the tags that say so in its name."""

from __future__ import annotations

import re

from cartwheel.model.errors import ConfigError

PURE = "py3"
"""Pure Python, or a program: any Python 3."""

ABI3 = "abi3"

ABI3T = "abi3t"
"""The stable ABI that CPython with and without its global lock shares from 3.15 on (PEP 803)."""

FIRST_ABI3T = 15
"""The minor version of CPython that brought it."""

SUPPORTED = ("3.11", "3.12", "3.13", "3.14")
"""The CPython versions that are maintained (python.org, November 2026), without the newest, 3.15."""

_OLDEST, _FIRST_FREE_THREADED, _NEWEST = 7, 13, 16
"""Minor versions of CPython 3: the oldest that maturin knows, the first without the lock, the one in development
(python.org and PyO3 0.29, November 2026)."""

_PYPY_ABI = {"3.9": "pypy39_pp73", "3.10": "pypy310_pp73", "3.11": "pypy311_pp73"}


MAINTAINED = (*SUPPORTED, "3.15")

FREE_THREADED = ("3.14t",)
"""What is built for where a package says that it can do without the lock (3.13t was dropped by PyO3 0.29, manylinux and
cibuildwheel 4)."""


def allows_python(wanted: str, version: str) -> bool:
    """Whether `requires-python` allows some release of a Python version, `3.13`."""
    if plain := re.fullmatch(r"\s*>=\s*3\.(\d+)(?:\.0)?\s*", wanted):  # packaging takes 8 ms to import
        return int(version.split(".")[1]) >= int(plain[1])
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        specifiers = SpecifierSet(wanted)
    except InvalidSpecifier:
        return True
    return any(specifiers.contains(f"{version}.{micro}") for micro in (0, 99))


def oldest_python(wanted: str) -> str:
    """The oldest CPython that `requires-python` allows; of those that are maintained where it says nothing."""
    if not wanted:
        return SUPPORTED[0]
    every = (f"3.{minor}" for minor in range(_OLDEST, _NEWEST + 1))
    return next((version for version in every if allows_python(wanted, version)), SUPPORTED[0])


def oldest(python: str, minimum: str) -> str:
    """The oldest interpreter that a wheel is for: `3.11`; `minimum` for the stable ABI, as far as that goes back."""
    if python == ABI3T:
        return f"3.{max(FIRST_ABI3T, int(minimum.split('.')[1]))}"
    return minimum if python == ABI3 else python


def tags(python: str, minimum: str, *, where: str) -> tuple[str, str]:
    """Interpreter and ABI tag: `("cp311", "abi3")`, `("cp314", "cp314t")`, `("cp315", "abi3.abi3t")`; `minimum` is the
    oldest for the stable ABI, `3.11`."""
    if python == PURE:
        return ("py3", "none")
    if python == ABI3:
        return ("cp" + oldest(python, minimum).replace(".", ""), "abi3")
    if python == ABI3T:
        return ("cp" + oldest(python, minimum).replace(".", ""), "abi3.abi3t")
    if (match := re.fullmatch(r"3\.(\d+)(t?)", python)) and _exists(int(match[1]), free_threaded=bool(match[2])):
        tag = f"cp3{match[1]}"
        return (tag, tag + match[2])
    if (match := re.fullmatch(r"pypy(3\.\d+)", python)) and match[1] in _PYPY_ABI:
        return ("pp" + match[1].replace(".", ""), _PYPY_ABI[match[1]])
    known = f"'abi3', '3.13', '3.14t' or 'pypy3.11', and 3.{_NEWEST} at most"
    raise ConfigError(f"{where}: unknown interpreter '{python}'; expected one like {known}")


def _exists(minor: int, *, free_threaded: bool) -> bool:
    return (_FIRST_FREE_THREADED if free_threaded else _OLDEST) <= minor <= _NEWEST


def maturin_interpreter(python: str) -> str:
    """The name by which maturin is asked for it: `python3.13`, `python3.14t`, `pypy3.11`; for the newer stable ABI the
    first that has it; empty where maturin knows by itself."""
    if python in (PURE, ABI3):
        return ""
    if python == ABI3T:
        return f"python3.{FIRST_ABI3T}"
    return python if python.startswith("pypy") else f"python{python}"
