"""Programs that write the Python side of a wheel after the compiler: an edit of one reaches the wheel.

The generators here are small programs that take the arguments that maturin passes to `uniffi-bindgen` and write one
module; maturin runs them as it runs UniFFI's.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from support.projects import TRIPLE
from support.yard import CRATE, PYPROJECT, Yard, judge_edits

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif("linux" not in TRIPLE, reason="the generator on PATH is a shell script"),
    pytest.mark.skipif(not shutil.which("cargo"), reason="needs cargo"),
]

UNIFFI = f"""{PYPROJECT.replace('bindings = "bin"', 'bindings = "uniffi"')}\
environment = {{ CARGO_PROFILE_RELEASE_STRIP = "none" }}
"""
"""UniFFI's generator reads the library's symbols, which the profile of the test projects strips."""

LIBRARY = f'{CRATE.format("app")}[lib]\ncrate-type = ["cdylib"]\n'
GENERATOR = r"""
fn main() {
    let words: Vec<String> = std::env::args().collect();
    let out = words.iter().position(|word| word == "--out-dir").unwrap() + 1;
    let text = format!("A = {:?}\nB = {:?}\nC = {:?}\n", "one", helper::TEXT, include_str!("said.txt"));
    std::fs::write(format!("{}/app.py", words[out]), text).unwrap();
}
"""
IN_THE_WORKSPACE = {
    "pyproject.toml": UNIFFI,
    "app/Cargo.toml": LIBRARY,
    "app/src/lib.rs": "",
    "gen/Cargo.toml": CRATE.format("uniffi-bindgen") + '[dependencies]\nhelper = { path = "../helper" }\n',
    "gen/src/main.rs": GENERATOR,
    "gen/src/said.txt": "one",
    "helper/src/lib.rs": 'pub const TEXT: &str = "one";\n',
}
ON_PATH = """#!/bin/sh
while test "$1" != --out-dir; do shift; done
echo 'A = "one"' > "$2/app.py"
"""


def judge(yard: Yard, edits: Mapping[str, Callable[[], object]]) -> None:
    assert yard.build()
    assert not yard.build(), "what was just built is up to date"
    judge_edits(yard, edits)


def test_an_edit_of_a_generator_in_the_workspace_reaches_the_wheel(tmp_path: Path) -> None:
    yard = Yard.laid_out(tmp_path / "project", IN_THE_WORKSPACE, members=("app", "gen", "helper"))

    def with_an_old_time() -> None:
        yard.edit("gen/src/main.rs", '"two"', '"three"')
        os.utime(yard.path("gen/src/main.rs"), (1_000_000_000, 1_000_000_000))

    judge(
        yard,
        {
            "its code": lambda: yard.edit("gen/src/main.rs", '"one"', '"two"'),
            "its code with an old time": with_an_old_time,
            "a file that it includes": lambda: yard.write("gen/src/said.txt", "two"),
            "a crate that it uses": lambda: yard.edit("helper/src/lib.rs", '"one"', '"two"'),
        },
    )


def test_an_edit_of_a_generator_in_the_packages_crate_reaches_the_wheel(tmp_path: Path) -> None:
    program = GENERATOR.replace("helper::TEXT", "app::TEXT").replace('include_str!("said.txt")', '"one"')
    crate = CRATE.format("app") + '[lib]\ncrate-type = ["cdylib", "lib"]\n'
    files = {
        "pyproject.toml": UNIFFI,
        "app/Cargo.toml": f'{crate}[[bin]]\nname = "uniffi-bindgen"\npath = "uniffi-bindgen.rs"\n',
        "app/src/lib.rs": 'pub const TEXT: &str = "one";\n',
        "app/uniffi-bindgen.rs": program,
    }
    yard = Yard.laid_out(tmp_path / "project", files)
    judge(
        yard,
        {
            "its code": lambda: yard.edit("app/uniffi-bindgen.rs", "C = {:?}", "D = {:?}"),
            "the library that it uses": lambda: yard.edit("app/src/lib.rs", '"one"', '"two"'),
        },
    )


def test_another_generator_on_the_path_reaches_the_wheel(tmp_path: Path) -> None:
    files = {name: text for name, text in IN_THE_WORKSPACE.items() if name.startswith(("app", "pyproject"))}
    yard = Yard.laid_out(tmp_path / "project", files)
    program = tmp_path / "bin" / "uniffi-bindgen"
    program.parent.mkdir()

    def install(text: str) -> None:
        program.write_text(text)
        program.chmod(0o755)

    install(ON_PATH)
    yard.env["PATH"] = os.pathsep.join((str(program.parent), os.environ["PATH"]))
    judge(yard, {"another version": lambda: install(ON_PATH.replace('"one"', '"two"'))})
