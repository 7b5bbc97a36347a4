"""What cibuildwheel builds: its options from a workflow and `[tool.cibuildwheel]`, its identifiers as targets and
interpreters."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from cartwheel.adoption.built_wheels import BuildCall
from cartwheel.adoption.platform_names import triple_of
from cartwheel.adoption.workflows import JobRun, JobStep, Texts
from cartwheel.model.wheels.python import allows_python

_PYTHONS = ("cp38", "cp39", "cp310", "cp311", "cp312", "cp313", "cp314", "cp315")
_FREE = ("cp314t", "cp315t")
_PYPY = ("pp310", "pp311", "pp312")
_GRAALPY = ("gp311_242", "gp312_250")
"""Interpreters that cibuildwheel 4.3 has (`resources/build-platforms.toml`, November 2026), with those that 3 had; what
is enabled by default is `_PYTHONS` and `_FREE`."""

_ARCHES: Mapping[str, tuple[str, ...]] = {
    "linux": ("x86_64", "i686", "aarch64", "armv7l", "ppc64le", "s390x", "riscv64"),
    "macos": ("x86_64", "arm64", "universal2"),
    "windows": ("AMD64", "x86", "ARM64"),
}
_NATIVE = {
    ("linux", "x86_64"): ("x86_64",),
    ("linux", "aarch64"): ("aarch64",),
    ("macos", "x86_64"): ("x86_64",),
    ("macos", "aarch64"): ("arm64",),
    ("windows", "x86_64"): ("AMD64",),
    ("windows", "aarch64"): ("ARM64",),
}
_IDENTIFIER = {"AMD64": "win_amd64", "x86": "win32", "ARM64": "win_arm64"}
_DEFAULT_IMAGE = {"manylinux": "manylinux_2_28", "musllinux": "musllinux_1_2"}
"""What cibuildwheel 3 and later build in (its documentation, option `manylinux-*-image`); 2_31 for armv7l, 2_39 for
riscv64."""
_OLDEST = {"armv7l": "manylinux_2_31", "riscv64": "manylinux_2_39"}


def cibuildwheel_calls(step: JobStep, job: JobRun, texts: Texts) -> Iterable[BuildCall]:
    """One call for each target, with the interpreters that the options select."""
    folder = (step.with_.get("package-dir", "") or _argument(step.run) or step.folder).removeprefix("./").strip("/")
    folder = folder or "."
    options = _Options(step, job.system, _tables(folder, texts))
    requires = options.pyproject.get("project", {}).get("requires-python", "")
    by_triple: dict[tuple[str, str], list[str]] = {}
    only = step.with_.get("only", "") or step.env.get("CIBW_ONLY", "")
    for identifier in identifiers(options, job, str(requires), only):
        row = wheel_of(identifier, job.system, options)
        if row:
            by_triple.setdefault(row[:2], []).append(row[2])
    for (triple, floor), pythons in by_triple.items():
        yield BuildCall(
            tool="cibuildwheel",
            workflow=job.workflow,
            job=job.job,
            triples=(triple,),
            pythons=tuple(dict.fromkeys(pythons)),
            floor=floor,
            folder=folder,
            before=options.text("before-all"),
            runner=job.runner,
        )


def _argument(script: str) -> str:
    match = re.search(r"\bcibuildwheel\s+(?:--\S+\s+(?!-)\S+\s+)*([\w./-]+)\s*$", script, re.MULTILINE)
    return match[1] if match and not match[1].startswith("-") and "dist" not in match[1] else ""


def _tables(folder: str, texts: Texts) -> Mapping[str, Any]:
    for path in (f"{folder}/pyproject.toml" if folder != "." else "pyproject.toml", "pyproject.toml"):
        try:
            return tomllib.loads(texts[path])
        except (KeyError, tomllib.TOMLDecodeError):
            continue
    return {}


class _Options:
    """cibuildwheel's options for one system: variables first, then the system's table, then the general one."""

    def __init__(self, step: JobStep, system: str, pyproject: Mapping[str, Any]) -> None:
        self._env = step.env
        self._system = system
        self.pyproject = pyproject
        self.table: Mapping[str, Any] = pyproject.get("tool", {}).get("cibuildwheel", {})

    def value(self, name: str) -> Any:
        """A list or text; None where nothing says it."""
        variable = "CIBW_" + name.upper().replace("-", "_")
        for found in (f"{variable}_{self._system.upper()}", variable):
            if self._env.get(found):
                return self._env[found]
        own = self.table.get(self._system, {})
        return own.get(name, self.table.get(name))

    def words(self, name: str) -> list[str]:
        """A list of words, which blanks separate; architectures commas too."""
        value = self.value(name)
        if isinstance(value, str):
            return (value.replace(",", " ") if name == "archs" else value).split()
        return [str(row) for row in value or ()]

    def text(self, name: str) -> str:
        """A command; several are joined by `&&`."""
        value = self.value(name)
        return " && ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def test_settings(pyproject: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
    """`command`, `requires`, `extras` and `groups` of `[tool.cibuildwheel]`'s tests, as words."""
    table = pyproject.get("tool", {}).get("cibuildwheel", {})
    found = {}
    for key, name in (("test-command", "command"), ("test-requires", "requires"), ("test-extras", "extras"),
                      ("test-groups", "groups")):  # fmt: skip
        value = table.get(key)
        if value:
            found[name] = tuple(value.split()) if isinstance(value, str) else tuple(map(str, value))
    return found


def identifiers(options: _Options, job: JobRun, requires: str, only: str = "") -> Iterable[str]:
    """The build identifiers that are selected, such as `cp313-manylinux_x86_64`."""
    if only:
        yield only
        return
    selected = options.words("build") or ["*"]
    skipped = [pattern for word in options.words("skip") for pattern in _braces(word)]
    chosen = [pattern for word in selected for pattern in _braces(word)]
    enabled = set(options.words("enable"))
    for python in (*_PYTHONS, *_FREE, *_PYPY, *_GRAALPY):
        if not _is_enabled(python, enabled) or not _is_required(python, requires):
            continue
        for platform in _platforms(options, job):
            name = f"{python}-{platform}"
            if not _is_built(python, platform):
                continue
            if any(fnmatchcase(name, p) for p in chosen) and not any(fnmatchcase(name, p) for p in skipped):
                yield name


def _is_enabled(python: str, enabled: set[str]) -> bool:
    if "all" in enabled:
        return True
    if python.startswith("pp"):
        return bool(enabled & {"pypy", "pypy-eol"}) and (python != "pp310" or "pypy-eol" in enabled)
    return not python.startswith("gp") or "graalpy" in enabled


def _is_required(python: str, requires: str) -> bool:
    match = re.match(r"(?:cp|pp|gp)3(\d+)", python)
    return not requires or not match or allows_python(requires, f"3.{match[1]}")


def _is_built(python: str, platform: str) -> bool:
    """Which combinations cibuildwheel has."""
    if python.startswith(("pp", "gp")):
        if platform.startswith("musllinux") or platform.endswith(
            ("armv7l", "ppc64le", "s390x", "riscv64", "universal2")
        ):
            return False
        if python.startswith("gp"):
            return not platform.endswith(("i686", "win32", "arm64")) or platform == "macosx_arm64"
        return platform not in ("win32", "win_arm64")
    if platform == "win_arm64":
        return python not in ("cp38",)
    return True


def _platforms(options: _Options, job: JobRun) -> Iterable[str]:
    for arch in _architectures(options, job):
        if job.system == "linux":
            yield f"manylinux_{arch}"
            yield f"musllinux_{arch}"
        elif job.system == "macos":
            yield f"macosx_{arch}"
        else:
            yield _IDENTIFIER[arch]


def _architectures(options: _Options, job: JobRun) -> Iterable[str]:
    native = _NATIVE[(job.system, "aarch64" if job.arch == "aarch64" else "x86_64")]
    for word in options.words("archs") or ["auto"]:
        if word == "all":
            yield from _ARCHES[job.system]
        elif word in ("auto", "native"):
            yield from native
            if word == "auto" and native == ("AMD64",):
                yield "x86"
        elif word == "auto64":
            yield from native
        elif word == "auto32":
            yield from {"linux": ("i686",), "windows": ("x86",)}.get(job.system, ())
        else:
            known = {arch.lower(): arch for arch in _ARCHES[job.system]}
            if word.lower() in known:
                yield known[word.lower()]


def _braces(pattern: str) -> list[str]:
    match = re.search(r"\{([^{}]*)\}", pattern)
    if not match:
        return [pattern]
    parts = (pattern[: match.start()] + part + pattern[match.end() :] for part in match[1].split(","))
    return [whole for part in parts for whole in _braces(part)]


def wheel_of(identifier: str, system: str, options: _Options) -> tuple[str, str, str] | None:
    """Triple, floor and interpreter of a build identifier; None for one of another form."""
    python, _, platform = identifier.partition("-")
    name = python_of(python)
    policy, _, arch = platform.partition("_")
    if not name:
        return None
    if policy in ("manylinux", "musllinux"):
        triple = triple_of(arch, "linux")
        if policy == "musllinux":
            triple = triple.replace("gnueabihf", "musleabihf").replace("-gnu", "-musl")
        return triple, _floor(options, policy, arch), name
    if policy == "macosx":
        return triple_of(arch, "macos"), _deployment_target(options, arch), name
    return triple_of({"win_amd64": "x64", "win32": "x86", "win_arm64": "arm64"}.get(platform, ""), "windows"), "", name


def _deployment_target(options: _Options, arch: str) -> str:
    """The oldest macOS that `environment` asks for; empty where it says nothing, or less than the processor has."""
    found = options.value("environment")
    text = found.get("MACOSX_DEPLOYMENT_TARGET", "") if isinstance(found, Mapping) else found
    match = re.search(r"(?:^|MACOSX_DEPLOYMENT_TARGET=[\"']?)(\d+)(?:\.(\d+))?", str(text or ""))
    older = not match or (arch == "arm64" and int(match[1]) < 11)
    return "" if older or match is None else f"{match[1]}.{match[2] or 0}"


def _floor(options: _Options, policy: str, arch: str) -> str:
    image = options.text(f"{policy}-{arch}-image") or _OLDEST.get(arch if policy == "manylinux" else "", "")
    image = image or _DEFAULT_IMAGE[policy]
    match = re.search(r"((?:many|musl)linux(?:_\d+_\d+|\d+))", image)
    return match[1] if match else ""


def python_of(identifier: str) -> str:
    """`3.13t` for `cp313t`, `pypy3.11` for `pp311`."""
    if match := re.fullmatch(r"cp3(\d+)(t?)", identifier):
        return f"3.{match[1]}{match[2]}"
    if match := re.fullmatch(r"pp3(\d+)", identifier):
        return f"pypy3.{match[1]}"
    match = re.fullmatch(r"gp3(\d+)_\d+", identifier)
    return f"graalpy3.{match[1]}" if match else ""
