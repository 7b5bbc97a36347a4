"""The further files of a wheel, against maturin itself: small wheels around a program of one line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from cartwheel.inputs import globs
from cartwheel.inputs.wheel_tree import packed_files, stale_extensions

_MATURIN = shutil.which("maturin", path=str(Path(sys.executable).parent)) or ""
needs_maturin = pytest.mark.skipif(not _MATURIN or not shutil.which("cargo"), reason="needs maturin and cargo")
needs_links = pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")

_CARGO = '[package]\nname = "pk"\nversion = "0.1.0"\nedition = "2021"\n'
_PYPROJECT = """
[build-system]
requires = ["maturin>=1.9,<2"]
build-backend = "maturin"
[project]
name = "pk"
version = "0.1.0"
[tool.maturin]
bindings = "bin"
"""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cargo target directory for all of them."""
    return tmp_path_factory.mktemp("target")


def _project(folder: Path, files: dict[str, str], *, cargo: str = "", maturin: str = "", project: str = "") -> Path:
    pyproject = _PYPROJECT.replace("[tool.maturin]", f"{project}\n[tool.maturin]") + maturin
    crate = {"src/main.rs": "fn main() {}", "Cargo.toml": _CARGO + cargo, "pyproject.toml": pyproject}
    lock = '# made by hand\nversion = 4\n\n[[package]]\nname = "pk"\nversion = "0.1.0"\n'
    for name, text in {**crate, "Cargo.lock": lock, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def _packed(folder: Path, root: Path | None = None, *, git: bool | None = None) -> set[str]:
    pyproject = tomllib.loads((folder / "pyproject.toml").read_text())
    cargo = tomllib.loads((folder / "Cargo.toml").read_text())
    return set(packed_files(folder, root or folder, pyproject=pyproject, cargo=cargo, git=git))


def _in_wheel(folder: Path, target: Path, out: Path) -> set[str]:
    """The files that maturin packs, without the program, the SBOM and generated metadata."""
    environ = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    command = [_MATURIN, "build", "--locked", "--profile", "dev", "--auditwheel", "skip", "-o", str(out)]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = out.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    generated = ("METADATA", "WHEEL", "RECORD")
    generated_names = ("pk-0.1.0.data/scripts/pk", "pk-0.1.0.dist-info/sboms/")
    return {
        name.replace("pk-0.1.0.dist-info/licenses/", "").replace("pk-0.1.0.data/", "pk.data/")
        for name in names
        if not name.startswith(generated_names) and not name.endswith(tuple(f"dist-info/{g}" for g in generated))
    }


_TREE = {
    "pk/__init__.py": "", "pk/.hidden": "", "pk/.secret/f": "", "pk/__pycache__/a.pyc": "", "pk/b.log": "",
    "pk/keep.log": "", "pk/build/x.py": "", "pk/sub/y.txt": "", "pk/sub/z.txt": "", "pk/sub/deep/y.txt": "",
    "pk/a.one": "", "pk/b.one": "", "pk/other.so": "", "pk/pk.abi3.so": "", "pk/pk_more.so": "", "pk/libpk.dylib": "",
    "pk/pk.pdb": "", "pk/pk.txt": "", "pk/native.dll": "", "other/__init__.py": "", "tests/t.py": "",
    "pk.data/data/.h": "", "pk.data/data/share/b.log": "", "LICENSE": "l", "LICENCE.md": "l", "COPYING.x": "l",
    "NOTICE": "n", "AUTHORS.rst": "a", "README.md": "r", "docs/a.txt": "", "docs/.h.txt": "", "docs/d/e.txt": "",
    "forced.log": "",
}  # fmt: skip
_IGNORES = {
    ".gitignore": "*.log\nbuild/\n!keep.log\n__pycache__\n/pk/sub/z.txt\n",
    "pk/sub/.gitignore": "/y.txt\n",
    "pk/.ignore": "{a,c}.one\n",
}


@needs_maturin
@pytest.mark.parametrize("repository", [False, True])
def test_the_python_tree_is_what_maturin_packs(tmp_path: Path, target: Path, repository: bool) -> None:
    folder = _project(
        tmp_path / "pk",
        {**_TREE, **_IGNORES},
        maturin='python-packages = ["other"]\ninclude = ["docs/*.txt", "**/e.txt", "forced.log"]\n'
        'exclude = ["pk/sub/deep", "pk/.secret/*"]\n',
    )
    if repository:
        (folder / ".git").mkdir()
    packed = _packed(folder)
    assert packed == _in_wheel(folder, target, tmp_path / "out")
    assert ("pk/b.log" in packed) is not repository
    assert ("pk/sub/y.txt" in packed) is not repository
    assert {"pk/.hidden", "pk/other.so", "pk/pk.txt", "forced.log", "docs/.h.txt", "NOTICE"} <= packed
    assert not {"pk/pk.abi3.so", "pk/pk_more.so", "pk/a.one", "README.md", "tests/t.py", "pk/.secret/f"} & packed


@needs_maturin
def test_a_repository_above_counts_and_its_ignore_file_does_not(tmp_path: Path, target: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("*.tmp\n")
    folder = _project(tmp_path / "sub", {"pk/__init__.py": "", "pk/a.log": "", "pk/b.tmp": "", ".gitignore": "*.log"})
    assert _packed(folder) == _in_wheel(folder, target, tmp_path / "out") == {"pk/__init__.py", "pk/b.tmp"}
    assert _packed(folder, tmp_path) == {"sub/pk/__init__.py", "sub/pk/b.tmp"}
    assert "pk/a.log" in _packed(folder, git=False)


@needs_maturin
@needs_links
def test_links_to_files_are_followed_and_links_to_folders_dropped(tmp_path: Path, target: Path) -> None:
    folder = _project(
        tmp_path / "pk", {"pk/__init__.py": "", "far/a.txt": "a", "inc/b.txt": "b"}, maturin='include = ["inc/**/*"]'
    )
    (folder / "pk/file.txt").symlink_to("../far/a.txt")
    (folder / "pk/folder").symlink_to("../far")
    (folder / "inc/folder").symlink_to("../far")
    packed = _packed(folder)
    assert packed == _in_wheel(folder, target, tmp_path / "out")
    assert packed == {"pk/__init__.py", "pk/file.txt", "inc/b.txt", "inc/folder/a.txt"}


@needs_maturin
def test_a_python_source_is_walked_from_the_folder_of_pyproject(tmp_path: Path, target: Path) -> None:
    folder = _project(
        tmp_path / "pk",
        {
            "python/pk/__init__.py": "",
            "python/pk/x/a.py": "",
            "python/pk/_n.so": "",
            "python/.gitignore": "x\n",
            "pk/no.py": "",
        },
        maturin='python-source = "python"\nmodule-name = "pk._n"',
    )
    (folder / ".git").mkdir()
    assert _packed(folder) == {"python/pk/__init__.py"}
    assert _in_wheel(folder, target, tmp_path / "out") == {"pk/__init__.py"}


@pytest.mark.parametrize(
    ("project", "cargo", "expected"),
    [
        ('readme = "R.md"', "", {"R.md", "LICENSE"}),
        ('readme = { file = "R.md", content-type = "text/markdown" }\nlicense-files = []', "", {"R.md"}),
        ('license-files = ["legal/**/*.txt"]', "", {"legal/a.txt", "legal/x/b.txt"}),
        ('license = { file = "L" }\nlicense-files = []', "", {"L"}),
        ("license-files = []", 'license-file = "L"\n', {"L"}),
        ("license-files = []", 'readme = "R.md"\n', set()),
        ('dynamic = ["readme"]\nlicense-files = []', 'readme = "R.md"\n', {"R.md"}),
        ('dynamic = ["readme"]\nlicense-files = []', "", {"README.md"}),
        ('dynamic = ["readme"]\nlicense-files = []', "readme = false\n", set()),
    ],
)
def test_documents_come_from_pyproject_or_cargo(tmp_path: Path, project: str, cargo: str, expected: set[str]) -> None:
    files = dict.fromkeys(("R.md", "README.md", "LICENSE", "L", "legal/a.txt", "legal/x/b.txt"), "x")
    assert _packed(_project(tmp_path, files, cargo=cargo, project=project)) == expected


def test_documents_inherited_from_the_workspace_lie_beside_its_manifest(tmp_path: Path) -> None:
    folder = _project(tmp_path / "sub", {}, cargo="license-file.workspace = true\n", project="license-files = []")
    (tmp_path / "Cargo.toml").write_text('[workspace]\nmembers = ["sub"]\n[workspace.package]\nlicense-file = "L"\n')
    (tmp_path / "L").write_text("l")
    assert _packed(folder, tmp_path) == {"L"}


def test_without_a_python_package_the_stub_and_what_is_generated_from_counts(tmp_path: Path) -> None:
    maturin = 'sbom = { include = ["extra.json"] }'
    folder = _project(tmp_path, {"pk.pyi": "", "extra.json": "", "uniffi.toml": ""}, maturin=maturin)
    assert _packed(folder) == {"pk.pyi", "extra.json", "uniffi.toml"}


def test_only_this_modules_own_compiled_files_are_stale(tmp_path: Path) -> None:
    names = ("_n.abi3.so", "_n.cpython-313-x86_64-linux-gnu.so", "_n.pyd", "lib_n.dylib", "_n.pdb")
    others = ("_n_more.so", "other.so", "_n.py", "x/_n.so")
    files = {f"python/pk/{name}": "" for name in (*names, *others)}
    folder = _project(tmp_path, files, maturin='python-source = "python"\nmodule-name = "pk._n"')
    pyproject, cargo = (tomllib.loads((folder / n).read_text()) for n in ("pyproject.toml", "Cargo.toml"))
    extensions = stale_extensions(folder, folder, pyproject=pyproject, cargo=cargo)
    assert set(extensions) == {f"python/pk/{name}" for name in names}


@pytest.mark.parametrize(
    ("line", "name", "folder", "expected"),
    [
        ("*.log", "a/b.log", False, True),
        ("/a.log", "b/a.log", False, None),
        ("a/b", "a/b", False, True),
        ("a/b", "x/a/b", False, None),
        ("build/", "build", False, None),
        ("build/", "x/build", True, True),
        ("!keep", "keep", False, False),
        ("a/**", "a", True, None),
        ("a/**", "a/b/c", False, True),
        ("a/**/c", "a/c", False, True),
        ("a/**/c", "a/b/d/c", False, True),
        ("**/c", "c", False, True),
        ("*.{a,b}", "x.b", False, True),
        ("[!a].x", "b.x", False, True),
        ("[!a].x", "a.x", False, None),
        ("a?c", "a/c", False, None),
        ("\\#x", "#x", False, True),
        ("# x", "# x", False, None),
        ("x  ", "x", False, True),
        ("", "x", False, None),
        ("a[", "a[", False, None),
        ("{a", "{a", False, None),
        ("a}", "a}", False, None),
        ("a\\", "a\\", False, None),
        ("[a", "[a", False, None),
    ],
)
def test_ignore_patterns_are_read_as_maturin_reads_them(
    line: str, name: str, folder: bool, expected: bool | None
) -> None:
    assert globs.verdict(globs.rules([line]), name, folder=folder) is expected
