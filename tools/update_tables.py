"""The tables of outside facts, renewed from packages of the registry: `python -m tools.update_tables`.

Without an option it prints the difference.  `--write` also writes the table; `--check` fails if a fact differs, or if
the table was last read more than 90 days ago.  Needs pip and Python's standard library only, so that a scheduled
workflow installs nothing; the packages are downloaded and read, never run.

Not renewed, because no package holds them: runner labels, the platforms that an index accepts, Emscripten's platform
of each Python, macOS floors, loaders and ELF headers.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import json
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import NamedTuple

from cartwheel.model.wheels import outside_facts

TABLE = Path(__file__).resolve().parents[1] / "tasks" / "cartwheel" / "model" / "wheels" / "outside_facts.py"
PACKAGES = ("auditwheel", "cibuildwheel", "maturin", "packaging", "trove-classifiers")
MAXIMUM_AGE = 90
"""Days after which `--check` fails though no fact differs, so that the date shows when the facts were last read."""


class Facts(NamedTuple):
    """The content of the table, in its order."""

    date: str
    """ISO 8601."""
    sources: Mapping[str, str]
    supported: tuple[str, ...]
    free_threaded: tuple[str, ...]
    newest_minor: int
    pypy_abi: Mapping[str, str]
    graalpy_abi: Mapping[str, str]
    alternative_systems: Mapping[str, Mapping[tuple[str, str], tuple[str, ...]]]
    legacy_manylinux: Mapping[str, tuple[int, int]]
    newest_libc: Mapping[str, tuple[int, int]]


DOCS = {
    "date": "The day on which the sources were read.",
    "sources": "The packages that were read; maturin's version is that of the rules in `model/config`.",
    "supported": "Final CPython versions (cibuildwheel) that get fixes: until October of the fifth year (PEP 602).",
    "free_threaded": "Free-threaded versions that cibuildwheel builds; manylinux and PyO3 0.29 dropped 3.13t too.",
    "newest_minor": "The newest minor version of CPython 3 that has a classifier; it may be in development.",
    "pypy_abi": "PyPy's ABI tags.  `-v8` tells PyPy 8 from 7.3 where both provide a version, as in setup-python.",
    "graalpy_abi": "GraalPy's ABI by Python version.",
    "alternative_systems": "The systems for which PyPy and GraalPy are published, by system and libc (cibuildwheel).",
    "legacy_manylinux": "The glibc of the old names (packaging; PEP 513, 571 and 599).",
    "newest_libc": "The newest libc of each kind that auditwheel has a policy for.",
}

_HEAD = '''"""Facts of other projects that change with their releases.

Written by `python -m tools.update_tables --write`; do not edit.
"""

from __future__ import annotations

# fmt: off
'''


def known_facts() -> Facts:
    """The facts that the table holds now."""
    return Facts(*(getattr(outside_facts, name.upper()) for name in Facts._fields))


def render(facts: Facts) -> str:
    """The table as a Python module."""
    parts = [_HEAD]
    for name, value in facts._asdict().items():
        parts.append(f'\n{name.upper()} = {_literal(value)}\n"""{DOCS[name]}"""\n')
    return "".join(parts)


def _literal(value: object, indent: str = "") -> str:
    if isinstance(value, Mapping):
        rows = (f"{indent}    {_literal(key)}: {_literal(item, indent + '    ')},\n" for key, item in value.items())
        return "{\n" + "".join(rows) + indent + "}"
    if isinstance(value, tuple):
        return f"({', '.join(map(_literal, value))}{',' if len(value) == 1 else ''})"
    return json.dumps(value)


def download(folder: Path) -> dict[str, Path]:
    """The newest wheel of each package, by name; ends the program with pip's message if pip fails."""
    command = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
    done = subprocess.run([sys.executable, *command, *PACKAGES], capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise SystemExit(f"pip could not download {', '.join(PACKAGES)}:\n{done.stderr}")
    return {path.name.split("-")[0].replace("_", "-"): path for path in folder.glob("*.whl")}


def read_facts(wheels: Mapping[str, Path], known: Facts, today: date) -> Facts:
    """The facts in these wheels.

    ABIs of PyPy and GraalPy are added to the known ones: older interpreters stay usable when cibuildwheel drops them.
    Raises `SystemExit` if a package has no longer the expected form.
    """
    platforms = _member(wheels["cibuildwheel"], "cibuildwheel/resources/build-platforms.toml")
    rows = cibuildwheel_rows(platforms)
    supported, free_threaded = cpython_versions(rows, today)
    classifiers = _member(wheels["trove-classifiers"], "trove_classifiers/__init__.py")
    policies = {
        libc: _member(wheels["auditwheel"], f"auditwheel/policy/{kind}linux-policy.json")
        for libc, kind in (("gnu", "many"), ("musl", "musl"))
    }
    return Facts(
        date=today.isoformat(),
        sources={name: wheels[name].name.split("-")[1] for name in PACKAGES},
        supported=supported,
        free_threaded=free_threaded,
        newest_minor=newest_classifier(classifiers),
        pypy_abi=with_pypy(known.pypy_abi, rows),
        graalpy_abi=with_graalpy(known.graalpy_abi, rows),
        alternative_systems=alternative_systems(rows),
        legacy_manylinux=legacy_manylinux(_member(wheels["packaging"], "packaging/_manylinux.py")),
        newest_libc={libc: newest_policy(text) for libc, text in policies.items()},
    )


def _member(wheel: Path, name: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        if name not in archive.namelist():
            raise _unexpected(f"{name} in {wheel.name}")
        return archive.read(name).decode()


def _unexpected(what: str) -> SystemExit:
    return SystemExit(f"found no {what}; the package has changed: adapt tools/update_tables.py")


class Row(NamedTuple):
    """An interpreter that cibuildwheel builds for."""

    python: str
    """`cp315`, `cp315t`, `pp311` or `gp312_250`."""
    platform: str
    """`manylinux_x86_64`, `macosx_arm64` or `win_amd64`."""
    version: str
    """The whole version, `3.15.2`, only for CPython on Windows; else `3.15`."""
    abi: str
    """The ABI tag, only on Linux; else empty."""


def cibuildwheel_rows(text: str) -> tuple[Row, ...]:
    """The rows of cibuildwheel's build-platforms.toml."""
    every = [row for table in tomllib.loads(text).values() for row in table.get("python_configurations", ())]
    rows = []
    for row in every:
        python, _, platform = row["identifier"].partition("-")
        rows.append(Row(python, platform, row["version"], row.get("path_str", "").rpartition("-")[2]))
    if not rows:
        raise _unexpected("interpreter in build-platforms.toml")
    return tuple(rows)


def cpython_versions(rows: Iterable[Row], today: date) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Maintained CPython versions with a final release, and the free-threaded ones; both oldest first."""
    oldest = today.year - 2016 + (today > date(today.year, 10, 31))  # 3.10 ends in October 2026
    found: dict[str, set[int]] = {"": set(), "t": set()}
    for row in rows:
        match = re.fullmatch(r"cp3(\d+)(t?)", row.python)
        if match and int(match[1]) >= oldest and re.fullmatch(r"[\d.]+", row.version) and row.platform == "win_amd64":
            found[match[2]].add(int(match[1]))
    if not found[""]:
        raise _unexpected("maintained CPython for win_amd64 in build-platforms.toml")
    supported, free_threaded = (
        tuple(f"3.{minor}{suffix}" for minor in sorted(minors)) for suffix, minors in found.items()
    )
    return supported, free_threaded


def with_pypy(known: Mapping[str, str], rows: Iterable[Row]) -> dict[str, str]:
    """The known ABIs of PyPy and those that rows add; a second ABI of a version is named by PyPy's major version."""
    abis = dict(known)
    for row in rows:
        match = re.fullmatch(r"pypy3\d+_pp(\d)\d+", row.abi)
        if match and row.abi not in abis.values():
            name = f"pypy{row.version}"
            abis[f"{name}-v{match[1]}" if name in abis else name] = row.abi
    return abis


def with_graalpy(known: Mapping[str, str], rows: Iterable[Row]) -> dict[str, str]:
    """The known ABIs of GraalPy, and those that rows add or change."""
    matches = ((row.version, re.fullmatch(r"graalpy(\d+_3\d+)_native", row.abi)) for row in rows)
    return {**known, **{version: match[1] for version, match in matches if match}}


def alternative_systems(rows: Iterable[Row]) -> dict[str, dict[tuple[str, str], tuple[str, ...]]]:
    """For PyPy and GraalPy, the architectures by system and libc."""
    kinds = {"pp": "pypy", "gp": "graalpy"}
    systems = {"manylinux": ("linux", "gnu"), "musllinux": ("linux", "musl"), "macosx": ("macos", "")}
    found: dict[str, dict[tuple[str, str], set[str]]] = {kind: {} for kind in kinds.values()}
    for row in (row for row in rows if row.python[:2] in kinds):
        family, _, arch = row.platform.partition("_")
        system = systems.get(family, ("windows", ""))
        found[kinds[row.python[:2]]].setdefault(system, set()).add(arch if family in systems else row.platform)
    return {
        kind: {system: tuple(sorted(arches)) for system, arches in sorted(table.items())}
        for kind, table in found.items()
    }


def newest_classifier(text: str) -> int:
    """The newest minor version of CPython 3 that the source of trove-classifiers names."""
    minors = [int(minor) for minor in re.findall(r'"Programming Language :: Python :: 3\.(\d+)"', text)]
    if not minors:
        raise _unexpected("Python version in trove-classifiers")
    return max(minors)


def legacy_manylinux(text: str) -> dict[str, tuple[int, int]]:
    """The glibc of each legacy name in the source of packaging's `_manylinux.py`, oldest first."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "_LEGACY_MANYLINUX_MAP":
            pairs = re.findall(r"\((\d+), (\d+)\): '(\w+)'", ast.unparse(node))
            return {name: (int(major), int(minor)) for major, minor, name in sorted(pairs, key=lambda p: int(p[1]))}
    raise _unexpected("_LEGACY_MANYLINUX_MAP in packaging")


def newest_policy(text: str) -> tuple[int, int]:
    """The newest libc among auditwheel's policies."""
    matches = (re.fullmatch(r"(?:many|musl)linux_(\d+)_(\d+)", policy["name"]) for policy in json.loads(text))
    versions = [(int(match[1]), int(match[2])) for match in matches if match]
    if not versions:
        raise _unexpected("policy in auditwheel")
    return max(versions)


def difference(old: Facts, new: Facts) -> str:
    """A unified diff of the facts; empty if only the date and the versions of the sources differ.

    A newer minor version of maturin counts as a fact: the rules of `model/config` are read from its source.
    """
    if _without_dates(old) == _without_dates(new):
        return ""
    before, after = (render(facts).splitlines(keepends=True) for facts in (old, new))
    return "".join(difflib.unified_diff(before, after, f"the table of {old.date}", f"the packages of {new.date}"))


def _without_dates(facts: Facts) -> Facts:
    return facts._replace(date="", sources={"maturin": ".".join(facts.sources["maturin"].split(".")[:2])})


def main(arguments: list[str], today: date) -> int:
    """Exit code 1 if `--check` finds a difference or an old table."""
    parser = argparse.ArgumentParser(prog="python -m tools.update_tables", description="Renew the outside facts.")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--check", action="store_true", help="fail if a fact differs")
    only.add_argument("--write", action="store_true", help="write the table")
    options = parser.parse_args(arguments)
    old = known_facts()
    with tempfile.TemporaryDirectory() as folder:
        new = read_facts(download(Path(folder)), old, today)
    text, age = difference(old, new), (today - date.fromisoformat(old.date)).days
    print(text or f"every fact holds; the table was last read on {old.date}, {age} days ago")
    print("read: " + ", ".join(f"{name} {version}" for name, version in new.sources.items()))
    if options.write:
        TABLE.write_text(render(new), encoding="utf-8", newline="\n")
    elif text or age > MAXIMUM_AGE:
        print("write the table: python -m tools.update_tables --write")
        return int(options.check)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], date.today()))
