"""Compiled files, read from bytes written by hand."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from cartwheel.filesystem.binaries import binaries, images
from cartwheel.model.wheels.binary_facts import glibc_version, signature_problems
from support import wheels

ELF = [
    (62, 64, "<", "x86_64"),
    (3, 32, "<", "i686"),
    (183, 64, "<", "aarch64"),
    (40, 32, "<", "armv7l"),
    (21, 64, "<", "ppc64le"),
    (22, 64, ">", "s390x"),
    (243, 64, "<", "riscv64"),
]


@pytest.mark.parametrize(("machine", "bits", "order", "architecture"), ELF)
def test_an_elf_file_tells_its_architecture_needs_and_module(
    machine: int, bits: int, order: str, architecture: str
) -> None:
    content = wheels.elf(
        machine=machine,
        bits=bits,
        order=order,
        imports={"memcpy": "GLIBC_2.14", "PyList_New": ""},
        exports=("PyInit_a",),
    )
    (image,) = images("p/a.so", content)
    assert (image.format, image.architecture, image.needed) == ("elf", architecture, ("libc.so.6",))
    assert image.versions == (("GLIBC_2.14", "memcpy"),)
    assert (image.imports, image.modules) == (("PyList_New", "memcpy"), ("a",))


def test_a_32_bit_file_for_a_64_bit_machine_has_no_name_of_a_tag() -> None:
    (image,) = images("x32.so", wheels.elf(machine=62, bits=32))
    assert image.architecture == "x86_64-elf32-lsb"


def test_the_newest_glibc_is_compared_by_number_and_other_versions_do_not_count() -> None:
    imports = {"a": "GLIBC_2.9", "b": "GLIBC_2.17", "c": "GCC_3.0", "d": "GLIBC_PRIVATE"}
    (image,) = images("a.so", wheels.elf(imports=imports))
    assert image.libc == (2, 17)
    assert [glibc_version(v) for v in ("GLIBC_2.2.5", "GLIBC_PRIVATE", "GCC_3.0")] == [(2, 2), (0, 0), (0, 0)]


def test_a_universal_file_is_one_image_for_each_architecture() -> None:
    content = wheels.universal(wheels.macho(), wheels.macho(cpu=0x01000007, minimum_os=(10, 12)))
    facts = [(image.architecture, image.minimum_os) for image in images("a.so", content)]
    assert facts == [("arm64", (11, 0)), ("x86_64", (10, 12))]


def test_a_macho_file_tells_its_symbols_without_the_underscore() -> None:
    (image,) = images("a.so", wheels.macho(imports=("PyList_New",), exports=("PyInit_a",), debug=True))
    assert (image.imports, image.modules, image.needed) == (("PyList_New",), ("a",), ("/usr/lib/libSystem.B.dylib",))


@pytest.mark.parametrize(("machine", "tag"), [(0x8664, "win_amd64"), (0x14C, "win32"), (0xAA64, "win_arm64")])
def test_a_dll_tells_its_machine_and_what_it_loads(machine: int, tag: str) -> None:
    loads: Mapping[str, tuple[str, ...]] = {"python3.dll": ("PyList_New",), "KERNEL32.dll": ("Sleep",)}
    (image,) = images("a.pyd", wheels.pe(machine=machine, imports=loads, exports=("PyInit_a",)))
    assert (image.format, image.architecture) == ("pe", tag)
    assert (image.needed, image.imports) == (("python3.dll", "KERNEL32.dll"), ("PyList_New", "Sleep"))
    assert image.modules == ("a",)


@pytest.mark.parametrize(
    "content", [b"", b"MZ, a text", b"\xca\xfe\xba\xbe\0\0\0\x34a Java class", b"#!/bin/sh\n", b"\x7fEL"]
)
def test_what_only_looks_compiled_is_not(content: bytes) -> None:
    assert not list(images("a", content))


def test_a_damaged_file_is_an_image_that_fits_no_target() -> None:
    (image,) = images("a.so", b"\x7fELF" + b"\xff" * 8)
    assert image.architecture in ("unreadable", "none-none-none")


def test_compiled_files_are_found_by_their_content_wherever_they_lie_in_a_wheel(tmp_path: Path) -> None:
    files = {"a/__init__.py": "", "a/a.so": wheels.elf(), "a-1.data/scripts/tool": wheels.elf(machine=183)}
    path = wheels.wheel(tmp_path, "a-1-py3-none-any.whl", files)
    assert [(b.path, b.architecture) for b in binaries(path)] == [
        ("a/a.so", "x86_64"),
        ("a-1.data/scripts/tool", "aarch64"),
    ]


def test_the_signature_of_a_macho_image_is_read_and_its_page_hashes_are_compared() -> None:
    (signed,) = images("a.so", wheels.macho())
    (unsigned,) = images("a.so", wheels.macho(signed=False))
    changed = bytearray(wheels.macho())
    changed[0x180] ^= 1
    (altered,) = images("a.so", bytes(changed))
    assert (signed.signature, unsigned.signature, altered.signature) == ("valid", "missing", "invalid")


def test_each_slice_of_a_universal_file_has_its_own_signature() -> None:
    content = wheels.universal(wheels.macho(signed=False), wheels.macho(cpu=0x01000007))
    assert {one.architecture: one.signature for one in images("a.so", content)} == {
        "arm64": "missing",
        "x86_64": "valid",
    }


def test_an_arm64_image_without_a_valid_signature_is_refused_and_an_x86_64_one_is_not() -> None:
    (arm,) = images("a.so", wheels.macho(signed=False))
    (intel,) = images("b.so", wheels.macho(cpu=0x01000007, signed=False))
    (problem,) = signature_problems((arm, intel))
    assert problem.startswith("a.so: the signature of its arm64 image is missing, so macOS refuses to load it")
