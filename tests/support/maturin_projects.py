"""Small projects, one for each way in which maturin decides how a wheel is named and what it holds.

A project is a mapping of paths to texts.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


class Case(Struct, frozen=True, kw_only=True):
    """One project and what is right for it."""

    files: Mapping[str, str]
    extension: str
    """The extension's dotted place in the wheel, `demo.demo`; empty for a program."""
    tags: str
    """Interpreter and ABI tag of the wheel that is built with CPython 3.11."""
    platform: str = ""
    """The platform tag, where the project decides it."""
    target: str = ""
    """A triple that is not this machine's, built by zig."""
    refused: str = ""
    """What our build says, where maturin makes a wheel whose name says more than it holds."""


HEAD = '[build-system]\nrequires = ["maturin>=1.9,<2"]\nbuild-backend = "maturin"\n'


def pyproject(maturin: str = "", *, name: str = "demo", more: str = "", version: bool = False) -> str:
    """A pyproject.toml; `maturin`: the lines of `[tool.maturin]`, `more`: those of `[project]`."""
    dynamic = 'version = "1.2.0"' if version else 'dynamic = ["version"]'
    project = f'[project]\nname = "{name}"\n{dynamic}\nrequires-python = ">=3.9"\n{more}\n'
    return f"{HEAD}\n{project}\n[tool.maturin]\n{maturin}\n"


def cargo(
    pyo3: str = '"0.29"', *, name: str = "demo", lib: str = 'crate-type = ["cdylib"]', more: str = "", deps: str = "",
    version: str = '"1.2.0"',
) -> str:  # fmt: skip
    """A Cargo.toml; `pyo3`: the value of that dependency, empty for none."""
    asked = f"pyo3 = {pyo3}\n" if pyo3 else ""
    library = f"[lib]\n{lib}\n" if lib else ""
    package = f'[package]\nname = "{name}"\nversion = {version}\nedition = "2021"\n'
    return f"{package}\n{library}\n[dependencies]\n{asked}{deps}\n{more}\n"


def module(name: str = "demo") -> str:
    """A library in Rust that is the Python module of that name."""
    return (
        f"use pyo3::prelude::*;\n\n#[pymodule]\nfn {name}(_module: &Bound<'_, PyModule>) -> PyResult<()> {{\n"
        "    Ok(())\n}\n"
    )


MAIN = "fn main() {}\n"
ABI3 = '{ version = "0.29", features = ["abi3-py310"] }'
OPTIONAL = '{ version = "0.29", optional = true }'


def plain(**files: str) -> Mapping[str, str]:
    """A plain extension with these files, in place of its own or besides."""
    return {"pyproject.toml": pyproject(), "Cargo.toml": cargo(), "src/lib.rs": module(), **files}


def core(features: str = "", *, more: str = "") -> Mapping[str, str]:
    """A crate `core` that depends on PyO3 with these features."""
    asked = f'{{ version = "0.29", features = [{features}] }}'
    return {"core/Cargo.toml": cargo(asked, name="core-lib", lib="", more=more), "core/src/lib.rs": ""}


EXTRAS = """dependencies = ["attrs>=20"]

[project.optional-dependencies]
test = ["pytest"]

[project.scripts]
demo = "demo:main"
"""


def conditional(feature: str) -> Mapping[str, str]:
    """A plain extension with a feature that depends on the interpreter."""
    return plain(**{"pyproject.toml": pyproject(f"features = [{{ feature = {feature} }}]")})


ONE, STABLE, ANY = "cp311-cp311", "cp310-abi3", "py3-none"
IN_CORE = 'core-lib = { path = "core" }\n'

NAMES: Mapping[str, Case] = {
    "a crate alone": Case(files=plain(), extension="demo.demo", tags=ONE),
    "the library's name": Case(
        files=plain(**{"Cargo.toml": cargo(lib='name = "slab"\ncrate-type = ["cdylib"]'),
                       "src/lib.rs": module("slab")}),
        extension="slab.slab", tags=ONE,
    ),
    "the project's name before the crate's": Case(
        files=plain(**{"Cargo.toml": cargo(name="other"), "src/lib.rs": module()}), extension="demo.demo", tags=ONE,
    ),
    "module-name before all": Case(
        files=plain(**{"pyproject.toml": pyproject('module-name = "rock"'), "src/lib.rs": module("rock")}),
        extension="rock.rock", tags=ONE,
    ),
    "a dotted name without a package": Case(
        files=plain(**{"pyproject.toml": pyproject('module-name = "stone.core"'), "src/lib.rs": module("core")}),
        extension="core.core", tags=ONE,
    ),
    "a dotted name in a package": Case(
        files=plain(**{"pyproject.toml": pyproject('module-name = "demo._core"'), "src/lib.rs": module("_core"),
                       "demo/__init__.py": "", "demo/py.typed": ""}),
        extension="demo._core", tags=ONE,
    ),
    "deep in a package": Case(
        files=plain(**{"pyproject.toml": pyproject('module-name = "demo.sub._core"'), "src/lib.rs": module("_core"),
                       "demo/__init__.py": "", "demo/sub/__init__.py": ""}),
        extension="demo.sub._core", tags=ONE,
    ),
    "a project's name with other letters": Case(
        files=plain(**{"pyproject.toml": pyproject('module-name = "demo"', name="My.Demo-X")}),
        extension="demo.demo", tags=ONE,
    ),
    "a mixed project": Case(
        files=plain(**{"demo/__init__.py": "", "demo/more.py": ""}), extension="demo.demo", tags=ONE,
    ),
    "a package without __init__": Case(files=plain(**{"demo/more.py": ""}), extension="demo.demo", tags=ONE),
    "python-source": Case(
        files=plain(**{"pyproject.toml": pyproject('python-source = "python"'), "python/demo/__init__.py": "",
                       "demo/__init__.py": "unused = 1\n"}),
        extension="demo.demo", tags=ONE,
    ),
    "python-source and a dotted name": Case(
        files=plain(**{"pyproject.toml": pyproject('python-source = "py"\nmodule-name = "demo._lib"'),
                       "src/lib.rs": module("_lib"), "py/demo/__init__.py": ""}),
        extension="demo._lib", tags=ONE,
    ),
    "the src layout": Case(
        files={"pyproject.toml": pyproject(), "rust/Cargo.toml": cargo(), "rust/src/lib.rs": module(),
               "src/demo/__init__.py": ""},
        extension="demo.demo", tags=ONE,
    ),
    "the src layout by python-packages": Case(
        files={"pyproject.toml": pyproject('python-packages = ["more"]\nmodule-name = "more.demo"'),
               "rust/Cargo.toml": cargo(), "rust/src/lib.rs": module(), "src/more/__init__.py": ""},
        extension="more.demo", tags=ONE,
    ),
    "the src layout beside another crate": Case(
        files={"pyproject.toml": pyproject(), "rust/Cargo.toml": cargo(), "rust/src/lib.rs": module(),
               "src/demo/__init__.py": "", "Cargo.toml": cargo(name="top"), "src/lib.rs": module("top")},
        extension="demo.demo", tags=ONE,
    ),
    "rust and python-source": Case(
        files={"pyproject.toml": pyproject('python-source = "src"'), "rust/Cargo.toml": cargo(),
               "rust/src/lib.rs": module(), "src/demo/__init__.py": ""},
        extension="demo.demo", tags=ONE,
    ),
    "two python-packages": Case(
        files=plain(**{"pyproject.toml": pyproject('python-packages = ["demo", "extra"]'), "demo/__init__.py": "",
                       "extra/__init__.py": "", "unused/__init__.py": ""}),
        extension="demo.demo", tags=ONE,
    ),
    "manifest-path": Case(
        files={"pyproject.toml": pyproject('manifest-path = "native/Cargo.toml"'), "native/Cargo.toml": cargo(),
               "native/src/lib.rs": module()},
        extension="demo.demo", tags=ONE,
    ),
    "a crate in a folder of the module's name": Case(
        files={"pyproject.toml": pyproject('manifest-path = "demo/Cargo.toml"'), "demo/Cargo.toml": cargo(),
               "demo/src/lib.rs": module()},
        extension="demo.demo", tags=ONE,
    ),
    "a crate inside the Python package": Case(
        files={"pyproject.toml": pyproject('manifest-path = "demo/Cargo.toml"'), "demo/Cargo.toml": cargo(),
               "demo/src/lib.rs": module(), "demo/__init__.py": ""},
        extension="demo.demo", tags=ONE,
    ),
    "stubs beside pyproject.toml": Case(
        files=plain(**{"demo.pyi": "", "py.typed": ""}), extension="demo.demo", tags=ONE,
    ),
    "a data folder": Case(
        files=plain(**{"demo.data/data/share/note.txt": "note\n"}), extension="demo.demo", tags=ONE,
    ),
    "data by its key": Case(
        files=plain(**{"pyproject.toml": pyproject('data = "more"'), "more/data/note.txt": "note\n"}),
        extension="demo.demo", tags=ONE,
    ),
    "include for every format": Case(
        files=plain(**{"pyproject.toml": pyproject('include = ["notes/*.txt"]'), "notes/one.txt": "",
                       "notes/two.md": ""}),
        extension="demo.demo", tags=ONE,
    ),
    "include for one format": Case(
        files=plain(**{"pyproject.toml": pyproject('include = [{ path = "one.txt", format = "sdist" }, '
                                                   '{ path = "two.txt", format = ["wheel"] }]'),
                       "one.txt": "", "two.txt": ""}),
        extension="demo.demo", tags=ONE,
    ),
    "exclude": Case(
        files=plain(**{"pyproject.toml": pyproject('exclude = ["demo/secret/*"]'), "demo/__init__.py": "",
                       "demo/secret/key.txt": "", "demo/open.txt": ""}),
        extension="demo.demo", tags=ONE,
    ),
    "files that git ignores": Case(
        files=plain(**{".ignore": "demo/made.txt\n", "demo/__init__.py": "", "demo/made.txt": "", "demo/kept.txt": ""}),
        extension="demo.demo", tags=ONE,
    ),
}  # fmt: skip

METADATA: Mapping[str, Case] = {
    "a version of the project": Case(
        files=plain(**{"pyproject.toml": pyproject(version=True), "Cargo.toml": cargo(version='"1.2.0"')}),
        extension="demo.demo", tags=ONE,
    ),
    "a pre-release of cargo": Case(
        files=plain(**{"Cargo.toml": cargo(version='"2.0.0-beta.3"')}), extension="demo.demo", tags=ONE,
    ),
    "a version of the workspace": Case(
        files=plain(**{"Cargo.toml": cargo(version="{ workspace = true }",
                                           more='[workspace.package]\nversion = "3.1.0"\n')}),
        extension="demo.demo", tags=ONE,
    ),
    "dependencies, extras and scripts": Case(
        files=plain(**{"pyproject.toml": pyproject(more=EXTRAS)}), extension="demo.demo", tags=ONE,
    ),
    "a readme and a licence": Case(
        files=plain(**{"pyproject.toml": pyproject(more='readme = "README.md"\nlicense = "MIT"\n'),
                       "README.md": "# demo\n", "LICENSE": "MIT\n"}),
        extension="demo.demo", tags=ONE,
    ),
}  # fmt: skip

BINDINGS: Mapping[str, Case] = {
    "a program": Case(
        files={"pyproject.toml": pyproject('bindings = "bin"'), "Cargo.toml": cargo("", lib=""), "src/main.rs": MAIN},
        extension="", tags=ANY,
    ),
    "a program that is found": Case(
        files={"pyproject.toml": pyproject(), "Cargo.toml": cargo("", lib=""), "src/main.rs": MAIN},
        extension="", tags=ANY,
    ),
    "two programs": Case(
        files={"pyproject.toml": pyproject(), "Cargo.toml": cargo("", lib=""), "src/bin/one.rs": MAIN,
               "src/bin/two/main.rs": MAIN},
        extension="", tags=ANY,
    ),
    "a program beside a library": Case(
        files={"pyproject.toml": pyproject(), "Cargo.toml": cargo("", lib='name = "slab"'), "src/main.rs": MAIN,
               "src/lib.rs": ""},
        extension="", tags=ANY,
    ),
    "a program with a Python package": Case(
        files={"pyproject.toml": pyproject(), "Cargo.toml": cargo("", lib=""), "src/main.rs": MAIN,
               "demo/__init__.py": ""},
        extension="", tags=ANY,
    ),
    "a program whose tests need PyO3": Case(
        files={"pyproject.toml": pyproject('bindings = "bin"'), "src/main.rs": MAIN,
               "Cargo.toml": cargo("", lib="", more='[dev-dependencies]\npyo3 = "0.29"\n')},
        extension="", tags=ONE,
    ),
    "the same, found": Case(
        files={"pyproject.toml": pyproject(), "src/main.rs": MAIN,
               "Cargo.toml": cargo("", lib="", more='[dev-dependencies]\npyo3 = "0.29"\n')},
        extension="", tags=ONE,
    ),
    "a program on an optional PyO3": Case(
        files={"pyproject.toml": pyproject(), "Cargo.toml": cargo(OPTIONAL, lib=""), "src/main.rs": MAIN},
        extension="", tags=ANY,
    ),
    "an extension with a program": Case(
        files=plain(**{"src/main.rs": MAIN, "Cargo.toml": cargo(lib='crate-type = ["cdylib", "rlib"]')}),
        extension="demo.demo", tags=ONE,
    ),
    "a library that is no cdylib": Case(
        files=plain(**{"Cargo.toml": cargo(lib="")}), extension="demo.demo", tags=ONE,
    ),
    "pyo3 named": Case(
        files=plain(**{"pyproject.toml": pyproject('bindings = "pyo3"')}), extension="demo.demo", tags=ONE,
    ),
    "pyo3-ffi alone": Case(
        files=plain(**{"Cargo.toml": cargo("", deps='pyo3-ffi = "0.29"\n'),
                       "src/lib.rs": "#[no_mangle]\npub extern \"C\" fn PyInit_demo() -> *mut pyo3_ffi::PyObject {\n"
                                     "    std::ptr::null_mut()\n}\n"}),
        extension="demo.demo", tags=ONE,
    ),
}  # fmt: skip

STABLE_ABI: Mapping[str, Case] = {
    "by the crate": Case(files=plain(**{"Cargo.toml": cargo(ABI3)}), extension="demo.demo", tags=STABLE),
    "without a version": Case(
        files=plain(**{"Cargo.toml": cargo('{ version = "0.29", features = ["abi3"] }')}),
        extension="demo.demo", tags="cp39-abi3",
    ),
    "in a table of a target": Case(
        files=plain(**{"Cargo.toml": cargo(more=f"[target.'cfg(unix)'.dependencies]\npyo3 = {ABI3}\n")}),
        extension="demo.demo", tags=STABLE,
    ),
    "twice, the oldest counts": Case(
        files=plain(**{"Cargo.toml": cargo('{ version = "0.29", features = ["abi3-py311"] }', deps=IN_CORE),
                       **core('"abi3-py310"')}),
        extension="demo.demo", tags=STABLE,
    ),
    "by a default feature": Case(
        files=plain(**{"Cargo.toml": cargo(more='[features]\ndefault = ["stable"]\nstable = ["pyo3/abi3-py310"]\n')}),
        extension="demo.demo", tags=STABLE,
    ),
    "not by a default feature": Case(
        files=plain(**{"pyproject.toml": pyproject("no-default-features = true"),
                       "Cargo.toml": cargo(more='[features]\ndefault = ["pyo3/abi3-py310"]\n')}),
        extension="demo.demo", tags=ONE,
    ),
    "by a feature of tool.maturin": Case(
        files=plain(**{"pyproject.toml": pyproject('features = ["pyo3/abi3-py310"]')}),
        extension="demo.demo", tags=STABLE,
    ),
    "by the crate's feature of tool.maturin": Case(
        files=plain(**{"pyproject.toml": pyproject('features = ["stable"]'),
                       "Cargo.toml": cargo(more='[features]\nstable = ["pyo3/abi3-py310"]\n')}),
        extension="demo.demo", tags=STABLE,
    ),
    "by all features": Case(
        files=plain(**{"pyproject.toml": pyproject("all-features = true"),
                       "Cargo.toml": cargo(more='[features]\nstable = ["pyo3/abi3-py310"]\n')}),
        extension="demo.demo", tags=STABLE,
    ),
    "by a crate of the project": Case(
        files=plain(**{"Cargo.toml": cargo(deps=IN_CORE), **core('"abi3-py310"')}), extension="demo.demo", tags=STABLE,
    ),
    "by a feature of such a crate": Case(
        files=plain(**{"Cargo.toml": cargo(deps='core-lib = { path = "core", features = ["stable"] }\n'),
                       **core(more='[features]\nstable = ["pyo3/abi3-py310"]\n')}),
        extension="demo.demo", tags=STABLE,
    ),
    "by an optional crate that is off": Case(
        files=plain(**{"Cargo.toml": cargo(deps='core-lib = { path = "core", optional = true }\n'),
                       **core('"abi3-py310"')}),
        extension="demo.demo", tags=ONE,
    ),
    "by an optional crate that is on": Case(
        files=plain(**{"pyproject.toml": pyproject('features = ["more"]'), **core('"abi3-py310"'),
                       "Cargo.toml": cargo(deps='core-lib = { path = "core", optional = true }\n',
                                           more='[features]\nmore = ["dep:core-lib"]\n')}),
        extension="demo.demo", tags=STABLE,
    ),
    "by a crate that a crate needs": Case(
        files=plain(**{"Cargo.toml": cargo(deps='mid = { path = "mid" }\n'), **core('"abi3-py310"'),
                       "mid/Cargo.toml": cargo("", name="mid", lib="", deps='core-lib = { path = "../core" }\n'),
                       "mid/src/lib.rs": ""}),
        extension="demo.demo", tags=STABLE,
    ),
    "by a crate of the tests": Case(
        files=plain(**{"Cargo.toml": cargo(more='[dev-dependencies]\ncore-lib = { path = "core" }\n'),
                       **core('"abi3-py310"')}),
        extension="demo.demo", tags=STABLE, refused="only other targets or tests ask PyO3 for the stable ABI",
    ),
    "by a sibling alone": Case(
        files=plain(**{"Cargo.toml": cargo(more='[workspace]\nmembers = ["core"]\n'), **core('"abi3-py310"')}),
        extension="demo.demo", tags=ONE,
    ),
    "by the workspace": Case(
        files=plain(**{"Cargo.toml": cargo("{ workspace = true }", more=f"[workspace.dependencies]\npyo3 = {ABI3}\n")}),
        extension="demo.demo", tags=STABLE,
    ),
    "by pyo3-ffi": Case(
        files=plain(**{"Cargo.toml": cargo(deps=f"pyo3-ffi = {ABI3}\n")}), extension="demo.demo", tags=STABLE,
    ),
    "by another name": Case(
        files=plain(**{"Cargo.toml": cargo("", deps=f'py = {ABI3[:-2]}, package = "pyo3" }}\n'),
                       "src/lib.rs": module().replace("use pyo3", "use py as pyo3;\nuse py")
                       .replace("#[pymodule]", "#[pymodule]\n#[pyo3(crate = \"py\")]")}),
        extension="demo.demo", tags=STABLE,
    ),
    "weakly": Case(
        files=plain(**{"Cargo.toml": cargo(OPTIONAL, more='[features]\ndefault = ["dep:pyo3", "pyo3?/abi3-py310"]\n')}),
        extension="demo.demo", tags=STABLE,
    ),
    "for newer interpreters": Case(
        files=conditional('"pyo3/abi3-py310", python-version = ">=3.10"'),
        extension="demo.demo", tags=STABLE,
    ),
    "by the crate's feature for newer interpreters": Case(
        files=plain(**{"pyproject.toml": pyproject('features = [{ feature = "stable", python-version = ">=3.10" }]'),
                       "Cargo.toml": cargo(more='[features]\nstable = ["pyo3/abi3-py310"]\n')}),
        extension="demo.demo", tags=ONE,
    ),
    "an inherited default feature is not turned off": Case(
        files=plain(**{"Cargo.toml": cargo(deps="core-lib = { workspace = true, default-features = false }\n",
                                           more='[workspace.dependencies]\ncore-lib = { path = "core" }\n'),
                       **core(more='[features]\ndefault = ["pyo3/abi3-py310"]\n')}),
        extension="demo.demo", tags=STABLE,
    ),
    "for interpreters that come later": Case(
        files=conditional('"pyo3/abi3-py312", python-version = ">=3.12"'),
        extension="demo.demo", tags=ONE,
    ),
    "for another implementation": Case(
        files=conditional('"pyo3/abi3-py310", python-implementation = "pypy"'),
        extension="demo.demo", tags=ONE,
    ),
}  # fmt: skip

MANY = "manylinux_2_{0}_x86_64"
MAC = "x86_64-apple-darwin"

FLOORS: Mapping[str, Case] = {
    "compatibility": Case(
        files=plain(**{"pyproject.toml": pyproject('compatibility = "manylinux_2_31"')}),
        extension="demo.demo", tags=ONE, platform=MANY.format(31),
    ),
    "compatibility by its numbers": Case(
        files=plain(**{"pyproject.toml": pyproject('compatibility = "2_28"')}),
        extension="demo.demo", tags=ONE, platform=MANY.format(28),
    ),
    "manylinux by its old name": Case(
        files=plain(**{"pyproject.toml": pyproject('manylinux = "2014"')}),
        extension="demo.demo", tags=ONE, platform="manylinux2014_x86_64.manylinux_2_17_x86_64",
    ),
    "a deployment target": Case(
        files=plain(**{"pyproject.toml": pyproject(f'target.{MAC}.macos-deployment-target = "12.0"')}),
        extension="demo.demo", tags=ONE, platform="macosx_12_0_x86_64", target=MAC,
    ),
    "a deployment target by its other name": Case(
        files=plain(**{"pyproject.toml": pyproject(f'target.{MAC}.macosx-deployment-target = "10.15"')}),
        extension="demo.demo", tags=ONE, platform="macosx_10_15_x86_64", target=MAC,
    ),
}  # fmt: skip

CASES: Mapping[str, Case] = {
    f"{group}: {name}": case
    for group, cases in (
        ("named", NAMES), ("metadata", METADATA), ("bindings", BINDINGS), ("abi3", STABLE_ABI), ("floor", FLOORS),
    )
    for name, case in cases.items()
}  # fmt: skip
