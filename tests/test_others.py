"""Packages that others wrote, as they are on the index: nothing is changed, a dodo.py and a table are added.

Each is built, repaired and checked for the systems that its code allows, its source distribution is checked, and after
each of five edits its wheel is byte for byte what a build from nothing makes.  CI builds a sample of the first.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from msgspec import Struct

from support.others import HOST, MAC, MUSL, WINDOWS, generator, project_of
from support.projects import FLOOR, TRIPLE
from support.repositories import git
from support.yard import Yard

TARGETS = (HOST, MUSL, MAC, WINDOWS)


class Other(Struct, frozen=True, kw_only=True):
    """A package on the index, and where its sources are."""

    version: str
    python: str
    """The Python that its wheel is for."""
    source: str
    """A file that is compiled."""
    packed: str
    """A file of the Python package, its stub, a module of the crate that exports to Python by uniffi, or a header."""
    targets: tuple[str, ...] = TARGETS
    """The systems that its code allows from Linux."""
    readme: str = "README.md"
    """A text in the metadata; the wheels of jellyfish, uuid-utils, fastuuid, py-spy and libsql have no readme."""
    more: str = ""
    """A line of the table; the crates of glean-sdk and arrow-odbc keep a version of their own."""
    generator: str = ""
    """The version of UniFFI whose generator it wants on PATH."""
    sdist: bool = True
    """Whether maturin makes a source distribution of it; mappy-rs lacks a member of a workspace."""
    static: bool = False
    """The version, which its backend reads from a module, is written into pyproject.toml."""


OTHERS = {
    # a parser, a serialiser, a hash with assembly and C in it, a sanitiser for the stable ABI
    "rtoml": Other(version="0.14.0", python="3.13", source="src/lib.rs", packed="python/rtoml/__init__.py"),
    "ormsgpack": Other(version="1.13.1", python="3.13", source="src/lib.rs", packed="ormsgpack.pyi"),
    "blake3": Other(version="1.0.11", python="3.13", source="src/lib.rs", packed="blake3.pyi"),
    "nh3": Other(version="0.3.2", python="abi3", source="src/lib.rs", packed="nh3.pyi"),
    # stubs beside the module or in the package, py.typed
    "fastuuid": Other(  # its PyO3 0.26 lacks the feature that mingw needs: refused before anything is built
        version="0.14.0", python="3.13", source="src/lib.rs", packed="fastuuid.pyi", readme="LICENSE",
        targets=(HOST, MUSL, MAC),
    ),
    "jellyfish": Other(
        version="1.2.1", python="3.13", source="src/lib.rs", packed="python/jellyfish/__init__.py", readme="LICENSE"
    ),
    "python-bidi": Other(
        version="0.6.12", python="3.13", source="src/lib.rs", packed="bidi/__init__.py", readme="README.rst"
    ),
    "regress": Other(
        version="2026.9.1", python="3.13", source="src/lib.rs", packed="regress.pyi", readme="README.rst"
    ),
    "rpds-py": Other(version="0.29.0", python="3.13", source="src/lib.rs", packed="rpds.pyi", readme="README.rst"),
    "uuid-utils": Other(
        version="0.12.0", python="abi3", source="src/lib.rs", packed="python/uuid_utils/__init__.py",
        readme="LICENSE.md",
    ),
    # a crate of its own around C sources, which its build script names by `*.c`, a path that is not there
    "mappy-rs": Other(  # its build script reads this machine's headers; its PyO3 0.19 knows no Python after 3.11
        version="0.0.7", python="3.11", source="src/lib.rs",
        packed="local_dependencies/minimap2-sys/minimap2/minimap.h", targets=(HOST,), sdist=False,
        more='environment = { CARGO_PROFILE_RELEASE_LTO = "off" }',
    ),
    # bindgen, cmake and cc in one crate of its graph
    "libsql": Other(
        version="0.1.11", python="3.13", source="src/lib.rs", packed="LICENSE.md", readme="LICENSE.md", targets=(HOST,),
    ),
    # uniffi, the second a workspace with sqlite's C sources in it
    "metamorphic-log": Other(  # its own profile strips the symbols that UniFFI's generator reads
        version="0.1.11", python="py3", source="src/lib.rs", packed="src/ffi.rs",
        more='environment = { CARGO_PROFILE_RELEASE_STRIP = "none" }', generator="0.32.0",
    ),
    "glean-sdk": Other(
        version="71.0.0", python="py3", source="glean-core/bundle/src/lib.rs",
        packed="glean-core/python/glean/__init__.py", more='version-from = "pyproject.toml alone"',
    ),
    # uniffi with its generator as a program beside the library
    "tsink-uniffi": Other(
        version="0.10.0", python="py3", source="crates/tsink-uniffi/src/lib.rs",
        packed="crates/tsink-uniffi/src/db.rs", readme="crates/tsink-uniffi/src/types.rs",
    ),
    # cffi, and a library of the system
    "arrow-odbc": Other(
        version="10.6.2", python="py3", source="src/lib.rs", packed="python/arrow_odbc/__init__.py", targets=(HOST,),
        more='version-from = "pyproject.toml alone"',
    ),
    # a program whose crate has a library too
    "py-spy": Other(  # a crate of its graph compiles for macOS on a Mac alone, and `doctor` names two that need its SDK
        version="0.4.3", python="py3", source="src/main.rs", packed="LICENSE", readme="LICENSE",
        targets=(HOST, MUSL, WINDOWS),
    ),
    # setuptools-rust, the second a workspace with three extensions, and scikit-build-core: their backends compile for
    # this machine
    "bcrypt": Other(
        version="5.0.0", python="abi3", source="src/_bcrypt/src/lib.rs", packed="src/bcrypt/__init__.py",
        readme="README.rst", targets=(HOST,),
    ),
    "dulwich": Other(
        version="1.2.21", python="3.13", source="crates/pack/src/lib.rs", packed="dulwich/__init__.py",
        readme="README.rst", targets=(HOST,), static=True,
    ),
    "phik": Other(
        version="0.12.5", python="3.13", source="phik/simcore/bindings.cpp", packed="phik/__init__.py",
        readme="README.rst", targets=(HOST,),
    ),
}  # fmt: skip

SAMPLED = ("rtoml", "ormsgpack", "blake3", "nh3", "python-bidi")
"""Packages of which every target has been seen to pass: CI draws its sample from them, `-m full` runs all."""

BUILDS = [
    pytest.param(name, target, marks=pytest.mark.full(sample=0.1 if name in SAMPLED else 0.0))
    for name, other in OTHERS.items()
    for target in other.targets
]

TABLE = """
[tool.cartwheel]
targets = {targets}
python = ["{python}"]{more}
publish = []
test = {{ skip = "their tests are not in what they send to the index" }}
"""

pytestmark = [
    pytest.mark.skipif(TRIPLE != HOST, reason="the systems are those that x86_64 Linux builds for"),
    pytest.mark.skipif(not shutil.which("cargo"), reason="needs cargo"),
]


@pytest.fixture(scope="session")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Yard]:
    """Projects that were made already, by the name of the package."""
    return {}


def other_project(name: str, base: Path) -> Yard:
    """The source distribution in a repository, with what a user would add to it."""
    other = OTHERS[name]
    own = other.targets == (HOST,)  # compiled by this machine's compiler, or with its libraries
    floor = f'\nfloor = "{FLOOR}"' if own else ""
    more = f"\n{other.more}{floor}"
    table = TABLE.format(targets=json.dumps(other.targets), python=other.python, more=more)
    project = project_of(name, other.version, table, base, static=other.static)
    if other.generator:
        project.env["PATH"] = os.pathsep.join((os.environ["PATH"], str(generator(other.generator, base / "generator"))))
    project.patience = 3600  # uniffi's generator takes more than 900 s on two busy cores
    project.task = f"build:{HOST}:{name}:{other.python}"
    return project


@pytest.mark.parametrize(("name", "target"), BUILDS)
def test_a_package_that_others_wrote_is_built_for(
    name: str, target: str, theirs: dict[str, Yard], tmp_path_factory: pytest.TempPathFactory
) -> None:
    if target == WINDOWS and not shutil.which("x86_64-w64-mingw32-gcc"):
        pytest.skip("needs x86_64-w64-mingw32-gcc")
    if name not in theirs:
        theirs[name] = other_project(name, tmp_path_factory.mktemp(name))
    project, other = theirs[name], OTHERS[name]
    project.doit(f"check:{target}:{name}:{other.python}", env=project.env)
    report = json.loads((project.root / f".cartwheel/checks/{target}/{name}/{other.python}.json").read_text("utf-8"))
    assert report["file"].startswith(f"{name.replace('-', '_')}-{other.version}-")
    assert (project.root / "dist/private" / report["file"]).is_file()
    assert git(project.root, "status", "--porcelain") == ""


@pytest.mark.full(sample=0.0)
@pytest.mark.parametrize("name", [name for name, other in OTHERS.items() if other.sdist])
def test_the_source_distribution_of_a_package_that_others_wrote_builds_its_planned_wheel(
    name: str, theirs: dict[str, Yard], tmp_path_factory: pytest.TempPathFactory
) -> None:
    if name not in theirs:
        theirs[name] = other_project(name, tmp_path_factory.mktemp(name))
    project = theirs[name]
    project.doit(f"check:{HOST}:{name}:{OTHERS[name].python}", "check:sdist", env=project.env)
    report = json.loads((project.root / f".cartwheel/checks/sdist/{name}.json").read_text("utf-8"))
    assert report["built_for"] == HOST
    assert any(file.endswith("/METADATA") for file in report["built"])
    assert git(project.root, "status", "--porcelain") == ""


ADDITIONS = {
    ".rs": "#[uniffi::export]\npub fn added{0}() {{}}",
    ".h": "#ifndef ADDED{0}\n#define ADDED{0}\n"
    '__attribute__((constructor)) static void added{0}(void) {{ __asm__ volatile(""); }}\n#endif',
}
"""What an edit adds to a file, by its suffix, where a comment would leave the wheel as it is."""


def edited(project: Yard, other: Other, number: int) -> None:
    """The project after one more edit, by its number."""
    source = project.path(other.source)
    item = (
        '__attribute__((used)) static const char added{0}[] = "added {0}";\n'
        if source.suffix == ".cpp"
        else '#[used]\nstatic ADDED{0}: &[u8] = b"added {0}";\n'
    ).format(number)
    match number:
        case 0:
            source.write_text(source.read_text("utf-8") + item, "utf-8")
        case 1 | 2:
            path = project.path(other.packed if number == 1 else other.readme)
            text = ADDITIONS.get(path.suffix, "# edited {0}").format(number)
            path.write_text(f"{path.read_text('utf-8')}\n{text}\n", "utf-8")
        case 3:
            path = project.path("pyproject.toml")
            text = path.read_text("utf-8")
            if "\ndescription" not in text:
                text = text.replace("[project]\n", "[project]\ndescription = 1\n")
            assert text.count("\ndescription = ") == 1 or text.count("\ndescription=") == 1
            path.write_text(text.replace("\ndescription", '\ndescription = "Another." #', 1), "utf-8")
        case 4:
            source.write_text(source.read_text("utf-8") + item, "utf-8")
            os.utime(source, (1_000_000_000, 1_000_000_000))


@pytest.mark.full(sample=0.0)
@pytest.mark.parametrize("name", OTHERS)
def test_an_edit_of_a_package_that_others_wrote_gives_what_a_build_from_nothing_makes(
    name: str, tmp_path: Path
) -> None:
    project, other = other_project(name, tmp_path), OTHERS[name]
    project.env["CARGO_PROFILE_RELEASE_OPT_LEVEL"] = "0"  # reads the same files, in a third of the time
    assert project.build()
    assert not project.build(), "what was just built is up to date"
    before = project.wheel()
    for number in range(5):
        edited(project, other, number)
        assert project.build(), f"edit {number} is missed"
        built = project.wheel()
        assert built != before, f"edit {number} changes nothing"
        assert built == project.clean_wheel(), f"edit {number} gives another wheel than a clean build"
        before = built
