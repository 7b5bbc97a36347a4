"""The table of outside facts: each source is read, differences are shown, and its age is told."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import pytest
from tools import update_tables
from tools.update_tables import TABLE, difference, known_facts, read_facts, render

from cartwheel.commands.doctor import age_of_tables

TODAY = date(2027, 11, 15)

BUILD_PLATFORMS = """
[linux]
python_configurations = [
  { identifier = "cp316-manylinux_x86_64", version = "3.16", path_str = "/opt/python/cp316-cp316" },
  { identifier = "pp311-manylinux_x86_64", version = "3.11", path_str = "/opt/python/pp311-pypy311_pp80" },
  { identifier = "pp313-manylinux_i686", version = "3.13", path_str = "/opt/python/pp313-pypy313_pp80" },
  { identifier = "pp312-manylinux_i686", version = "3.12", path_str = "/opt/python/pp312-pypy312_pp90" },
  { identifier = "gp314_260-musllinux_aarch64", version = "3.14", path_str = "/opt/python/x-graalpy260_314_native" },
]
[macos]
python_configurations = [{ identifier = "pp313-macosx_arm64", version = "3.13", url = "https://example.org/p.tar.gz" }]
[windows]
python_configurations = [
  { identifier = "cp311-win_amd64", version = "3.11.9" },
  { identifier = "cp312-win_amd64", version = "3.12.10" },
  { identifier = "cp316-win_amd64", version = "3.16.0" },
  { identifier = "cp316t-win_amd64", version = "3.16.0" },
  { identifier = "cp317-win_amd64", version = "3.17.0rc1" },
  { identifier = "gp314_260-win_amd64", version = "3.14", url = "https://example.org/g.zip" },
]
"""
MEMBERS = {
    "cibuildwheel-5.0.0": {"cibuildwheel/resources/build-platforms.toml": BUILD_PLATFORMS},
    "auditwheel-7.0": {
        "auditwheel/policy/manylinux-policy.json": json.dumps(
            [{"name": "linux"}, {"name": "manylinux_2_5"}, {"name": "manylinux_2_43"}, {"name": "manylinux_2_17"}]
        ),
        "auditwheel/policy/musllinux-policy.json": json.dumps([{"name": "musllinux_1_3"}, {"name": "musllinux_1_1"}]),
    },
    "packaging-27.0": {
        "packaging/_manylinux.py": "_LEGACY_MANYLINUX_MAP: dict[V, str] = {\n    # PEP 599\n"
        '    V(2, 17): "manylinux2014",\n    V(2, 5): "manylinux1",\n}\n'
    },
    "trove_classifiers-2027.1": {
        "trove_classifiers/__init__.py": '    "Programming Language :: Python :: 3.9",\n'
        '    "Programming Language :: Python :: 3.17",\n    "Programming Language :: Python :: 3 :: Only",\n'
    },
    "maturin-1.17.2": {},
}


def wheels(folder: Path, members: Mapping[str, Mapping[str, str]] = MEMBERS) -> dict[str, Path]:
    """A wheel with these files for each name and version, by name."""
    paths = {}
    for name, files in members.items():
        path = folder / f"{name}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for file, text in files.items():
                archive.writestr(file, text)
        paths[name.split("-")[0].replace("_", "-")] = path
    return paths


def test_the_table_is_what_the_script_writes() -> None:
    assert TABLE.read_text(encoding="utf-8") == render(known_facts())


def test_each_fact_is_read_from_its_package(tmp_path: Path) -> None:
    known = known_facts()
    facts = read_facts(wheels(tmp_path), known, TODAY)
    assert facts.date == "2027-11-15"
    assert facts.sources["trove-classifiers"] == "2027.1"
    assert facts.sources["maturin"] == "1.17.2"
    assert facts.supported == ("3.12", "3.16")  # 3.11 ended in October 2027, 3.17 is no final release
    assert facts.free_threaded == ("3.16t",)
    assert facts.newest_minor == 17
    assert facts.pypy_abi == {**known.pypy_abi, "pypy3.13": "pypy313_pp80", "pypy3.12-v9": "pypy312_pp90"}
    assert facts.graalpy_abi == {**known.graalpy_abi, "3.14": "260_314"}
    assert facts.alternative_systems == {
        "pypy": {("linux", "gnu"): ("i686", "x86_64"), ("macos", ""): ("arm64",)},
        "graalpy": {("linux", "musl"): ("aarch64",), ("windows", ""): ("win_amd64",)},
    }
    assert facts.legacy_manylinux == {"manylinux1": (2, 5), "manylinux2014": (2, 17)}
    assert facts.newest_libc == {"gnu": (2, 43), "musl": (1, 3)}


@pytest.mark.parametrize(
    ("day", "oldest"), [(date(2026, 10, 31), "3.10"), (date(2026, 11, 1), "3.11"), (date(2027, 10, 31), "3.11")]
)
def test_a_python_is_maintained_until_the_october_five_years_after_its_release(day: date, oldest: str) -> None:
    rows = [update_tables.Row(f"cp3{minor}", "win_amd64", f"3.{minor}.4", "") for minor in range(9, 16)]
    supported, _ = update_tables.cpython_versions(rows, day)
    assert supported[0] == oldest


@pytest.mark.parametrize(
    ("name", "files", "message"),
    [
        ("cibuildwheel-5.0.0", {}, "found no cibuildwheel/resources/build-platforms.toml in cibuildwheel-5.0.0"),
        ("cibuildwheel-5.0.0", {"cibuildwheel/resources/build-platforms.toml": "[linux]"}, "found no interpreter"),
        ("packaging-27.0", {"packaging/_manylinux.py": "X = {}"}, "found no _LEGACY_MANYLINUX_MAP"),
        ("trove_classifiers-2027.1", {"trove_classifiers/__init__.py": ""}, "found no Python version"),
    ],
)
def test_a_package_of_another_form_is_refused(
    tmp_path: Path, name: str, files: Mapping[str, str], message: str
) -> None:
    with pytest.raises(SystemExit, match=message):
        read_facts(wheels(tmp_path, {**MEMBERS, name: files}), known_facts(), TODAY)


def test_the_difference_shows_facts_and_not_dates() -> None:
    known = known_facts()
    later = known._replace(date="2030-01-01", sources={**known.sources, "packaging": "99"})
    assert difference(known, later) == ""
    lines = difference(known, later._replace(newest_libc={"gnu": (2, 99), "musl": (1, 2)})).splitlines()
    assert '+    "gnu": (2, 99),' in lines
    assert f"+++ the packages of {later.date}" in lines
    newer = known._replace(sources={**known.sources, "maturin": "1.99.0"})
    assert '+    "maturin": "1.99.0",' in difference(known, newer)


def test_check_fails_on_a_difference_and_write_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(update_tables, "download", lambda _: wheels(tmp_path))
    monkeypatch.setattr(update_tables, "TABLE", tmp_path / "table.py")
    assert update_tables.main(["--check"], TODAY) == 1
    assert "+NEWEST_MINOR = 17" in capsys.readouterr().out
    assert update_tables.main([], TODAY) == 0
    assert not (tmp_path / "table.py").exists()
    assert update_tables.main(["--write"], TODAY) == 0
    assert "\nNEWEST_MINOR = 17\n" in (tmp_path / "table.py").read_text(encoding="utf-8")
    written = read_facts(wheels(tmp_path), known_facts(), TODAY)
    monkeypatch.setattr(update_tables, "known_facts", lambda: written)
    assert update_tables.main(["--check"], TODAY + timedelta(days=90)) == 0
    assert update_tables.main(["--check"], TODAY + timedelta(days=91)) == 1
    assert "every fact holds; the table was last read on 2027-11-15, 91 days ago" in capsys.readouterr().out


def test_the_doctor_says_when_the_table_is_older_than_200_days() -> None:
    read = date.fromisoformat(known_facts().date)
    assert age_of_tables(read + timedelta(days=200)) == ""
    line = age_of_tables(read + timedelta(days=201))
    assert "201 days old" in line
    assert "pip install --upgrade cartwheel" in line
    assert line.count("\n") == 1


@pytest.mark.lab
def test_the_newest_packages_are_read() -> None:
    """Differences are allowed here: the scheduled workflow shows them."""
    command = [sys.executable, "-m", "tools.update_tables", "--check"]
    done = subprocess.run(command, cwd=TABLE.parents[4], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode in (0, 1), done.stderr
    assert done.stderr == ""
    assert "read: auditwheel " in done.stdout
