"""The `python` of a wheel (`abi3`, `abi3t`, `3.13`, `3.14t`, `pypy3.11`, `graalpy3.12`, `py3`) and its wheel tags."""

from __future__ import annotations

import re

from cartwheel.model.errors import ConfigError
from cartwheel.model.wheels import outside_facts as facts

PURE = "py3"
"""Any Python 3: for pure Python packages and for programs."""

ABI3 = "abi3"

ABI3T = "abi3t"
"""The stable ABI of CPython with and without its global lock, from 3.15 on (PEP 803)."""

FIRST_ABI3T = 15
"""The first minor version of CPython with `abi3t`."""

SUPPORTED = facts.SUPPORTED
"""CPython versions with a final release that get fixes, oldest first."""

FREE_THREADED = facts.FREE_THREADED
"""Built if the package declares free-threading support."""

_OLDEST, _FIRST_FREE_THREADED = 7, 13
"""Minor versions of CPython 3: the oldest known to maturin, the first free-threaded one (PyO3 0.29, November 2026)."""

NEEDS_PYPY = ("pypy3.11-v8",)
"""Pythons that can be built for only with their PyPy installed: maturin 1.16 knows another one (`pypy_abi_tag`)."""


CPYTHON_ELSEWHERE = {
    "android": ("3.13", "3.14", "3.15"),
    "ios": ("3.13", "3.14", "3.15"),
    "emscripten": ("3.13", "3.14"),
}
"""The CPython versions for phones and browsers: cibuildwheel 4.3.5 (`build-platforms.toml`); for Emscripten those whose
platform indexes accept (PEP 783: Pyodide of 3.12 has another tag, that of 3.15 is a pre-release).  November 2026."""


def runs_on(python: str, system: str, libc: str, arch: str) -> bool:
    """Whether an interpreter is published for a system; CPython is assumed to exist for every desktop system."""
    if system in CPYTHON_ELSEWHERE and version(python):
        return python in CPYTHON_ELSEWHERE[system]
    kind = implementation(python)
    known = facts.ALTERNATIVE_SYSTEMS.get(kind)
    return known is None or arch in known.get((system, libc if system == "linux" else ""), ())


def implementation(python: str) -> str:
    """`cpython`, `pypy` or `graalpy`."""
    return next((kind for kind in ("pypy", "graalpy") if python.startswith(kind)), "cpython")


def version(python: str) -> str:
    """The Python version of an interpreter, `3.11` for `pypy3.11-v8`; empty for `abi3` and `py3`."""
    match = re.fullmatch(r"(?:pypy|graalpy)?(3\.\d+)t?(?:-v8)?", python)
    return match[1] if match else ""


def minor(python: str) -> int:
    """The minor number of an interpreter's version: 11 for `3.11`, `3.11t` and `pypy3.11`; 0 without a version."""
    match = re.search(r"3\.(\d+)", python)
    return int(match[1]) if match else 0


def every_version() -> tuple[str, ...]:
    """All CPython versions with a release, oldest first."""
    return tuple(f"3.{minor}" for minor in range(_OLDEST, minor(SUPPORTED[-1]) + 1))


def allows_python(requirement: str, version: str) -> bool:
    """Whether `requires-python` allows some release of a Python version such as `3.13`; true if its text is invalid."""
    if plain := re.fullmatch(r"\s*>=\s*3\.(\d+)(?:\.0)?\s*", requirement):  # packaging takes 8 ms to import
        return minor(version) >= int(plain[1])
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        specifiers = SpecifierSet(requirement)
    except InvalidSpecifier:
        return True
    return any(specifiers.contains(f"{version}.{micro}") for micro in (0, 99))


_SPECIFIER = r"\s*(?:[~=!<>]=|[<>])\s*\d[\d.]*(?:\.\*)?\s*"


def refuse_invalid_requirement(requirement: str, where: str) -> None:
    """Raises `ConfigError` if the text of `requires-python` is no version specifier."""
    if not requirement or re.fullmatch(f"{_SPECIFIER}(?:,{_SPECIFIER})*", requirement):  # without importing packaging
        return
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        SpecifierSet(requirement)
    except InvalidSpecifier:
        raise ConfigError(
            f"{where}: [project] requires-python '{requirement}' is no version specifier; expected one like '>=3.11'"
        ) from None


def oldest_python(requirement: str) -> str:
    """The oldest CPython that `requires-python` allows; the oldest maintained one if the text is empty."""
    if not requirement:
        return SUPPORTED[0]
    every = (f"3.{minor}" for minor in range(_OLDEST, facts.NEWEST_MINOR + 1))
    return next((version for version in every if allows_python(requirement, version)), SUPPORTED[0])


def oldest(python: str, minimum: str) -> str:
    """The oldest interpreter that a wheel supports; for the stable ABI, `minimum` or the first version with the ABI."""
    if python == ABI3T:
        return f"3.{max(FIRST_ABI3T, minor(minimum))}"
    return minimum if python == ABI3 else python


def tags(python: str, minimum: str, *, where: str) -> tuple[str, str]:
    """The interpreter and ABI tags: `("cp311", "abi3")`, `("cp314", "cp314t")`, `("cp315", "abi3.abi3t")`.

    `minimum` is the oldest version for the stable ABI, `3.11`.  Raises `ConfigError` for an unknown interpreter.
    """
    if python == PURE:
        return ("py3", "none")
    if python == ABI3:
        return ("cp" + oldest(python, minimum).replace(".", ""), "abi3")
    if python == ABI3T:
        return ("cp" + oldest(python, minimum).replace(".", ""), "abi3.abi3t")
    if (match := re.fullmatch(r"3\.(\d+)(t?)", python)) and _exists(int(match[1]), free_threaded=bool(match[2])):
        tag = f"cp3{match[1]}"
        return (tag, tag + match[2])
    if python in facts.PYPY_ABI:
        return ("pp" + version(python).replace(".", ""), facts.PYPY_ABI[python])
    if python.startswith("graalpy") and (abi := facts.GRAALPY_ABI.get(version(python))):
        return ("graalpy" + version(python).replace(".", ""), f"graalpy{abi}_native")
    if meant := translation(python):
        raise ConfigError(f"{where}: unknown interpreter '{python}'; did you mean '{meant}'?")
    known = f"'abi3', '3.13', '3.14t' or 'pypy3.11', and 3.{facts.NEWEST_MINOR} at most"
    raise ConfigError(f"{where}: unknown interpreter '{python}'; expected one like {known}")


def translation(python: str) -> str:
    """An interpreter in the notation of wheel tags, cibuildwheel or maturin, translated to ours; empty if unknown."""
    if tagged := re.match(r"(cp|pp|gp)3(\d+)(t?)(?:[-_].*|\*)?$", python):
        free, minor = tagged[3], tagged[2]
        kind = {"cp": "", "pp": "pypy", "gp": "graalpy"}[tagged[1]]
        if kind == "" and python.endswith("abi3"):
            return ABI3
        return f"{kind}3.{minor}{free}"
    if plain := re.fullmatch(r"(?:python|cpython)[-_ ]?(3\.\d+t?)", python):
        return plain[1]
    if pointed := re.fullmatch(r"(3\.\d+)\.\d+(t?)", python):
        return pointed[1] + pointed[2]
    if dashed := re.fullmatch(r"(pypy|graalpy)-?(3\.\d+)(-v?8)?(?:[-.v\d]+)?", python):
        return dashed[1] + dashed[2] + ("-v8" if dashed[3] and dashed[2] == "3.11" else "")
    return ABI3 if re.fullmatch(r"abi3-py3\d+", python) else ""


def _exists(minor: int, *, free_threaded: bool) -> bool:
    return (_FIRST_FREE_THREADED if free_threaded else _OLDEST) <= minor <= facts.NEWEST_MINOR


def maturin_interpreter(python: str) -> str:
    """The interpreter's name for maturin: `python3.13`, `python3.14t`, `pypy3.11`; empty if maturin needs none."""
    if python in (PURE, ABI3):
        return ""
    if python == ABI3T:
        return f"python3.{FIRST_ABI3T}"
    return f"python{python}" if implementation(python) == "cpython" else python.partition("-")[0]
