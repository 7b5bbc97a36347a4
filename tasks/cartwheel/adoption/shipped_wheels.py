"""A published wheel's file name in terms of the configuration: target, interpreter, floor, build tag."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from cartwheel.adoption.platform_tags import is_wheel, platforms
from cartwheel.model.errors import CartwheelError
from cartwheel.model.wheels import python as pythons
from cartwheel.model.wheels.target import TARGETS, Target
from cartwheel.model.wheels.wheel_name import WheelName


class ShippedWheel(Struct, frozen=True, kw_only=True):
    """One wheel for one target and one interpreter."""

    file: str
    triple: str
    """Empty if no target of the tables has such a platform tag."""
    python: str
    """`abi3`, `3.13`, `3.14t`, `pypy3.11`, `py3`; empty if no such interpreter is known."""
    since: str = ""
    """Of a wheel for the stable ABI, the oldest Python: `3.9`."""
    floor: str = ""
    """As the configuration writes it; empty where the target has none."""
    build: str = ""
    """The build tag."""

    @property
    def known(self) -> bool:
        """Whether the configuration can name its target and its interpreter."""
        return bool(self.triple and self.python)


def shipped_wheels(file: str) -> tuple[ShippedWheel, ...]:
    """The rows of a wheel's name: one for each target and interpreter in its tags."""
    if not is_wheel(file):
        return ()
    try:
        name = WheelName.parse(file)
    except CartwheelError:
        return ()
    targets = tuple(_targets(name.platforms)) or (("", ""),)
    return tuple(
        ShippedWheel(file=file, triple=triple, python=python, since=since, floor=floor, build=name.build)
        for triple, floor in targets
        for python, since in dict.fromkeys(_pythons(name)) or (("", ""),)
    )


def _pythons(name: WheelName) -> Iterable[tuple[str, str]]:
    """Names of interpreters as `python` in the configuration has them, each with the oldest Python of a stable ABI."""
    if {"abi3", "abi3t"} <= set(name.abis):
        yield pythons.ABI3T, _python_version(name.pythons[0])
        return
    for python in name.pythons:
        for abi in name.abis:
            yield _python(python, abi)


def _python(python: str, abi: str) -> tuple[str, str]:
    if abi == "abi3":
        return pythons.ABI3, _python_version(python)
    if python in ("py3", "py2") and abi == "none":
        return pythons.PURE, ""
    if match := re.fullmatch(r"cp3(\d+)", python):
        if re.fullmatch(rf"cp3{match[1]}m?", abi):
            return f"3.{match[1]}", ""
        return (f"3.{match[1]}t", "") if abi == f"cp3{match[1]}t" else ("", "")
    return _NAMES.get(abi, ""), ""


def _python_version(tag: str) -> str:
    match = re.fullmatch(r"(?:cp|pp)3(\d+)", tag)
    return f"3.{match[1]}" if match else ""


_CANDIDATES = (
    *(f"pypy3.{minor}" for minor in range(7, 16)),
    *(f"pypy3.{minor}-v8" for minor in range(11, 16)),
    *(f"graalpy3.{minor}" for minor in range(8, 16)),
)


def _names() -> dict[str, str]:
    """Interpreters other than CPython by ABI tag, asked of the table that makes the tags."""
    names: dict[str, str] = {}
    for name in _CANDIDATES:
        try:
            names.setdefault(pythons.tags(name, "3.9", where="")[1], name)
        except CartwheelError:
            continue
    return names


_NAMES = _names()


def _targets(tags: tuple[str, ...]) -> Iterable[tuple[str, str]]:
    """Triples and floors of the platform tags: the lowest floor of those for one target."""
    fat = next((tag for tag in tags if tag.startswith("macosx_") and tag.endswith("_universal2")), "")
    if fat:
        yield "universal2-apple-darwin", _floor("universal2-apple-darwin", platforms(fat)[0].floor)
        return
    lowest: dict[str, tuple[int, int]] = {}
    for tag in tags:
        for platform in platforms(tag):
            triple = _TRIPLES.get((platform.system, platform.arch), "")
            lowest[triple] = min(platform.floor, lowest.get(triple, platform.floor))
    yield from ((triple, _floor(triple, version)) for triple, version in lowest.items())


def _floor(triple: str, version: tuple[int, int]) -> str:
    target = TARGETS.get(triple)
    return floor_text(target, version) if target else ""


def floor_text(target: Target, version: tuple[int, int]) -> str:
    """A version of the system as `floor` writes it for that target: `manylinux2014`, `musllinux_1_2`, `11.0`."""
    major, minor = version
    if target.system == "linux" and target.libc == "gnu":
        legacy = {(2, 17): "manylinux2014"}
        return "linux" if version == (0, 0) else legacy.get(version, f"manylinux_{major}_{minor}")
    if target.system == "linux":
        return f"musllinux_{major}_{minor}"
    forms = {"macos": f"{major}.{minor}", "ios": f"{major}.{minor}", "android": f"{major}"}
    return forms.get(target.system, f"{major}_{minor}" if target.system == "emscripten" else "")


def _key(target: Target) -> tuple[str, str]:
    system = {"linux": {"gnu": "glibc", "musl": "musl"}.get(target.libc, ""), "emscripten": "wasm"}
    named = system.get(target.system, target.system)
    if target.floor == "linux":
        return "linux", target.arch
    return (str(named), "" if named == "any" else target.arch)


_TRIPLES: dict[tuple[str, str], str] = {}
for _target in TARGETS.values():
    _TRIPLES.setdefault(_key(_target), _target.triple)
_TRIPLES.setdefault(("linux", "armv7l"), "armv7-unknown-linux-gnueabihf")
