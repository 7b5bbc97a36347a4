"""More small projects for maturin, in the shapes that real ones have; see `maturin_projects`."""

from __future__ import annotations

from collections.abc import Mapping

from support.maturin_projects import (
    ABI3,
    ANY,
    IN_CORE,
    MAIN,
    ONE,
    STABLE,
    Case,
    cargo,
    conditional,
    core,
    module,
    plain,
    pyproject,
)  # fmt: skip

NATIVE = 'name = "_native"\ncrate-type = ["cdylib"]'

WORKSPACE = """[workspace]
members = ["crates/*"]
resolver = "2"

[workspace.package]
version = "2.3.4"
edition = "2021"
authors = ["A B <a@b.example>", "C"]
description = "from the workspace"
license = "MIT"
repository = "https://e.example/r"
readme = "README.md"
keywords = ["one", "two"]

[workspace.dependencies]
pyo3 = "0.29"
"""

MEMBER = """[package]
name = "{name}"
version.workspace = true
edition.workspace = true
authors.workspace = true
description.workspace = true
license.workspace = true
repository.workspace = true
readme.workspace = true
keywords.workspace = true
"""

OF_THE_CRATE = """edition = "2021"
description = "of the crate"
license = "MIT"
keywords = ["a", "b"]
authors = ["A <a@b.example>"]
repository = "https://e.example/r"
homepage = "https://e.example/h"
documentation = "https://e.example/d\""""

NAMES: Mapping[str, Case] = {
    "a namespace three deep": Case(
        files=plain(**{
            "pyproject.toml": pyproject('python-source = "python"\nmodule-name = "acme.team.demo._native"'),
            "src/lib.rs": module("_native"), "python/acme/team/demo/__init__.py": "",
            "python/acme/team/demo/_native.pyi": "", "python/acme/team/demo/py.typed": "", "python/acme/more.py": "",
        }),
        extension="acme.team.demo._native", tags=ONE,
    ),
    "stubs alone in the package": Case(
        files=plain(**{"pyproject.toml": pyproject('module-name = "demo._native"'), "src/lib.rs": module("_native"),
                       "demo/_native.pyi": "", "demo/py.typed": ""}),
        extension="demo._native", tags=ONE,
    ),
    "a private library alone": Case(
        files=plain(**{"Cargo.toml": cargo(lib=NATIVE), "src/lib.rs": module("_native")}),
        extension="_native._native", tags=ONE,
    ),
    "python-source is the folder itself": Case(
        files=plain(**{"pyproject.toml": pyproject('python-source = "."'), "demo/__init__.py": ""}),
        extension="demo.demo", tags=ONE,
    ),
    "python-source with dots and slashes": Case(
        files=plain(**{"pyproject.toml": pyproject('python-source = "./python/"'), "python/demo/__init__.py": "",
                       "python/demo/sub/more.py": "", "python/other/__init__.py": ""}),
        extension="demo.demo", tags=ONE,
    ),
    "python-source is src beside the crate": Case(
        files=plain(**{"pyproject.toml": pyproject('python-source = "src"'), "src/demo/__init__.py": "",
                       "src/demo/table.json": "{}"}),
        extension="demo.demo", tags=ONE,
    ),
    "a package of stubs": Case(
        files=plain(**{"pyproject.toml": pyproject('python-source = "python"\nmodule-name = "demo.demo"\n'
                                                   'python-packages = ["demo", "demo-stubs"]'),
                       "python/demo/__init__.py": "", "python/demo-stubs/demo.pyi": "", "python/no/__init__.py": ""}),
        extension="demo.demo", tags=ONE,
    ),
    "a package below another": Case(
        files=plain(**{"pyproject.toml": pyproject('python-packages = ["ns/pkg"]'), "demo/__init__.py": "",
                       "ns/pkg/more.py": "", "ns/no/less.py": ""}),
        extension="demo.demo", tags=ONE,
    ),
    "a workspace that gives everything": Case(
        files={"pyproject.toml": pyproject('manifest-path = "crates/py/Cargo.toml"\npython-source = "python"\n'
                                           'module-name = "demo._demo"'),
               "Cargo.toml": WORKSPACE, "README.md": "# demo\n", "python/demo/__init__.py": "",
               "crates/py/Cargo.toml": MEMBER.format(name="demo-py")
               + '[lib]\nname = "_demo"\ncrate-type = ["cdylib"]\n[dependencies]\npyo3.workspace = true\n',
               "crates/py/src/lib.rs": module("_demo"), "crates/more/Cargo.toml": MEMBER.format(name="more"),
               "crates/more/src/lib.rs": ""},
        extension="demo._demo", tags=ONE,
    ),
    "hidden and compiled files in the package": Case(
        files=plain(**{"pyproject.toml": pyproject('python-source = "python"'), "python/demo/__init__.py": "",
                       "python/demo/libother.so": "", "python/demo/.hidden": "", "python/demo/a b.txt": "",
                       "python/demo/.ignore": "made.txt\n", "python/demo/made.txt": "",
                       "python/demo/__pycache__/a.cpython-311.pyc": ""}),
        extension="demo.demo", tags=ONE,
    ),
    "patterns of exclude": Case(
        files=plain(**{"pyproject.toml": pyproject('exclude = ["**/*.dat", "demo/tests/**", "*.md", "/demo/top.txt"]'),
                       "demo/__init__.py": "", "demo/x.dat": "", "demo/tests/deep/b.txt": "", "demo/n.md": "",
                       "demo/top.txt": "", "demo/sub/top.txt": ""}),
        extension="demo.demo", tags=ONE,
    ),
    "exclude by format": Case(
        files=plain(**{"pyproject.toml": pyproject('exclude = [{ path = "demo/a.txt", format = "sdist" }, '
                                                   '{ path = "demo/b.txt", format = ["wheel", "sdist"] }]'),
                       "demo/__init__.py": "", "demo/a.txt": "", "demo/b.txt": ""}),
        extension="demo.demo", tags=ONE,
    ),
    "include below python-source": Case(
        files=plain(**{"pyproject.toml": pyproject('python-source = "python"\n'
                                                   'include = ["demo/data/*.json", "docs/**/*", "[ab].dat"]'),
                       "python/demo/__init__.py": "", "python/demo/.ignore": "*.json\n",
                       "python/demo/data/a.json": "", "docs/a/b.md": "", "docs/c.md": "", "a.dat": "", "c.dat": ""}),
        extension="demo.demo", tags=ONE,
    ),
    "a data folder of a dotted name": Case(
        files=plain(**{"pyproject.toml": pyproject('module-name = "demo._core"'), "src/lib.rs": module("_core"),
                       "demo/__init__.py": "", "demo._core.data/data/x.txt": "", "demo.data/data/y.txt": ""}),
        extension="demo._core", tags=ONE,
    ),
    "all kinds of data": Case(
        files=plain(**{"demo.data/scripts/run.sh": "#!/bin/sh\n", "demo.data/headers/demo.h": "",
                       "demo.data/purelib/pure.py": "", "demo.data/platlib/plat.py": ""}),
        extension="demo.demo", tags=ONE,
    ),
}  # fmt: skip

METADATA: Mapping[str, Case] = {
    "licence files by patterns": Case(
        files=plain(**{"pyproject.toml": pyproject(more='license = "MIT OR Apache-2.0"\n'
                                                   'license-files = ["LICENSES/*", "vendor/**/COPYING"]\n'),
                       "LICENSES/MIT.txt": "", "vendor/a/b/COPYING": "", "LICENSE": ""}),
        extension="demo.demo", tags=ONE,
    ),
    "a licence in a table": Case(
        files=plain(**{"pyproject.toml": pyproject(more='license = { file = "LICENCE.md" }'), "LICENCE.md": "x\n"}),
        extension="demo.demo", tags=ONE,
    ),
    "a readme in a table": Case(
        files=plain(**{"pyproject.toml": pyproject(more='readme = { file = "docs/README.rst", content-type = '
                                                   '"text/x-rst" }'), "docs/README.rst": "demo\n"}),
        extension="demo.demo", tags=ONE,
    ),
    "everything of the crate": Case(
        files=plain(**{"README.md": "# demo\n",
                       "pyproject.toml": pyproject().replace('["version"]', '["version", "description", "readme", '
                                                             '"license", "keywords", "authors", "urls"]'),
                       "Cargo.toml": cargo().replace('edition = "2021"', OF_THE_CRATE)}),
        extension="demo.demo", tags=ONE,
    ),
    "entry points": Case(
        files=plain(**{"pyproject.toml": pyproject(more='[project.gui-scripts]\ndemo-gui = "demo:gui"\n'
                                                   '[project.entry-points."demo.plugins"]\na = "demo:a"\n')}),
        extension="demo.demo", tags=ONE,
    ),
    "no version, not even a dynamic one": Case(
        files=plain(**{"pyproject.toml": pyproject().replace('dynamic = ["version"]\n', "")}),
        extension="demo.demo", tags=ONE,
    ),
    "a version of cargo with a build": Case(
        files=plain(**{"Cargo.toml": cargo(version='"1.0.0-rc.1+x"')}), extension="demo.demo", tags=ONE,
    ),
}  # fmt: skip

WITH_EXTRA = """[[bin]]
name = "demo-cli"
path = "cli/main.rs"

[[bin]]
name = "extra"
path = "cli/extra.rs"
required-features = ["extra"]

[features]
extra = []
"""
TWO = {"Cargo.toml": cargo("", lib="", more=WITH_EXTRA), "cli/main.rs": MAIN, "cli/extra.rs": MAIN}

BINDINGS: Mapping[str, Case] = {
    "a program with a feature that is off": Case(files={"pyproject.toml": pyproject(), **TWO}, extension="", tags=ANY),
    "a program with a feature that is on": Case(
        files={"pyproject.toml": pyproject('features = ["extra"]'), **TWO}, extension="", tags=ANY,
    ),
    "one target of two programs": Case(
        files={"pyproject.toml": pyproject('targets = [{ name = "one", kind = "bin" }]'), "src/bin/one.rs": MAIN,
               "Cargo.toml": cargo("", lib=""), "src/bin/two.rs": MAIN},
        extension="", tags=ANY,
    ),
    "a program for the stable ABI": Case(
        files={"pyproject.toml": pyproject('bindings = "bin"'), "Cargo.toml": cargo(ABI3, lib=""), "src/main.rs": MAIN},
        extension="", tags=ONE,
    ),
    "a program that asks PyO3 how to build": Case(
        files={"pyproject.toml": pyproject('bindings = "bin"'), "src/main.rs": MAIN,
               "Cargo.toml": cargo("", lib="", more='[build-dependencies]\npyo3-build-config = "0.29"\n')},
        extension="", tags=ANY,
    ),
    "a library of three kinds in another folder": Case(
        files=plain(**{"Cargo.toml": cargo(lib='crate-type = ["cdylib", "staticlib", "rlib"]\npath = "rust/lib.rs"'),
                       "rust/lib.rs": module()}),
        extension="demo.demo", tags=ONE,
    ),
}  # fmt: skip

TWO_ROWS = ('{ feature = "pyo3/abi3-py311", python-version = ">=3.11" }, '
            '{ feature = "pyo3/abi3-py39", python-version = "<3.11" }')  # fmt: skip

STABLE_ABI: Mapping[str, Case] = {
    "on Windows alone": Case(
        files=plain(**{"Cargo.toml": cargo(more=f"[target.'cfg(windows)'.dependencies]\npyo3 = {ABI3}\n")}),
        extension="demo.demo", tags=STABLE, refused="only other targets or tests ask PyO3 for the stable ABI",
    ),
    "for an older Python than the project": Case(
        files=plain(**{"pyproject.toml": pyproject().replace(">=3.9", ">=3.11"), "Cargo.toml": cargo(ABI3)}),
        extension="demo.demo", tags=STABLE,
    ),
    "without a version in a newer project": Case(
        files=plain(**{"pyproject.toml": pyproject().replace(">=3.9", ">=3.11"),
                       "Cargo.toml": cargo('{ version = "0.29", features = ["abi3"] }')}),
        extension="demo.demo", tags="cp311-abi3",
    ),
    "by two rows for older and newer interpreters": Case(
        files=plain(**{"pyproject.toml": pyproject(f"features = [{TWO_ROWS}]")}),
        extension="demo.demo", tags="cp39-abi3",
    ),
    "without a version, for newer interpreters": Case(
        files=conditional('"pyo3/abi3", python-version = ">=3.11"'),
        extension="demo.demo", tags="cp311-abi3",
    ),
    "by a row beside the crate's own": Case(
        files=plain(**{"pyproject.toml": pyproject('features = [{ feature = "pyo3/abi3-py311", python-version = '
                                                   '">=3.10" }]'), "Cargo.toml": cargo(ABI3)}),
        extension="demo.demo", tags=STABLE,
    ),
    "by a feature of a member": Case(
        files=plain(**{"pyproject.toml": pyproject('features = ["core-lib/stable"]'), "Cargo.toml": cargo(deps=IN_CORE),
                       **core(more='[features]\nstable = ["pyo3/abi3-py310"]\n')}),
        extension="demo.demo", tags=STABLE,
    ),
    "by the implicit feature of an optional crate": Case(
        files=plain(**{"pyproject.toml": pyproject('features = ["core-lib"]'), **core('"abi3-py310"'),
                       "Cargo.toml": cargo(deps='core-lib = { path = "core", optional = true }\n')}),
        extension="demo.demo", tags=STABLE,
    ),
    "by two features in one text": Case(
        files=plain(**{"pyproject.toml": pyproject('features = ["stable extra"]'),
                       "Cargo.toml": cargo(more='[features]\nstable = ["pyo3/abi3-py310"]\nextra = []\n')}),
        extension="demo.demo", tags=STABLE,
    ),
    "by a crate that replaces another": Case(
        files=plain(**{"Cargo.toml": cargo(deps='core-lib = "1"\n',
                                           more='[patch.crates-io]\ncore-lib = { path = "core" }\n'),
                       **core('"abi3-py310"')}),
        extension="demo.demo", tags=STABLE,
    ),
}  # fmt: skip

HABITS: Mapping[str, Case] = {
    f"{group}, by habit: {name}": case
    for group, cases in (
        ("named", NAMES), ("metadata", METADATA), ("bindings", BINDINGS), ("abi3", STABLE_ABI),
    )
    for name, case in cases.items()
}  # fmt: skip

LEAVES = "pyproject.toml [tool.maturin] "
DASHED = {"pyproject.toml": pyproject(name="demo-py"), "Cargo.toml": cargo(name="demo-py"), "src/lib.rs": module()}
SCRIPTS = '[project.scripts]\nx = "demo:main"\n'
REFUSED: Mapping[str, tuple[Mapping[str, str], str]] = {
    "a name with a dash": (
        DASHED,
        "pyproject.toml: the extension would be 'demo-py', which cannot be imported; write name = "
        '"demo_py" into [lib] of Cargo.toml',
    ),
    "a module-name with a dash": (
        plain(**{"pyproject.toml": pyproject('module-name = "demo.my-ext"')}),
        "pyproject.toml: the extension would be 'my-ext', which cannot be imported; write module-name = "
        '"demo.my_ext" into [tool.maturin]',
    ),
    "a list that is none": (
        plain(**{"pyproject.toml": pyproject("include = 5")}),
        "pyproject.toml: tool.maturin.include: found a number, expected a list",
    ),
    "scripts beside a program": (
        {"pyproject.toml": pyproject(more=SCRIPTS), "Cargo.toml": cargo("", lib=""), "src/main.rs": MAIN},
        "pyproject.toml [project.scripts]: maturin packs no scripts beside a program in Rust",
    ),
    "another compatibility": (
        plain(**{"pyproject.toml": pyproject('compatibility = "auto"')}),
        f"{LEAVES}compatibility: unknown value 'auto'; expected one like",
    ),
    "bindings of long ago": (
        plain(**{"pyproject.toml": pyproject('bindings = "rust-cpython"')}),
        f"{LEAVES}bindings: unknown value 'rust-cpython'",
    ),
    "another audit": (
        plain(**{"pyproject.toml": pyproject('auditwheel = "skpi"')}),
        f"{LEAVES}auditwheel: unknown value 'skpi'; did you mean 'skip'?",
    ),
    "a file above": (
        plain(**{"pyproject.toml": pyproject('include = ["../LICENSE"]')}),
        f"{LEAVES}include: '../LICENSE' is no pattern of files below the package; copy or link the file into",
    ),
    "a file by its full path": (
        plain(**{"pyproject.toml": pyproject('include = [{ path = "/etc/hosts", format = "wheel" }]')}),
        f"{LEAVES}include: '/etc/hosts' is no pattern of files below the package",
    ),
    "a file here": (
        plain(**{"pyproject.toml": pyproject('include = ["./a.txt"]')}),
        f"{LEAVES}include: './a.txt' is no pattern of files below the package; write it without '/' or './'",
    ),
    "a version that is no specifier": (
        plain(**{"pyproject.toml": pyproject('features = [{ feature = "a", python-version = "3.11" }]')}),
        f"{LEAVES}features: python-version '3.11' is no version specifier; expected one like '>=3.11'",
    ),
}  # fmt: skip
"""Projects that maturin refuses, and what is said when the configuration is read."""

FOLDERS: Mapping[str, tuple[Mapping[str, str], str]] = {
    "no data folder": (
        plain(**{"pyproject.toml": pyproject('data = "nope"')}),
        "demo: [tool.maturin] data names nope, which is no folder",
    ),
    "data of no kind": (
        plain(**{"demo.data/share/x": ""}), "demo: maturin refuses demo.data/share; expected folders named data",
    ),
    "no python-source": (
        plain(**{"pyproject.toml": pyproject('python-source = "python"')}),
        "demo: [tool.maturin] python-source needs the folder python/demo",
    ),
    "python-source without the package": (
        plain(**{"pyproject.toml": pyproject('python-source = "py"\nmodule-name = "a.b"'), "py/demo/__init__.py": "",
                 "src/lib.rs": module("b")}),
        "demo: [tool.maturin] python-source needs the folder py/a",
    ),
}  # fmt: skip
"""Projects with folders that maturin refuses, and what `doit plan` says."""
