"""The wheels that cibuildwheel builds: its options from a workflow and `[tool.cibuildwheel]`, its identifiers as
targets and interpreters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from cartwheel.adoption.built_wheels import BuildCall
from cartwheel.adoption.cibuildwheel_options import Options, matches, tables, words_of
from cartwheel.adoption.cibuildwheel_releases import (
    IMAGE_BEFORE_3,
    MAJOR,
    notes_of_build,
    older_interpreters,
    pinned_major,
)
from cartwheel.adoption.cibuildwheel_tests import shell_test, wheel_tests
from cartwheel.adoption.command_lines import folder_up
from cartwheel.adoption.parsed_files import Texts
from cartwheel.adoption.platform_names import deployment_target, musl_triple, triple_of
from cartwheel.adoption.workflows import JobRun, JobStep
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
    "android": ("arm64_v8a", "x86_64"),
    "ios": ("arm64_iphoneos", "arm64_iphonesimulator", "x86_64_iphonesimulator"),
    "pyodide": ("wasm32",),
}
_ELSEWHERE: Mapping[str, Mapping[str, str]] = {
    "android": {"arm64_v8a": "aarch64-linux-android", "x86_64": "x86_64-linux-android"},
    "ios": {
        "arm64_iphoneos": "aarch64-apple-ios",
        "arm64_iphonesimulator": "aarch64-apple-ios-sim",
        "x86_64_iphonesimulator": "x86_64-apple-ios",
    },
    "pyodide": {"wasm32": "wasm32-unknown-emscripten"},
}
"""Targets of platforms that are cross-compiled, by cibuildwheel's architecture."""
_ELSEWHERE_PYTHONS = {
    "android": ("cp313", "cp314", "cp315"),
    "ios": ("cp313", "cp314", "cp315"),
    "pyodide": ("cp312", "cp313", "cp314", "cp315"),
}
_ENABLE_PYODIDE = {"cp312": "pyodide-eol", "cp315": "pyodide-prerelease"}
"""Interpreters of these platforms, and those that `enable` has to name (cibuildwheel 4.3.5, `build-platforms.toml` and
`selector.py`, November 2026)."""
_NATIVE = {
    ("linux", "x86_64"): ("x86_64",),
    ("linux", "aarch64"): ("aarch64",),
    ("macos", "x86_64"): ("x86_64",),
    ("macos", "aarch64"): ("arm64",),
    ("windows", "x86_64"): ("AMD64",),
    ("windows", "aarch64"): ("ARM64",),
    ("android", "x86_64"): ("x86_64",),
    ("android", "aarch64"): ("arm64_v8a",),
    ("ios", "x86_64"): ("x86_64_iphonesimulator",),
    ("ios", "aarch64"): ("arm64_iphoneos", "arm64_iphonesimulator"),
    ("pyodide", "x86_64"): ("wasm32",),
    ("pyodide", "aarch64"): ("wasm32",),
}
_IDENTIFIER = {"AMD64": "win_amd64", "x86": "win32", "ARM64": "win_arm64"}
_DEFAULT_IMAGE = {"manylinux": "manylinux_2_28", "musllinux": "musllinux_1_2"}
"""The images of cibuildwheel 3 and later (its documentation, option `manylinux-*-image`); 2_31 for armv7l, 2_39 for
riscv64."""
_OLDEST = {"armv7l": "manylinux_2_31", "riscv64": "manylinux_2_39"}


def cibuildwheel_calls(step: JobStep, job: JobRun, texts: Texts) -> Iterable[BuildCall]:
    """One call for each target, with the interpreters that the options select."""
    folder = (step.with_.get("package-dir", "") or _argument(step.run) or step.folder).removeprefix("./").strip("/")
    folder = folder or "."
    major = pinned_major(step, job)
    options = Options(step, _platform(step, job), tables(folder, texts, _config_file(step)))
    requires = options.pyproject.get("project", {}).get("requires-python", "")
    groups: dict[tuple[str, str, str, str, str], tuple[Options, Mapping[str, Any], list[str]]] = {}
    only = step.with_.get("only", "") or step.env.get("CIBW_ONLY", "")
    for identifier in identifiers(options, job, str(requires), only, major=major):
        own = options.of_wheel(identifier)
        if row := wheel_of(identifier, own, major=major):
            tests = wheel_tests(own, identifier, folder)
            key = (row[0], row[1], repr(own.environment()), _before(own, folder), repr(tests))
            groups.setdefault(key, (own, tests, []))[2].append(row[2])
    patterns = words_of(options.words("build")) if not only else []
    notes = tuple(notes_of_build(step, patterns, _names(options, patterns, major), major))
    shells = dict.fromkeys(filter(None, (shell_test(own) for own, _, _ in groups.values())))
    notes += tuple(
        f"the test command '{' '.join(text.split())}' needs a shell and is not taken over; write it as test"
        for text in shells
    )
    if not groups and notes:
        yield BuildCall(tool="cibuildwheel", workflow=job.workflow, job=job.job, folder=folder, notes=notes)
    for (triple, floor, _, before, _), (own, tests, pythons) in groups.items():
        yield BuildCall(
            tool="cibuildwheel",
            workflow=job.workflow,
            job=job.job,
            triples=(triple,),
            pythons=tuple(dict.fromkeys(pythons)),
            floor=floor,
            folder=folder,
            before=before,
            isolated=options.system == "linux",
            runner=job.runner,
            notes=notes,
            environment=own.environment(),
            tests=tests,
        )


def _names(options: Options, patterns: Iterable[str], major: int) -> list[str]:
    """Every identifier of interpreters that the options enable, on all platforms."""
    enabled = set(options.words("enable"))
    pythons = (*_PYTHONS, *_FREE, *_PYPY, *_GRAALPY, *_ELSEWHERE_PYTHONS.get(options.system, ()))
    known = [python for python in pythons if _has_group(python, enabled)]
    known += older_interpreters(patterns, major, enabled)
    platforms = [f"{kind}_{arch}" for kind in ("manylinux", "musllinux") for arch in _ARCHES["linux"]]
    platforms += [f"macosx_{arch}" for arch in _ARCHES["macos"]] + list(_IDENTIFIER.values())
    platforms += [f"{system}_{arch}" for system in _ELSEWHERE for arch in _ARCHES[system]]
    return [f"{python}-{platform}" for python in known for platform in platforms]


def _before(options: Options, folder: str) -> str:
    return "\n".join(_from_package(options.text(name), folder) for name in ("before-all", "before-build"))


def _config_file(step: JobStep) -> str:
    named = re.search(r"--config-file[ =](\S+)", step.run)
    return named[1] if named else step.with_.get("config-file", "") or step.env.get("CIBW_CONFIG_FILE", "")


def _platform(step: JobStep, job: JobRun) -> str:
    """The platform in cibuildwheel's settings, else that of the runner."""
    words = re.search(r"--platform[ =](\w+)", step.run)
    only = re.search(r"-(android|ios|pyodide)_", step.with_.get("only", "") or step.env.get("CIBW_ONLY", ""))
    named = words or only
    text = (named[1] if named else step.with_.get("platform", "") or step.env.get("CIBW_PLATFORM", "")).lower()
    return job.system if text in ("", "auto") else text


def _from_package(script: str, folder: str) -> str:
    """A script that starts in the repository, as one that starts in the package's folder."""
    up = folder_up(folder) or "."
    placed = script.replace("{project}", up).replace("{package}", ".")
    return f"cd {up} && {placed}" if script.strip() and up != "." else placed


def _argument(script: str) -> str:
    match = re.search(r"\bcibuildwheel\s+(?:--\S+\s+(?!-)\S+\s+)*([\w./-]+)\s*$", script, re.MULTILINE)
    return match[1] if match and not match[1].startswith("-") and "dist" not in match[1] else ""


def identifiers(options: Options, job: JobRun, requires: str, only: str = "", *, major: int = MAJOR) -> Iterable[str]:
    """The build identifiers that are selected, such as `cp313-manylinux_x86_64`."""
    if only:
        yield only
        return
    if options.system not in _ARCHES:
        return
    chosen = words_of(options.words("build") or ["*"])
    skipped = words_of(options.words("skip"))
    enabled = set(options.words("enable"))
    named = [] if options.system in _ELSEWHERE else list(older_interpreters(chosen, major, enabled))
    usual = _ELSEWHERE_PYTHONS.get(options.system, (*_PYTHONS, *_FREE, *_PYPY, *_GRAALPY))
    for python in dict.fromkeys((*usual, *named)):
        if options.system == "pyodide" and _ENABLE_PYODIDE.get(python, "all") not in (*enabled, "all"):
            continue
        if (python not in named and not _has_group(python, enabled)) or not _is_required(python, requires):
            continue
        for platform in _platforms(options, job):
            name = f"{python}-{platform}"
            if not _exists(python, platform):
                continue
            if matches(name, chosen) and not matches(name, skipped):
                yield name


def _has_group(python: str, enabled: set[str]) -> bool:
    if "all" in enabled:
        return True
    if python.startswith("pp"):
        return bool(enabled & {"pypy", "pypy-eol"}) and (python != "pp310" or "pypy-eol" in enabled)
    return not python.startswith("gp") or "graalpy" in enabled


def _is_required(python: str, requires: str) -> bool:
    match = re.match(r"(?:cp|pp|gp)3(\d+)", python)
    return not requires or not match or allows_python(requires, f"3.{match[1]}")


def _exists(python: str, platform: str) -> bool:
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


def _platforms(options: Options, job: JobRun) -> Iterable[str]:
    for arch in _architectures(options, job):
        if options.system in _ELSEWHERE:
            yield f"{options.system}_{arch}"
        elif options.system == "linux":
            yield f"manylinux_{arch}"
            yield f"musllinux_{arch}"
        elif options.system == "macos":
            yield f"macosx_{arch}"
        else:
            yield _IDENTIFIER[arch]


def _architectures(options: Options, job: JobRun) -> Iterable[str]:
    system = options.system
    native = _NATIVE[(system, "aarch64" if job.arch == "aarch64" else "x86_64")]
    for word in options.words("archs") or ["auto"]:
        if word == "all":
            yield from _ARCHES[system]
        elif word in ("auto", "native"):
            yield from native
            if word == "auto" and native == ("AMD64",):
                yield "x86"
        elif word == "auto64":
            yield from () if system == "pyodide" else native
        elif word == "auto32":
            yield from {"linux": ("i686",), "windows": ("x86",), "pyodide": native}.get(system, ())
        else:
            known = {arch.lower(): arch for arch in _ARCHES[system]}
            if word.lower() in known:
                yield known[word.lower()]


def wheel_of(identifier: str, options: Options, *, major: int = MAJOR) -> tuple[str, str, str] | None:
    """Triple, floor and interpreter of a build identifier; None for one of another form."""
    python, _, platform = identifier.partition("-")
    name = python_of(python)
    policy, _, arch = platform.partition("_")
    if not name:
        return None
    if policy in ("manylinux", "musllinux"):
        triple = triple_of(arch, "linux")
        if policy == "musllinux":
            triple = musl_triple(triple)
        return triple, _floor(options, policy, arch, major), name
    if policy in _ELSEWHERE:
        return _ELSEWHERE[policy].get(arch, arch), _elsewhere_floor(options, policy), name
    if policy == "macosx":
        return triple_of(arch, "macos"), _deployment_target(options, arch), name
    return triple_of({"win_amd64": "x64", "win32": "x86", "win_arm64": "arm64"}.get(platform, ""), "windows"), "", name


_ELSEWHERE_FLOORS = {"ios": ("IPHONEOS_DEPLOYMENT_TARGET", r"\d+\.\d+"), "android": ("ANDROID_API_LEVEL", r"\d+")}


def _elsewhere_floor(options: Options, platform: str) -> str:
    """The oldest iOS or Android that `environment` sets; empty for the interpreter's default."""
    variable, pattern = _ELSEWHERE_FLOORS.get(platform, ("", ""))
    text = options.environment().get(variable, "")
    return text if text and re.fullmatch(pattern, text) else ""


def _deployment_target(options: Options, arch: str) -> str:
    """The oldest macOS that `environment` asks for; empty where it says nothing, or less than the processor has."""
    return deployment_target(options.environment().get("MACOSX_DEPLOYMENT_TARGET", ""), triple_of(arch, "macos"))


def _floor(options: Options, policy: str, arch: str, major: int) -> str:
    image = options.text(f"{policy}-{arch}-image") or _OLDEST.get(arch if policy == "manylinux" else "", "")
    image = image or (IMAGE_BEFORE_3 if major < 3 else _DEFAULT_IMAGE)[policy]
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
