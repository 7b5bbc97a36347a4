"""Reads the compiled files (ELF, Mach-O, PE) in a wheel: architecture, libraries, symbols and versions."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cartwheel.filesystem.distribution import wheel_contents
from cartwheel.filesystem.macho_signature import signature_state
from cartwheel.model.wheels.architecture import elf_architecture, macho_architecture, pe_architecture
from cartwheel.model.wheels.binary_facts import Binary


def binaries(wheel: Path) -> tuple[Binary, ...]:
    """Every compiled image in a wheel, recognised by its first bytes, in the order of the zip file."""
    return tuple(image for path, content in wheel_contents(wheel) for image in images(path, content))


def images(path: str, content: bytes) -> Iterator[Binary]:
    """The compiled images in one file; none if its format is not ELF, Mach-O or PE."""
    for recognised, read in _FORMATS:
        if recognised(content):
            yield from read(path, content)


def symbol_names(content: bytes) -> frozenset[str]:
    """The names of a compiled file's symbols, imported, exported and in its tables; empty for other files."""
    if not (_is_elf(content) or _is_macho(content) or _is_pe(content)):
        return frozenset()
    image = _lief().parse(io.BytesIO(content))
    if image is None:
        return frozenset()
    functions = (*image.imported_functions, *image.exported_functions)
    return frozenset(str(row.name) for row in (*image.symbols, *functions) if row.name)


def _name(value: Any) -> str:
    """The name of a value of lief's enumerations; lief returns a plain integer for a value that it does not know."""
    return str(value.name) if hasattr(value, "name") else f"unknown-{int(value):#x}"


def _is_elf(content: bytes) -> bool:
    return content[:4] == b"\x7fELF"


def _is_pe(content: bytes) -> bool:
    if content[:2] != b"MZ" or len(content) < 0x40:
        return False
    start = struct.unpack_from("<I", content, 0x3C)[0]
    return content[start : start + 4] == b"PE\0\0"


def _is_macho(content: bytes) -> bool:
    if content[:4] in (b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe"):
        return True
    # A Java class file has the same magic. Its version (45 or more) is where a universal file has its image count.
    return content[:4] in (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf") and 0 < content[7] < 45


def _elf(path: str, content: bytes) -> Iterator[Binary]:
    lief = _lief()
    config = lief.ELF.ParserConfig()
    config.parse_relocations = config.parse_symtab_symbols = config.parse_notes = False
    image = lief.ELF.parse(io.BytesIO(content), config)
    if image is None:
        yield Binary(path=path, format="elf", architecture="unreadable")
        return
    header = image.header
    yield Binary(
        path=path,
        format="elf",
        architecture=elf_architecture(*map(_name, (header.machine_type, header.identity_class, header.identity_data))),
        needed=tuple(image.libraries),
        versions=_versions(image),
        imports=tuple(sorted(s.name for s in image.dynamic_symbols if s.name and not s.shndx)),
        modules=_modules(s.name for s in image.dynamic_symbols if s.shndx),
    )


def _versions(image: Any) -> tuple[tuple[str, str], ...]:
    """Required symbol versions with the symbols that use them. A version without a symbol counts too: the loader
    rejects a file for any missing version."""
    needs = {(aux.name, "") for need in image.symbols_version_requirement for aux in need.get_auxiliary_symbols()}
    for symbol in (s for s in image.dynamic_symbols if not s.shndx):
        auxiliary = symbol.symbol_version.symbol_version_auxiliary if symbol.has_version else None
        if auxiliary is not None:
            needs.discard((auxiliary.name, ""))
            needs.add((auxiliary.name, symbol.name))
    return tuple(sorted(needs))


def _macho(path: str, content: bytes) -> Iterator[Binary]:
    lief = _lief()
    config = lief.MachO.ParserConfig.quick
    config.parse_dyld_exports = True
    parsed = lief.MachO.parse(io.BytesIO(content), config)
    if parsed is None:
        yield Binary(path=path, format="macho", architecture="unreadable")
        return
    for image in parsed:
        stated = image.build_version.minos if image.build_version else None
        stated = stated or (image.version_min.version if image.version_min else (0, 0))
        own_name = lief.MachO.LoadCommand.TYPE.ID_DYLIB
        yield Binary(
            path=path,
            format="macho",
            architecture=macho_architecture(_name(image.header.cpu_type)),
            minimum_os=(int(stated[0]), int(stated[1])),
            needed=tuple(library.name for library in image.libraries if library.command != own_name),
            imports=tuple(sorted(s.name.removeprefix("_") for s in image.imported_symbols)),
            modules=_modules(s.name.removeprefix("_") for s in (*image.exported_symbols, *_symbol_table(image))),
            signature=_signature(image, content),
        )


def _signature(image: Any, content: bytes) -> str:
    """The state of an image's code signature; `content` is the whole file, thin or universal."""
    if not image.has_code_signature:
        return "missing"
    signature = image.code_signature
    return signature_state(content[image.fat_offset :], signature.data_offset, signature.data_size)


def _symbol_table(image: Any) -> Iterator[Any]:
    """Exported symbols from the symbol table, where older linkers put them, without debugger entries (N_STAB, 0xE0)."""
    return (symbol for symbol in image.symbols if symbol.raw_type & 0xEE == 0x0E)


def _pe(path: str, content: bytes) -> Iterator[Binary]:
    lief = _lief()
    config = lief.PE.ParserConfig()
    config.parse_signature = config.parse_reloc = config.parse_rsrc = False
    image = lief.PE.parse(io.BytesIO(content), config)
    if image is None:
        yield Binary(path=path, format="pe", architecture="unreadable")
        return
    exported = image.get_export()
    yield Binary(
        path=path,
        format="pe",
        architecture=pe_architecture(_name(image.header.machine)),
        needed=tuple(image.libraries),
        imports=tuple(sorted({e.name for dll in image.imports for e in dll.entries if not e.is_ordinal})),
        modules=_modules(e.name for e in exported.entries) if exported else (),
    )


_EXPORTED = ("PyInit_", "PyModExport_")
"""Prefixes of the symbol through which a module is imported (PEP 3121; PEP 793, from 3.15 on)."""


def _modules(symbols: Iterator[str]) -> tuple[str, ...]:
    names = (symbol.removeprefix(start) for symbol in symbols for start in _EXPORTED if symbol.startswith(start))
    return tuple(sorted(set(names)))


def _lief() -> Any:
    """The module lief without its log messages. Importing it takes half a second."""
    import lief

    lief.logging.disable()
    lief.disable_leak_warning()  # printed at exit, where nothing is collected
    return lief


_FORMATS: tuple[tuple[Callable[[bytes], bool], Callable[[str, bytes], Iterator[Binary]]], ...] = (
    (_is_elf, _elf),
    (_is_macho, _macho),
    (_is_pe, _pe),
)
