"""Where a crate's workspace is and who belongs to it, compared with cargo itself over one folder for each layout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cartwheel.cargo.package_manifests import read_package
from cartwheel.cargo.workspace import local_packages, lock_path, members, needed_by_cargo, package_value, workspace_root

pytestmark = pytest.mark.skipif(not shutil.which("cargo"), reason="needs cargo")


def crate(name: str, *more: str, version: str = 'version = "0.1.0"') -> str:
    """A manifest; `more`: lines below its `[package]` table."""
    return "\n".join(("[package]", f'name = "{name}"', version, 'edition = "2021"', *more, ""))


def needs(*paths: str, table: str = "dependencies") -> str:
    """Path dependencies, each named like its folder."""
    return "\n".join((f"[{table}]", *(f'{path.rpartition("/")[2]} = {{ path = "{path}" }}' for path in paths)))


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Manifests by folder, and the folder of the crate that is asked about."""

    manifests: Mapping[str, str]
    ask: str
    root: str
    """The folder of the workspace's root that cargo is expected to name, so that no row tests nothing."""
    links: Mapping[str, str] = field(default_factory=dict)


CORE, PY = crate("core"), crate("py")

LAYOUTS = {
    "a crate alone": Layout(manifests={"py": PY}, ask="py", root="py"),
    "a workspace of its own": Layout(manifests={"py": PY + "[workspace]\n"}, ask="py", root="py"),
    "a member": Layout(manifests={".": '[workspace]\nmembers = ["py"]\n', "py": PY}, ask="py", root="."),
    "excluded": Layout(
        manifests={".": '[workspace]\nmembers = ["core"]\nexclude = ["py"]\n', "core": CORE, "py": PY},
        ask="py", root="py",
    ),
    "excluded, with a dependency that is a member": Layout(
        manifests={".": '[workspace]\nmembers = ["core"]\nexclude = ["py"]\n', "core": CORE,
                   "py": PY + needs("../core")},
        ask="py", root="py",
    ),
    "a comment that mentions a workspace": Layout(
        manifests={".": "# no [workspace] any more\n" + crate("top"), "py": PY}, ask="py", root="py",
    ),
    "a byte order mark": Layout(
        manifests={".": '\ufeff[workspace]\nmembers = ["py"]\n', "py": "\ufeff" + PY}, ask="py", root=".",
    ),
    "a root with a package": Layout(
        manifests={".": crate("top", '[workspace]\nmembers = ["py"]'), "py": PY}, ask="py", root=".",
    ),
    "asked at the root": Layout(
        manifests={".": crate("top", '[workspace]\nmembers = ["py"]'), "py": PY}, ask=".", root=".",
    ),
    "a pattern": Layout(
        manifests={".": '[workspace]\nmembers = ["crates/*"]\n', "crates/core": CORE, "crates/py": PY},
        ask="crates/py", root=".",
    ),
    "a pattern with an exclusion": Layout(
        manifests={".": '[workspace]\nmembers = ["crates/*"]\nexclude = ["crates/py"]\n', "crates/core": CORE,
                   "crates/py": PY},
        ask="crates/core", root=".",
    ),
    "excluded out of a pattern": Layout(
        manifests={".": '[workspace]\nmembers = ["crates/*"]\nexclude = ["crates/py"]\n', "crates/core": CORE,
                   "crates/py": PY},
        ask="crates/py", root="crates/py",
    ),
    "a pattern over hidden folders": Layout(
        manifests={".": '[workspace]\nmembers = ["*"]\n', ".core": CORE, "py": PY}, ask="py", root=".",
    ),
    "patterns of other kinds": Layout(
        manifests={".": '[workspace]\nmembers = ["p?", "c[ao]re", "deep/**/est"]\n', "core": CORE, "py": PY,
                   "deep/er/est": crate("est"), "deep/er": crate("er")},
        ask="py", root=".",
    ),
    "an exclusion with a pattern, which is none": Layout(
        manifests={".": '[workspace]\nmembers = ["core", "py"]\nexclude = ["p*"]\n', "core": CORE, "py": PY},
        ask="py", root=".",
    ),
    "an exclusion of a folder above": Layout(
        manifests={".": '[workspace]\nmembers = ["core"]\nexclude = ["bindings"]\n', "core": CORE, "bindings/py": PY},
        ask="bindings/py", root="bindings/py",
    ),
    "an exclusion whose name only begins alike": Layout(
        manifests={".": '[workspace]\nmembers = ["py"]\nexclude = ["p"]\n', "py": PY}, ask="py", root=".",
    ),
    "excluded and listed": Layout(
        manifests={".": '[workspace]\nmembers = ["bindings/py"]\nexclude = ["bindings"]\n', "bindings/py": PY},
        ask="bindings/py", root=".",
    ),
    "a member by its path alone": Layout(
        manifests={".": crate("top", "[workspace]", needs("core")), "core": CORE}, ask="core", root=".",
    ),
    "members by a chain of paths": Layout(
        manifests={".": crate("top", "[workspace]", needs("core")), "core": CORE + needs("../deep"),
                   "deep": crate("deep")},
        ask="deep", root=".",
    ),
    "a member that only tests need": Layout(
        manifests={".": crate("top", "[workspace]", needs("core", table="dev-dependencies")), "core": CORE},
        ask="core", root=".",
    ),
    "a member that a build script needs on one system": Layout(
        manifests={".": crate("top", "[workspace]", needs("core", table="target.'cfg(windows)'.build-dependencies")),
                   "core": CORE},
        ask="core", root=".",
    ),
    "a member by an inherited path": Layout(
        manifests={".": '[workspace]\nmembers = ["py"]\n[workspace.dependencies]\ncore = { path = "core" }\n',
                   "core": CORE, "py": PY + "[dependencies]\ncore.workspace = true\n"},
        ask="py", root=".",
    ),
    "an inherited path that nobody uses": Layout(
        manifests={".": '[workspace]\nmembers = ["py"]\n[workspace.dependencies]\ncore = { path = "core" }\n',
                   "core": CORE, "py": PY},
        ask="py", root=".",
    ),
    "inherited values": Layout(
        manifests={".": '[workspace]\nmembers = ["py"]\n[workspace.package]\nversion = "3.2.1"\n',
                   "py": crate("py", version="version.workspace = true")},
        ask="py", root=".",
    ),
    "default members": Layout(
        manifests={".": '[workspace]\nmembers = ["core", "py"]\ndefault-members = ["core"]\n', "core": CORE, "py": PY},
        ask="py", root=".",
    ),
    "a pointer to the root": Layout(
        manifests={"top": '[workspace]\nmembers = ["../out/py"]\n',
                   "out/py": crate("py", 'workspace = "../../top"')},
        ask="out/py", root="top",
    ),
    "a member outside the folder, asked at the root": Layout(
        manifests={"top": '[workspace]\nmembers = ["../out/py", "core"]\n', "top/core": CORE,
                   "out/py": crate("py", 'workspace = "../../top"')},
        ask="top/core", root="top",
    ),
    "a path outside the workspace": Layout(
        manifests={"top": '[workspace]\nmembers = ["py"]\n', "top/py": PY + needs("../../core"), "core": CORE},
        ask="top/py", root="top",
    ),
    "a path outside that points back": Layout(
        manifests={"top": '[workspace]\nmembers = ["py"]\n', "top/py": PY + needs("../../core"),
                   "core": crate("core", 'workspace = "../top"')},
        ask="core", root="top",
    ),
    "a workspace in an excluded folder of another": Layout(
        manifests={".": '[workspace]\nmembers = ["core"]\nexclude = ["inner"]\n', "core": CORE,
                   "inner": '[workspace]\nmembers = ["py"]\n', "inner/py": PY},
        ask="inner/py", root="inner",
    ),
    "excluded by the nearest root and taken by the one above": Layout(
        manifests={".": '[workspace]\nmembers = ["inner/py"]\nexclude = ["inner"]\n',
                   "inner": '[workspace]\nmembers = ["core"]\nexclude = ["py"]\n', "inner/core": CORE, "inner/py": PY},
        ask="inner/py", root=".",
    ),
    "a pointer in a manifest between": Layout(
        manifests={"top": '[workspace]\nmembers = ["../mid", "../mid/py"]\n',
                   "mid": crate("mid", 'workspace = "../top"'), "mid/py": PY},
        ask="mid/py", root="top",
    ),
    "a patch by path": Layout(
        manifests={".": '[workspace]\nmembers = ["py"]\n[patch.crates-io]\ncore = { path = "core" }\n', "core": CORE,
                   "py": PY},
        ask="py", root=".",
    ),
    "a member with dots in its path": Layout(
        manifests={".": '[workspace]\nmembers = ["./py", "py/../core"]\n', "py": PY, "core": CORE}, ask="py", root=".",
    ),
    "a member that is a link": Layout(
        manifests={".": '[workspace]\nmembers = ["bindings"]\n', "elsewhere/py": PY},
        links={"bindings": "elsewhere/py"}, ask="bindings", root=".",
    ),
    "a workspace behind a link": Layout(
        manifests={"real": '[workspace]\nmembers = ["py"]\n', "real/py": PY},
        links={"link": "real"}, ask="link/py", root="link",
    ),
    "below a folder that cargo verifies crates in": Layout(
        manifests={".": "[workspace]\n", "target/package/py": PY}, ask="target/package/py", root="target/package/py",
    ),
}  # fmt: skip


def laid_out(folder: Path, layout: Layout) -> Path:
    """The layout on disk, each crate with an empty library; returns the manifest that is asked about."""
    for place, text in layout.manifests.items():
        manifest = folder / place / "Cargo.toml"
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text(text, "utf-8")
        if "[package]" in text:
            (manifest.parent / "src").mkdir()
            (manifest.parent / "src" / "lib.rs").touch()
    for place, target in layout.links.items():
        (folder / place).symlink_to(folder / target, target_is_directory=True)
    return folder / layout.ask / "Cargo.toml"


def cargo(*arguments: str, manifest: Path) -> dict[str, object]:
    """The JSON that cargo prints, run offline."""
    environ = {**os.environ, "CARGO_NET_OFFLINE": "true"}
    command = ("cargo", *arguments, "--manifest-path", str(manifest))
    done = subprocess.run(command, cwd=manifest.parent, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("name", LAYOUTS)
def test_root_members_and_lockfile_are_those_that_cargo_names(tmp_path: Path, name: str) -> None:
    layout = LAYOUTS[name]
    if layout.links and os.name == "nt":
        pytest.skip("needs symbolic links")
    manifest = laid_out(tmp_path, layout)
    root = tmp_path / layout.root / "Cargo.toml"
    assert cargo("locate-project", "--workspace", manifest=manifest) == {"root": str(root)}
    assert workspace_root(manifest) == root

    metadata = cargo("metadata", "--format-version=1", manifest=manifest)
    ids = metadata["workspace_members"]
    packages = metadata["packages"]
    assert isinstance(ids, list)
    assert isinstance(packages, list)
    assert members(root) == tuple(sorted(Path(p["manifest_path"]) for p in packages if p["id"] in ids))
    assert {Path(p["manifest_path"]) for p in packages} <= set(needed_by_cargo(manifest))
    assert lock_path(manifest) == root.with_name("Cargo.lock")

    (own,) = (p for p in packages if p["manifest_path"] == str(manifest))
    assert package_value(manifest, "version")[0] == own["version"]
    reached, waiting = {str(manifest.parent)}, [own]
    while waiting:
        dependencies = {n["path"] for n in waiting.pop()["dependencies"] if n["kind"] != "dev"} - reached
        reached |= dependencies
        waiting += [p for p in packages if str(Path(p["manifest_path"]).parent) in dependencies]
    assert {str(crate.folder) for crate in local_packages(manifest, tmp_path)} == reached


def test_what_cargo_needs_is_enough_for_a_copy_without_a_lockfile(tmp_path: Path) -> None:
    for number, layout in enumerate(LAYOUTS.values()):
        manifest = laid_out(tmp_path / str(number), layout)
        copy = tmp_path / "copies" / str(number)
        for needed in needed_by_cargo(manifest):
            place = copy / needed.parent.relative_to(tmp_path / str(number))
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(needed, place)
            if (needed.parent / "src").is_dir():
                (place / "src").mkdir()
                (place / "src" / "lib.rs").touch()
        cargo("metadata", "--format-version=1", manifest=copy / layout.ask / "Cargo.toml")


def test_a_package_is_read_with_the_workspace_that_cargo_takes(tmp_path: Path) -> None:
    pyproject = '[project]\nname = "py"\ndynamic = ["version"]\n[build-system]\nbuild-backend = "maturin"\n'
    for name, layout in LAYOUTS.items():
        manifest = laid_out(tmp_path / name, layout)
        (manifest.parent / "pyproject.toml").write_text(pyproject)
        manifests = read_package(tmp_path / name, layout.ask)
        alone = layout.root == layout.ask and "[workspace]" not in layout.manifests.get(layout.ask, "")
        root = "Cargo.toml" if layout.root == "." else f"{layout.root}/Cargo.toml"
        assert manifests.workspace_path == ("" if alone else root), name
