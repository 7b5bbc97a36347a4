"""The same commit gives the same bytes in two environments that share nothing but the tools.

The second clone lies elsewhere, and has another HOME, CARGO_HOME, RUSTUP_HOME, temporary folder, umask, time zone,
locale and number of jobs.  Where the tests run as root, it belongs to another user, who builds it.  Each test prints
that user's id and a table of its files, equal or not.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from support.example import HOST, MAC, MUSL, WINDOWS, Example
from support.others import unpacked
from support.projects import DODO, FLOOR
from support.repositories import git, repository
from support.yard import CRATE, PYPROJECT

AARCH64 = "aarch64-unknown-linux-gnu"
TARGETS = (HOST, AARCH64, MUSL, MAC, WINDOWS)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the second environment is a shell's")


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder that another user can reach.  The parents of pytest's own are closed by each pytest that starts."""
    with TemporaryDirectory(prefix="cartwheel-", ignore_cleanup_errors=True) as folder:
        yield Path(folder).resolve()


def own_home() -> Path:
    """This user's home; HOME may be another folder, without the tools."""
    import pwd

    return Path(pwd.getpwuid(os.geteuid()).pw_dir)


def another_machine(home: Path) -> dict[str, str]:
    """The variables of the second environment.  The toolchains are hard links, so that no path leads back."""
    (home / "tmp").mkdir(parents=True)
    cargo = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    shutil.copytree(cargo / "registry", home / "cargo/registry")
    rustup = Path(os.environ.get("RUSTUP_HOME") or Path.home() / ".rustup")
    try:
        shutil.copytree(rustup, home / "rust up", copy_function=os.link, symlinks=True)
    except OSError:  # on another file system
        (home / "rust up").symlink_to(rustup)
    for place in (".pyenv", ".local/share/uv/python"):  # interpreters are tools too
        for first in (Path.home(), own_home()):
            if (first / place).is_dir() and not (home / place).exists():
                (home / place).parent.mkdir(parents=True, exist_ok=True)
                (home / place).symlink_to(first / place)
    network = {
        k: v for k, v in os.environ.items() if re.match(r"PIP_|UV_|SSL_CERT|REQUESTS_CA|CURL_CA|(?i:.*_proxy$)", k)
    }
    return {
        **network, "PATH": os.environ["PATH"], "HOME": str(home), "CARGO_HOME": str(home / "cargo"), "TZ": "Asia/Tokyo",
        "RUSTUP_HOME": str(home / "rust up"), "TMPDIR": str(home / "tmp"), "LC_ALL": "C.UTF-8", "USER": "somebody",
        "CARGO_BUILD_JOBS": "1", "CARGO_INCREMENTAL": "0",
    }  # fmt: skip


NOBODY = 65534
ELSEWHERE = """
set -e
hostname elsewhere
home=$1 old=$2 shown=$3
shift 3
mount --bind "$home" "$old"
mount -t tmpfs -o mode=755 tools "$home"
for name in $shown; do mkdir -p "$home/$name"; mount --bind "$old/$name" "$home/$name"; done
umount "$old"
exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all "$@"
"""
"""Another host name and user, who sees of the first user's home only the folders of tools."""


def another_user(folder: Path) -> tuple[str, ...]:
    """The start of a command that runs as another user; empty where this user cannot change to one that can run this
    Python.  `folder` becomes a place for mounts."""
    if os.geteuid() or not shutil.which("setpriv") or not shutil.which("unshare"):
        return ()
    folder.mkdir()
    home = own_home()
    shown = {"/".join(Path(entry).relative_to(home).parts[:1]) for entry in os.environ["PATH"].split(os.pathsep)
             if Path(entry).is_relative_to(home)}  # fmt: skip
    shown |= {".pyenv", ".local/share/uv/python"}
    names = " ".join(sorted(name for name in shown if (home / name).is_dir()))
    start = ("unshare", "--mount", "--uts", "sh", "-c", ELSEWHERE, "sh", str(home), str(folder), names)
    return start if not subprocess.run((*start, sys.executable, "-c", ""), capture_output=True).returncode else ()


def give_to_nobody(*folders: Path) -> None:
    """Change the owner of all in the folders, except the hard-linked files of toolchains; let him reach them."""
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            if path.is_dir() or path.stat(follow_symlinks=False).st_nlink == 1:
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        for parent in folder.parents:
            if not parent.stat().st_mode & 0o001:
                parent.chmod(0o711)


def doit(root: Path, env: Mapping[str, str], umask: str, tasks: Iterable[str], user: tuple[str, ...] = ()) -> None:
    """Run the tasks in a clone; they must succeed."""
    command = [*user, "sh", "-c", f'umask {umask}; exec "$@"', "sh", sys.executable, "-m", "doit", *tasks]
    done = subprocess.run(command, cwd=root, env=dict(env), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def digests(root: Path) -> dict[str, str]:
    """The SHA-256 of each finished file of a clone, by name."""
    files = [*(root / "dist").rglob("*.whl"), *(root / "dist").rglob("*.tar.gz")]
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in files}


SPACED = "other place/much deeper"


def differing_files(root: Path, tmp_path: Path, tasks: tuple[str, ...], place: str = SPACED) -> tuple[str, ...]:
    """The files that two environments do not make equal, of a repository in `root`; prints a line for each file."""
    from cartwheel.provenance.comparison import differences

    second = tmp_path / place / "second"
    git(root, "clone", "--quiet", str(root), str(second))
    own = {k: v for k, v in os.environ.items() if not k.startswith(("CARTWHEEL_", "CARGO_ENCODED", "RUSTFLAGS"))}
    there = another_machine(tmp_path / "home")
    user = another_user(tmp_path / "mounts")
    if user:
        give_to_nobody(tmp_path / "home", second)
    with ThreadPoolExecutor() as both:
        builds = [both.submit(doit, root, own, "022", tasks), both.submit(doit, second, there, "077", tasks, user)]
    for build in builds:
        build.result()
    print(f"built by user {os.geteuid()} and by user {second.joinpath('.cartwheel').stat().st_uid}")
    ours, theirs = digests(root), digests(second)
    assert ours
    assert set(ours) == set(theirs)
    wrong = []
    for name, digest in sorted(ours.items()):
        equal = theirs[name] == digest
        print(f"{'equal' if equal else 'DIFFERS':8}{name}  sha256 {digest[:16]}")
        if not equal:
            files = (next((clone / "dist").rglob(name)) for clone in (root, second))
            wrong += [name, *differences(*files)]
    return tuple(wrong)


@pytest.mark.parametrize(
    "target",
    [pytest.param(t, marks=pytest.mark.lab if t in (AARCH64, MUSL) else pytest.mark.full(sample=0.0)) for t in TARGETS],
)
def test_the_example_is_equal_for(target: str, tmp_path: Path) -> None:
    if not shutil.which("rustup"):
        pytest.skip("needs rustup")
    if target == WINDOWS and not shutil.which("x86_64-w64-mingw32-gcc"):
        pytest.skip("needs x86_64-w64-mingw32-gcc")
    first = Example.create(tmp_path / "first")
    # dlltool writes to no path with a space; ld sorts import libraries by path, the toolchain's (`home`) come first
    place = "second" if target == WINDOWS else SPACED
    assert differing_files(first.root, tmp_path, (f"repair:{target}",), place) == ()


# ---- crates that compile C

MAIN = {
    "cc": 'extern "C" { fn f() -> *const u8; }\nfn main() { println!("{:p}", unsafe { f() }); }\n',
    "libz-sys": 'fn main() { println!("{:?}", unsafe { libz_sys::zlibVersion() }); }\n',
}
NEEDS = {
    "cc": '\n[build-dependencies]\ncc = "1"\n',
    "libz-sys": '\n[dependencies]\nlibz-sys = { version = "1", features = ["static"] }\n',
}
SOURCE = {
    "app/build.rs": 'fn main() { cc::Build::new().file("src/f.c").debug(true).compile("f"); }\n',
    "app/src/f.c": '#include <assert.h>\nconst char *f(void) { assert(f); return __FILE__; }\n',
}  # fmt: skip


@pytest.mark.full(sample=0.05)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("crate", MAIN)
def test_a_crate_that_compiles_c_is_equal(crate: str, target: str, tmp_path: Path) -> None:
    root = repository(tmp_path / "first")
    files = {
        "pyproject.toml": PYPROJECT.replace(f'"{HOST}"', f'"{target}"').replace(f'floor = "{FLOOR}"\n', ""),
        "dodo.py": DODO, ".gitignore": ".cartwheel/\ndist/\ntarget/\n",
        "app/Cargo.toml": f"{CRATE.format('app')}{NEEDS[crate]}\n[workspace]\n",
        "app/src/main.rs": MAIN[crate], **(SOURCE if crate == "cc" else {}),
    }  # fmt: skip
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    subprocess.run(("cargo", "generate-lockfile"), cwd=root / "app", check=True, capture_output=True)
    subprocess.run(("cargo", "fetch"), cwd=root / "app", check=True, capture_output=True)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "first")
    assert differing_files(root, tmp_path, (f"repair:{target}",)) == ()


# ---- packages of others, by five backends

PACKAGES = {
    "rtoml": ("0.14.0", HOST, "3.13"),
    "nh3": ("0.3.2", HOST, "abi3"),
    "blake3": ("1.0.11", HOST, "3.13"),
    "bcrypt": ("5.0.0", HOST, "abi3"),  # setuptools-rust
    "phik": ("0.12.5", HOST, "3.13"),  # scikit-build-core
    "markupsafe": ("3.0.2", HOST, "3.13"),  # setuptools, C
    "soupsieve": ("2.7", "any", "py3"),  # hatchling
}
"""Version, target and interpreter of packages on the index."""

TABLE = """
[tool.cartwheel]
targets = ["{target}"]
publish = []
test = {{ skip = "not in the source distribution" }}
"""


@pytest.mark.full(sample=0.06)
@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_that_others_wrote_is_equal(name: str, tmp_path: Path) -> None:
    version, target, python = PACKAGES[name]
    root = unpacked(name, version, tmp_path, repository(tmp_path / "first"))
    keys = f'floor = "{FLOOR}"\npython = ["{python}"]\n' if target == HOST else ""
    text = (root / "pyproject.toml").read_text("utf-8")
    if dynamic := re.search(r'^dynamic\s*=\s*\[[^\]]*"version"[^\]]*\]', text, re.M):
        static = re.sub(r'"version",?\s*', "", dynamic[0])
        text = text.replace(dynamic[0], f'{static}\nversion = "{version}"')
    (root / "pyproject.toml").write_text(text + TABLE.format(target=target) + keys, "utf-8")
    (root / "dodo.py").write_text(DODO, "utf-8")
    (root / ".gitignore").write_text(".cartwheel/\ndist/\n", "utf-8")
    if (root / "Cargo.lock").is_file():
        subprocess.run(("cargo", "fetch", "--locked"), cwd=root, check=True, capture_output=True)
    git(root, "add", "--all", "--force")
    git(root, "commit", "--quiet", "--message", "as it is on the index")
    assert differing_files(root, tmp_path, ("repair", "sdist")) == ()
