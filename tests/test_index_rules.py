"""Files that PyPI refuses are refused here first, rule by rule; files that it takes are not; a rule can be waived."""

from __future__ import annotations

import bz2
import io
import struct
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from cartwheel.checks import file_rules
from cartwheel.checks.index_rules import OF_THE_SET, findings, findings_of, refusals_and_notes, refuse_unknown
from cartwheel.checks.rules import RULES
from cartwheel.filesystem.distribution import Distribution
from cartwheel.model.errors import ConfigError
from support.indexes import METADATA, sdist, wheel

INFO = "demo-1.0.dist-info"
WHEEL = "demo-1.0-py3-none-any.whl"
LONG = "x" * 33


def tagged(tag: str) -> str:
    """A wheel's name with that platform tag."""
    return f"demo-1.0-cp311-abi3-{tag}.whl"


# What is taken -------------------------------------------------------------------------------------------------------


def test_good_files_have_no_findings(tmp_path: Path) -> None:
    assert findings([wheel(tmp_path), sdist(tmp_path)]) == ()


TAKEN = (
    "any", "win32", "win_amd64", "win_arm64", "win_ia64", "linux_armv6l", "linux_armv7l", "manylinux1_x86_64",
    "manylinux2010_i686", "manylinux2014_aarch64", "manylinux_2_17_x86_64.manylinux2014_x86_64",
    "manylinux_2_31_riscv64", "manylinux_2_17_ppc64", "musllinux_1_2_aarch64", "macosx_10_12_x86_64",
    "macosx_11_0_arm64", "macosx_10_12_universal2.macosx_10_12_x86_64.macosx_11_0_arm64", "macosx_26_0_arm64",
    "ios_13_0_arm64_iphoneos", "ios_13_0_x86_64_iphonesimulator", "android_24_arm64_v8a",
    "pyemscripten_2026_0_wasm32",
)  # fmt: skip


@pytest.mark.parametrize("tag", TAKEN)
def test_a_platform_tag_that_pypi_takes_is_taken(tmp_path: Path, tag: str) -> None:
    assert findings([wheel(tmp_path, tagged(tag))]) == ()


@pytest.mark.parametrize(
    "more",
    [
        "Project-URL: Home, https://a.example\nHome-page: HTTP://a.example/b?c=d#e\n",
        "Author-email: Me <me@a.dev>, You <you@b.dev>\n",
        "License: UNKNOWN\nLicense-Expression: MIT OR Apache-2.0\nHome-page: UNKNOWN\n",
        "License-Expression: MIT\nClassifier: License :: OSI Approved :: MIT License\n",
        "Dynamic: License-File\nProvides-Extra: test\nRequires-Dist: x; extra == 'test'\n",
        "Description-Content-Type: text/markdown; charset=UTF-8; variant=GFM\n\n# Well\n",
        "Description-Content-Type: text/x-rst\n\nTitle\n=====\n",
        "Keywords: a,b\nPlatform: any\nMaintainer: Me\n",
        "Classifier: Programming Language :: Rust\nRequires-Python: >=3.11\n",
    ],
)
def test_metadata_that_pypi_takes_is_taken(tmp_path: Path, more: str) -> None:
    assert findings([wheel(tmp_path, metadata=METADATA + more)]) == ()


def test_a_licence_file_that_was_named_too_early_is_not_looked_for(tmp_path: Path) -> None:
    metadata = METADATA.replace("Version: 2.4", "Version: 2.1") + "License-File: LICENSE\n"
    assert findings([wheel(tmp_path, metadata=metadata), sdist(tmp_path, metadata=metadata)]) == ()


@pytest.mark.parametrize(
    "file", ["demo-1.0.0-py3-none-any.whl", "demo-01.0-py3-none-any.whl", "demo-1.0-1-py3-none-any.whl"]
)
def test_a_wheel_may_spell_its_version_as_it_likes(tmp_path: Path, file: str) -> None:
    assert findings([wheel(tmp_path, file, metadata=METADATA.replace("{version}", "1.0"))]) == ()


def test_a_licence_file_lies_where_the_metadata_says(tmp_path: Path) -> None:
    metadata = METADATA + "License-File: LICENSE\n"
    assert findings([wheel(tmp_path, metadata=metadata, files={f"{INFO}/licenses/LICENSE": "MIT"})]) == ()


def test_a_large_archive_of_64_bit_sizes_is_taken(tmp_path: Path) -> None:
    path = wheel(tmp_path, record=False)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        record = "".join(f"{name},,\n" for name in (*archive.namelist(), "demo/big", f"{INFO}/RECORD"))
        archive.writestr(f"{INFO}/RECORD", record)
        with archive.open("demo/big", "w", force_zip64=True) as file:
            file.write(b"1" * 999)
    assert findings([path]) == ()


# What is refused -----------------------------------------------------------------------------------------------------


def after(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Change the bytes of a finished file."""

    def apply(path: Path) -> None:
        path.write_bytes(change(path.read_bytes()))

    return apply


def zipped(change: Callable[[zipfile.ZipFile], None]) -> Callable[[Path], None]:
    """Change a finished archive by what zipfile can do."""

    def apply(path: Path) -> None:
        with zipfile.ZipFile(path, "a") as archive:
            change(archive)

    return apply


def entry(name: str, data: str = "", **attributes: object) -> Callable[[Path], None]:
    """One entry more, which its RECORD need not know."""

    def change(archive: zipfile.ZipFile) -> None:
        info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
        for key, value in attributes.items():
            setattr(info, key, value)
        archive.writestr(info, data)

    return zipped(change)


def comment(archive: zipfile.ZipFile) -> None:
    archive.comment = b"hello"


def hidden(data: bytes) -> bytes:
    """An entry in front of the directory that the directory does not name: what another reader would unpack."""
    name = b"demo/evil.py"
    local = struct.pack("<4sHHHHHLLLHH", b"PK\x03\x04", 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0) + name
    at = data.rindex(b"PK\x05\x06")
    start = struct.unpack("<L", data[at + 16 : at + 20])[0]
    return data[:start] + local + data[start : at + 16] + struct.pack("<L", start + len(local)) + data[at + 20 :]


def resized(data: bytes) -> bytes:
    """The first entry says another size in front than in the directory."""
    return data[:18] + struct.pack("<L", 1) + data[22:]


def streamed(data: bytes) -> bytes:
    """The first entry says that its size stands behind it."""
    return data[:6] + struct.pack("<H", 0x08) + data[8:]


def padded(data: bytes) -> bytes:
    """Bytes between the files and the directory."""
    at = data.rindex(b"PK\x05\x06")
    start = struct.unpack("<L", data[at + 16 : at + 20])[0]
    return data[:start] + b"\0" * 9 + data[start : at + 16] + struct.pack("<L", start + 9) + data[at + 20 :]


def encrypted(data: bytes) -> bytes:
    """The directory says of the first entry that it is encrypted."""
    at = data.index(b"PK\x01\x02")
    return data[: at + 8] + struct.pack("<H", 1) + data[at + 10 :]


def tarred(**members: bytes | tarfile.TarInfo) -> Callable[[Path], None]:
    """An sdist of exactly these members; `/` is written `__`."""

    def apply(path: Path) -> None:
        with tarfile.open(path, "w:gz") as archive:
            for key, content in members.items():
                if isinstance(content, tarfile.TarInfo):
                    archive.addfile(content)
                    continue
                member = tarfile.TarInfo(key.replace("__", "/").replace("demo_1", "demo-1.0"))
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))

    return apply


def special(name: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = kind
    return member


PKG_INFO = METADATA.replace("{version}", "1.0").encode()
RECORDED = f"demo/__init__.py,,\n{INFO}/METADATA,,\n{INFO}/WHEEL,,\n{INFO}/RECORD,,\n"


@dataclass(frozen=True)
class Bad:
    """A file that PyPI refuses: by which rule, with which words, and how it differs from a good one."""

    rule: str
    text: str
    metadata: str = METADATA
    file: str = WHEEL
    files: Mapping[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    record: bool = True
    top: str = ""
    then: Callable[[Path], None] = lambda path: None

    def write(self, folder: Path) -> Path:
        kind: Literal["wheel", "sdist"] = "wheel" if self.file.endswith(".whl") else "sdist"
        if kind == "sdist":
            path = sdist(folder, self.file, metadata=self.metadata, top=self.top)
        else:
            path = wheel(
                folder, self.file, metadata=self.metadata, files=self.files, without=self.without, record=self.record
            )
        self.then(path)
        return path


def meta(rule: str, output: str, more: str) -> Bad:
    """A wheel with one field more."""
    return Bad(rule, output, metadata=METADATA + more)


def changed(rule: str, output: str, old: str, new: str) -> Bad:
    """A wheel with one field that is different."""
    assert old in METADATA
    return Bad(rule, output, metadata=METADATA.replace(old, new))


BAD = {
    # The file itself
    "no zip": Bad("readable", "not a zip file", then=after(lambda data: b"PK not a zip")),
    "a zip cut short": Bad("readable", "not a zip file", then=after(lambda data: data[:-30])),
    "an empty file": Bad("readable", "not a zip file", then=after(lambda data: b"")),
    "an sdist that is no tar": Bad("readable", "not a gzip file", file="demo-1.0.tar.gz", then=after(lambda d: b"no")),
    "an sdist cut short": Bad(
        "readable", "cannot be opened", file="demo-1.0.tar.gz", then=after(lambda data: data[:60])
    ),
    "an sdist of another compression": Bad(
        "readable", "not a gzip file", file="demo-1.0.tar.gz", then=after(lambda data: bz2.compress(data))
    ),
    "an archive of another kind": Bad("readable", "neither a .whl nor a .tar.gz", file="demo-1.0.tar.bz2"),
    "more in it than it seems": Bad(
        "bomb", "times its size", then=entry("demo/zeros", "0" * (65 * 2**20), compress_type=zipfile.ZIP_DEFLATED)
    ),
    # Its name
    "a wheel without an abi": Bad("file-name", "not a valid file name", file="demo-1.0-py3-none.whl"),
    "a wheel without a version": Bad("file-name", "not a valid file name", file="demo-py3-none-any.whl"),
    "a wheel of no version at all": Bad("file-name", "not a valid file name", file="demo-one-py3-none-any.whl"),
    "a build that is no number": Bad("file-name", "not a valid file name", file="demo-1.0-b1-py3-none-any.whl"),
    "a wheel in capitals": Bad("file-name", "starts with demo-", file="Demo-1.0-py3-none-any.whl"),
    "a wheel with a point": Bad(
        "file-name",
        "starts with de_mo-",
        file="de.mo-1.0-py3-none-any.whl",
        metadata=METADATA.replace("Name: demo", "Name: de.mo"),
    ),
    "a name that is too long": Bad("file-name", "expected at most 246", file=f"demo-1.0-py3-none-any.{'any.' * 57}whl"),
    "an sdist in capitals": Bad("file-name", "expected demo-1.0.tar.gz", file="Demo-1.0.tar.gz", top="demo-1.0"),
    "an sdist with a dash": Bad(
        "file-name",
        "expected de_mo-1.0.tar.gz",
        file="de-mo-1.0.tar.gz",
        top="de_mo-1.0",
        metadata=METADATA.replace("Name: demo", "Name: de-mo").replace("{version}", "1.0"),
    ),
    "an sdist whose version is spelt otherwise": Bad(
        "file-name",
        "expected demo-1.0rc1.tar.gz",
        file="demo-1.0.rc1.tar.gz",
        top="demo-1.0rc1",
        metadata=METADATA.replace("{version}", "1.0rc1"),
    ),
    **{
        f"for {tag}": Bad("platform-tag", f"platform tag {tag} is not accepted", file=tagged(tag))
        for tag in (
            "linux_x86_64",
            "linux_aarch64",
            "linux_i686",
            "manylinux_2_36_loongarch64",
            "manylinux2010_aarch64",
            "manylinux1_aarch64",
            "musllinux_1_2_ppc64",
            "macosx_11_3_arm64",
            "macosx_27_0_arm64",
            "macosx_16_0_arm64",
            "pyodide_2026_0_wasm32",
            "emscripten_4_0_9_wasm32",
            "freebsd_14_0_release_amd64",
            "android_24_riscv64",
            "ios_13_0_arm64",
            "win_armv7",
        )
    },
    "one tag of two": Bad("platform-tag", "linux_x86_64", file=tagged("manylinux_2_17_x86_64.linux_x86_64")),
    # Its container
    "bytes after the zip": Bad("container", "data after the archive's end", then=after(lambda data: data + b"more")),
    "bytes before the zip": Bad(
        "container", "data before the archive's start", then=after(lambda data: b"#!sh\n" + data)
    ),
    "two zips in one": Bad("container", "between its files and its directory", then=after(lambda d: d + d)),
    "a zip with a comment": Bad("container", "the archive has a comment", then=zipped(comment)),
    "an entry with a comment": Bad(
        "container", "RECORD has a comment", record=False, then=entry(f"{INFO}/RECORD", RECORDED, comment=b"hello")
    ),
    "bzip2 inside": Bad(
        "container",
        "is compressed by method 12",
        record=False,
        then=entry(f"{INFO}/RECORD", RECORDED, compress_type=zipfile.ZIP_BZIP2),
    ),
    "lzma inside": Bad(
        "container",
        "is compressed by method 14",
        record=False,
        then=entry(f"{INFO}/RECORD", RECORDED, compress_type=zipfile.ZIP_LZMA),
    ),
    "an entry twice": Bad("container", "is in it more than once", then=entry("demo/__init__.py")),
    "an entry that is encrypted": Bad("container|readable", "encrypted", then=after(encrypted)),
    "an entry with a strange name": Bad("container", "is not printable", then=entry("demo/\x07bell.py")),
    "an entry that the directory does not name": Bad(
        "container", "evil.py is in it and not in its directory", then=after(hidden)
    ),
    "an entry of two sizes": Bad("container", "another size than its directory says", then=after(resized)),
    "an entry written as a stream": Bad("container", "written as a stream", then=after(streamed)),
    "a gap in the zip": Bad("container", "between its files and its directory", then=after(padded)),
    "an extra field twice": Bad(
        "container",
        "its Unicode name twice",
        record=False,
        then=entry(f"{INFO}/RECORD", RECORDED, extra=struct.pack("<HH5s", 0x7075, 5, b"\1abcd") * 2),
    ),
    "an sdist of two folders": Bad(
        "container",
        "other/demo.py lies outside",
        file="demo-1.0.tar.gz",
        then=tarred(**{"demo_1__PKG-INFO": PKG_INFO, "other__demo.py": b""}),
    ),
    "a device in an sdist": Bad(
        "container",
        "neither a file nor a folder",
        file="demo-1.0.tar.gz",
        then=tarred(**{"demo_1__PKG-INFO": PKG_INFO, "x": special("demo-1.0/null", tarfile.CHRTYPE)}),
    ),
    "a pipe in an sdist": Bad(
        "container",
        "neither a file nor a folder",
        file="demo-1.0.tar.gz",
        then=tarred(**{"demo_1__PKG-INFO": PKG_INFO, "x": special("demo-1.0/pipe", tarfile.FIFOTYPE)}),
    ),
    "a way out of an sdist": Bad(
        "container",
        "leads out of the archive",
        file="demo-1.0.tar.gz",
        then=tarred(**{"demo_1__PKG-INFO": PKG_INFO, "demo_1__..__..__etc": b""}),
    ),
    # What it must hold
    "no METADATA": Bad("metadata-folder", f"no METADATA in {INFO}/", without=(f"{INFO}/METADATA",)),
    "metadata of another version": Bad(
        "metadata-folder",
        "expected demo-2.0.dist-info/",
        file="demo-2.0-py3-none-any.whl",
        files={f"{INFO}/METADATA": PKG_INFO.decode()},
        without=("demo-2.0.dist-info/METADATA", "demo-2.0.dist-info/WHEEL"),
        record=False,
    ),
    "no PKG-INFO": Bad(
        "metadata-folder", "no PKG-INFO in demo-1.0/", file="demo-1.0.tar.gz", then=tarred(**{"demo_1__demo.py": b""})
    ),
    "an sdist of a bare folder": Bad("metadata-folder", "expected demo-1.0/", file="demo-1.0.tar.gz", top="demo"),
    "an sdist of another version's folder": Bad(
        "metadata-folder", "expected demo-1.0/", file="demo-1.0.tar.gz", top="demo-1.1"
    ),
    "an empty sdist": Bad("metadata-folder", "no PKG-INFO in it", file="demo-1.0.tar.gz", then=tarred()),
    "no WHEEL": Bad("wheel-file", f"no WHEEL in {INFO}/", without=(f"{INFO}/WHEEL",)),
    "no RECORD": Bad("record", f"no RECORD in {INFO}/", record=False),
    "a file that RECORD has not": Bad(
        "record",
        "demo/__init__.py is not in its RECORD",
        files={f"{INFO}/RECORD": RECORDED.replace("demo/__init__.py,,\n", "")},
    ),
    "a file that only RECORD has": Bad(
        "record", "gone.py is in its RECORD and not in it", files={f"{INFO}/RECORD": RECORDED + "gone.py,,\n"}
    ),
    "an entry point to nowhere": Bad(
        "entry-points",
        "expected module:object",
        files={f"{INFO}/entry_points.txt": "[console_scripts]\ndemo = not a module\n"},
    ),
    "a script without an object": Bad(
        "entry-points",
        "is 'demo', expected module:object",
        files={f"{INFO}/entry_points.txt": "[console_scripts]\ndemo = demo\n"},
    ),
    "entry points without a group": Bad(
        "entry-points", "cannot be read", files={f"{INFO}/entry_points.txt": "demo = demo:main\n"}
    ),
    "an entry point twice": Bad(
        "entry-points",
        "cannot be read",
        files={f"{INFO}/entry_points.txt": "[a]\ndemo = demo:main\ndemo = demo:main\n"},
    ),
    # Its metadata
    "metadata of the future": changed("metadata-version", "'2.6', expected one of", "Version: 2.4", "Version: 2.6"),
    "metadata 2.0": changed("metadata-version", "'2.0', expected one of", "Version: 2.4", "Version: 2.0"),
    "metadata of no version": changed("metadata-version", "''", "Metadata-Version: 2.4\n", ""),
    "a field before its time": changed(
        "metadata-fields",
        "license-expression",
        "Metadata-Version: 2.4\n",
        "Metadata-Version: 2.1\nLicense-Expression: MIT\n",
    ),
    "no name": changed("metadata-fields", "name", "Name: demo\n", ""),
    "no version": changed("metadata-fields", "version", "Version: {version}\n", ""),
    "a version that is none": changed("same-as-named", "which PEP 440 has not", "Version: {version}", "Version: one"),
    "another version": changed(
        "same-as-named", "says version '1.1', its name 1.0", "Version: {version}", "Version: 1.1"
    ),
    "another name": changed("same-as-named", "of 'other', expected 'demo'", "Name: demo", "Name: other"),
    "a name with a dot at its end": changed("project-name", "'demo.' is not a valid", "Name: demo", "Name: demo."),
    "a name with a blank": changed("project-name", "'de mo' is not a valid", "Name: demo", "Name: de mo"),
    "a name that is not ASCII": changed("project-name", "is not a valid project name", "Name: demo", "Name: démo"),
    "a local version": Bad("local-version", "has a local part", file="demo-1.0+mine-py3-none-any.whl"),
    "a long summary": changed("summary", "513 characters, expected at most 512", "a demonstration", "x" * 513),
    "a summary of two lines": changed("metadata-fields|summary", "summary", "a demonstration", "one\n        two"),
    "a summary twice": meta("metadata-fields", "summary is unknown, doubled", "Summary: twice\n"),
    "a long label": meta("urls", "has 33 characters, expected at most 32", f"Project-URL: {LONG}, https://a.example\n"),
    "a URL of another scheme": meta(
        "urls", "'ftp://a.example', expected one with http", "Project-URL: X, ftp://a.example\n"
    ),
    "a URL without a scheme": meta("urls", "URL Home-page is 'index.html'", "Home-page: index.html\n"),
    "a URL of no port": meta("urls", "URL Download-URL is", "Download-URL: https://a.example:99999/\n"),
    "a URL without a label": meta("urls", "has no label", "Project-URL: , https://a.example\n"),
    "a label without a URL": meta("urls", "has no address", "Project-URL: Home,\n"),
    "a label twice": meta(
        "metadata-fields", "project-url", "Project-URL: A, https://a.example\nProject-URL: A, https://b.example\n"
    ),
    "no e-mail address": meta("emails", "Author-email 'me-at-home'", "Author-email: me-at-home\n"),
    "an e-mail address of nowhere": meta("emails", "Maintainer-email 'me@home'", "Maintainer-email: Me <me@home>\n"),
    "an e-mail address that is reserved": meta("emails", "Author-email", "Author-email: me@here.localhost\n"),
    "a dependency by address": meta(
        "direct-url", "takes no direct URLs", "Requires-Dist: x @ https://a.example/x.whl\n"
    ),
    "one that it provides by address": meta("direct-url", "direct URLs", "Provides-Dist: x @ https://a.example/x\n"),
    "nonsense that it obsoletes": meta("direct-url", "'???' is not a valid", "Obsoletes-Dist: ???\n"),
    "half a requirement": meta("metadata-fields", "requires-dist", "Requires-Dist: x >= \n"),
    "no version of Python": meta("metadata-fields", "requires-python", "Requires-Python: three\n"),
    "an extra that is no name": meta("metadata-fields", "provides-extra", "Provides-Extra: ???\n"),
    "a description in HTML": meta(
        "metadata-fields", "description-content-type", "Description-Content-Type: text/html\n"
    ),
    "a description in another charset": meta(
        "metadata-fields", "description-content-type", "Description-Content-Type: text/markdown; charset=latin-1\n"
    ),
    "a dialect of Markdown": meta(
        "metadata-fields", "description-content-type", "Description-Content-Type: text/markdown; variant=Mine\n"
    ),
    "a field that nobody knows": meta("metadata-fields", "shoe-size is unknown", "Shoe-Size: 42\n"),
    "the version left open": meta("metadata-fields", "dynamic", "Dynamic: Version\n"),
    "nothing left open": meta("metadata-fields", "dynamic", "Dynamic: Shoe-Size\n"),
    "not to be uploaded": meta("private", "asks not to be published", "Classifier: Private :: Do Not Upload\n"),
    "a classifier that nobody knows": meta(
        "classifiers", "'Topic :: Wheels' is not known", "Classifier: Topic :: Wheels\n"
    ),
    "a classifier of the past": meta("classifiers", "deprecated; use", "Classifier: Natural Language :: Ukranian\n"),
    "two kinds of licence": meta("licence", "expected one of them", "License: MIT\nLicense-Expression: MIT\n"),
    "a licence of one's own": meta("metadata-fields", "license-expression", "License-Expression: My Own\n"),
    "no licence file": meta("licence-files", f"not at {INFO}/licenses/LICENSE", "License-File: LICENSE\n"),
    "a licence file elsewhere": Bad(
        "licence-files", "not at", metadata=METADATA + "License-File: LICENSE\n", files={f"{INFO}/LICENSE": "MIT"}
    ),
    "a licence file out of the way": meta("metadata-fields", "license-file", "License-File: ../LICENSE\n"),
    "no licence file in an sdist": Bad(
        "licence-files",
        "not at demo-1.0/LICENSE",
        file="demo-1.0.tar.gz",
        metadata=METADATA + "License-File: LICENSE\n",
    ),
    "a description that is no reStructuredText": meta(
        "description", "not valid reStructuredText", "Description-Content-Type: text/x-rst\n\n.. nonsense::\n"
    ),
    "a description of no kind, by default": meta("description", "not valid reStructuredText", "\n.. nonsense::\n"),
}
"""Files that PyPI refuses, each by its one fault."""


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", BAD)
def test_what_pypi_refuses_is_refused(name: str, tmp_path: Path) -> None:
    bad = BAD[name]
    path = bad.write(tmp_path)
    problems = findings([path])
    assert [f for f in problems if f.rule in bad.rule.split("|") and bad.text in f.text], problems
    assert all(finding.file == path.name for finding in problems)


def test_every_rule_has_a_bad_file() -> None:
    rules = Counter(rule for bad in BAD.values() for rule in bad.rule.split("|"))
    judged_elsewhere = {
        "size",
        "case",
        "windows-names",
        "foreign-files",
    }  # test_check.py; the limit has a test of its own
    assert {rule.name for rule in RULES if rule.where in ("every", "index")} - set(rules) == judged_elsewhere


def test_a_file_over_the_limit_is_refused() -> None:
    big = Distribution(file=WHEEL, kind="wheel", size=file_rules.MAXIMUM_SIZE + 1)
    assert "size" in {finding.rule for finding in findings_of([big])}


def test_a_sparse_member_of_an_sdist_is_refused() -> None:
    from cartwheel.filesystem.distribution import _tar_oddities

    sparse = tarfile.TarInfo("demo-1.0/big")
    sparse.type = tarfile.GNUTYPE_SPARSE
    sparse.sparse = [(0, 1)]  # type: ignore[assignment]
    assert _tar_oddities([sparse]) == ("demo-1.0/big is a sparse file",)


def test_a_file_that_cannot_be_opened_is_judged_by_that_alone(tmp_path: Path) -> None:
    path = tmp_path / WHEEL
    path.write_bytes(b"not a zip")
    (finding,) = findings([path])
    assert finding.rule == "readable"


# The set -------------------------------------------------------------------------------------------------------------


def test_a_release_has_one_sdist_one_name_and_one_version(tmp_path: Path) -> None:
    problems = findings([wheel(tmp_path), sdist(tmp_path), sdist(tmp_path, "demo-1.1.tar.gz")])
    second = "demo-1.1.tar.gz"
    assert [str(finding) for finding in problems] == [
        f"{second}: a second sdist beside demo-1.0.tar.gz; a release has one (one-release)",
        f"{second}: demo 1.1 among files of demo 1.0 (one-release)",
    ]


def test_the_same_bytes_are_not_taken_under_two_names(tmp_path: Path) -> None:
    one, two = wheel(tmp_path, tagged("win32")), wheel(tmp_path, tagged("win_amd64"))
    assert [str(finding) for finding in findings([one, two])] == [
        f"{two.name}: the same bytes as {one.name} (same-bytes)"
    ]
    assert findings([one, wheel(tmp_path, two.name, files={"demo/more.py": ""})]) == ()


def test_all_findings_of_all_files_come_at_once_and_a_rule_can_be_left_out(tmp_path: Path) -> None:
    bad = METADATA + "Classifier: Topic :: Wheels\nRequires-Dist: x @ https://a.example/x\n"
    files = [wheel(tmp_path, metadata=bad), sdist(tmp_path, metadata=bad)]
    assert len(findings(files)) == 4
    assert {finding.rule for finding in findings(files, waived=("classifiers",))} == {"direct-url"}


def test_every_rule_has_a_dated_source_and_a_name_of_its_own() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.source for rule in RULES)


# Letting pass --------------------------------------------------------------------------------------------------------


def test_a_rule_or_one_value_of_it_is_let_pass_with_its_reason(tmp_path: Path) -> None:
    files = [wheel(tmp_path, tagged(tag), files={"demo/x": tag}) for tag in ("macosx_27_0_arm64", "linux_x86_64")]
    problems = findings(files)
    assert len(problems) == 2
    assert refusals_and_notes(problems, {"platform-tag": "ours is no PyPI"})[0] == ()
    refused, waived = refusals_and_notes(problems, {"platform-tag macosx_27_0_arm64": "taken since March"})
    assert [finding.file for finding in refused] == [files[1].name]
    assert waived == (f"waived: {problems[0]}, because: taken since March",)


@pytest.mark.parametrize("value", ["macosx_27_0", "7_0_arm64", "MACOSX_27_0_arm64"])
def test_half_a_value_lets_nothing_pass_and_is_told(value: str, tmp_path: Path) -> None:
    problems = findings([wheel(tmp_path, tagged("macosx_27_0_arm64"))])
    refused, waived = refusals_and_notes(problems, {f"platform-tag {value}": "typed in haste"})
    assert refused == problems
    assert waived == (f"rules: 'platform-tag {value}' no longer waives anything; remove it from the configuration",)


def test_a_rule_that_is_none_is_refused_with_the_nearest_name() -> None:
    by_index = [rule.name for rule in RULES if rule.where in ("every", "index")]
    refuse_unknown([*by_index, *OF_THE_SET, "size demo"], where="here")
    with pytest.raises(ConfigError, match="here: 'platform-tags' is no rule; did you mean 'platform-tag'"):
        refuse_unknown(["platform-tags x"], where="here")
    refuse_unknown(["refuse readme"], where="here")
    with pytest.raises(ConfigError, match="here: 'floor' is no rule"):
        refuse_unknown(["refuse floor"], where="here")
