"""What PyPI refuses is refused here first, rule by rule."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

from cartwheel.index import rules
from cartwheel.index.artifact import Artifact
from cartwheel.index.rules import RULES, findings, judged
from indexes import METADATA, sdist, wheel

INFO = "demo-1.0.dist-info"


def only(path: Path) -> tuple[str, str]:
    """Rule and text of the single finding."""
    (finding,) = findings([path])
    assert finding.file == path.name
    return finding.rule, finding.text


def test_good_files_have_no_findings(tmp_path: Path) -> None:
    assert findings([wheel(tmp_path), sdist(tmp_path)]) == ()


@pytest.mark.parametrize(
    "tag",
    [
        "any",
        "win_amd64",
        "win_arm64",
        "linux_armv6l",
        "manylinux1_x86_64",
        "manylinux2014_aarch64",
        "manylinux_2_17_x86_64.manylinux2014_x86_64",
        "manylinux_2_31_riscv64",
        "manylinux_2_17_ppc64",
        "musllinux_1_2_aarch64",
        "macosx_10_12_x86_64",
        "macosx_11_0_arm64",
        "macosx_10_12_universal2.macosx_10_12_x86_64.macosx_11_0_arm64",
        "macosx_26_0_arm64",
        "ios_13_0_arm64_iphoneos",
        "android_24_arm64_v8a",
        "pyemscripten_2026_0_wasm32",
    ],
)
def test_a_platform_tag_that_pypi_takes_is_taken(tmp_path: Path, tag: str) -> None:
    assert findings([wheel(tmp_path, f"demo-1.0-cp311-abi3-{tag}.whl")]) == ()


@pytest.mark.parametrize(
    "tag",
    [
        "linux_x86_64",
        "linux_aarch64",
        "manylinux_2_36_loongarch64",
        "manylinux2010_aarch64",
        "musllinux_1_2_ppc64",
        "macosx_11_3_arm64",
        "macosx_27_0_arm64",
        "pyodide_2026_0_wasm32",
        "emscripten_4_0_9_wasm32",
        "freebsd_14_0_release_amd64",
        "android_24_riscv64",
    ],
)
def test_a_platform_tag_that_pypi_refuses_is_refused(tmp_path: Path, tag: str) -> None:
    assert only(wheel(tmp_path, f"demo-1.0-cp311-abi3-{tag}.whl")) == (
        "platform-tag",
        f"platform tag {tag} is not accepted",
    )


def test_of_several_tags_each_is_judged(tmp_path: Path) -> None:
    rule, text = only(wheel(tmp_path, "demo-1.0-cp311-abi3-manylinux_2_17_x86_64.linux_x86_64.whl"))
    assert (rule, text) == ("platform-tag", "platform tag linux_x86_64 is not accepted")


LONG = "x" * 33


@pytest.mark.parametrize(
    ("metadata", "rule", "said"),
    [
        (METADATA.replace("Version: 2.4", "Version: 2.6"), "metadata-version", "'2.6', expected one of"),
        (METADATA.replace("Metadata-Version: 2.4\n", ""), "metadata-version", "''"),
        (METADATA.replace("Version: {version}", "Version: 1.1"), "same-as-named", "version '1.1', its name 1.0"),
        (METADATA.replace("Name: demo", "Name: other"), "same-as-named", "'other', expected 'demo'"),
        (METADATA.replace("a demonstration", "x" * 513), "summary", "513 characters"),
        (METADATA + f"Project-URL: {LONG}, https://a.example\n", "urls", "has 33 characters"),
        (METADATA + "Project-URL: Home, ftp://a.example\n", "urls", "'ftp://a.example', expected one with http"),
        (METADATA + "Home-page: index.html\n", "urls", "URL Home-page is 'index.html'"),
        (METADATA + "Requires-Dist: x @ https://a.example/x.whl\n", "direct-url", "takes no direct URLs"),
        (METADATA + "Requires-Dist: x >= \n", "metadata-fields", "requires-dist"),
        (METADATA + "Requires-Python: three\n", "metadata-fields", "requires-python"),
        (METADATA + "Description-Content-Type: text/html\n", "metadata-fields", "description-content-type"),
        (METADATA + "Shoe-Size: 42\n", "metadata-fields", "shoe-size is unknown"),
        (METADATA + "Summary: twice\n", "metadata-fields", "summary is unknown, doubled"),
        (METADATA + "Classifier: Private :: Do Not Upload\n", "private", "asks not to be published"),
        (METADATA + "Classifier: Topic :: Wheels\n", "classifiers", "'Topic :: Wheels' is not known"),
        (METADATA + "Classifier: Natural Language :: Ukranian\n", "classifiers", "deprecated; use"),
        (METADATA + "License: MIT\nLicense-Expression: MIT\n", "licence", "expected one of them"),
        (
            METADATA + "License-Expression: MIT\nClassifier: License :: OSI Approved :: MIT License\n",
            "licence",
            "drop the classifier",
        ),
        (METADATA + "License-Expression: My Own\n", "metadata-fields", "license-expression"),
        (METADATA + "License-File: LICENSE\n", "licence-files", f"not at {INFO}/licenses/LICENSE"),
        (METADATA + "Dynamic: Version\n", "metadata-fields", "dynamic"),
        (
            METADATA + "Description-Content-Type: text/x-rst\n\nTitle\n==\n\n.. nonsense::\n",
            "description",
            "not valid reStructuredText",
        ),
    ],
)
def test_metadata_that_pypi_refuses_is_refused(tmp_path: Path, metadata: str, rule: str, said: str) -> None:
    found = findings([wheel(tmp_path, metadata=metadata)])
    matching = [finding.text for finding in found if finding.rule == rule and said in finding.text]
    assert matching, found


def test_a_local_version_is_refused(tmp_path: Path) -> None:
    assert only(wheel(tmp_path, "demo-1.0+mine-py3-none-any.whl"))[0] == "local-version"


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("demo-1.0-py3-none.whl", "not a valid file name"),
        ("Demo-1.0-py3-none-any.whl", "starts with demo-1.0-"),
        ("demo-1.0.0.0-py3-none-any.whl", ""),
        ("demo-01.0-py3-none-any.whl", "starts with demo-1.0-"),
    ],
)
def test_a_wheel_s_name_is_normalised(tmp_path: Path, file: str, said: str) -> None:
    found = [finding.text for finding in findings([wheel(tmp_path, file)]) if finding.rule == "file-name"]
    assert bool(found) is bool(said)
    assert said in "".join(found)


def test_a_file_that_cannot_be_opened_is_judged_by_that_alone(tmp_path: Path) -> None:
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    path.write_bytes(b"not a zip")
    assert only(path)[0] == "readable"


def test_zip_archives_must_be_plain(tmp_path: Path) -> None:
    trailing = wheel(tmp_path / "a")
    trailing.write_bytes(trailing.read_bytes() + b"more")
    assert only(trailing) == ("container", "there is data after the archive's end")
    leading = wheel(tmp_path / "b")
    leading.write_bytes(b"#!/bin/sh\n" + leading.read_bytes())
    assert only(leading) == ("container", "there is data before the archive's start")
    commented = wheel(tmp_path / "c")
    with zipfile.ZipFile(commented, "a") as archive:
        archive.comment = b"hello"
    assert only(commented) == ("container", "the archive has a comment")
    packed = wheel(tmp_path / "d", record=False)
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_BZIP2) as archive:
        archive.writestr(f"{INFO}/RECORD", f"demo/__init__.py,,\n{INFO}/METADATA,,\n{INFO}/WHEEL,,\n{INFO}/RECORD,,\n")
    assert only(packed) == ("container", f"{INFO}/RECORD is compressed by method 12")
    doubled = wheel(tmp_path / "e")
    with zipfile.ZipFile(doubled, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("demo/__init__.py", "")
    assert only(doubled) == ("container", "demo/__init__.py is in it more than once")


def test_a_wheel_needs_a_record_of_exactly_its_files(tmp_path: Path) -> None:
    assert only(wheel(tmp_path / "a", record=False)) == ("record", f"no RECORD in {INFO}/")
    record = f"demo/__init__.py,,\n{INFO}/METADATA,,\n{INFO}/RECORD,,\ngone.py,,\n"
    found = findings([wheel(tmp_path / "b", files={f"{INFO}/RECORD": record})])
    assert [finding.text for finding in found] == [
        f"{INFO}/WHEEL is not in its RECORD",
        "gone.py is in its RECORD and not in it",
    ]


def test_a_wheel_needs_its_metadata_where_its_name_says(tmp_path: Path) -> None:
    assert only(wheel(tmp_path / "a", without=(f"{INFO}/WHEEL",))) == ("wheel-file", f"no WHEEL in {INFO}/")
    found = findings([wheel(tmp_path / "b", without=(f"{INFO}/METADATA",))])
    assert "metadata-folder" in {finding.rule for finding in found}
    moved = wheel(tmp_path / "c").rename(tmp_path / "demo-2.0-py3-none-any.whl")
    assert {finding.rule for finding in findings([moved])} == {"metadata-folder", "same-as-named"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[console_scripts]\ndemo = demo:main\ndemo2 = demo.sub:Main.run [x]\n", ""),
        ("[console_scripts]\ndemo = not a module\n", "expected module:object"),
        ("demo = demo:main\n", "cannot be read"),
    ],
)
def test_entry_points_must_be_valid(tmp_path: Path, text: str, said: str) -> None:
    found = findings([wheel(tmp_path, files={f"{INFO}/entry_points.txt": text})])
    assert bool(found) is bool(said)
    assert all(finding.rule == "entry-points" and said in finding.text for finding in found)


def test_a_licence_file_lies_where_the_metadata_says(tmp_path: Path) -> None:
    metadata = METADATA + "License-File: LICENSE\n"
    assert findings([wheel(tmp_path, metadata=metadata, files={f"{INFO}/licenses/LICENSE": "MIT"})]) == ()


def test_an_sdist_is_named_and_packed_as_its_version_says(tmp_path: Path) -> None:
    assert only(sdist(tmp_path / "a", "Demo-1.0.tar.gz", top="demo-1.0")) == ("file-name", "expected demo-1.0.tar.gz")
    assert only(sdist(tmp_path / "b", top="demo")) == ("metadata-folder", "its top folder is demo/, expected demo-1.0/")
    archived = tmp_path / "demo-1.0.zip"
    zipfile.ZipFile(archived, "w").close()
    assert only(archived)[0] == "readable"


def test_a_sparse_or_escaping_member_of_an_sdist_is_refused() -> None:
    from cartwheel.index.artifact import _tar_oddities

    sparse = tarfile.TarInfo("demo-1.0/big")
    sparse.type = tarfile.GNUTYPE_SPARSE
    sparse.sparse = [(0, 1)]  # type: ignore[assignment]
    device, escaping = tarfile.TarInfo("demo-1.0/dev"), tarfile.TarInfo("demo-1.0/../x")
    device.type = tarfile.CHRTYPE
    assert _tar_oddities([sparse, device, escaping]) == (
        "demo-1.0/big is a sparse file",
        "demo-1.0/dev is neither a file nor a folder nor a link",
        "demo-1.0/../x leads out of the archive",
    )


def test_a_file_over_the_limit_is_refused() -> None:
    big = Artifact(file="demo-1.0-py3-none-any.whl", kind="wheel", size=rules.MAXIMUM_SIZE + 1)
    assert "size" in {finding.rule for finding in judged([big])}


def test_a_release_has_one_sdist_one_name_and_one_version(tmp_path: Path) -> None:
    found = findings([wheel(tmp_path), sdist(tmp_path), sdist(tmp_path, "demo-1.1.tar.gz")])
    assert [finding.rule for finding in found] == ["one-release", "one-release"]


def test_all_findings_of_all_files_come_at_once_and_a_rule_can_be_left_out(tmp_path: Path) -> None:
    bad = METADATA + "Classifier: Topic :: Wheels\nRequires-Dist: x @ https://a.example/x\n"
    files = [wheel(tmp_path, metadata=bad), sdist(tmp_path, metadata=bad)]
    assert len(findings(files)) == 4
    assert {finding.rule for finding in findings(files, besides=("classifiers",))} == {"direct-url"}


def test_every_rule_has_a_source_and_a_name_of_its_own() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.source for rule in RULES)
