"""Fake wheels from a dict, and compiled files small enough to be written by hand: just what tools read of them."""

from __future__ import annotations

import base64
import hashlib
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

EPOCH = (2026, 11, 21, 0, 0, 0)


def wheel(
    folder: Path,
    name: str,
    files: Mapping[str, bytes | str],
    *,
    metadata: str = "",
    tags: tuple[str, ...] | None = None,
    record: str | None = None,
) -> Path:
    """Write a wheel of that name; METADATA, WHEEL and RECORD are made to fit unless they are given."""
    distribution, version, *_, pythons, abis, platforms = name.removesuffix(".whl").split("-")
    info = f"{distribution}-{version}.dist-info"
    listed = tags or tuple(
        f"{p}-{a}-{q}" for p in pythons.split(".") for a in abis.split(".") for q in platforms.split(".")
    )
    purelib = "true" if platforms == "any" else "false"
    head = f"Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: {purelib}\n"
    every = {
        **{path: content.encode() if isinstance(content, str) else content for path, content in files.items()},
        f"{info}/METADATA": (metadata or METADATA.format(name=distribution, version=version)).encode(),
        f"{info}/WHEEL": (head + "".join(f"Tag: {tag}\n" for tag in listed)).encode(),
    }
    rows = "".join(f"{path},sha256={_digest(content)},{len(content)}\n" for path, content in every.items())
    every[f"{info}/RECORD"] = (f"{rows}{info}/RECORD,,\n" if record is None else record).encode()
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in every.items():
            archive.writestr(zipfile.ZipInfo(path, EPOCH), content)
    return folder / name


METADATA = """\
Metadata-Version: 2.4
Name: {name}
Version: {version}
Summary: A fake
Description-Content-Type: text/markdown

# A fake
"""


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def elf(
    *,
    machine: int = 62,
    bits: int = 64,
    order: str = "<",
    needed: tuple[str, ...] = ("libc.so.6",),
    imports: Mapping[str, str] | None = None,
    exports: tuple[str, ...] = (),
) -> bytes:
    """A shared library for the dynamic loader's eyes; `imports` maps symbols to the glibc version of each, or `""`."""
    modules = imports or {}
    versions = sorted({version for version in modules.values() if version})
    strings = _Strings((*needed, *modules, *versions, *exports))
    symbols = [(0, 0, 0)] + [(strings[s], 0, 2 + versions.index(v) if v else 1) for s, v in modules.items()]
    symbols += [(strings[s], 1, 1) for s in exports]
    wide = bits == 64
    sym = "IBBHQQ" if wide else "IIIBBH"
    sizes = (64, 56, 64) if wide else (52, 32, 40)
    table = b"".join(
        struct.pack(order + sym, n, 0x12, 0, d, d, 0) if wide else struct.pack(order + sym, n, d, 0, 0x12, 0, d)
        for n, d, _ in symbols
    )
    needs = b""
    if versions:
        needs = struct.pack(order + "HHIII", 1, len(versions), strings[needed[0]], 16, 0)
        for index, version in enumerate(versions):
            last = index == len(versions) - 1
            needs += struct.pack(order + "IHHII", _hash(version), 0, 2 + index, strings[version], 0 if last else 16)
    parts = {
        ".dynsym": table,
        ".dynstr": strings.bytes,
        ".gnu.version": b"".join(struct.pack(order + "H", v) for *_, v in symbols),
        ".gnu.version_r": needs,
        ".hash": struct.pack(f"{order}{3 + len(symbols)}I", 1, len(symbols), 0, *([0] * len(symbols))),
        ".dynamic": b"",
    }
    word = order + ("QQ" if wide else "II")
    if not versions:  # readers refuse a table of needs that is empty
        del parts[".gnu.version"], parts[".gnu.version_r"]
    start = sizes[0] + 2 * sizes[1]
    places, body = {}, b""
    for name, content in parts.items():
        body += b"\0" * (-len(body) % 8)
        places[name] = start + len(body)
        body += content
    dynamic = [(1, strings[n]) for n in needed]
    dynamic += [
        (5, places[".dynstr"]),
        (10, len(strings.bytes)),
        (6, places[".dynsym"]),
        (11, struct.calcsize(order + sym)),
    ]
    dynamic += [(4, places[".hash"])]
    if versions:
        dynamic += [(0x6FFFFFF0, places[".gnu.version"]), (0x6FFFFFFE, places[".gnu.version_r"]), (0x6FFFFFFF, 1)]
    parts[".dynamic"] = b"".join(struct.pack(word, *entry) for entry in [*dynamic, (0, 0)])
    body += parts[".dynamic"]
    names = _Strings((*parts, ".shstrtab"))
    name_table = start + len(body)
    body += names.bytes
    body += b"\0" * (-len(body) % 8)
    kinds = {
        ".dynsym": 11,
        ".dynstr": 3,
        ".gnu.version": 0x6FFFFFFF,
        ".gnu.version_r": 0x6FFFFFFE,
        ".hash": 5,
        ".dynamic": 6,
    }
    sections = [(0, 0, 0, 0, 0, 0, 0)]
    for name, content in parts.items():
        entry = {".dynsym": struct.calcsize(order + sym), ".gnu.version": 2, ".dynamic": struct.calcsize(word)}.get(
            name, 0
        )
        link, count = {
            ".dynsym": (2, 1),
            ".gnu.version": (1, 0),
            ".gnu.version_r": (2, 1),
            ".hash": (1, 0),
            ".dynamic": (2, 0),
        }.get(name, (0, 0))
        sections.append((names[name], kinds[name], places[name], len(content), link, count, entry))
    sections.append((names[".shstrtab"], 3, name_table, len(names.bytes), 0, 0, 0))
    form = order + ("IIQQQQIIQQ" if wide else "IIIIIIIIII")
    headers = b"".join(
        struct.pack(form, n, kind, 2, at, at, size, link, info, 8, each)
        for n, kind, at, size, link, info, each in sections
    )
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + b"\0" * 9
    address = "QQQ" if wide else "III"
    header = ident + struct.pack(
        f"{order}HHI{address}IHHHHHH",
        3, machine, 1, 0, sizes[0], start + len(body), 0, sizes[0], sizes[1], 2, sizes[2],
        len(sections), len(sections) - 1,
    )  # fmt: skip
    whole = start + len(body) + len(headers)
    segments = ((1, 0, whole), (2, places[".dynamic"], len(parts[".dynamic"])))
    program = b"".join(
        struct.pack(order + "IIQQQQQQ", kind, 6, at, at, at, size, size, 8)
        if wide
        else struct.pack(order + "IIIIIIII", kind, at, at, at, size, size, 6, 8)
        for kind, at, size in segments
    )
    return header + program + body + headers


class _Strings:
    """A string table."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self.bytes = b"\0"
        self._at: dict[str, int] = {}
        for word in words:
            if word not in self._at:
                self._at[word] = len(self.bytes)
                self.bytes += word.encode() + b"\0"

    def __getitem__(self, word: str) -> int:
        return self._at[word]


def _hash(name: str) -> int:
    value = 0
    for letter in name.encode():
        value = (value << 4) + letter
        high = value & 0xF0000000
        value = (value ^ (high >> 24)) & ~high & 0xFFFFFFFF
    return value


def macho(
    *,
    cpu: int = 0x0100000C,
    minimum_os: tuple[int, int] = (11, 0),
    imports: tuple[str, ...] = (),
    exports: tuple[str, ...] = (),
    debug: bool = False,
    signed: bool = True,
) -> bytes:
    """A 64-bit Mach-O library; `cpu` 0x0100000C is arm64, 0x01000007 x86_64; `debug` adds a debugger's symbol.

    `signed` adds an ad-hoc signature, as every linker does for arm64.
    """
    strings = _Strings(tuple(f"_{name}" for name in (*imports, *exports)))
    symbols = b"".join(struct.pack("<IBBHQ", strings[f"_{s}"], 0x01, 0, 0x100, 0) for s in imports)
    symbols += b"".join(struct.pack("<IBBHQ", strings[f"_{s}"], 0x0F, 1, 0, 0) for s in exports)
    symbols += struct.pack("<IBBHQ", 0, 0x64, 0, 0, 0) if debug else b""
    library = b"/usr/lib/libSystem.B.dylib\0".ljust(32, b"\0")
    loads = struct.pack("<IIIIII", 0xC, 24 + len(library), 24, 0, 0x10000, 0x10000) + library
    loads += struct.pack("<IIIIII", 0x32, 24, 1, minimum_os[0] << 16 | minimum_os[1] << 8, minimum_os[0] << 16, 0)
    at = 32 + len(loads) + 24 + 152 + 72 + (16 if signed else 0)
    padding = b"\0" * (-(at + len(symbols) + len(strings.bytes)) % 16)
    limit = at + len(symbols) + len(strings.bytes) + len(padding)
    pages = -(-limit // 4096)
    directory = (
        struct.pack(">IIIIIIIII4BI", 0xFADE0C02, 46 + 32 * pages, 0x20001, 2, 46, 44, 0, pages, limit, 32, 2, 0, 12, 0)
        + b"a\0"
    )
    blob = struct.pack(">IIIII", 0xFADE0CC0, 20 + 46 + 32 * pages, 1, 0, 20) + directory
    size = len(blob) + 32 * pages if signed else 0
    whole = limit + size
    text = struct.pack("<II16sQQQQiiII", 0x19, 152, b"__TEXT", 0, at, 0, at, 5, 5, 1, 0)
    text += struct.pack("<16s16sQQIIIIIIII", b"__text", b"__TEXT", at, 0, at, 0, 0, 0, 0, 0, 0, 0)
    link = struct.pack("<II16sQQQQiiII", 0x19, 72, b"__LINKEDIT", at, whole - at, at, whole - at, 1, 1, 0, 0)
    count = len(symbols) // 16
    table = struct.pack("<IIIIII", 0x2, 24, at, count, at + len(symbols), len(strings.bytes))
    signature = struct.pack("<IIII", 0x1D, 16, limit, size) if signed else b""
    commands = text + link + loads + table + signature
    header = struct.pack("<IIIIIIII", 0xFEEDFACF, cpu, 0, 6, 6 if signed else 5, len(commands), 0x85, 0)
    content = header + commands + symbols + strings.bytes + padding
    if not signed:
        return content
    return content + blob + b"".join(hashlib.sha256(content[n : n + 4096]).digest() for n in range(0, limit, 4096))


def universal(*slices: bytes) -> bytes:
    """A universal Mach-O file."""
    at, table, body = 0x1000, b"", b""
    for content in slices:
        cpu = struct.unpack_from("<I", content, 4)[0]
        table += struct.pack(">IIIII", cpu, 0, at + len(body), len(content), 12)
        body += content + b"\0" * (-len(content) % 0x1000)
    return (struct.pack(">II", 0xCAFEBABE, len(slices)) + table).ljust(at, b"\0") + body


def pe(
    *, machine: int = 0x8664, imports: Mapping[str, tuple[str, ...]] | None = None, exports: tuple[str, ...] = ()
) -> bytes:
    """A DLL; `machine` is 0x8664 for amd64, 0x14C for x86, 0xAA64 for arm64; `imports` maps DLLs to symbols."""
    base, wide = 0x1000, machine != 0x14C
    data = bytearray(20 * (len(imports or {}) + 1))
    word = struct.Struct("<Q" if wide else "<I")

    def put(content: bytes) -> int:
        data.extend(b"\0" * (-len(data) % 8))
        data.extend(content)
        return base + len(data) - len(content)

    for index, (dll, symbols) in enumerate((imports or {}).items()):
        names = [put(b"\0\0" + symbol.encode() + b"\0") for symbol in symbols]
        thunks = b"".join(word.pack(name) for name in (*names, 0))
        lookup, bound, title = put(thunks), put(thunks), put(dll.encode() + b"\0")
        struct.pack_into("<IIIII", data, 20 * index, lookup, 0, 0, title, bound)
    listed = [put(symbol.encode() + b"\0") for symbol in exports]
    functions = put(struct.pack(f"<{len(exports)}I", *([base] * len(exports))))
    names_at = put(struct.pack(f"<{len(exports)}I", *listed))
    ordinals = put(struct.pack(f"<{len(exports)}H", *range(len(exports))))
    own = put(b"own.dll\0")
    count = len(exports)
    table = put(struct.pack("<IIHHIIIIIII", 0, 0, 0, 0, own, 1, count, count, functions, names_at, ordinals))
    directories = struct.pack("<IIII", table, 40, base, 20 * (len(imports or {}) + 1)) + b"\0" * 8 * 14
    size = len(data) + (-len(data) % 0x200)
    standard = struct.pack("<HBBIIIII", 0x20B if wide else 0x10B, 0, 0, 0, size, 0, 0, base) + (
        b"" if wide else b"\0" * 4
    )
    windows = struct.pack("<Q" if wide else "<I", 0x180000000 if wide else 0x10000000)
    windows += struct.pack("<IIHHHHHHIIIIHH", 0x1000, 0x200, 6, 0, 0, 0, 6, 0, 0, 0x2000 + size, 0x200, 0, 2, 0x160)
    windows += struct.pack("<QQQQ" if wide else "<IIII", 0x100000, 0x1000, 0x100000, 0x1000) + struct.pack("<II", 0, 16)
    optional = standard + windows + directories
    header = b"PE\0\0" + struct.pack("<HHIIIHH", machine, 1, 0, 0, 0, len(optional), 0x2022)
    section = struct.pack("<8sIIIIIIHHI", b".rdata", len(data), base, size, 0x200, 0, 0, 0, 0, 0x40000040)
    dos = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    return (dos + header + optional + section).ljust(0x200, b"\0") + bytes(data).ljust(size, b"\0")
