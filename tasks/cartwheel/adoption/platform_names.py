"""Targets, interpreters and policies as workflows name them, in the terms of the configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping

_ALIASES: Mapping[str, Mapping[str, str]] = {
    "linux": {
        **dict.fromkeys(("x86_64", "x64", "amd64"), "x86_64-unknown-linux-gnu"),
        **dict.fromkeys(("i686", "x86", "i386"), "i686-unknown-linux-gnu"),
        **dict.fromkeys(("aarch64", "arm64"), "aarch64-unknown-linux-gnu"),
        **dict.fromkeys(("armv7", "armv7l", "armv7hf"), "armv7-unknown-linux-gnueabihf"),
        **dict.fromkeys(("arm", "armv6l", "armv6"), "arm-unknown-linux-gnueabihf"),
        **dict.fromkeys(("ppc64le", "powerpc64le"), "powerpc64le-unknown-linux-gnu"),
        **dict.fromkeys(("ppc64", "powerpc64"), "powerpc64-unknown-linux-gnu"),
        "s390x": "s390x-unknown-linux-gnu",
        **dict.fromkeys(("riscv64", "riscv64gc"), "riscv64gc-unknown-linux-gnu"),
        **dict.fromkeys(("loongarch64",), "loongarch64-unknown-linux-gnu"),
    },
    "macos": {
        **dict.fromkeys(("x86_64", "x64", "amd64"), "x86_64-apple-darwin"),
        **dict.fromkeys(("aarch64", "arm64"), "aarch64-apple-darwin"),
        **dict.fromkeys(("universal2", "universal2-apple-darwin"), "universal2-apple-darwin"),
    },
    "windows": {
        **dict.fromkeys(("x86_64", "x64", "amd64"), "x86_64-pc-windows-msvc"),
        **dict.fromkeys(("i686", "x86", "i386", "x32"), "i686-pc-windows-msvc"),
        **dict.fromkeys(("aarch64", "arm64"), "aarch64-pc-windows-msvc"),
    },
}
"""Short names of targets by the runner's system (maturin-action 1.51, `src/index.ts`, November 2026)."""


def triple_of(name: str, system: str, arch: str = "x86_64") -> str:
    """The triple that a target's short or full name means on a runner's system; empty name: the runner's own."""
    return _ALIASES[system].get((name or arch).lower(), name)


def python_name(word: str) -> str:
    """`3.13t` for `python3.13t`, `/opt/python/cp313-cp313t/bin/python` or `cp313t`; empty for what names no version."""
    if match := re.search(r"\bcp3(\d+)-cp3\d+(t?)\b", word):
        return f"3.{match[1]}{match[2]}"
    if match := re.search(r"\bpp3(\d+)-pypy", word):
        return f"pypy3.{match[1]}"
    if match := re.fullmatch(r"(?:.*[\\/])?(?:python|py)?-?(3\.\d+)(t?)(?:\.exe|-dev)?", word):
        return match[1] + match[2]
    if match := re.fullmatch(r"(?:.*[\\/])?(pypy|graalpy)-?(\d+\.\d+)(?:-.*)?", word):
        return match[1] + match[2]
    match = re.fullmatch(r"cp3(\d+)(t?)", word)
    return f"3.{match[1]}{match[2]}" if match else ""


def with_policy(triple: str, policy: str, container: str) -> tuple[str, str]:
    """The triple and the floor that a policy requires; `musllinux` turns a gnu triple into a musl one."""
    text = policy.lower().removeprefix("manylinux_").removeprefix("manylinux")
    if "linux" not in triple:
        return triple, ""
    if "musl" in text:
        version = re.search(r"(\d+)_(\d+)", text)
        return musl_triple(triple), f"musllinux_{version[1]}_{version[2]}" if version else ""
    if text in ("auto", "off", "", "pypi", "linux"):
        image = re.search(r"(manylinux2014|manylinux_\d+_\d+|musllinux_\d+_\d+)", container)
        return (triple, image[1]) if image and "musl" not in image[1] else (triple, "")
    if match := re.fullmatch(r"(\d+)[._](\d+)", text):
        return triple, "manylinux2014" if match[0].replace(".", "_") == "2_17" else f"manylinux_{match[1]}_{match[2]}"
    return triple, f"manylinux{text}" if text in ("1", "2010", "2014") else ""


def musl_triple(triple: str) -> str:
    """The triple of the same processor with musl instead of glibc."""
    return triple.replace("gnueabihf", "musleabihf").replace("-gnu", "-musl")


def image_policy(image: str) -> tuple[str, str]:
    """Policy and architecture in the name of an image: `("manylinux_2_28", "aarch64")`."""
    match = re.search(r"((?:many|musl)linux(?:_\d+_\d+|\d+))(?:[_-](\w+?))?(?:[:@].*)?$", image)
    return (match[1], match[2] or "") if match else ("", "")


def deployment_target(text: str, triple: str) -> str:
    """The floor that MACOSX_DEPLOYMENT_TARGET asks for; empty if the processor has no such old system."""
    match = re.fullmatch(r"(\d+)(?:\.(\d+))?", text.strip())
    older = not match or (triple.startswith("aarch64") and int(match[1]) < 11)
    return "" if older or match is None else f"{match[1]}.{match[2] or 0}"


def with_macos_variables(triple: str, floor: str, env: Mapping[str, str]) -> tuple[str, str]:
    """The triple and the floor that `ARCHFLAGS` and `MACOSX_DEPLOYMENT_TARGET` ask for; both as they are elsewhere."""
    if not triple.endswith("-apple-darwin"):
        return triple, floor
    slices = set(re.findall(r"-arch\s+(\w+)", env.get("ARCHFLAGS", "")))
    if slices:
        triple = triple_of("universal2" if len(slices) > 1 else slices.pop(), "macos")
    return triple, deployment_target(env.get("MACOSX_DEPLOYMENT_TARGET", ""), triple)
