"""The packages of a repository, and how each is tested, from its files alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from msgspec import Struct

from cartwheel.adoption.cibuildwheel_options import own_placeholders, test_settings
from cartwheel.adoption.parsed_files import Texts, parsed_toml
from cartwheel.adoption.setup_files import why_unreadable
from cartwheel.adoption.workflows import Workflow
from cartwheel.model.config.build_backend import backend_of
from cartwheel.model.config.manifests import path_in

NO_PLACE = frozenset(
    ("tests", "test", "testing", "examples", "example", "benches", "benchmarks", "benchmark", "fuzz", "docs", "doc",
     "vendor", "third_party", "third-party", "node_modules", "target", "dist", "build", "testdata", "test-data",
     "fixtures", "templates", "test-crates", "site-packages")
)  # fmt: skip
"""Folders whose pyproject.toml is no package of the project."""


class PackageCandidate(Struct, frozen=True, kw_only=True):
    """A package that may be released."""

    folder: str
    name: str
    backend: str
    """The first part of `build-backend`."""
    compiled: bool
    rust: bool
    private: bool
    """Its classifiers keep it from every index."""


class SkippedFolder(Struct, frozen=True, kw_only=True):
    """A folder with a pyproject.toml that is no package, and why."""

    folder: str
    why: str


def packages_in(
    texts: Texts, *, excluded: Iterable[str] = ()
) -> tuple[tuple[PackageCandidate, ...], tuple[SkippedFolder, ...]]:
    """The packages of a repository, the root first, and the folders that only look like a package or are `excluded`.

    Where a package compiles, pure packages beside it count only in the root and as members of its uv workspace.
    """
    rows: list[PackageCandidate] = []
    skipped: list[SkippedFolder] = []
    marks = ("pyproject.toml", "setup.py")
    folders = {path.rpartition("/")[0] or "." for path in texts if path.rpartition("/")[2] in marks}
    excluded = tuple(excluded)
    for folder in sorted(folders, key=lambda f: (f != ".", f.count("/"), f)):
        out = any(matches_folder(folder, pattern) for pattern in excluded)
        row = SkippedFolder(folder=folder, why="excluded") if out else _package(folder, texts)
        (rows if isinstance(row, PackageCandidate) else skipped).append(row)  # type: ignore[arg-type]
    members = _uv_members(texts, [row.folder for row in rows])
    if any(row.compiled for row in rows):
        for row in [r for r in rows if not r.compiled and r.folder != "." and r.folder not in members]:
            rows.remove(row)
            skipped.append(SkippedFolder(folder=row.folder, why="pure Python and no member of a uv workspace"))
    return tuple(rows), tuple(skipped)


def matches_folder(folder: str, pattern: str) -> bool:
    """Whether a pattern of `excluded-packages` matches a folder relative to the root."""
    return fnmatchcase(folder, pattern.removeprefix("./").rstrip("/"))


def _package(folder: str, texts: Texts) -> PackageCandidate | SkippedFolder:
    document = parsed_toml(texts, path_in(folder, "pyproject.toml"))
    where = next((part for part in folder.split("/") if part in NO_PLACE), "")
    if where:
        return SkippedFolder(folder=folder, why=f"lies in {where}/")
    if texts.get(path_in(folder, "pyproject.toml"), "").strip() and not document:
        return SkippedFolder(folder=folder, why="pyproject.toml is not valid TOML")
    if document.get("tool", {}).get("uv", {}).get("package") is False:
        return SkippedFolder(folder=folder, why="[tool.uv] package = false")
    build, project = document.get("build-system"), document.get("project")
    if not build:
        return SkippedFolder(folder=folder, why=why_unreadable(folder, texts) or "no [build-system]")
    backend = re.split(r"[.:]", str(build.get("build-backend", "setuptools")))[0]
    crate = parsed_toml(texts, path_in(folder, "Cargo.toml")).get("package", {})
    name = (project or {}).get("name") or (crate.get("name") if backend == "maturin" else "")
    if not name:
        why = why_unreadable(folder, texts) or "no [project] name; name and version have to stand in pyproject.toml"
        return SkippedFolder(folder=folder, why=why)
    requires = " ".join(map(str, build.get("requires", ())))
    rust = backend == "maturin" or "setuptools-rust" in requires or "setuptools_rust" in requires
    return PackageCandidate(
        folder=folder,
        name=str(name),
        backend=backend,
        compiled=rust or backend_of(document).compiles(document) or _compiles(folder, texts),
        rust=rust,
        private=any(str(row).startswith("Private ::") for row in (project or {}).get("classifiers", ())),
    )


def _compiles(folder: str, texts: Texts) -> bool:
    """Whether a setup.py builds extensions."""
    text = texts.get(path_in(folder, "setup.py"), "")
    return bool(re.search(r"ext_modules\s*=|rust_extensions\s*=|Extension\(|CMakeExtension", text))


def _uv_members(texts: Texts, folders: Iterable[str]) -> frozenset[str]:
    table = parsed_toml(texts, "pyproject.toml").get("tool", {}).get("uv", {}).get("workspace", {})
    patterns, out = map(str, table.get("members", ())), tuple(map(str, table.get("exclude", ())))
    inside = tuple(patterns)
    return frozenset(
        folder
        for folder in folders
        if any(fnmatchcase(folder, p.strip("./")) for p in inside) and not any(fnmatchcase(folder, p) for p in out)
    )


# Tests ----------------------------------------------------------------------------------------------------------------


class TestSetup(Struct, frozen=True, kw_only=True):
    """How a package is tested, as `test` in the configuration; empty values for what the default does."""

    command: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    origin: str = ""
    """Where that stands."""

    def table(self) -> Mapping[str, tuple[str, ...]]:
        """The keys that differ from the default."""
        rows = {"command": self.command, "requires": self.requires, "extras": self.extras, "groups": self.groups}
        return {key: value for key, value in rows.items() if value}


def tests_of(package: PackageCandidate, texts: Texts, pipelines: Iterable[Workflow]) -> TestSetup:
    """How a package is tested: cibuildwheel's settings, pytest's, a folder of tests, a workflow's own step."""
    document = parsed_toml(texts, path_in(package.folder, "pyproject.toml"))
    settings = test_settings(document) or test_settings(parsed_toml(texts, "pyproject.toml"))
    if command := settings.get("command"):
        words = tuple(own_placeholders(word, package.folder) for word in command)
        return TestSetup(
            command=words,
            requires=settings.get("requires", ()),
            extras=settings.get("extras", ()),
            groups=settings.get("groups", ()),
            origin="[tool.cibuildwheel] test-command",
        )
    place, origin = _tests_folder(package, document, texts, pipelines)
    groups, extras = _requirements(document)
    if not place:
        return TestSetup()
    if place == "tests":
        return TestSetup(groups=groups, extras=extras, origin=origin)
    return TestSetup(
        command=("pytest", f"{{package}}/{place}"), requires=("pytest",), groups=groups, extras=extras, origin=origin
    )


_TEST_FOLDERS = ("tests", "test", "tests-py", "tests_py", "py-tests", "py_tests", "python/tests", "tests/python",
                 "python/test", "testing")  # fmt: skip


def _tests_folder(
    package: PackageCandidate, document: Mapping[str, Any], texts: Texts, pipelines: Iterable[Workflow]
) -> tuple[str, str]:
    """The folder of tests relative to the package, and where that is known from; empty without tests."""
    pytest = document.get("tool", {}).get("pytest", {})
    paths = (pytest.get("ini_options") or pytest).get("testpaths") or []
    named = [paths] if isinstance(paths, str) else [str(path) for path in paths]
    folder = package.folder
    for place in (*named, *_TEST_FOLDERS):
        start = path_in(folder, place.strip("/")) + "/"
        if any(path.startswith(start) and path.endswith(".py") for path in texts):
            return place.strip("/"), "[tool.pytest] testpaths" if place in named else f"{place}/"
    for workflow in pipelines:
        for job in workflow.jobs:
            for step in job.steps:
                match = re.search(r"\bpytest\b[^\n]*?\s((?!-)[\w./-]*tests?[\w./-]*)", step.run)
                if match and any(path.startswith(path_in(folder, match[1].strip("./")) + "/") for path in texts):
                    return match[1].strip("./"), f"{workflow.path}, job {job.job}"
    return "", ""


_NAMES = ("test", "tests", "testing", "dev")


def _requirements(document: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The dependency group, or else the extra, that brings pytest."""
    groups, extras = document.get("dependency-groups", {}), document.get("project", {}).get("optional-dependencies", {})
    for name in _NAMES:
        if any("pytest" in str(row) for row in groups.get(name, ())):
            return (name,), ()
    for name in _NAMES:
        if any("pytest" in str(row) for row in extras.get(name, ())):
            return (), (name,)
    return (), ()


_RUNNERS = {
    "tox.ini": "tox", "noxfile.py": "nox", "justfile": "just", "Justfile": "just", ".justfile": "just",
    "Makefile": "make",
}  # fmt: skip


def test_runners(texts: Texts) -> tuple[str, ...]:
    """Other ways in which the repository starts its tests, such as `just test`."""
    runners = []
    for file, program in _RUNNERS.items():
        text = texts.get(file, "")
        if program in ("just", "make"):
            runners += [f"{program} {m}" for m in re.findall(r"^(tests?[\w-]*)\b[^=\n]*:(?!=)", text, re.MULTILINE)[:1]]
        elif text:
            runners.append(program)
    return tuple(dict.fromkeys(runners))
