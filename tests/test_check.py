"""The rules of a checked file: what each accepts and refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from msgspec.structs import replace

from cartwheel.checks.candidate import Candidate, examine
from cartwheel.checks.consistency import metadata_differences
from cartwheel.checks.index_rules import findings, refusals_and_notes
from cartwheel.checks.rules import RULES, problems, warnings
from cartwheel.filesystem.distribution import Distribution, open_distribution
from cartwheel.model.check_report import CheckReport, TestRun, parse_report, report_json
from cartwheel.model.errors import StepFailed
from cartwheel.model.wheels.binary_facts import Binary
from cartwheel.model.wheels.target import TARGETS, platform_tag
from support import wheels

LINUX = "x86_64-unknown-linux-gnu"
MUSL = "aarch64-unknown-linux-musl"
MAC = "aarch64-apple-darwin"
WINDOWS = "x86_64-pc-windows-msvc"

SHARED = {
    LINUX: ("_tide.abi3.so", wheels.elf(imports={"memcpy": "GLIBC_2.14", "PyList_New": ""}, exports=("PyInit__tide",))),
    MUSL: ("_tide.abi3.so", wheels.elf(machine=183, needed=("libc.so",), exports=("PyInit__tide",))),
    MAC: ("_tide.abi3.so", wheels.macho(imports=("PyList_New",), exports=("PyInit__tide",))),
    WINDOWS: ("_tide.pyd", wheels.pe(imports={"python3.dll": ("PyList_New",)}, exports=("PyInit__tide",))),
}


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Candidate]:
    """A wheel of the module `tide._tide`, good where nothing else is said, read as the checks read it."""

    def wheel(triple: str = LINUX, files: dict[str, bytes | str] | None = None, **options: object) -> Candidate:
        target = TARGETS[triple]
        python = "py3-none" if triple == "any" else "cp311-abi3"
        name = f"tide-0.1.0-{python}-{platform_tag(target, target.floor)}.whl"
        content: dict[str, bytes | str] = {"tide/__init__.py": "x = 1\n"}
        if triple != "any":
            content[f"tide/{SHARED[triple][0]}"] = SHARED[triple][1]
        path = wheels.wheel(tmp_path, name, content | (files or {}), **options)  # type: ignore[arg-type]
        return examine(path, expected=name, target=target, python="py3" if triple == "any" else "abi3")

    return wheel


def findings_of(check: str, wheel: Candidate) -> tuple[str, ...]:
    """The problems that one rule finds."""
    return tuple(next(row for row in RULES if row.name == check).judge(wheel))


def planned(wheel: Candidate, **changes: object) -> Candidate:
    """The wheel, compared with another plan."""
    assert wheel.plan
    return replace(wheel, plan=replace(wheel.plan, **changes))


def of_abi(wheel: Candidate, abi: str, **plan: object) -> Candidate:
    """The wheel with another ABI tag in its name."""
    assert wheel.name
    return planned(replace(wheel, name=replace(wheel.name, abis=tuple(abi.split(".")))), **plan)


def binary(wheel: Candidate, **changes: object) -> Candidate:
    """The wheel, with other facts of its extension."""
    return replace(wheel, binaries=(replace(wheel.binaries[0], **changes),))  # type: ignore[arg-type]


@pytest.mark.parametrize("triple", [LINUX, MUSL, MAC, WINDOWS, "any"])
def test_a_good_wheel_has_no_problems(make: Callable[..., Candidate], triple: str) -> None:
    assert problems(make(triple)) == ()


def test_every_problem_begins_with_the_name_of_its_check(make: Callable[..., Candidate]) -> None:
    wheel = make(files={"tide/old.pyd": b""}, tags=("py3-none-any",))
    assert {problem.split(":")[0] for problem in problems(wheel)} == {"tags", "strangers"}


def test_the_table_names_each_check_once_and_says_what_it_asks() -> None:
    assert len({row.name for row in RULES}) == len(RULES)
    assert all(row.doc and row.source for row in RULES)


def test_a_file_under_another_name_than_planned_is_refused_with_both(make: Callable[..., Candidate]) -> None:
    wheel = make()
    (output,) = findings_of("name", planned(wheel, file=wheel.file.replace("cp311", "cp312")))
    assert output.startswith("the file is tide-0.1.0-cp311")
    assert "planned was tide-0.1.0-cp312" in output


def test_a_name_that_promises_another_floor_is_refused(make: Callable[..., Candidate]) -> None:
    (output,) = findings_of("name", planned(make(), floor="manylinux_2_28"))
    assert output.endswith("with floor 'manylinux_2_28' is manylinux_2_28_x86_64")


def test_tags_are_compared_as_sets(make: Callable[..., Candidate]) -> None:
    tags = ("cp311-abi3-manylinux_2_17_x86_64", "cp311-abi3-manylinux2014_x86_64")
    assert findings_of("tags", make(tags=tags)) == ()
    assert findings_of("tags", make(tags=tags[:1]))


def test_metadata_of_another_project_or_version_is_refused(make: Callable[..., Candidate]) -> None:
    metadata = wheels.METADATA.format(name="Tide", version="0.1.1")
    assert findings_of("same-as-named", make(metadata=metadata)) == (
        "its metadata says version '0.1.1', its name 0.1.0",
    )
    assert "is of 'Wave'" in findings_of("same-as-named", make(metadata=metadata.replace("Tide", "Wave")))[0]


@pytest.mark.parametrize(
    ("triple", "changes"),
    [
        (LINUX, {"architecture": "aarch64"}),
        (LINUX, {"format": "macho"}),
        (MUSL, {"architecture": "armv7l"}),
        (MAC, {"architecture": "x86_64"}),
        (WINDOWS, {"architecture": "win_arm64"}),
    ],
)
def test_a_file_for_another_machine_is_refused(
    make: Callable[..., Candidate], triple: str, changes: dict[str, object]
) -> None:
    assert findings_of("machine", make(triple)) == ()
    (output,) = findings_of("machine", binary(make(triple), **changes))
    assert TARGETS[triple].arch in output


def test_a_universal_file_may_hold_more_than_the_target(make: Callable[..., Candidate]) -> None:
    both = wheels.universal(wheels.macho(exports=("PyInit__tide",)), wheels.macho(cpu=0x01000007, minimum_os=(12, 0)))
    wheel = make(MAC, {"tide/_tide.abi3.so": both})
    assert findings_of("machine", wheel) == findings_of("floor", wheel) == ()


@pytest.mark.parametrize(
    ("triple", "changes", "words"),
    [
        (LINUX, {"versions": (("GLIBC_2.34", "dlopen"), ("GLIBC_2.9", "x"))}, "needs GLIBC_2.34 (symbol dlopen)"),
        (
            LINUX,
            {"versions": (("GLIBC_2.18", ""),)},
            "needs GLIBC_2.18, the floor is manylinux2014 (2.17): build with zig",
        ),
        (LINUX, {"versions": (("GLIBC_PRIVATE", "x"),)}, "needs GLIBC_PRIVATE"),
        (LINUX, {"needed": ("libc.musl-x86_64.so.1",)}, "is linked with musl"),
        (MUSL, {"needed": ("libc.so.6",)}, "needs glibc (libc.so.6)"),
        (MUSL, {"needed": ("ld-linux-aarch64.so.1",)}, "needs glibc"),
        (MUSL, {"versions": (("GLIBC_2.17", "memcpy"),)}, "needs glibc (GLIBC_2.17)"),
        (MAC, {"minimum_os": (12, 3)}, "needs macOS 12.3, the floor is 11.0"),
    ],
)
def test_a_file_that_needs_a_newer_or_other_system_is_refused(
    make: Callable[..., Candidate], triple: str, changes: dict[str, object], words: str
) -> None:
    assert findings_of("floor", make(triple)) == ()
    (output,) = findings_of("floor", binary(make(triple), **changes))
    assert words in output


def test_a_higher_floor_accepts_newer_symbols(make: Callable[..., Candidate]) -> None:
    wheel = binary(make(), versions=(("GLIBC_2.28", "statx"),))
    assert findings_of("floor", wheel)
    assert findings_of("floor", planned(wheel, floor="manylinux_2_28")) == ()


NAMES = [
    (LINUX, "abi3", "_tide.abi3.so", True),
    (LINUX, "abi3", "_tide.so", False),
    (LINUX, "abi3", "_tide.cpython-311-x86_64-linux-gnu.so", False),
    (LINUX, "cp312", "_tide.cpython-312-x86_64-linux-gnu.so", True),
    (LINUX, "cp312", "_tide.cpython-311-x86_64-linux-gnu.so", False),
    (LINUX, "cp312", "_tide.cpython-312-aarch64-linux-gnu.so", False),
    (LINUX, "cp312", "_tide.cpython-312-x86_64-linux-musl.so", False),
    (LINUX, "cp314t", "_tide.cpython-314t-x86_64-linux-gnu.so", True),
    (LINUX, "cp314t", "_tide.cpython-314-x86_64-linux-gnu.so", False),
    (LINUX, "pypy311_pp73", "_tide.pypy311-pp73-x86_64-linux-gnu.so", True),
    (WINDOWS, "pypy311_pp73", "_tide.pypy311-pp73-win_amd64.pyd", True),
    (WINDOWS, "pypy311_pp73", "_tide.pypy311_pp73-win_amd64.pyd", False),
    (LINUX, "abi3.abi3t", "_tide.abi3t-x86_64-linux-gnu.so", True),
    (MAC, "abi3.abi3t", "_tide.abi3t.so", True),
    (MAC, "abi3.abi3t", "_tide.abi3.so", False),
    (WINDOWS, "abi3.abi3t", "_tide.pyd", True),
    (MUSL, "cp312", "_tide.cpython-312-aarch64-linux-musl.so", True),
    (MAC, "cp313", "_tide.cpython-313-darwin.so", True),
    (MAC, "cp313", "_tide.cpython-312-darwin.so", False),
    (WINDOWS, "cp313", "_tide.cp313-win_amd64.pyd", True),
    (WINDOWS, "cp313", "_tide.cp312-win_amd64.pyd", False),
    (WINDOWS, "abi3", "_tide.pyd", True),
    (WINDOWS, "abi3", "_tide.cp311-win_amd64.pyd", False),
]


@pytest.mark.parametrize(("triple", "abi", "file", "good"), NAMES)
def test_an_extension_has_a_name_that_its_python_imports(
    make: Callable[..., Candidate], triple: str, abi: str, file: str, good: bool
) -> None:
    wheel = binary(make(triple), path=f"tide/{file}")
    output = findings_of("module", of_abi(wheel, abi, python="x"))
    assert (output == ()) == good


def test_an_extension_that_is_called_otherwise_than_its_file_cannot_be_imported(
    make: Callable[..., Candidate],
) -> None:
    (output,) = findings_of("module", binary(make(), modules=("tide",)))
    assert "exports PyInit_tide: it cannot be imported" in output


def test_a_wheel_for_a_python_without_an_extension_is_refused_a_program_needs_none(
    make: Callable[..., Candidate],
) -> None:
    wheel = binary(make(), modules=())
    assert findings_of("module", wheel)
    assert findings_of("module", planned(wheel, python="py3")) == ()


def test_symbols_outside_the_limited_api_are_refused_by_name(make: Callable[..., Candidate]) -> None:
    content = wheels.elf(imports={"_PyObject_GetDictPtr": "", "PyList_New": ""}, exports=("PyInit__tide",))
    (output,) = findings_of("abi3", make(files={"tide/_tide.abi3.so": content}))
    assert output == "_tide.abi3.so uses _PyObject_GetDictPtr, which the limited API does not have"


def test_symbols_of_a_later_limited_api_than_the_tag_says_are_refused(make: Callable[..., Candidate]) -> None:
    content = wheels.elf(imports={"PyList_GetItemRef": ""}, exports=("PyInit__tide",))
    (output,) = findings_of("abi3", make(files={"tide/_tide.abi3.so": content}))
    assert output == "_tide.abi3.so uses PyList_GetItemRef (since 3.13), its tag promises Python 3.11"


def test_a_wheel_in_which_abi3audit_finds_nothing_is_no_abi3_wheel(
    make: Callable[..., Candidate], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cartwheel.checks.content_rules._abi3audit", lambda it: "{}")
    assert findings_of("abi3", make()) == ("abi3audit found nothing to audit in it",)
    monkeypatch.setattr("cartwheel.checks.content_rules._abi3audit", lambda it: '{"specs": {"tide.whl": {}}}')
    assert findings_of("abi3", make()) == ("abi3audit found nothing to audit in it",)


@pytest.mark.parametrize(
    ("files", "findings"),
    [
        ({"tide/__init__.py": ""}, ()),
        ({}, ("W007 Wheel library is empty", "W008 Wheel is empty")),
        ({"tide-0.1.0.data/data/words": "x"}, ("W007 Wheel library is empty",)),
        ({"tide/__init__.py": "", "tide.libs/libone.so": "x"}, ()),
        (
            {"tide/__init__.py": "", "more/__init__.py": "x"},
            ("W009 Wheel contains multiple toplevel library entries: more/, tide/",),
        ),
    ],
)
def test_the_places_of_files_are_judged_with_their_names(
    tmp_path: Path, files: dict[str, bytes | str], findings: tuple[str, ...]
) -> None:
    name = "tide-0.1.0-py3-none-any.whl"
    path = wheels.wheel(tmp_path, name, files)
    assert findings_of("contents", examine(path, expected=name, target=TARGETS["any"], python="py3")) == findings


def test_a_wheel_planned_as_abi3_and_tagged_for_one_version_is_refused(make: Callable[..., Candidate]) -> None:
    wheel = make()
    assert findings_of("abi3", of_abi(wheel, "cp311"))


@pytest.mark.parametrize(
    ("python", "abi", "dll", "good"),
    [
        ("abi3", "abi3", "python3.dll", True),
        ("abi3", "abi3", "python311.dll", False),
        ("3.12", "cp312", "PYTHON312.dll", True),
        ("3.12", "cp312", "python311.dll", False),
        ("3.14t", "cp314t", "python314t.dll", True),
        ("3.14t", "cp314t", "python314.dll", False),
    ],
)
def test_on_windows_an_extension_loads_the_python_it_is_for(
    make: Callable[..., Candidate], python: str, abi: str, dll: str, good: bool
) -> None:
    wheel = binary(make(WINDOWS), needed=(dll, "KERNEL32.dll"))
    assert (findings_of("python-dll", of_abi(wheel, abi, python=python)) == ()) == good


@pytest.mark.parametrize(
    ("triple", "file"),
    [(LINUX, "tide/_tide.pyd"), (LINUX, "tide/lib.dylib"), (WINDOWS, "tide/_tide.so"), (MAC, "a.dll")],
)
def test_a_compiled_file_of_another_system_is_a_stranger(
    make: Callable[..., Candidate], triple: str, file: str
) -> None:
    (output,) = findings_of("strangers", make(triple, {file: b"stale"}))
    assert output.startswith(file)
    assert "doit run clean" in output


def test_a_second_copy_of_the_module_is_a_stranger_a_grafted_library_is_not(make: Callable[..., Candidate]) -> None:
    stale = "tide/_tide.cpython-311-x86_64-linux-gnu.so"
    (output,) = findings_of("strangers", make(files={stale: SHARED[LINUX][1]}))
    assert output.startswith(f"tide/_tide.abi3.so and {stale} are the same module")
    grafted = {f"tide.libs/libz.{n}.so": wheels.elf() for n in (1, 2)}
    assert findings_of("strangers", make(files=dict(grafted))) == ()


def test_a_wheel_for_any_system_holds_nothing_compiled(make: Callable[..., Candidate]) -> None:
    assert findings_of("pure", make("any")) == ()
    assert len(findings_of("pure", make("any", {"tide/a.so": wheels.elf(), "tide/b.dylib": b"text"}))) == 2


def test_a_wheel_for_one_system_holds_something_compiled(make: Callable[..., Candidate]) -> None:
    assert findings_of("pure", replace(make(), binaries=())) == (f"nothing compiled in it; it is for {LINUX}",)


def test_record_names_every_file_with_its_hash(make: Callable[..., Candidate]) -> None:
    wheel = make()
    lines = [f"{path},{digest},{size}" for path, digest, size in wheel.record]
    assert findings_of("record", wheel) == findings_of("hashes", wheel) == ()
    assert findings_of("record", make(record="")) == tuple(
        f"{path} is not in its RECORD" for path in sorted(e.path for e in wheel.entries if "RECORD" not in e.path)
    )
    assert "tide/__init__.py is not in its RECORD" in findings_of("record", make(record="\n".join(lines[1:])))
    gone = make(record="\n".join([*lines, "gone.py,,"]))
    assert "gone.py is in its RECORD and not in it" in findings_of("record", gone)
    changed = "\n".join(lines).replace(lines[0][-20:], "AAAA,6")
    assert "tide/__init__.py has another hash or size than RECORD says" in findings_of("hashes", make(record=changed))


def test_a_file_that_is_packed_twice_is_refused(make: Callable[..., Candidate]) -> None:
    wheel = make()
    names = (*wheel.artifact.names, "tide/__init__.py")
    twice = replace(wheel, artifact=replace(wheel.artifact, names=names))
    assert findings_of("container", twice) == ("tide/__init__.py is in it more than once",)


def test_files_that_differ_in_case_alone_are_refused(make: Callable[..., Candidate]) -> None:
    (output,) = findings_of("case", make(files={"tide/Data.txt": "a", "tide/data.txt": "b"}))
    assert output == "tide/Data.txt and tide/data.txt are one file on Windows and macOS; rename one of them"
    assert findings_of("case", make(files={"tide/data.txt": "a", "tide/date.txt": "b"})) == ()


@pytest.mark.parametrize(
    ("one", "other", "finding"),
    [
        ("tide/\u00e9.txt", "tide/e\u0301.txt", "tide/\u00e9.txt and tide/e\u0301.txt are one file on macOS;"),
        ("tide/Data", "tide/data/a.txt", "tide/Data and tide/data/ are one file on Windows and macOS;"),
        ("tide/Data/b.txt", "tide/data/a.txt", ""),
        ("tide/stra\u00dfe.txt", "tide/strasse.txt", ""),
    ],
)
def test_names_that_are_one_on_another_system_are_refused(
    make: Callable[..., Candidate], one: str, other: str, finding: str
) -> None:
    problems = findings_of("case", make(files={one: "a", other: "b"}))
    assert [text.startswith(finding) for text in problems] == [True] * bool(finding)


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("tide/aux.py", "aux.py"),
        ("tide/NUL/data.txt", "NUL"),
        ("tide/com1.tar.gz", "com1.tar.gz"),
        ("tide/LPT³", "LPT³"),
        ("tide/con .txt", "con .txt"),
        ("tide/when?.txt", "when?.txt"),
        ("tide/12:30.txt", "12:30.txt"),
        ("tide/ends./data.txt", "ends."),
        ("tide/ends ", "ends "),
        ("tide/console.py", ""),
        ("tide/com.py", ""),
        ("tide/.hidden größe (1).txt", ""),
    ],
)
def test_a_name_that_windows_cannot_hold_is_refused_where_windows_installs_the_wheel(
    make: Callable[..., Candidate], path: str, part: str
) -> None:
    refused = (f"'{part}' is no name of a file or folder on Windows; rename it",) if part else ()
    assert findings_of("windows-names", make("any", files={path: "a"})) == refused
    assert findings_of("windows-names", make(WINDOWS, files={path: "a"})) == refused
    assert findings_of("windows-names", make(LINUX, files={path: "a"})) == ()


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("tide/sub/.git", "gitdir: ../../.git/modules/sub\n", "tide/sub/.git belongs to git"),
        ("tide/.cartwheel/wheels/x.whl", "x", "is cartwheel's own state"),
        ("tide/data.bin", POINTER, "tide/data.bin is a pointer of Git LFS"),
    ],
)
def test_the_state_of_a_tool_is_not_packed(
    make: Callable[..., Candidate], tmp_path: Path, file: str, content: str, words: str
) -> None:
    import io
    import tarfile

    (output,) = findings_of("foreign-files", make(files={file: content}))
    assert words in output
    with tarfile.open(tmp_path / "tide-0.1.0.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo(f"tide-0.1.0/{file}")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content.encode()))
    (output,) = findings_of("foreign-files", Candidate(artifact=open_distribution(tmp_path / "tide-0.1.0.tar.gz")))
    assert words in output


def test_files_whose_names_only_look_like_a_tools_state_are_packed(make: Callable[..., Candidate]) -> None:
    wheel = make(files={"tide/.gitignore": "x", "tide/x.git": "x", "tide/lfs.md": f"a pointer begins\n{POINTER}"})
    assert findings_of("foreign-files", wheel) == ()


def test_every_licence_file_is_in_the_wheel(make: Callable[..., Candidate]) -> None:
    metadata = wheels.METADATA.format(name="tide", version="0.1.0").replace("Summary", "License-File: LICENSE\nSummary")
    licence: dict[str, bytes | str] = {"tide-0.1.0.dist-info/licenses/LICENSE": "MIT"}
    assert findings_of("licence-files", make(metadata=metadata, files=licence)) == ()
    assert findings_of("licence-files", make(metadata=metadata)) == (
        "License-File LICENSE is not at tide-0.1.0.dist-info/licenses/LICENSE",
    )


def test_an_unreadable_description_is_refused(make: Callable[..., Candidate]) -> None:
    bare = "Metadata-Version: 2.4\nName: tide\nVersion: 0.1.0\n"
    broken = bare + "Description-Content-Type: text/x-rst\n\nHead\n==\n\n.. nothing:: here\n"
    assert findings_of("description", make(metadata=broken))[0].startswith(
        "its description is not valid reStructuredText"
    )


def test_a_missing_readme_is_a_warning_that_an_index_can_refuse(make: Callable[..., Candidate]) -> None:
    wheel = make("any", metadata="Metadata-Version: 2.4\nName: tide\nVersion: 0.1.0\n")
    assert problems(wheel) == findings([wheel.path]) == ()
    assert warnings([wheel, wheel]) == ("it has no description; name a readme in [project]",)
    rules = {"refuse readme": "our users read it first"}
    refused, notes = refusals_and_notes(findings([wheel.path], rules=rules), rules)
    assert ([one.rule for one in refused], notes) == (["readme"], ())


def test_files_that_would_be_installed_into_the_wrong_place_are_refused(make: Callable[..., Candidate]) -> None:
    assert findings_of("contents", make(files={"tide/__init__.pyc": b""}))[0].startswith("W001")
    assert findings_of("contents", make(files={"README.md": b"x"}))[0].startswith("W003")


def test_hooks_of_pyinstaller_are_no_modules_and_meant(make: Callable[..., Candidate]) -> None:
    assert findings_of("contents", make(files={"tide/_pyinstaller/hook-tide.py": b""})) == ()
    assert findings_of("contents", make(files={"tide/other/hook-tide.py": b""}))[0].startswith("W004")


def test_the_projects_own_settings_of_check_wheel_contents_hold_and_wrong_ones_are_refused(tmp_path: Path) -> None:
    name, settings = "tide-0.1.0-py3-none-any.whl", tmp_path / "pyproject.toml"
    path = wheels.wheel(tmp_path, name, {"tide/__init__.py": "", "README.md": "x"})
    wheel = examine(path, expected=name, target=TARGETS["any"], python="py3", pyproject=str(settings))
    settings.write_text("[tool.check-wheel-contents]\n")
    assert [text[:4] for text in findings_of("contents", wheel)] == ["W003", "W009"]
    settings.write_text('[tool.check-wheel-contents]\nignore = "W003,W009"\n')
    assert findings_of("contents", wheel) == ()
    settings.write_text('[tool.check-wheel-contents]\nignore = "W999"\n')
    (line,) = findings_of("contents", wheel)
    assert "W999" in line


def test_a_program_may_have_no_library_and_grafted_libraries_lie_at_the_top(tmp_path: Path) -> None:
    name = f"tide-0.1.0-py3-none-{platform_tag(TARGETS[LINUX], 'manylinux2014')}.whl"
    program = wheels.wheel(tmp_path, name, {"tide-0.1.0.data/scripts/tide": wheels.elf()})
    assert problems(examine(program, expected=name, target=TARGETS[LINUX], python="py3")) == ()


def test_a_program_of_setuptools_rust_has_the_tag_of_an_interpreter_and_no_module(tmp_path: Path) -> None:
    name = f"tide-0.1.0-cp311-cp311-{platform_tag(TARGETS[LINUX], 'manylinux2014')}.whl"
    program = wheels.wheel(tmp_path, name, {"tide-0.1.0.data/scripts/tide": wheels.elf()})
    wheel = examine(program, expected=name, target=TARGETS[LINUX], python="3.11", programs_only=True)
    assert problems(wheel) == ()
    (missing,) = problems(planned(wheel, programs_only=False))
    assert "no extension module in it" in missing


def test_grafted_libraries_at_the_top_are_in_place(make: Callable[..., Candidate]) -> None:
    assert findings_of("contents", make(files={"tide.libs/libz-1.so.1": wheels.elf()})) == ()


def test_a_grafted_library_without_a_version_and_a_moved_program_are_no_modules(
    make: Callable[..., Candidate],
) -> None:
    grafted = make(files={"tide.libs/libpebbledep-1a2b3c.so": wheels.elf(), "tide.scripts/tide": wheels.elf()})
    assert findings_of("contents", grafted) == ()
    assert findings_of("contents", make(files={"ti.de/lib.so": wheels.elf()}))[0].startswith("W004")


def test_what_is_no_wheel_at_all_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "tide-0.1.0-py3-none-any.whl"
    path.write_bytes(b"text")
    with pytest.raises(StepFailed, match="cannot be read as a wheel"):
        examine(path, expected=path.name, target=TARGETS["any"], python="py3")


def stated(file: str, metadata: str) -> Candidate:
    """A file that has this metadata."""
    kind: Literal["wheel", "sdist"] = "wheel" if file.endswith(".whl") else "sdist"
    return Candidate(artifact=Distribution(file=file, kind=kind, size=0, metadata=metadata.encode()))


def test_metadata_must_agree_over_the_files_of_a_package() -> None:
    one = "Metadata-Version: 2.4\nName: tide\nRequires-Dist: a\nRequires-Dist: b\n"
    same = "Metadata-Version: 2.2\nName: tide\nRequires-Dist: b\nRequires-Dist: a\nDynamic: Keywords\n"
    other = "Metadata-Version: 2.4\nName: tide\nRequires-Dist: a\n"
    assert metadata_differences([stated("a.whl", one), stated("b.tar.gz", same)]) == ()
    assert metadata_differences([]) == ()
    (output,) = metadata_differences([stated("b.whl", other), stated("a.whl", one), stated("c.tar.gz", same)])
    assert output == "Requires-Dist differs: a.whl says 'a', 'b', b.whl says 'a'"


@pytest.mark.parametrize(
    ("line", "header"),
    [
        ("Classifier: Private :: Not", "Classifier"),
        ("Project-URL: Home, https://tide.example", "Project-Url"),
        ("License-File: LICENSE", "License-File"),
        ("Keywords: a,b", "Keywords"),
        ("Provides-Extra: fast", "Provides-Extra"),
    ],
)
def test_a_difference_names_the_header(line: str, header: str) -> None:
    head = "Metadata-Version: 2.4\nName: tide\n"
    (output,) = metadata_differences([stated("a.whl", head + line + "\n"), stated("b.whl", head)])
    assert output.startswith(f"{header} differs: a.whl says '")
    assert output.endswith("b.whl says nothing")
    left_open = stated("b.tar.gz", f"{head}Dynamic: {header.lower()}\n")
    assert metadata_differences([stated("a.whl", head + line + "\n"), left_open]) == ()
    open_wheel = stated("a.whl", f"{head}Dynamic: {header.lower()}\n")
    assert metadata_differences([open_wheel, stated("b.whl", head + line + "\n")]) == ()


@pytest.mark.parametrize(("length", "shown"), [(78, f"'{'a' * 78}'"), (79, f"'{'a' * 76}…'"), (200, f"'{'a' * 76}…'")])
def test_a_single_value_that_differs_is_shown_and_a_long_one_cut(length: int, shown: str) -> None:
    one, two = (f"Metadata-Version: 2.4\nName: tide\nSummary: {text}\n" for text in ("a" * length, "b"))
    assert metadata_differences([stated("a.whl", one), stated("b.whl", two)]) == (
        f"Summary differs: a.whl says {shown}, b.whl says 'b'",
    )


RAN = TestRun(count=3, python="3.11.7", where="lib/tide.py")
NOT = TestRun(python="3.14", not_run="Python 3.14 is not installed here")


@pytest.mark.parametrize("runs", [(RAN,), (RAN, NOT), (TestRun(not_run="it is for macOS"),), (TestRun(note="x"),)])
def test_a_report_is_read_as_it_was_written(runs: tuple[TestRun, ...]) -> None:
    report = CheckReport(file="a.whl", sha256="ab", problems=("floor: too new",), runs=runs)
    assert parse_report(report_json(report)) == report


def test_a_report_has_the_same_bytes_however_long_it_took() -> None:
    reports = [CheckReport(file="a", sha256="b", runs=(TestRun(count=1, seconds=s),)) for s in (1.0, 2.0)]
    assert len({report_json(report) for report in reports}) == 1


OTHER = TestRun(count=3, python="3.12.1", by="emulated by qemu-aarch64")


@pytest.mark.parametrize(
    ("runs", "untested", "words"),
    [
        ((RAN,), "", "3 tests passed"),
        ((replace(RAN, count=0),), "", "tests passed"),
        ((RAN, NOT), "", "3 tests passed (3.11), not with 3.14"),
        ((OTHER,), "", "3 tests passed (emulated by qemu-aarch64: 3.12)"),
        (
            (RAN, OTHER, replace(OTHER, count=2, python="3.13.0")),
            "",
            "2 to 3 tests passed (3.11; emulated by qemu-aarch64: 3.12, 3.13)",
        ),
        ((NOT, NOT), NOT.not_run, f"tests not run: {NOT.not_run}"),
        ((RAN, replace(NOT, needed=True)), NOT.not_run, "3 tests passed (3.11), not with 3.14"),
        ((), "no Python to test it with", "tests not run: "),
    ],
)
def test_a_wheel_that_was_tested_in_part_says_so(runs: tuple[TestRun, ...], untested: str, words: str) -> None:
    report = CheckReport(file="a.whl", sha256="ab", runs=runs)
    assert report.untested == untested
    assert report.tested == words


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"schema": 1}', b'{"schema": 2, "file": "a", "tests": 3}'])
def test_a_damaged_report_is_refused_with_its_place(content: bytes) -> None:
    with pytest.raises(StepFailed, match=r"checks/a\.json: not one that this version writes"):
        parse_report(content, where="checks/a.json")


def test_a_binary_is_a_value() -> None:
    assert Binary(path="a", format="elf", architecture="x86_64") == Binary(
        path="a", format="elf", architecture="x86_64"
    )
