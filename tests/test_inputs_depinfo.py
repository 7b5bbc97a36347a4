"""Parsing of the files that cargo and rustc write."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cartwheel.cargo.build_output import CargoMessages, dep_info, directives, messages
from cartwheel.cargo.resolution import crates_in_tree
from cartwheel.filesystem.read_set import ReadSet
from cartwheel.inputs.build_reads import BuildEvidence, CargoBuild
from cartwheel.inputs.last_build import may_escape
from cartwheel.inputs.native_sources import compiled_sources


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("/t/liba.so: /p/src/lib.rs /p/src/foo.rs\n", ("/p/src/lib.rs", "/p/src/foo.rs")),
        ("/t/liba.so: /p/my\\ notes/a\\ b.txt /p/c.txt\n", ("/p/my notes/a b.txt", "/p/c.txt")),
        ("/t\\ t/liba.so: /p/two\\ \\ spaces\n", ("/p/two  spaces",)),
        ("C:\\t\\a.dll: C:\\p\\src\\lib.rs D:\\x\\y.txt\n", ("C:\\p\\src\\lib.rs", "D:\\x\\y.txt")),
        ("C:\\my\\ t\\a.dll: C:\\my\\ p\\lib.rs\r\n", ("C:\\my p\\lib.rs",)),
        ("/t/a.d: a.rs\n\n/t/a.so: a.rs\n\na.rs:\n", ("a.rs",)),
        ("/t/a.so:\n", ()),
        ("", ()),
    ],
)
def test_the_files_of_dep_info_are_read_as_cargo_reads_them(text: str, files: tuple[str, ...]) -> None:
    assert dep_info(text).files == files


def test_variables_are_read_with_and_without_a_value() -> None:
    text = "a: a.rs\n\n# env-dep:CARGO_PKG_NAME=x\n# env-dep:UNSET\n# env-dep:MULTI=a\\nb=c\n# checksum:x a.rs\n"
    assert dep_info(text).env == ("CARGO_PKG_NAME", "UNSET", "MULTI")


def test_directives_are_read_in_the_old_form_and_the_new() -> None:
    names = directives(
        "hello\ncargo:rerun-if-changed=a b.txt\r\ncargo::rerun-if-changed=/x/y\ncargo:rerun-if-env-changed=A\n"
        "cargo::rerun-if-env-changed=B\ncargo:rustc-env=C=1\ncargo:rerun-if-changed=a b.txt\n"
    )
    assert names.changed == ("a b.txt", "/x/y")
    assert names.env == ("A", "B")


def _line(**output: object) -> str:
    return json.dumps(output)


def test_messages_are_complete_only_when_cargo_ended_well() -> None:
    artifact = _line(
        reason="compiler-artifact",
        package_id="path+file:///p#0.1.0",
        manifest_path="/p/Cargo.toml",
        target={"kind": ["cdylib"], "name": "p", "src_path": "/p/src/lib.rs"},
        filenames=["/t/libp.so"],
    )
    script = _line(reason="build-script-executed", package_id="x", out_dir="/t/out", env=[["MINE", "1"]])
    end = _line(reason="build-finished", success=True)
    output = messages("\n".join([artifact, "a warning", script, end]))
    assert (output.complete, len(output.artifacts), output.scripts[0].sets) == (True, 1, ("MINE",))
    assert not messages(artifact).complete
    assert not messages(end.replace("true", "false")).complete
    assert not messages(artifact[:40] + "\n" + end).complete
    assert not messages(_line(reason="compiler-artifact") + "\n" + end).complete
    assert not messages("{[").complete


def test_cargo_tree_is_joined_with_the_lock_file() -> None:
    printed = (
        "app v0.1.0 (/p/my (old) app) extra\npyo3 v0.29.3 abi3,macros\nsyn v2.0.1 full\nsyn v1.0.9 \n"
        "m v0.1.0 (proc-macro) (/p/m)\npyo3-macros v0.29.3 (proc-macro)\nlibc v0.2.1 std\nlibc v0.2.1 default,std (*)\n"
        "g v0.3.0 (https://host/g?branch=main#0a1b2c3d) f\n"
    )
    locked = {
        ("pyo3", "0.29.3"): "sha256:aa",
        ("syn", "2.0.1"): "sha256:bb",
        ("syn", "1.0.9"): "sha256:cc",
        ("pyo3-macros", "0.29.3"): "sha256:dd",
        ("libc", "0.2.1"): "sha256:ee",
        ("g", "0.3.0"): "git+https://host/g?branch=main#0a1b2c3d4e",
    }
    assert crates_in_tree(printed, locked) == {
        "app": "local features=extra",
        "pyo3": "0.29.3 features=abi3,macros sha256:aa",
        "syn 1.0.9": "1.0.9 sha256:cc",
        "syn 2.0.1": "2.0.1 features=full sha256:bb",
        "m": "local",
        "pyo3-macros": "0.29.3 sha256:dd",
        "libc": "0.2.1 features=default,std|std sha256:ee",
        "g": "0.3.0 features=f git+https://host/g?branch=main#0a1b2c3d4e",
    }


def test_headers_that_a_compiler_names_below_a_script_s_output_count(tmp_path: Path) -> None:
    root = tmp_path / "p"
    out = root / ".cartwheel" / "cargo" / "build" / "app-1" / "out"
    for name in ("native/f.c", "include/my f.h", "include/seen.h"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("", encoding="utf-8")
    (root / ".git").mkdir()
    (out / "deep").mkdir(parents=True)
    (out / "made.h").write_text("", encoding="utf-8")
    listed = [root / "native/../include/seen.h", Path("/usr/include/none.h"), out / "made.h", root / "include/my f.h"]
    lines = " \\\n ".join(str(path).replace(" ", "\\ ") for path in listed)
    (out / "deep/f.c.d").write_text(f"deep/f.o: {'../' * 6}native/f.c \\\n {lines}\n", encoding="utf-8")
    build = CargoBuild(
        root=root, manifest=root / "Cargo.toml", target_dir=root / ".cartwheel/cargo", triple="", profile="release",
        messages=root / "none", cwd=root,
    )  # fmt: skip
    run = BuildEvidence(build=build, messages=CargoMessages(), elsewhere=(str(root / ".cartwheel"),))
    reads = compiled_sources(out, run, ReadSet(files=("include/seen.h",)))
    assert reads.files == ("include/my f.h", "include/seen.h", "native/f.c")
    assert reads.unwatched == ("include/my f.h", "native/f.c")


@pytest.mark.parametrize(
    ("name", "was", "age", "escapes"),
    [
        ("f.h", "1", 9, False),
        ("f.h", "1", -9, True),
        ("f.h", "", 9, True),
        ("f.rs", "", 9, False),
    ],
)
def test_an_old_time_or_a_new_header_escapes_make(
    tmp_path: Path, name: str, was: str, age: float, escapes: bool
) -> None:
    (tmp_path / name).write_text("", encoding="utf-8")
    os.utime(tmp_path / name, (1000 + age, 1000 + age))
    assert may_escape(tmp_path, {name}, {name: was}, 1000) is escapes
