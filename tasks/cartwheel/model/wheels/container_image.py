"""Container images for building wheels: fetched by name, or built from a Dockerfile of the project."""

from __future__ import annotations

import re
from hashlib import sha256

from msgspec import Struct

from cartwheel.model.errors import ConfigError
from cartwheel.model.wheels import python as pythons
from cartwheel.model.wheels.architecture import BY_NAME
from cartwheel.model.wheels.target import Target, version_of_floor

_USUAL = ("manylinux2014", "manylinux_2_28", "manylinux_2_34")

_PYPA = {
    "x86_64": _USUAL,
    "i686": _USUAL,
    "aarch64": (*_USUAL, "manylinux_2_39"),
    "ppc64le": _USUAL,
    "s390x": _USUAL,
    "armv7l": ("manylinux_2_31", "manylinux_2_35"),
    "riscv64": ("manylinux_2_39",),
}
"""The glibc images of the Python Packaging Authority by architecture, oldest first; each also has musllinux_1_2.

Source: pypa/manylinux, build.yml and README of November 2025, read November 2026.
"""

_MUSL = ("musllinux_1_2",)

_PYPA_NAME = "quay.io/pypa/{policy}_{arch}"

_WITHOUT_PYPY = ("armv7l", "ppc64le", "s390x", "riscv64")
"""Architectures whose glibc images have no PyPy; no musl image has it.

Source: pypa/manylinux, python_versions.json, read November 2026.
"""

_DROPPED = ("3.13t",)
"""Interpreters removed from these images (pypa/manylinux, read November 2026)."""

DOCKERFILE = "dockerfile:"
"""The prefix of a Dockerfile's path in the config key `image`."""

CONTAINER = "container"
"""The name of the toolchain that builds in containers."""

IN_IMAGE = "CARTWHEEL_IN_IMAGE"
"""The variable in which a custom image states its policy, such as `manylinux_2_28_x86_64`.

The Python Packaging Authority's images use AUDITWHEEL_PLAT (pypa/manylinux, Dockerfile, read November 2026).
"""


class Image(Struct, frozen=True, kw_only=True):
    """The container image in which a wheel is built."""

    name: str
    """The name for the container engine; empty if the image is built from `dockerfile`."""
    dockerfile: str
    """The path relative to the package; empty if the image is fetched by `name`."""
    policy: str
    """The newest manylinux or musllinux image policy that keeps the floor; the floor if no policy does."""
    arch: str

    @property
    def platform(self) -> str:
        """The platform for container engines: `linux/arm64`."""
        return BY_NAME[self.arch].oci

    @property
    def reference(self) -> str:
        """The name to pass to the engine; an image built from a Dockerfile gets a local name."""
        return self.name or f"localhost/cartwheel:{self.key}"

    @property
    def key(self) -> str:
        """A short digest for folder names."""
        return sha256(repr(self).encode()).hexdigest()[:8]

    @property
    def context(self) -> str:
        """The Dockerfile's folder, which is its build context, relative to the package.

        Empty if the Dockerfile is in the package's folder; the context then holds only the Dockerfile.
        """
        return self.dockerfile.rpartition("/")[0]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Files and folders of the package that the image is built from."""
        return (self.context or self.dockerfile,) if self.dockerfile else ()

    def __str__(self) -> str:
        return self.name or f"{DOCKERFILE}{self.dockerfile}"


def image_of(target: Target, floor: str, declared: str, *, where: str = "[tool.cartwheel] image") -> Image:
    """The image for a target and its floor: `declared` with `{policy}` and `{arch}` filled in, else the default image.

    Raises `ConfigError` naming `where` if no image fits or `declared` is invalid.
    """
    if target.system != "linux" or target.arch not in BY_NAME:
        raise ConfigError(
            f"{where}: wheels for {target.triple} are not made in a container; put it into an override that selects "
            "Linux targets alone"
        )
    policy = _policy(target, floor)
    template = declared or _PYPA_NAME
    if not policy and (not declared or "{policy}" in declared):
        raise ConfigError(
            f"{where}: no image of the Python Packaging Authority keeps {floor} on {target.arch} "
            f"(there is {', '.join(_policies(target)) or 'none'}); raise the floor, or name an image of your own"
        )
    filled = template.replace("{policy}", policy).replace("{arch}", target.arch)
    if unknown := re.search(r"\{[^}]*\}", filled):
        raise ConfigError(f"{where}: '{unknown[0]}' is not known; expected '{{policy}}' or '{{arch}}'")
    file = filled.removeprefix(DOCKERFILE) if filled.startswith(DOCKERFILE) else ""
    _refuse_misspelt(filled, file, where)
    return Image(name="" if file else filled, dockerfile=file, policy=policy or floor, arch=target.arch)


def files_of_image(target: Target, floor: str, declared: str) -> tuple[str, ...]:
    """Files and folders of the package that a declared image is built from; empty if the image is fetched."""
    return image_of(target, floor, declared).inputs if declared.startswith(DOCKERFILE) else ()


def refuse_no_image(target: Target, floor: str, declared: str, python: str, *, where: str) -> None:
    """Raises `ConfigError` if no image fits, or if a known image does not fit the target or lacks the interpreter."""
    image = image_of(target, floor, declared, where=where)
    if not image.name.startswith("quay.io/pypa/"):
        return
    plat = re.split("[:@]", image.name.removeprefix("quay.io/pypa/"))[0]
    if plat.endswith(tuple(f"_{arch}" for arch in _PYPA)) and not runs_in_place(plat, target, floor):
        raise ConfigError(
            f"{where}: {image.name} is not for {target.triple} from {floor} on; expected one of that architecture and "
            "no newer, or write {policy} and {arch}"
        )
    pypy = python.startswith("pypy") and (target.libc == "musl" or target.arch in _WITHOUT_PYPY)
    if pypy or python in _DROPPED:
        raise ConfigError(
            f"{where}: {image.name} has no Python {python}; take '{python}' out for {target.triple}, or name an image "
            "that has it"
        )


def runs_in_place(plat: str, target: Target, floor: str) -> bool:
    """Whether this process, in the image `plat` (`manylinux_2_28_x86_64`), can build for the target and its floor."""
    policy, arch = plat.removesuffix(f"_{target.arch}"), target.arch
    if plat != f"{policy}_{arch}" or not policy:
        return False
    try:
        return _version(target, policy) <= _version(target, floor)
    except ConfigError:  # a policy of the other libc
        return False


def interpreter_folder(python: str) -> str:
    """The folder of an interpreter in /opt/python of the Python Packaging Authority's images: `cp313-cp313t`."""
    return "-".join(pythons.tags(python, "", where="python"))


def _policies(target: Target) -> tuple[str, ...]:
    known = _PYPA.get(target.arch, ())
    return known if target.libc == "gnu" else (_MUSL if known else ())


def _policy(target: Target, floor: str) -> str:
    policies = [policy for policy in _policies(target) if _version(target, policy) <= _version(target, floor)]
    return policies[-1] if policies else ""


def _version(target: Target, floor: str) -> tuple[int, int]:
    return version_of_floor(target, floor, where="image")


_NAME = r"(?a:[\w][\w.:/@+-]*)"


def _refuse_misspelt(filled: str, file: str, where: str) -> None:
    if filled.lower().startswith(DOCKERFILE) and not filled.startswith(DOCKERFILE):
        raise ConfigError(f"{where}: '{filled}'; expected '{DOCKERFILE}' in lower case")
    if file.startswith("/") or ".." in file.split("/"):
        raise ConfigError(f"{where}: '{filled}' lies outside the package; name a Dockerfile in it")
    if filled == DOCKERFILE or (not file and not re.fullmatch(_NAME, filled)):
        raise ConfigError(f"{where}: '{filled}' names no image; expected one like 'registry.example/name:tag'")
    digest = filled.partition("@")[2]
    if digest and not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise ConfigError(f"{where}: '{digest}' is no digest; expected 'sha256:' and 64 hexadecimal digits")
