"""The inputs of a compiled wheel, against cargo itself: if cargo builds again, the inputs must have changed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pytest
from msgspec.structs import replace

from cartwheel.cargo.config_files import registry_variables
from cartwheel.cargo.lockfile import locked_names
from cartwheel.cargo.resolution import resolved_crates
from cartwheel.cargo.workspace import local_packages, lock_path
from cartwheel.filesystem.read_set import ReadSet, files_below, relative_name
from cartwheel.inputs.build_reads import CargoBuild
from cartwheel.inputs.cargo_reads import before_first_build, reads_of, stale_fingerprints
from cartwheel.model.errors import ConfigError, StepFailed

needs_cargo = pytest.mark.skipif(not shutil.which("cargo"), reason="needs cargo")
needs_links = pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")

_WORKSPACE = {
    "Cargo.toml": """
        [workspace]
        resolver = "2"
        members = ["app", "lib", "quiet", "mac", "other"]
        [workspace.package]
        version = "0.1.0"
        edition = "2021"
        [workspace.dependencies]
        lib = { path = "lib" }
        [profile.release]
        opt-level = 0
        """,
    "app/Cargo.toml": """
        [package]
        name = "app-x"
        description = "d"
        version.workspace = true
        edition.workspace = true
        [lib]
        crate-type = ["cdylib"]
        [dependencies]
        lib.workspace = true
        mac = { path = "../mac" }
        [target.'cfg(unix)'.dependencies]
        quiet = { path = "../quiet" }
        [target.'cfg(windows)'.dependencies]
        quiet = { path = "../quiet" }
        [dev-dependencies]
        other = { path = "../other" }
        """,
    "app/build.rs": """
        fn main() {
            println!("cargo:rerun-if-changed=data");
            println!("cargo::rerun-if-changed=missing.txt");
            println!("cargo:rerun-if-changed=/nowhere/at all.txt");
            println!("cargo:rerun-if-env-changed=APP_VAR");
            println!("cargo:rustc-env=MINE=1");
            let out = std::path::Path::new(&std::env::var("OUT_DIR").unwrap()).join("made.rs");
            std::fs::write(out, "pub const MADE: u8 = 1;").unwrap();
        }""",
    "app/src/lib.rs": """
        pub const NOTE: &str = include_str!("../../some notes.txt");
        pub const ABOUT: &str = env!("CARGO_PKG_DESCRIPTION");
        pub const MINE: &str = env!("MINE");
        pub const OPT: Option<&str> = option_env!("OPT_VAR");
        include!(concat!(env!("OUT_DIR"), "/made.rs"));
        mod foo;
        #[cfg(test)] mod tests;
        #[no_mangle] pub extern "C" fn f() -> u8 { mac::m!(); lib::g() + quiet::q() }""",
    "app/src/foo.rs": "",
    "app/src/tests.rs": "",
    "app/src/unused.rs": "",
    "app/tests/t.rs": "",
    "app/data/a.txt": "a",
    "app/data/deep/b.txt": "b",
    "app/README.md": "",
    "some notes.txt": "hello",
    "lib/Cargo.toml": '[package]\nname = "lib"\nversion = "0.1.0"\nedition = "2021"\n',
    "lib/src/lib.rs": "pub fn g() -> u8 { 1 }",
    "lib/notes.txt": "",
    "quiet/Cargo.toml": '[package]\nname = "quiet"\nversion = "0.1.0"\nedition = "2021"\n',
    "quiet/build.rs": "fn main() {}",
    "quiet/src/lib.rs": "pub fn q() -> u8 { 1 }",
    "quiet/table.csv": "1",
    "mac/Cargo.toml": '[package]\nname = "mac"\nversion = "0.1.0"\nedition = "2021"\n[lib]\nproc-macro = true\n',
    "mac/src/lib.rs": "#[proc_macro] pub fn m(t: proc_macro::TokenStream) -> proc_macro::TokenStream { t }",
    "other/Cargo.toml": '[package]\nname = "other"\nversion = "0.1.0"\nedition = "2021"\n',
    "other/src/lib.rs": "",
    "Cargo.lock": """
        version = 4
        [[package]]
        name = "app-x"
        version = "0.1.0"
        dependencies = ["lib", "mac", "other", "quiet"]
        [[package]]
        name = "lib"
        version = "0.1.0"
        [[package]]
        name = "mac"
        version = "0.1.0"
        [[package]]
        name = "other"
        version = "0.1.0"
        [[package]]
        name = "quiet"
        version = "0.1.0"
        """,
}


def _write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("\n".join(line.strip() for line in text.splitlines()) + "\n")
    return folder


def _steady(folder: Path) -> Path:
    """Without missing watched files: for those, cargo runs the script every time."""
    script = "".join(
        ln for ln in _WORKSPACE["app/build.rs"].splitlines(True) if "missing" not in ln and "at all" not in ln
    )
    return _write(folder, {**_WORKSPACE, "app/build.rs": script})


@cache
def _host() -> str:
    done = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True)
    return next(line.split()[1] for line in done.stdout.splitlines() if line.startswith("host:"))


def _build(root: Path, scratch: Path) -> CargoBuild:
    return CargoBuild(
        root=root, manifest=root / "app" / "Cargo.toml", target_dir=scratch / "my target", triple=_host(),
        profile="release", messages=scratch / "messages.json", cwd=root,
    )  # fmt: skip


def _run(build: CargoBuild, **variables: str) -> bool:
    """Build as maturin does; whether cargo compiled or ran anything."""
    command = [
        "cargo", "rustc", "--profile", build.profile, "--target", build.triple, "--message-format",
        "json-render-diagnostics", "--locked", "--manifest-path", str(build.manifest), "--target-dir",
        str(build.target_dir), "--lib",
    ]  # fmt: skip
    environ = {**os.environ, "CARGO_NET_OFFLINE": "true", **variables}
    done = subprocess.run(command, cwd=build.cwd, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    build.messages.write_text(done.stdout)
    output = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return any(line.get("fresh") is False for line in output)


def _listing(reads: ReadSet, root: Path, variables: Mapping[str, str]) -> dict[str, str]:
    paths = {*reads.files, *reads.absent, *(p for folder in reads.folders for p in files_below(root, folder))}
    digests = {path: _digest(root / path) for path in paths}
    return digests | {f"${name}": variables.get(name, "") for name in reads.env}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _append(name: str) -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        with open(root / name, "a") as file:
            file.write("\n")

    return edit


def _add(name: str, text: str = "") -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        _write(root, {name: text})

    return edit


def _delete(name: str) -> Callable[[Path], None]:
    return lambda root: (root / name).unlink()


_COUNTS: dict[str, Callable[[Path], None]] = {
    "the crate's source": _append("app/src/lib.rs"),
    "a module": _append("app/src/foo.rs"),
    "a path crate's source": _append("lib/src/lib.rs"),
    "a procedural macro's source": _append("mac/src/lib.rs"),
    "an included file outside the crate": _append("some notes.txt"),
    "a file in a watched folder": _append("app/data/deep/b.txt"),
    "a new file in a watched folder": _add("app/data/deeper/c.txt", "c"),
    "a file gone from a watched folder": _delete("app/data/a.txt"),
    "any file of a package whose script says nothing": _append("quiet/table.csv"),
    "a new file of that package": _add("quiet/new/file.txt"),
    "the build script": _append("app/build.rs"),
    "a build script that appears": _add("lib/build.rs", "fn main() {}"),
    "the description": lambda root: _replace(root / "app/Cargo.toml", '"d"', '"other"'),
    "the profile": lambda root: _replace(root / "Cargo.toml", "opt-level = 0", "opt-level = 1"),
    "a configuration that appears": _add(".cargo/config.toml", '[build]\nrustflags = ["--cfg", "x"]\n'),
    "a configuration in the old place": _add(".cargo/config", '[build]\nrustflags = ["--cfg", "y"]\n'),
    "a program that appears": _add("app/src/main.rs", "fn main() {}"),
    "one more program": _add("app/src/bin/tool.rs", "fn main() {}"),
    "the same module in the other place": _add("app/src/foo/mod.rs"),
}
"""Of the last three cargo takes no notice: they change the wheel's list of components, or a build from nothing."""

_DOES_NOT: dict[str, Callable[[Path], None]] = {
    "a test": _append("app/tests/t.rs"),
    "a module of tests": _append("app/src/tests.rs"),
    "a file that nothing names": _append("app/src/unused.rs"),
    "the readme": _append("app/README.md"),
    "a note in a package that watches nothing else": _append("lib/notes.txt"),
    "a dev-dependency's source": _append("other/src/lib.rs"),
    "a dev-dependency's manifest": _append("other/Cargo.toml"),
    "a new file": _add("docs/new.md"),
    "a program of another crate": _add("lib/src/bin/tool.rs", "fn main() {}"),
}


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@needs_cargo
def test_where_cargo_builds_anew_the_inputs_have_changed(tmp_path: Path) -> None:
    root = _steady(tmp_path / "my project")
    build = _build(root, tmp_path)
    _run(build)
    missed, needless = [], []
    for name, edit in {**_DOES_NOT, **_COUNTS}.items():
        reads = reads_of(build)
        before = _listing(reads, root, {})
        edit(root)
        changed = _listing(reads, root, {}) != before
        built = name != "the same module in the other place" and _run(build)
        missed += [name] if (built or name in _COUNTS) and not changed else []
        needless += [name] if changed and name in _DOES_NOT else []
    assert (missed, needless) == ([], [])


@needs_cargo
@pytest.mark.parametrize("name", ["APP_VAR", "OPT_VAR"])
def test_a_variable_that_was_asked_for_counts(tmp_path: Path, name: str) -> None:
    root = _steady(tmp_path)
    build = _build(root, tmp_path / "app")
    _run(build)
    assert not _run(build)
    assert name in reads_of(build).env
    assert _run(build, **{name: "1"})


@needs_cargo
def test_what_was_read_is_told_exactly(tmp_path: Path) -> None:
    root = _steady(tmp_path / "my project")
    build = _build(root, tmp_path)
    _run(build)
    reads = reads_of(build, {"CARGO_HOME": str(tmp_path / "home")})
    assert reads.files == (
        "Cargo.toml", "app/Cargo.toml", "app/build.rs", "app/src/foo.rs", "app/src/lib.rs", "lib/Cargo.toml",
        "lib/src/lib.rs", "mac/Cargo.toml", "mac/src/lib.rs", "quiet/Cargo.toml", "quiet/build.rs",
        "quiet/src/lib.rs", "some notes.txt",
    )  # fmt: skip
    assert set(reads.folders) == {"app/data", "app/src/bin", "quiet"}
    assert reads.unwatched == ("Cargo.toml", "app/Cargo.toml", "quiet", "quiet/Cargo.toml")
    assert reads.git == ()
    assert reads.env == ("APP_VAR", "OPT_VAR")
    assert {
        ".cargo/config", ".cargo/config.toml", "rust-toolchain", "rust-toolchain.toml",
        "lib/build.rs", "mac/build.rs", "app/src/main.rs", "app/src/foo/mod.rs",
        (tmp_path / "home/config.toml").as_posix(), (tmp_path / ".cargo/config.toml").as_posix(),
    } <= set(reads.absent)  # fmt: skip
    assert not [path for path in (*reads.files, *reads.absent) if "target" in path]
    assert (build.profile_dir / "libapp_x.d").is_file() or os.name == "nt"
    assert {p.name.rpartition("-")[0] for p in (build.target_dir / "release/.fingerprint").iterdir()} == {
        "app-x", "quiet", "mac",
    }  # fmt: skip


@needs_cargo
def test_a_watched_path_that_is_missing_makes_the_whole_package_count(tmp_path: Path) -> None:
    root = _write(tmp_path / "p", _WORKSPACE)
    build = _build(root, tmp_path)
    _run(build)
    assert _run(build), "cargo runs the script at every build"
    reads = reads_of(build)
    missing = {relative_name("/nowhere/at all.txt", root), "app/missing.txt"}  # they may become folders
    assert missing <= set(reads.absent) & set(reads.folders)
    assert "app" in reads.folders


@needs_cargo
@needs_links
def test_a_project_behind_a_link_and_a_copied_target_directory_read_the_same(tmp_path: Path) -> None:
    root = _write(tmp_path / "p", _WORKSPACE)
    build = _build(root, root / ".cartwheel")
    build.messages.parent.mkdir()
    _run(build)
    plain = reads_of(build)
    seeded = replace(build, target_dir=root / ".cartwheel" / "second")
    shutil.copytree(build.target_dir, seeded.target_dir, copy_function=shutil.copy2)
    _run(seeded)
    assert reads_of(seeded) == plain
    (tmp_path / "link").symlink_to("p")
    linked = _build(tmp_path / "link", tmp_path / "elsewhere")
    linked.messages.parent.mkdir()
    _run(linked)
    reads = reads_of(linked)
    assert (reads.files, reads.folders, reads.env) == (plain.files, plain.folders, plain.env)


@needs_cargo
def test_what_cannot_be_read_falls_back_to_whole_packages(tmp_path: Path) -> None:
    root = _write(tmp_path / "p", _WORKSPACE)
    build = _build(root, tmp_path)
    _run(build)
    whole = {"app", "lib", "mac", "quiet"}
    for broken in ("", '{"reason": "compiler-artifact"}\n', build.messages.read_text()[:-60]):
        other = tmp_path / "other.json"
        other.write_text(broken)
        reads = reads_of(replace(build, messages=other))
        assert whole <= set(reads.folders)
        assert set(reads.env) >= {"APP_VAR", "OPT_VAR"}
    output = next((build.profile_dir / "build").glob("app-x-*/output"))
    output.unlink()
    assert "app" in reads_of(build).folders
    (build.profile_dir / "deps" / "app_x.d").unlink()
    assert "OPT_VAR" in reads_of(build).env
    next(build.profile_dir.glob("*app_x.d")).unlink()
    assert whole <= set(reads_of(build).folders)
    assert whole <= set(reads_of(replace(build, messages=tmp_path / "none")).folders)


@needs_cargo
def test_an_older_file_is_seen_once_the_fingerprints_are_gone(tmp_path: Path) -> None:
    root = _steady(tmp_path / "p")
    build = _build(root, tmp_path)
    _run(build)
    for name in ("app/src/lib.rs", "mac/src/lib.rs", "quiet/build.rs"):
        _append(name)(root)
        os.utime(root / name, (1_000_000_000, 1_000_000_000))
        assert not _run(build), "cargo goes by modification times: it cannot know"
        names = [package.name for package in local_packages(build.manifest, root)]
        stale = stale_fingerprints(build.target_dir, build.triple, build.profile, names)
        assert len({path.parent for path in stale}) == 2
        for path in stale:
            shutil.rmtree(path)
        assert _run(build)
    assert stale_fingerprints(build.target_dir, build.triple, "dev", names) == ()
    assert stale_fingerprints(build.target_dir, build.triple, build.profile, ["app"]) == ()
    assert stale_fingerprints(build.target_dir, build.triple, build.profile, []) == ()


@needs_cargo
def test_local_crates_resolve_without_checksums(tmp_path: Path) -> None:
    root = _write(tmp_path, _WORKSPACE)
    _replace(root / "lib/Cargo.toml", 'edition = "2021"', 'edition = "2021"\n[features]\nfast = []')
    crates = resolved_crates(
        root / "app/Cargo.toml", targets=(_host(),), features=("lib/fast",), env=os.environ, cwd=root
    )
    assert crates == {"app-x": "local", "lib": "local features=fast", "mac": "local", "quiet": "local"}


@needs_cargo
def test_a_crate_that_is_not_fetched_is_an_error(tmp_path: Path) -> None:
    root = _write(tmp_path, {"Cargo.toml": '[package]\nname = "p"\n[dependencies]\nno-such = "1"\n', "src/lib.rs": ""})
    environ = {**os.environ, "CARGO_HOME": str(tmp_path / "home")}
    with pytest.raises(StepFailed, match="cargo tree"):
        resolved_crates(root / "Cargo.toml", targets=(_host(),), features=(), env=environ, cwd=root)


# ---- without cargo -----------------------------------------------------------------------------------------------


def test_path_dependencies_are_followed_and_dev_dependencies_are_not(tmp_path: Path) -> None:
    root = _write(tmp_path, _WORKSPACE)
    packages = local_packages(root / "app/Cargo.toml", root)
    assert [p.name for p in packages] == ["app-x", "lib", "mac", "quiet"]
    assert {p.root_manifest for p in packages} == {root / "Cargo.toml"}


def test_patches_by_path_are_followed_where_the_lock_file_uses_them(tmp_path: Path) -> None:
    crate = '[package]\nname = "{}"\nversion = "1.0.0"\n'
    patch = '[patch.crates-io]\nused = { path = "used" }\nold = { path = "unused" }\n'
    root = _write(
        tmp_path,
        {
            "Cargo.toml": crate.format("p") + patch,
            "used/Cargo.toml": crate.format("used") + '[build-dependencies]\ndeep = { path = "../deep" }\n',
            "unused/Cargo.toml": crate.format("old"),
            "deep/Cargo.toml": crate.format("deep") + '[dependencies]\np = { path = ".." }\n',
        },
    )
    manifest = root / "Cargo.toml"
    assert [p.name for p in local_packages(manifest, root)] == ["p", "deep", "old", "used"]
    names = "".join(f'[[package]]\nname = "{n}"\nversion = "1.0.0"\n' for n in ("p", "used", "deep"))
    (root / "Cargo.lock").write_text(f"version = 4\n{names}")
    assert [p.name for p in local_packages(manifest, root)] == ["p", "deep", "used"]


def test_before_the_first_build_everything_near_counts(tmp_path: Path) -> None:
    root = _write(tmp_path / "p", {**_WORKSPACE, ".cargo/config.toml": 'include = ["more.toml"]\n'})
    reads = before_first_build(root / "app/Cargo.toml", root, root / "app", {"CARGO_HOME": str(tmp_path / "home")})
    assert set(reads.folders) >= {"app", "lib", "mac", "quiet"}
    assert set(reads.files) >= {"Cargo.toml", "Cargo.lock", ".cargo/config.toml", "app/Cargo.toml"}
    assert set(reads.absent) >= {".cargo/more.toml", "app/.cargo/config.toml", "rust-toolchain.toml"}
    (root / "Cargo.lock").unlink()
    assert "Cargo.lock" in before_first_build(root / "app/Cargo.toml", root, root).absent


def test_a_configuration_file_wins_over_those_that_it_includes_and_those_above(tmp_path: Path) -> None:
    def registries(**indexes: str) -> str:
        return "".join(f'[registries.{name}]\nindex = "{index}"\n' for name, index in indexes.items())

    root = _write(
        tmp_path / "p",
        {
            ".cargo/config.toml": registries(a="above", b="above", c="above", d="above"),
            "app/.cargo/config.toml": 'include = ["one.toml", "two.toml"]\n' + registries(a="app"),
            "app/.cargo/one.toml": registries(a="one", b="one", c="one"),
            "app/.cargo/two.toml": 'include = "one.toml"\n' + registries(a="two", b="two"),
        },
    )
    values = registry_variables(root / "app", {"CARGO_HOME": str(tmp_path / "home")})
    assert [values[f"CARGO_REGISTRIES_{name}_INDEX"] for name in "ABCD"] == ["app", "two", "one", "above"]


def test_a_crate_alone_watches_for_a_workspace_above_it(tmp_path: Path) -> None:
    root = _write(tmp_path, {"a/b/Cargo.toml": '[package]\nname = "b"\n', "a/b/src/lib.rs": ""})
    reads = before_first_build(root / "a/b/Cargo.toml", root, root)
    assert {"Cargo.toml", "a/Cargo.toml"} <= set(reads.absent)


def test_an_excluded_crate_is_its_own_workspace(tmp_path: Path) -> None:
    files = {"Cargo.toml": '[workspace]\nexclude = ["x"]\n', "x/Cargo.toml": '[package]\nname = "x"\n'}
    root = _write(tmp_path, files)
    assert local_packages(root / "x/Cargo.toml", root)[0].root_manifest == root / "x/Cargo.toml"
    assert lock_path(root / "x/Cargo.toml") is None


def test_invalid_toml_is_told_by_file(tmp_path: Path) -> None:
    root = _write(tmp_path, {"Cargo.toml": "[package\n"})
    with pytest.raises(ConfigError, match=r"Cargo\.toml: not valid TOML"):
        local_packages(root / "Cargo.toml", root)


def _lock(**versions: str) -> str:
    source = 'source = "registry+x"\nchecksum = "c"'
    rows = [f'[[package]]\nname = "{n}"\nversion = "{v}"\n{source}' for n, v in versions.items()]
    own = '[[package]]\nname = "p"\nversion = "1.0.0"\ndependencies = ["a"]\n'
    member = '[[package]]\nname = "m"\nversion = "1.0.0"\ndependencies = ["b"]'
    return "\n".join(["version = 4", own, member, *rows])


def test_only_what_the_crate_reaches_counts_of_the_lock_file(tmp_path: Path) -> None:
    root = _write(
        tmp_path, {"Cargo.toml": '[package]\nname = "p"\n[workspace]\n', "Cargo.lock": _lock(a="1.0.0", b="1.0.0")}
    )
    manifest = root / "Cargo.toml"
    assert locked_names(manifest, root) == ("a", "p")
    (root / "Cargo.lock").unlink()
    assert locked_names(manifest, root) == ()


def test_a_folder_is_expanded_without_what_can_be_made_again(tmp_path: Path) -> None:
    counted = {"a.rs": "", "src/b.rs": "", "src/.hidden": "", "sub/dist/x": ""}
    left = {
        ".git/HEAD": "", "build/.rustc_info.json": "", "build/release/x": "", "target/CACHEDIR.TAG": "", "target/x": "",
        ".venv/pyvenv.cfg": "", "dist/w.whl": "", "src/__pycache__/b.pyc": "", ".cartwheel/x": "",
    }  # fmt: skip
    _write(tmp_path, {**counted, **left})
    assert files_below(tmp_path, ".") == tuple(sorted(counted))
    assert files_below(tmp_path, "src") == ("src/.hidden", "src/b.rs")
    assert files_below(tmp_path, (tmp_path / "sub").as_posix()) == ((tmp_path / "sub/dist/x").as_posix(),)
    assert files_below(tmp_path, "nowhere") == ()


@needs_links
def test_links_are_followed_once_and_keep_their_names(tmp_path: Path) -> None:
    root = _write(tmp_path / "real", {"a/x.txt": "", "b/y.txt": ""})
    (root / "a" / "loop").symlink_to("..")
    (root / "a" / "more").symlink_to("../b")
    assert files_below(root, "a") == ("a/loop/b/y.txt", "a/more/y.txt", "a/x.txt")
    (tmp_path / "link").symlink_to("real")
    assert relative_name(tmp_path / "real/a/x.txt", tmp_path / "link") == "a/x.txt"
    assert relative_name(tmp_path / "link/a/more/y.txt", tmp_path / "link") == "a/more/y.txt"
    assert relative_name(root / "a/more/../a/x.txt", root) == "a/x.txt"
    assert relative_name(root / "a/../b/y.txt", root) == "b/y.txt"
    assert relative_name(tmp_path / "outside", root) == (tmp_path / "outside").as_posix()
    assert relative_name(root, root) == "."


def test_reads_add_up() -> None:
    one = ReadSet(files=("b",), env=("X",)) | ReadSet(files=("a", "b"), absent=("c",), folders=("d",))
    assert one == ReadSet(files=("a", "b"), absent=("c",), folders=("d",), env=("X",))
