"""Architectures: one table with a column for each outside naming scheme."""

from __future__ import annotations

from msgspec import Struct


class Architecture(Struct, frozen=True, kw_only=True):
    """One processor architecture and its names; an empty column means that the scheme has no name for it."""

    name: str
    """The name in Linux platform tags and `uname -m`: `x86_64`."""
    aliases: tuple[str, ...] = ()
    """Other spellings that operating systems report for the same machine."""
    elf: tuple[str, str, str]
    """Machine, class and byte order of an ELF header, as LIEF names them."""
    extension: str = ""
    """The name in CPython's EXT_SUFFIX on Linux, if it differs from `name`."""
    oci: str = ""
    """The platform of container engines, in Go's spelling (OCI image specification 1.1)."""
    qemu: str = ""
    """The suffix of qemu's user-mode program, if it differs from `name`."""
    glibc_loader: str = ""
    """The path of glibc's dynamic loader, relative to the root folder (glibc's shlib-versions)."""
    musl_loader: str = ""
    """The path of musl's dynamic loader, relative to the root folder."""
    native: tuple[str, ...] = ()
    """Other architectures whose Linux programs run on every processor of this one."""
    macos: str = ""
    """The name in macOS platform tags."""
    macho: str = ""
    """The CPU type of a Mach-O header, as LIEF names it."""
    android: str = ""
    """The name in Android platform tags."""
    windows: str = ""
    """The Windows platform tag."""
    windows_machine: str = ""
    """`platform.machine()` on Windows, in lower case."""
    pe: str = ""
    """The machine of a PE header, as LIEF names it."""
    msvc: str = ""
    """cargo-xwin's name for the architecture of Microsoft's libraries."""
    mingw: str = ""
    """The prefix of MinGW's compilers."""


ARCHITECTURES = (
    Architecture(
        name="x86_64", aliases=("amd64",), elf=("X86_64", "ELF64", "LSB"), oci="linux/amd64", native=("i686",),
        glibc_loader="lib64/ld-linux-x86-64.so.2", musl_loader="lib/ld-musl-x86_64.so.1",
        macos="x86_64", macho="X86_64", android="x86_64",
        windows="win_amd64", windows_machine="amd64", pe="AMD64", msvc="x86_64", mingw="x86_64-w64-mingw32",
    ),
    Architecture(
        name="i686", aliases=("i386",), elf=("I386", "ELF32", "LSB"), extension="i386", oci="linux/386", qemu="i386",
        glibc_loader="lib/ld-linux.so.2", musl_loader="lib/ld-musl-i386.so.1", macho="X86", android="x86",
        windows="win32", windows_machine="x86", pe="I386", msvc="x86", mingw="i686-w64-mingw32",
    ),
    Architecture(
        name="aarch64", aliases=("arm64",), elf=("AARCH64", "ELF64", "LSB"), oci="linux/arm64",
        glibc_loader="lib/ld-linux-aarch64.so.1", musl_loader="lib/ld-musl-aarch64.so.1",
        macos="arm64", macho="ARM64", android="arm64_v8a",
        windows="win_arm64", windows_machine="arm64", pe="ARM64", msvc="aarch64",
    ),
    Architecture(
        name="armv7l", elf=("ARM", "ELF32", "LSB"), extension="arm", oci="linux/arm/v7", qemu="arm",
        glibc_loader="lib/ld-linux-armhf.so.3", musl_loader="lib/ld-musl-armhf.so.1", android="armeabi_v7a",
    ),
    Architecture(
        name="armv6l", elf=("ARM", "ELF32", "LSB"), oci="linux/arm/v6", qemu="arm",
        glibc_loader="lib/ld-linux-armhf.so.3",
    ),
    Architecture(
        name="ppc64le", elf=("PPC64", "ELF64", "LSB"), extension="powerpc64le", oci="linux/ppc64le",
        glibc_loader="lib64/ld64.so.2", musl_loader="lib/ld-musl-powerpc64le.so.1",
    ),
    Architecture(
        name="ppc64", elf=("PPC64", "ELF64", "MSB"), oci="linux/ppc64", glibc_loader="lib64/ld64.so.1",
    ),
    Architecture(
        name="s390x", elf=("S390", "ELF64", "MSB"), oci="linux/s390x",
        glibc_loader="lib/ld64.so.1", musl_loader="lib/ld-musl-s390x.so.1",
    ),
    Architecture(
        name="riscv64", elf=("RISCV", "ELF64", "LSB"), oci="linux/riscv64",
        glibc_loader="lib/ld-linux-riscv64-lp64d.so.1", musl_loader="lib/ld-musl-riscv64.so.1",
    ),
    Architecture(
        name="loongarch64", elf=("LOONGARCH", "ELF64", "LSB"), oci="linux/loong64",
        glibc_loader="lib64/ld-linux-loongarch-lp64d.so.1", musl_loader="lib/ld-musl-loongarch64.so.1",
    ),
)  # fmt: skip
"""Sources, read November 2026: PEP 600 and 656, the OCI image specification 1.1, the processor supplements that glibc
and musl follow, qemu's list of targets, LIEF 0.17, cargo-xwin 0.23."""

BY_NAME = {row.name: row for row in ARCHITECTURES}
BY_WINDOWS_TAG = {row.windows: row for row in ARCHITECTURES if row.windows}


def linux_machine(reported: str) -> str:
    """The name in Linux platform tags for a machine name that an operating system reports, in lower case."""
    return next((row.name for row in ARCHITECTURES if reported in (row.name, *row.aliases)), reported)


def macos_machine(reported: str) -> str:
    """The name in macOS platform tags for a machine name that an operating system reports, in lower case."""
    rows = (row for row in ARCHITECTURES if reported in (row.name, *row.aliases, row.macos))
    return next((row.macos for row in rows if row.macos), reported)


def elf_architecture(machine: str, bits: str, order: str) -> str:
    """The Linux name for an ELF header; `machine-bits-order` in lower case if no architecture matches."""
    rows = (row.name for row in ARCHITECTURES if row.elf == (machine, bits, order))
    return next(rows, "-".join((machine, bits, order)).lower())


def macho_architecture(cpu: str) -> str:
    """The macOS name for a Mach-O CPU type; the type in lower case if no architecture matches."""
    return next((row.macos or row.name for row in ARCHITECTURES if row.macho == cpu), cpu.lower())


def pe_architecture(machine: str) -> str:
    """The Windows platform tag for a PE machine; the machine in lower case if no architecture matches."""
    return next((row.windows for row in ARCHITECTURES if row.pe == machine), machine.lower())


_IOS = {"arm64_iphoneos": "arm64", "arm64_iphonesimulator": "arm64", "x86_64_iphonesimulator": "x86_64"}


def accepted_architectures(system: str, tag: str) -> tuple[str, ...]:
    """The values of `Binary.architecture` that a wheel may hold if its platform tag ends in `tag`."""
    if tag == "universal2":
        return ("arm64", "x86_64")
    if system == "ios":
        return (_IOS.get(tag, tag),)
    if system == "android":
        return tuple(row.name for row in ARCHITECTURES if row.android == tag) or (tag,)
    row = BY_NAME.get(tag) if system == "linux" else None
    return tuple(dict.fromkeys(other.name for other in ARCHITECTURES if row and other.elf == row.elf)) or (tag,)
