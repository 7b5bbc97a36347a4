"""Rules about the file itself: its name, its size, its archive, and the files in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from cartwheel.checks.candidate import Candidate
from cartwheel.model.wheels.target import pypi_accepts

MAXIMUM_SIZE = 100 * 1024 * 1024
BOMB = (64 * 1024 * 1024, 50)
"""Bytes and ratio: an archive that unpacks to more bytes must not unpack to more than ratio times its size."""
LONGEST_NAME = 255 - len(".metadata")


def readable(it: Candidate) -> Iterator[str]:
    if it.artifact.fault:
        yield f"cannot be opened: {it.artifact.fault}"


def size(it: Candidate) -> Iterator[str]:
    if it.artifact.size > MAXIMUM_SIZE:
        yield f"{it.artifact.size / 2**20:.1f} MB, expected at most {MAXIMUM_SIZE // 2**20}"


def bomb(it: Candidate) -> Iterator[str]:
    floor, ratio = BOMB
    if it.is_wheel and it.artifact.unpacked > max(floor, ratio * it.artifact.size):
        yield f"it unpacks to {it.artifact.unpacked // it.artifact.size} times its size, expected at most {ratio}"


def container(it: Candidate) -> Iterator[str]:
    yield from it.artifact.oddities
    doubles = [name for name, count in Counter(it.artifact.names).items() if count > 1]
    yield from (f"{name} is in it more than once" for name in doubles if it.is_wheel)
    if not it.is_wheel:
        outside = [name for name in it.artifact.names if not name.startswith(it.artifact.prefix)]
        if outside:
            yield f"{outside[0]} lies outside of {it.artifact.prefix}"


def case(it: Candidate) -> Iterator[str]:
    """Names that are one on another system: the last one unpacked wins.

    Windows and macOS ignore case, and macOS also whether an accent is part of its letter.
    """
    spellings: dict[str, list[str]] = {}
    for name in dict.fromkeys(it.artifact.files):
        spellings.setdefault(_one_name(name), []).append(name)
    folders = {_one_name(folder): folder for name in it.artifact.files for folder in _folders(name)}
    for spelling, names in spellings.items():
        if spelling in folders:
            names.append(f"{folders[spelling]}/")
        if len(names) > 1:
            where = "Windows and macOS" if len({name.lower().rstrip("/") for name in names}) == 1 else "macOS"
            yield f"{' and '.join(names)} are one file on {where}; rename one of them"


def _one_name(name: str) -> str:
    import unicodedata

    return unicodedata.normalize("NFC", name).lower()  # casefold would also make one of ß and ss


def _folders(name: str) -> Iterator[str]:
    parts = name.rstrip("/").split("/")
    return ("/".join(parts[:end]) for end in range(1, len(parts)))


_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\Z")
_NO_NAME = re.compile(r'[<>:"|?*\\\x00-\x1f]|[. ]\Z')
"""Characters that Windows has in no name, and the ends that it drops."""


def windows_names(it: Candidate) -> Iterator[str]:
    """Names that Windows cannot hold, in wheels that it installs."""
    if not it.is_wheel or not re.search(r"-(any|win[\w.]+)\.whl\Z", it.file):
        return
    parts = dict.fromkeys(part for name in it.artifact.names for part in name.split("/") if part)
    for part in parts:
        if _DEVICE.match(part.partition(".")[0].rstrip(" ")) or _NO_NAME.search(part):
            yield f"'{part}' is no name of a file or folder on Windows; rename it"


def foreign_files(it: Candidate) -> Iterator[str]:
    """Files that belong to a tool's state (`.git` of a submodule, `.cartwheel`), and Git LFS pointers."""
    for folder, reason in _TOOL_STATE.items():
        inside = [name for name in it.artifact.files if folder in name.split("/")]
        if inside:
            more = f" and {len(inside) - 1} more" if len(inside) > 1 else ""
            yield f"{inside[0]}{more} {reason}"
    for name in it.artifact.pointers:
        yield f"{name} is a pointer of Git LFS, not the content it stands for; run 'git lfs pull'"


_TOOL_STATE = {
    ".git": "belongs to git; exclude it from what the build backend packs",
    ".cartwheel": "is cartwheel's own state; add '.cartwheel/' to .gitignore or to the backend's excludes",
}


def file_name(it: Candidate) -> Iterator[str]:
    name, version = it.name_and_version
    stem = name.replace("-", "_")
    if not name:
        yield "not a valid file name; expected " + (
            "{name}-{version}[-{build}]-{python}-{abi}-{platform}.whl" if it.is_wheel else "{name}-{version}.tar.gz"
        )
    elif it.is_wheel and not it.file.startswith(f"{stem}-"):
        yield f"expected a name that starts with {stem}-"
    elif not it.is_wheel and it.file != f"{stem}-{version}.tar.gz":
        yield f"expected {stem}-{version}.tar.gz"
    if len(it.file.encode()) > LONGEST_NAME:
        yield f"a name of {len(it.file.encode())} bytes, expected at most {LONGEST_NAME}"


def platform_tags(it: Candidate) -> Iterator[str]:
    if it.is_wheel and it.name_and_version[0]:
        tags = it.file.removesuffix(".whl").rsplit("-", 1)[1].split(".")
        for tag in tags:
            if not pypi_accepts(tag):
                yield f"platform tag {tag} is not accepted"


def metadata_folder(it: Candidate) -> Iterator[str]:
    name, version = it.name_and_version
    folder = it.artifact.prefix
    expected = "-".join(it.file.split("-")[:2]) + ".dist-info/"
    several = sorted(
        {part for part in (name.split("/")[0] for name in it.artifact.names) if part.endswith(".dist-info")}
    )
    if not it.artifact.metadata:
        yield f"no {'METADATA' if it.is_wheel else 'PKG-INFO'} in {folder or 'it'}"
    elif name and it.is_wheel and folder != expected:
        yield f"its metadata is in {folder}, expected {expected}"
    elif name and not it.is_wheel and not _is_folder_of(folder.removesuffix("/"), name, version):
        yield f"its top folder is {folder}, expected {name.replace('-', '_')}-{version}/"
    if it.is_wheel and len(several) > 1:
        yield f"has {len(several)} .dist-info folders ({', '.join(several)}), expected one"


def _is_folder_of(stem: str, name: str, version: str) -> bool:
    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion, Version

    folder_name, _, folder_version = stem.rpartition("-")
    try:
        return canonicalize_name(folder_name) == name and str(Version(folder_version)) == version
    except InvalidVersion:
        return False


def wheel_file(it: Candidate) -> Iterator[str]:
    if it.is_wheel and it.artifact.prefix and "WHEEL" not in it.artifact.texts:
        yield f"no WHEEL in {it.artifact.prefix}"


def record(it: Candidate) -> Iterator[str]:
    if not it.is_wheel or not it.artifact.prefix:
        return
    if "RECORD" not in it.artifact.texts:
        yield f"no RECORD in {it.artifact.prefix}"
        return
    recorded = {path for path, _, _ in it.record}
    packed = set(it.artifact.files)
    signatures = {it.artifact.prefix + name for name in ("RECORD", "RECORD.jws", "RECORD.p7s")}
    yield from (f"{name} is not in its RECORD" for name in sorted(packed - recorded - signatures))
    yield from (f"{name} is in its RECORD and not in it" for name in sorted(recorded - packed - signatures))


_REFERENCE = re.compile(r"[A-Za-z_][\w.]*(\s*:\s*[A-Za-z_][\w.]*)?\s*(\[[^\]]*\])?")
_SCRIPTS = ("console_scripts", "gui_scripts")


def entry_points(it: Candidate) -> Iterator[str]:
    text = it.artifact.texts.get("entry_points.txt")
    if text is None:
        return
    from configparser import ConfigParser, Error

    parser = ConfigParser(delimiters=("=",), interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text.decode())
    except (Error, UnicodeDecodeError) as error:
        yield f"entry_points.txt cannot be read: {str(error).splitlines()[0]}"
        return
    for group in parser.sections():
        for name, value in parser.items(group):
            if not _REFERENCE.fullmatch(value.strip()) or (group in _SCRIPTS and ":" not in value):
                yield f"entry point {name} of {group} is '{value}', expected module:object"
