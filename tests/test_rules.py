"""The rules of finished files as values: each rule's whole answer for a file of these facts, without an archive."""

from __future__ import annotations

from typing import Literal

import pytest
import trove_classifiers
from msgspec.structs import replace

from cartwheel.checks.candidate import Candidate, Plan, WheelEntry
from cartwheel.checks.content_rules import _outside_of_abi3
from cartwheel.checks.file_rules import LONGEST_NAME, MAXIMUM_SIZE
from cartwheel.checks.index_rules import Finding, declared_findings, name_findings
from cartwheel.checks.rules import OF_OTHER_TOOLS, RULES, problems, problems_by_rule, warnings
from cartwheel.filesystem.distribution import Distribution
from cartwheel.model.wheels.binary_facts import Binary
from cartwheel.model.wheels.target import TARGETS, platform_tag
from cartwheel.model.wheels.wheel_name import WheelName

WHEEL, SDIST = "de_mo-1.0-py3-none-any.whl", "de_mo-1.0.tar.gz"
INFO, TOP = "de_mo-1.0.dist-info/", "de_mo-1.0/"
MIB = 2**20


def file(name: str = WHEEL, **facts: object) -> Candidate:
    """A file of that name with these facts."""
    kind: Literal["wheel", "sdist"] = "wheel" if name.endswith(".whl") else "sdist"
    prefix = INFO if kind == "wheel" else TOP
    return Candidate(artifact=Distribution(**{"file": name, "kind": kind, "size": 1, "prefix": prefix, **facts}))  # type: ignore[arg-type]


def answer(rule: str, candidate: Candidate) -> tuple[str, ...]:
    """All that one rule says of a file."""
    return tuple(next(row for row in RULES if row.name == rule).judge(candidate))


# The file itself ------------------------------------------------------------------------------------------------------


def entry_points(text: str | bytes) -> Candidate:
    return file(texts={"entry_points.txt": text if isinstance(text, bytes) else text.encode()})


def recorded(record: str, *names: str) -> Candidate:
    return file(names=(*names, f"{INFO}RECORD"), texts={"RECORD": record.encode()})


NO_WHEEL_NAME = "not a valid file name; expected {name}-{version}[-{build}]-{python}-{abi}-{platform}.whl"
NO_SDIST_NAME = "not a valid file name; expected {name}-{version}.tar.gz"

FILES: tuple[tuple[str, Candidate, tuple[str, ...]], ...] = (
    ("readable", file(), ()),
    ("readable", file(fault="not a zip file"), ("cannot be opened: not a zip file",)),
    ("size", file(size=MAXIMUM_SIZE), ()),
    ("size", file(size=MAXIMUM_SIZE + 1), ("100.0 MB, expected at most 100",)),
    ("size", file(SDIST, size=150 * MIB + MIB // 2), ("150.5 MB, expected at most 100",)),
    ("bomb", file(size=1, unpacked=64 * MIB), ()),
    ("bomb", file(size=MIB, unpacked=64 * MIB + 1), ("it unpacks to 64 times its size, expected at most 50",)),
    ("bomb", file(size=2 * MIB, unpacked=100 * MIB), ()),
    ("bomb", file(size=2 * MIB, unpacked=100 * MIB + 1), ("it unpacks to 50 times its size, expected at most 50",)),
    ("bomb", file(SDIST, size=1, unpacked=65 * MIB), ()),
    ("container", file(names=("a", "b")), ()),
    ("container", file(oddities=("one", "two"), names=("a", "b", "a")), ("one", "two", "a is in it more than once")),
    ("container", file(SDIST, oddities=("one",), names=(f"{TOP}a", f"{TOP}a")), ("one",)),
    ("container", file(SDIST, names=(f"{TOP}a", "x", "y")), (f"x lies outside of {TOP}",)),
    ("case", file(names=("Data/", "data/", "a", "a")), ()),
    ("case", file(names=("b/x", "a/Data", "a/data", "a/DATA", "B/x")), (
        "b/x and B/x are one file on Windows and macOS; rename one of them",
        "a/Data and a/data and a/DATA are one file on Windows and macOS; rename one of them",
    )),
    ("windows-names", file(names=("nul/a", "a/nul.tar", "a/conX.txt", "a/")), (
        "'nul' is no name of a file or folder on Windows; rename it",
        "'nul.tar' is no name of a file or folder on Windows; rename it",
    )),
    ("windows-names", file(names=("nul .txt",)), ("'nul .txt' is no name of a file or folder on Windows; rename it",)),
    ("windows-names", file("a-1.0-cp311-abi3-linux_x86_64.whl", names=("nul",)), ()),
    ("windows-names", file(SDIST, names=("nul",)), ()),
    ("foreign-files", file(names=("a/.git",)), (
        "a/.git belongs to git; exclude it from what the build backend packs",
    )),
    ("foreign-files", file(names=("a/.git/x", "a/.git/y", ".cartwheel/1", ".cartwheel/2", ".cartwheel/3"),
                           pointers=("a.bin", "b.bin")), (
        "a/.git/x and 1 more belongs to git; exclude it from what the build backend packs",
        ".cartwheel/1 and 2 more is cartwheel's own state; add '.cartwheel/' to .gitignore or to the backend's "
        "excludes",
        "a.bin is a pointer of Git LFS, not the content it stands for; run 'git lfs pull'",
        "b.bin is a pointer of Git LFS, not the content it stands for; run 'git lfs pull'",
    )),
    ("file-name", file(), ()),
    ("file-name", file(SDIST), ()),
    ("file-name", file("demo.whl"), (NO_WHEEL_NAME,)),
    ("file-name", file("demo.tar.gz"), (NO_SDIST_NAME,)),
    ("file-name", file("De.Mo-1.0-py3-none-any.whl"), ("expected a name that starts with de_mo-",)),
    ("file-name", file("de_mo-01.0.tar.gz"), ("expected de_mo-1.0.tar.gz",)),
    ("file-name", file(f"{'a' * (LONGEST_NAME - 11)}-1.0.tar.gz"), ()),
    ("file-name", file(f"{'a' * (LONGEST_NAME - 10)}-1.0.tar.gz"), ("a name of 247 bytes, expected at most 246",)),
    ("file-name", file(f"{'é' * 123}.whl"), (NO_WHEEL_NAME, "a name of 250 bytes, expected at most 246")),
    ("platform-tag", file(), ()),
    ("platform-tag", file("a-1.0-cp311-abi3-linux_x86_64.win32.linux_i686.whl"), (
        "platform tag linux_x86_64 is not accepted", "platform tag linux_i686 is not accepted",
    )),
    ("platform-tag", file("a-linux_x86_64.whl"), ()),
    ("platform-tag", file("a-1.0-linux_x86_64.tar.gz"), ()),
    ("metadata-folder", file(metadata=b"Name: x"), ()),
    ("metadata-folder", file(metadata=b"Name: x", names=(f"{INFO}A",)), ()),
    ("metadata-folder", file(SDIST, metadata=b"Name: x"), ()),
    ("metadata-folder", file(), (f"no METADATA in {INFO}",)),
    ("metadata-folder", file(SDIST), (f"no PKG-INFO in {TOP}",)),
    ("metadata-folder", file(prefix=""), ("no METADATA in it",)),
    ("metadata-folder", file("b-1.0-py3-none-any.whl", metadata=b"x"), (
        f"its metadata is in {INFO}, expected b-1.0.dist-info/",
    )),
    ("metadata-folder", file("nonsense.whl", metadata=b"x"), ()),
    ("metadata-folder", file("nonsense.tar.gz", metadata=b"x"), ()),
    ("metadata-folder", file(SDIST, prefix="De.Mo-1.0.0/", metadata=b"x"), (
        "its top folder is De.Mo-1.0.0/, expected de_mo-1.0/",
    )),
    ("metadata-folder", file(SDIST, prefix="De.Mo-v1.0/", metadata=b"x"), ()),
    ("metadata-folder", file(SDIST, prefix="de-mo-1.0/", metadata=b"x"), ()),
    ("metadata-folder", file(SDIST, prefix="demo-1.0/", metadata=b"x"), (
        "its top folder is demo-1.0/, expected de_mo-1.0/",
    )),
    ("metadata-folder", file(SDIST, prefix="de_mo-one/", metadata=b"x"), (
        "its top folder is de_mo-one/, expected de_mo-1.0/",
    )),
    ("metadata-folder", file(metadata=b"x", names=(f"{INFO}A", "b.dist-info/A", "a/c.dist-info/A", f"{INFO}B")), (
        f"has 2 .dist-info folders (b.dist-info, {INFO.rstrip('/')}), expected one",
    )),
    ("metadata-folder", file(SDIST, metadata=b"x", names=("a.dist-info/A", "b.dist-info/A")), ()),
    ("wheel-file", file(), (f"no WHEEL in {INFO}",)),
    ("wheel-file", file(texts={"WHEEL": b""}), ()),
    ("wheel-file", file(prefix=""), ()),
    ("wheel-file", file(SDIST), ()),
    ("record", file(), (f"no RECORD in {INFO}",)),
    ("record", file(prefix=""), ()),
    ("record", file(SDIST), ()),
    ("record", recorded("b,,\na,,\n", "a", "b", "c/", f"{INFO}RECORD.jws", f"{INFO}RECORD.p7s"), ()),
    ("record", recorded("gone,,\nfar,,\n", "new", "fresh"), (
        "fresh is not in its RECORD", "new is not in its RECORD",
        "far is in its RECORD and not in it", "gone is in its RECORD and not in it",
    )),
    ("entry-points", file(), ()),
    ("entry-points", entry_points("[console_scripts]\nb:c = m.n : o.p [extra]\n[gui_scripts]\na = m:o\n"), ()),
    ("entry-points", entry_points("[any.group]\na = module\n"), ()),
    ("entry-points", entry_points("[gui_scripts]\nNo = m\n[console_scripts]\nno = a%b:c\n[x]\nx = 1\ny = \n"), (
        "entry point No of gui_scripts is 'm', expected module:object",
        "entry point no of console_scripts is 'a%b:c', expected module:object",
        "entry point x of x is '1', expected module:object",
        "entry point y of x is '', expected module:object",
    )),
    ("entry-points", entry_points("[console_scripts]\na = m:o\na = n:o\n"), (
        "entry_points.txt cannot be read: While reading from '<string>' [line  3]: option 'a' in section "
        "'console_scripts' already exists",
    )),
    ("entry-points", entry_points("a = m:o\n"), (
        "entry_points.txt cannot be read: File contains no section headers.",
    )),
    ("entry-points", entry_points(b"\xff"), (
        "entry_points.txt cannot be read: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
    )),
)  # fmt: skip


# Metadata -------------------------------------------------------------------------------------------------------------

HEAD = "Metadata-Version: 2.4\nName: de-mo\nVersion: 1.0\n"


def stated(text: str, name: str = WHEEL, **facts: object) -> Candidate:
    """A file with exactly this metadata."""
    return file(name, metadata=text.encode(), **facts)


METADATA: tuple[tuple[str, Candidate, tuple[str, ...]], ...] = (
    ("metadata-version", stated(HEAD), ()),
    ("metadata-version", stated("Metadata-Version: 2.0\n"), (
        "metadata version '2.0', expected one of 1.0, 1.1, 1.2, 2.1, 2.2, 2.3, 2.4, 2.5",
    )),
    ("metadata-fields", stated(f"{HEAD}Summary: a\n"), ()),
    ("metadata-fields", file(), ()),
    ("metadata-fields", stated(f"{HEAD}Zeal: 1\nSummary: a\nSummary: b\n"), (
        "metadata field summary is unknown, doubled or malformed",
        "metadata field zeal is unknown, doubled or malformed",
    )),
    ("metadata-fields", stated("Metadata-Version: 2.0\nZeal: 1\n"), (
        "metadata field zeal is unknown, doubled or malformed",
    )),
    ("metadata-fields", stated(f"{HEAD}Requires-Python: x\nDynamic: name\n"), (
        "metadata: 'name' is not allowed as a dynamic field", "metadata: 'x' is invalid for 'requires-python'",
    )),
    ("same-as-named", stated(HEAD), ()),
    ("same-as-named", stated(HEAD, SDIST), ()),
    ("same-as-named", stated(HEAD.replace("1.0", "1.0.0").replace("de-mo", "De.Mo")), ()),
    ("same-as-named", stated(HEAD.replace("1.0", "1.0.0"), SDIST), (
        "its metadata says version '1.0.0', its name 1.0",
    )),
    ("same-as-named", stated(HEAD.replace("1.0", "2.0").replace("de-mo", "x")), (
        "its metadata is of 'x', expected 'de-mo'", "its metadata says version '2.0', its name 1.0",
    )),
    ("same-as-named", stated(HEAD.replace("1.0", "one"), SDIST), (
        "its metadata says version 'one', which PEP 440 has not",
    )),
    ("same-as-named", stated(HEAD, "nonsense.whl"), ()),
    ("same-as-named", file(), ()),
    ("project-name", stated(HEAD.replace("de-mo", "A")), ()),
    ("project-name", stated(HEAD.replace("de-mo", "a.b_c-9")), ()),
    ("project-name", file(), ()),
    ("project-name", stated(HEAD.replace("de-mo", "-a")), (
        "'-a' is not a valid project name; letters, digits, and between them . _ -",
    )),
    ("project-name", stated(HEAD.replace("de-mo", "é")), (
        "'é' is not a valid project name; letters, digits, and between them . _ -",
    )),
    ("local-version", stated(HEAD), ()),
    ("local-version", stated(HEAD.replace("1.0", "1.0+a")), ("version 1.0+a has a local part; an index takes none",)),
    ("summary", stated(f"{HEAD}Summary: {'a' * 512}\n"), ()),
    ("summary", stated(f"{HEAD}Summary: {'a' * 513}\n"), ("the summary has 513 characters, expected at most 512",)),
    ("summary", stated(f"{HEAD}Summary: a\n        b\n"), ("the summary has more than one line",)),
    ("urls", stated(f"{HEAD}Home-page: https://a.example:80/b?c#d\nProject-URL: {'a' * 32}, http://a.example\n"), ()),
    ("urls", stated(f"{HEAD}Project-URL: {'a' * 33}, https://a.example\n"), (
        f"URL label '{'a' * 33}' has 33 characters, expected at most 32",
    )),
    ("urls", stated(f"{HEAD}Project-URL: ,https://a.example\nProject-URL: Docs\n"), (
        "URL 'https://a.example' has no label", "URL 'Docs' has no address",
    )),
    ("urls", stated(f"{HEAD}Home-page: ftp://a.example\nDownload-URL: b\nProject-URL: Docs, https://c:99999\n"), (
        "URL Home-page is 'ftp://a.example', expected one with http or https",
        "URL Download-URL is 'b', expected one with http or https",
        "URL Docs is 'https://c:99999', expected one with http or https",
    )),
    ("emails", stated(f"{HEAD}Author-email: Me <me@a.dev>, no\nMaintainer-email: Only a name <>\n"), ()),
    ("emails", stated(f"{HEAD}Author-email: a\nMaintainer-email: b\n"), (
        "Author-email 'a': An email address must have an @-sign.",
        "Maintainer-email 'b': An email address must have an @-sign.",
    )),
    ("urls", stated(f"{HEAD}Home-page: https://a.example/[x]\nDownload-URL: https://a.example/?[x]\n"), (
        "URL Home-page is 'https://a.example/[x]', expected one with http or https",
        "URL Download-URL is 'https://a.example/?[x]', expected one with http or https",
    )),
    ("emails", stated(f"{HEAD}Author-email: Only a name <>\nMaintainer-email: b\n"), (
        "Maintainer-email 'b': An email address must have an @-sign.",
    )),
    ("direct-url", stated(f"{HEAD}Requires-Dist: a>=1\nRequires-Dist: b >=\nProvides-Dist: c\n"), ()),
    ("direct-url", stated(f"{HEAD}Requires-Dist: b >=\nRequires-Dist: a @ https://a.example/a.whl\n"), (
        "it depends on 'a @ https://a.example/a.whl'; an index takes no direct URLs",
    )),
    ("direct-url", stated(f"{HEAD}Provides-Dist: ?\nProvides-Dist: b @ https://b.example/b\nObsoletes-Dist: !\n"), (
        "'?' is not a valid requirement", "it depends on 'b @ https://b.example/b'; an index takes no direct URLs",
        "'!' is not a valid requirement",
    )),
    ("classifiers", stated(f"{HEAD}Classifier: Private :: Do Not Upload\nClassifier: Topic :: Internet\n"), ()),
    ("classifiers", stated(
        f"{HEAD}Classifier: Private :: x\nClassifier: Natural Language :: Ukranian\nClassifier: Topic :: X\n"
        "Classifier: Topic :: Communications :: Chat :: AOL Instant Messenger\n"
    ), (
        "classifier 'Natural Language :: Ukranian' is deprecated; use 'Natural Language :: Ukrainian'",
        "classifier 'Topic :: X' is not known",
        "classifier 'Topic :: Communications :: Chat :: AOL Instant Messenger' is deprecated; drop it",
    )),
    ("private", stated(f"{HEAD}Classifier: Topic :: X\n"), ()),
    ("private", stated(f"{HEAD}Classifier: Private :: a\nClassifier: Private :: b\n"), (
        "classifier 'Private :: a' asks not to be published", "classifier 'Private :: b' asks not to be published",
    )),
    ("licence", stated(f"{HEAD}License: MIT\n"), ()),
    ("licence", stated(f"{HEAD}License-Expression: MIT\n"), ()),
    ("licence", stated(f"{HEAD}License-Expression: MIT\nLicense: MIT\n"), (
        "it has both License and License-Expression; expected one of them",
    )),
    ("licence-files", stated(HEAD), ()),
    ("licence-files", stated(f"{HEAD}License-File: A\nLicense-File: b/C\n", names=(f"{INFO}licenses/A",)), (
        f"License-File b/C is not at {INFO}licenses/b/C",
    )),
    ("licence-files", stated(f"{HEAD}License-File: A\nLicense-File: B\n", SDIST, names=(f"{TOP}A",)), (
        f"License-File B is not at {TOP}B",
    )),
    ("description", stated(f"{HEAD}Description-Content-Type: text/x-rst\n\n*fine*\n"), ()),
    ("description", stated(f"{HEAD}Description-Content-Type: text/markdown\n\n.. nonsense::\n"), ()),
    ("description", stated(f"{HEAD}\n \n"), ()),
    ("description", stated(f"{HEAD}Description-Content-Type:  Text/X-RST ; charset=UTF-8\n\n.. nonsense::\n"), (
        'its description is not valid reStructuredText: <string>:1: (ERROR/3) Unknown directive type "nonsense".',
    )),
    ("description", stated(f"{HEAD}\n.. nonsense::\n"), (
        'its description is not valid reStructuredText: <string>:1: (ERROR/3) Unknown directive type "nonsense".',
    )),
    ("readme", stated(f"{HEAD}Description-Content-Type: text/markdown\n\nwords\n"), ()),
    ("readme", stated(f"{HEAD}\n \n"), ("it has no description; name a readme in [project]",)),
    ("readme", stated(f"{HEAD}\nwords\n"), (
        "its description has no content type, so an index reads it as reStructuredText",
    )),
)  # fmt: skip


# Its plan -------------------------------------------------------------------------------------------------------------

LINUX, MUSL = "x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl"
MAC, WINDOWS, IOS = "aarch64-apple-darwin", "x86_64-pc-windows-msvc", "aarch64-apple-ios"
FORMS = {"linux": "elf", "macos": "macho", "windows": "pe", "ios": "macho"}


def extension(path: str = "tide/_tide.abi3.so", **facts: object) -> Binary:
    """A good extension module for Linux, but for these facts."""
    return Binary(**{"path": path, "format": "elf", "architecture": "x86_64", "modules": ("_tide",), **facts})  # type: ignore[arg-type]


def built(
    triple: str = LINUX, *binaries: Binary, abi: str = "abi3", entries: tuple[str, ...] = (), tags: str = "",
    plan: dict[str, object] | None = None,
) -> Candidate:  # fmt: skip
    """A wheel of `tide` for a target, with these compiled files, further entries, and lines of its WHEEL file."""
    target = TARGETS[triple]
    file = f"tide-1.0-cp311-{abi}-{platform_tag(target, target.floor)}.whl"
    paths = dict.fromkeys((*(binary.path for binary in binaries), *entries))
    planned = {"file": file, "target": target, "floor": target.floor, "python": "abi3", **(plan or {})}
    return Candidate(
        artifact=Distribution(file=file, kind="wheel", size=1, prefix=INFO, texts={"WHEEL": tags.encode()}),
        plan=Plan(**planned),  # type: ignore[arg-type]
        name=WheelName.parse(file),
        entries=tuple(WheelEntry(path=path, size=1, hash="sha256=x") for path in paths),
        binaries=binaries,
    )


UNSIGNED = {"format": "macho", "architecture": "arm64", "signature": "missing"}
SIGN = "so macOS refuses to load it; sign it ad hoc after the last change: codesign --force --sign - FILE"
CLEAN = "remove it from the package's source (`doit run clean`)"

PLANS: tuple[tuple[str, Candidate, tuple[str, ...]], ...] = (
    ("name", built(), ()),
    ("name", built(plan={"file": "other.whl", "floor": "manylinux_2_28"}), (
        "the file is tide-1.0-cp311-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64.whl, planned was other.whl",
        "the name says manylinux2014_x86_64.manylinux_2_17_x86_64; x86_64-unknown-linux-gnu with floor "
        "'manylinux_2_28' is manylinux_2_28_x86_64",
    )),
    ("tags", built(WINDOWS, tags="Tag: cp311-abi3-win_amd64\n"), ()),
    ("tags", built(WINDOWS, tags="Tag: py3-none-any\nTag: py2-none-any\n"), (
        "the WHEEL file says py2-none-any, py3-none-any, the file name cp311-abi3-win_amd64; repair it again",
    )),
    ("machine", built(LINUX, extension()), ()),
    ("machine", built(LINUX, extension(architecture="aarch64"), extension("b.so", format="pe")), (
        "tide/_tide.abi3.so is aarch64 (elf); x86_64-unknown-linux-gnu is x86_64 (elf)",
        "b.so is x86_64 (pe); x86_64-unknown-linux-gnu is x86_64 (elf)",
    )),
    ("machine", built(MAC, extension(**UNSIGNED)), (
        f"tide/_tide.abi3.so: the signature of its arm64 image is missing, {SIGN}",
    )),
    ("machine", built(IOS, extension(**UNSIGNED)), ()),
    ("floor", built(LINUX, extension(versions=(("GLIBC_2.17", "a"),))), ()),
    ("floor", built(LINUX, extension(versions=(("GLIBC_2.18", "b"), ("GLIBC_2.18", "a"), ("GLIBC_2.5", "c")))), (
        "tide/_tide.abi3.so needs GLIBC_2.18 (symbol a, b), the floor is manylinux2014 (2.17): build with zig or raise "
        "the floor",
    )),
    ("module", built(LINUX, extension()), ()),
    ("module", built(LINUX, extension("tide/_tide.so")), (
        "tide/_tide.so is not imported by abi3 on this target; expected a name that ends in .abi3.so",
    )),
    ("module", built(LINUX, extension("tide/_tide.so"), abi="abi3.abi3t"), (
        "tide/_tide.so is not imported by abi3 on this target; expected a name that ends in .abi3t.so",
    )),
    ("module", built(LINUX, extension(modules=("wave", "tide"))), (
        "tide/_tide.abi3.so exports PyInit_wave: it cannot be imported by its file's name",
    )),
    ("module", built(LINUX, extension(modules=())), (
        "no extension module in it (nothing exports PyInit_…); it is for abi3",
    )),
    ("module", built(LINUX, extension(modules=()), plan={"programs_only": True}), ()),
    ("module", built(LINUX, extension("a", modules=()), extension("_tide.so"), plan={"programs_only": True}), (
        "_tide.so is not imported by abi3 on this target; expected a name that ends in .abi3.so",
    )),
    ("python-dll", built(WINDOWS, extension(format="pe", needed=("python3.dll", "KERNEL32.dll"))), ()),
    ("python-dll", built(WINDOWS, extension(format="pe", needed=("Python312.dll", "python311.dll"))), (
        "tide/_tide.abi3.so loads python311.dll, python312.dll; for abi3 expected python3.dll, python3t.dll",
    )),
    ("python-dll", built(WINDOWS, extension(needed=("python312.dll",)), abi="cp311", plan={"python": "3.11"}), (
        "tide/_tide.abi3.so loads python312.dll; for 3.11 expected python3.dll, python311.dll, python3t.dll",
    )),
    ("strangers", built(LINUX, extension()), ()),
    ("strangers", built("any", entries=("a.so", "b.pyd")), ()),
    ("strangers", built(LINUX, entries=("a.so", "b.dylib", "c.pyd", "d.py", "e.dll")), (
        f"b.dylib is a file for macos, the wheel for linux; {CLEAN}",
        f"c.pyd is a file for windows, the wheel for linux; {CLEAN}",
        f"e.dll is a file for windows, the wheel for linux; {CLEAN}",
    )),
    ("strangers", built(WINDOWS, entries=("a/b.so",)), (
        f"a/b.so is a file for linux or macos, the wheel for windows; {CLEAN}",
    )),
    ("strangers", built(MAC, extension(), extension(architecture="x86_64"), extension("other/_tide.so")), ()),
    ("strangers", built(
        LINUX, extension("b/m.so"), extension("a/m.so"), extension("b/m.abi3.so"), extension("a/m.cpython-311.so"),
        extension("a/m.abi3.so"), extension("a/m.txt"), extension("m.so"), extension("m.abi3.so"),
    ), (
        f"m.abi3.so and m.so are the same module; keep the planned one, {CLEAN}",
        f"a/m.abi3.so and a/m.cpython-311.so and a/m.so are the same module; keep the planned one, {CLEAN}",
        f"b/m.abi3.so and b/m.so are the same module; keep the planned one, {CLEAN}",
    )),
    ("strangers", built(WINDOWS, extension("a/m.pyd"), extension("a/m.cp311-win_amd64.pyd")), (
        f"a/m.cp311-win_amd64.pyd and a/m.pyd are the same module; keep the planned one, {CLEAN}",
    )),
    ("strangers", built(LINUX, *(
        extension(f"{folder}/lib.{number}.so")
        for folder in ("tide.libs", "tide/.dylibs", "tide.dylibs") for number in (1, 2)
    )), ()),
    ("strangers", built(LINUX, extension("other.libs/z.1.so"), extension("other.libs/z.2.so")), (
        f"other.libs/z.1.so and other.libs/z.2.so are the same module; keep the planned one, {CLEAN}",
    )),
    ("pure", built("any"), ()),
    ("pure", built("any", extension("b/x.exe"), extension("a.so"), entries=("a.so", "c.dll", "d.py")), (
        "a.so is compiled, the wheel is for any system; remove it or name targets",
        "b/x.exe is compiled, the wheel is for any system; remove it or name targets",
        "c.dll is compiled, the wheel is for any system; remove it or name targets",
    )),
    ("pure", built(LINUX, extension()), ()),
    ("pure", built(LINUX), ("nothing compiled in it; it is for x86_64-unknown-linux-gnu",)),
    ("abi3", built(abi="cp311.cp312"), ("planned as abi3, its name says cp311.cp312",)),
    ("abi3", built(abi="cp311", plan={"python": "3.11"}), ()),
)  # fmt: skip


@pytest.mark.parametrize(("rule", "candidate", "lines"), [*FILES, *METADATA, *PLANS])
def test_a_rules_whole_answer(rule: str, candidate: Candidate, lines: tuple[str, ...]) -> None:
    assert answer(rule, candidate) == lines


def test_every_replacement_of_a_deprecated_classifier_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(trove_classifiers.deprecated_classifiers, "Topic :: Old", ["Topic :: A", "Topic :: B"])
    (line,) = answer("classifiers", stated(f"{HEAD}Classifier: Topic :: Old\n"))
    assert line == "classifier 'Topic :: Old' is deprecated; use 'Topic :: A' or 'Topic :: B'"


def test_a_description_that_cannot_be_rendered_for_no_stated_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("readme_renderer.rst.render", lambda text, stream: None)
    assert answer("description", stated(f"{HEAD}\nwords\n")) == ("its description is not valid reStructuredText",)


def test_hashes_are_compared_for_all_recorded_files_but_the_signatures_of_record() -> None:
    names = ("a", "b", "c", "new", f"{INFO}RECORD", f"{INFO}RECORD.jws", f"{INFO}RECORD.p7s")
    rows = "a,sha256=x,1\nb,sha256=y,1\nc,sha256=x,2\n" + "".join(f"{name},,\n" for name in names[4:])
    wheel = built(entries=names)
    wheel = replace(wheel, artifact=replace(wheel.artifact, texts={"RECORD": rows.encode()}))
    assert answer("hashes", wheel) == tuple(f"{name} has another hash or size than RECORD says" for name in "bc")


@pytest.mark.parametrize(
    ("foreign", "later", "good", "lines"),
    [
        ([], {}, (True, True), ()),
        ([], {}, (True, False), ("m.so is not abi3, says abi3audit",)),
        ([], {}, (False, True), ("m.so is not abi3, says abi3audit",)),
        (["b", "a"], {"c": "3.13"}, (False, False), (
            "m.so uses a, b, which the limited API does not have",
            "m.so uses c (since 3.13), its tag promises Python 3.11",
        )),
    ],
)  # fmt: skip
def test_a_report_of_abi3audit_in_words(
    foreign: list[str], later: dict[str, str], good: tuple[bool, bool], lines: tuple[str, ...]
) -> None:
    result = {
        "non_abi3_symbols": foreign, "future_abi3_objects": later, "baseline": "3.11", "is_abi3": good[0],
        "is_abi3_baseline_compatible": good[1],
    }  # fmt: skip
    assert tuple(_outside_of_abi3("m.so", result)) == lines


# The table ------------------------------------------------------------------------------------------------------------


def test_a_file_that_cannot_be_opened_is_judged_by_that_rule_alone() -> None:
    broken = file(fault="not a zip file", names=("a", "a"))
    assert problems(broken) == ("readable: cannot be opened: not a zip file",)
    assert problems(broken, but=("readable",)) == warnings([broken]) == ()


def test_a_check_applies_the_rules_of_every_place_and_with_a_plan_those_of_the_plan() -> None:
    doubled = file(names=("a", "a", "nul"), texts={"WHEEL": b"", "RECORD": b"a,,\nnul,,\n"}, metadata=HEAD.encode())
    twice, device = "container: a is in it more than once", "'nul' is no name of a file or folder on Windows; rename it"
    assert problems(doubled) == (twice, f"windows-names: {device}")
    assert problems(doubled, but=("container", "size")) == (f"windows-names: {device}",)
    assert list(problems_by_rule(doubled, ("every",), but=("container",))) == [("windows-names", device)]
    assert ("container", "a is in it more than once") not in problems_by_rule(doubled, ("index",))
    wheel = built("any", entries=("a.so",))
    compiled = "pure: a.so is compiled, the wheel is for any system; remove it or name targets"
    assert compiled in problems(wheel, but=OF_OTHER_TOOLS)
    assert compiled not in problems(replace(wheel, plan=None), but=OF_OTHER_TOOLS)


def test_a_warning_about_several_files_is_shown_once() -> None:
    without, untyped = stated(HEAD), stated(f"{HEAD}\nwords\n")
    assert warnings([without, untyped, without]) == (
        "it has no description; name a readme in [project]",
        "its description has no content type, so an index reads it as reStructuredText",
    )


# Before anything is built ---------------------------------------------------------------------------------------------


def test_the_names_of_planned_files_are_judged_by_the_rules_of_names_alone() -> None:
    assert name_findings((WHEEL, SDIST)) == ()
    bad = ("demo.whl", "demo.tar.gz", "a-1.0-cp311-abi3-linux_x86_64.whl")
    assert name_findings(bad) == (
        Finding(file=bad[0], rule="file-name", text=NO_WHEEL_NAME),
        Finding(file=bad[1], rule="file-name", text=NO_SDIST_NAME),
        Finding(file=bad[2], rule="platform-tag", text="platform tag linux_x86_64 is not accepted"),
    )


NO_README = "it has no description; name a readme in [project]"


@pytest.mark.parametrize(
    ("pyproject", "rules", "expected"),
    [
        ({}, ("refuse readme",), ()),
        ({"project": None}, ("refuse readme",), ()),
        ({"project": {"name": "demo"}}, (), ()),
        ({"project": {"name": "demo"}}, ("readme",), ()),
        ({"project": {"name": "demo"}}, ("refuse readme",), (("readme", NO_README),)),
        ({"project": {"name": "demo", "readme": "README.md"}}, ("refuse readme",), ()),
        ({"project": {"name": "demo", "dynamic": ["readme"]}}, ("refuse readme",), ()),
        ({"project": {"name": "demo", "dynamic": ["version"]}}, ("refuse readme",), (("readme", NO_README),)),
        ({"project": {"classifiers": ["Private :: No"]}}, ("refuse readme",), (
            ("private", "classifier 'Private :: No' asks not to be published"), ("readme", NO_README),
        )),
    ],
)  # fmt: skip
def test_what_project_declares_is_judged_before_a_build(
    pyproject: dict[str, object], rules: tuple[str, ...], expected: tuple[tuple[str, str], ...]
) -> None:
    rows = declared_findings("demo", pyproject, rules)
    assert rows == tuple(Finding(file="demo", rule=rule, text=text) for rule, text in expected)


def test_rows_after_a_signature_are_compared_with_record() -> None:
    entries = (
        WheelEntry(path=f"{INFO}RECORD.jws", size=1, hash="x"),
        WheelEntry(path="b", size=1, hash="y"),
        WheelEntry(path="a", size=1, hash="z"),
    )
    record = f"a,sha256=other,1\n{INFO}RECORD.jws,sha256=q,1\n".encode()
    candidate = replace(file(texts={"RECORD": record}), entries=entries)
    assert answer("hashes", candidate) == ("a has another hash or size than RECORD says",)
