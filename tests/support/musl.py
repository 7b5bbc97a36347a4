"""CPython linked with musl on a glibc machine, compiled once from Debian's source package and kept in the cache.

Debian's `musl` brings the dynamic loader, so programs that are linked with musl run.  The interpreter has no zlib, ssl
or ctypes, which is enough for pytest.  `python -m support.musl` prepares the one for this machine.

The interpreter for aarch64 is compiled with zig and runs under qemu; its folder has the loader of Debian's arm64 musl.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from filelock import FileLock
from platformdirs import user_cache_path

from support import images

CACHE = user_cache_path("cartwheel-tests") / "musl"
NEEDS = ("musl-gcc", "apt-get", "make")
SOURCE = "python3.11"
"""Debian 12's source package."""

_COMPILER = """\
#!/bin/sh
case $1 in --print-multiarch | -print-multiarch) exec echo x86_64-linux-musl ;; esac # configure, setup.py
exec musl-gcc "$@"
"""
_CACHED_ANSWERS = {f"ac_cv_{name}": "no" for name in ("header_zlib_h", "lib_z_gzread", "lib_z_inflateCopy")}
"""configure finds the headers of glibc's zlib, which musl cannot link."""


_CROSS_COMPILER = """\
#!/bin/sh
case "$1 $2" in
    *-print-multiarch*) exec echo aarch64-linux-musl ;;
    "-E -v") exit 1 ;; # setup.py asks for the folders of headers, and zig names those of this machine
esac
exec {python} -m ziglang cc -target aarch64-linux-musl -dynamic -fno-sanitize=undefined -Wno-date-time -w "$@"
"""
_CROSS_ANSWERS = {
    "ac_cv_buggy_getaddrinfo": "no",
    "ac_cv_file__dev_ptmx": "yes",
    "ac_cv_file__dev_ptc": "no",
    **{f"ac_cv_func_{name}": "no" for name in ("preadv2", "pwritev2")},
}
"""What configure cannot try without running programs, and functions of musl 1.2.5 that Debian 12's musl lacks."""


@cache
def sysroot() -> Path:
    """A folder with `bin/python3.11` linked with musl; skips the test if this machine cannot have it."""
    _need_tools(*NEEDS)
    return prepared()


@cache
def sysroot_aarch64() -> Path:
    """A folder with musl's loader and `bin/python3.11` for aarch64; skips the test if this machine cannot have it."""
    _need_tools(*NEEDS, "dpkg-deb", "readelf")
    images.emulated()
    own = prepared() / "bin" / SOURCE
    folder = _cached_folder(
        f"{SOURCE}-aarch64", lambda scratch, folder: _cross_compile(_source(scratch), scratch, folder, own)
    )
    loader = Path("/lib/ld-musl-aarch64.so.1")  # uv starts it to see the version of musl; qemu redirects no such start
    if not loader.exists():
        try:
            loader.unlink(missing_ok=True)
            loader.symlink_to(folder / "lib" / loader.name)
        except OSError as error:
            pytest.skip(f"{loader} cannot be linked: {error.strerror}")
    return folder


def _need_tools(*tools: str) -> None:
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        pytest.skip("the interpreter is compiled on x86_64 Linux")
    for tool in tools:
        if not shutil.which(tool):
            pytest.skip(f"needs {tool}")
    if "VERSION_CODENAME=bookworm" not in Path("/etc/os-release").read_text():
        pytest.skip("the interpreter is compiled from a source package of Debian 12")


def prepared() -> Path:
    """The folder for this machine; compiled if the cache lacks it, which takes 75 s on two cores."""
    return _cached_folder(SOURCE, lambda scratch, folder: _compile(_source(scratch), scratch, folder))


def _cached_folder(name: str, build: Callable[[Path, Path], None]) -> Path:
    """The folder in the cache; `build` fills it, in a scratch folder of its own, if it has no interpreter."""
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = CACHE / name
    with FileLock(CACHE / "lock"):
        if not (folder / "bin" / SOURCE).is_file():
            with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
                build(Path(scratch), folder)
    return folder


def _call(*command: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}: {(done.stderr or done.stdout)[-2000:]}"
    return done.stdout


def _apt(scratch: Path, kind: str, *options: str) -> tuple[str, ...]:
    """apt-get with one source, this machine's own Debian mirror (`deb`, `deb-src`), and its lists in `scratch`."""
    mirror = _call("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", cwd=scratch).split()[0]
    folder = scratch / kind
    (folder / "lists" / "partial").mkdir(parents=True)
    keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (folder / "sources.list").write_text(f"{kind} [signed-by={keys}] {mirror} bookworm main\n")
    every = (
        f"Dir::Etc::sourcelist={folder}/sources.list", "Dir::Etc::sourceparts=-",
        f"Dir::State::lists={folder}/lists", "APT::Sandbox::User=root", *options,
    )  # fmt: skip
    apt = ("apt-get", "-q", *(word for option in every for word in ("-o", option)))
    _call(*apt, "update", cwd=scratch)
    return apt


def _source(scratch: Path) -> Path:
    """CPython's source."""
    _call(*_apt(scratch, "deb-src"), "source", "--download-only", SOURCE, cwd=scratch)
    (archive,) = scratch.glob(f"{SOURCE}_*.orig.tar.*")
    _call("tar", "-xf", str(archive), cwd=scratch)
    (source,) = scratch.glob("Python-*")
    return source


def _loader_aarch64(scratch: Path, folder: Path) -> None:
    """Put the loader of Debian's arm64 `musl` into the folder."""
    apt = _apt(scratch, "deb", "APT::Architecture=arm64", "APT::Architectures=arm64", "Dir::State::status=/dev/null")
    _call(*apt, "download", "musl", cwd=scratch)
    (package,) = scratch.glob("musl_*_arm64.deb")
    _call("dpkg-deb", "-x", str(package), str(folder), cwd=scratch)


def _compile(source: Path, scratch: Path, folder: Path) -> None:
    compiler = scratch / "musl-cc"
    compiler.write_text(_COMPILER)
    compiler.chmod(0o755)
    env = {"CC": str(compiler), "PKG_CONFIG": "/bin/false", **_CACHED_ANSWERS}
    _install(source, folder, env)


def _cross_compile(source: Path, scratch: Path, folder: Path, build_python: Path) -> None:
    """Compile for aarch64 with zig.

    configure names extensions `aarch64-linux-musl` only if the *building* system is named `linux-musl` too.
    """
    _loader_aarch64(scratch, folder)
    compiler = scratch / "zig-cc"
    compiler.write_text(_CROSS_COMPILER.format(python=shlex.quote(sys.executable)))
    compiler.chmod(0o755)
    zig = f"{shlex.quote(sys.executable)} -m ziglang"
    env = {
        "CC": str(compiler), "AR": f"{zig} ar", "RANLIB": f"{zig} ranlib", "READELF": str(shutil.which("readelf")),
        "PKG_CONFIG": "/bin/false", "LINKFORSHARED": "-rdynamic", **_CROSS_ANSWERS,
    }  # fmt: skip
    systems = ("--build=x86_64-pc-linux-musl", "--host=aarch64-pc-linux-musl")
    _install(source, folder, env, *systems, f"--with-build-python={build_python}")


def _install(source: Path, folder: Path, env: dict[str, str], *options: str) -> None:
    every = (f"--prefix={folder}", "--without-ensurepip", "--disable-test-modules", *options)
    _call("./configure", *every, cwd=source, env=env)
    _call("make", "-j2", cwd=source, env=env)
    _call("make", "install", cwd=source, env=env)


if __name__ == "__main__":
    try:
        print(sysroot())
    except pytest.skip.Exception as skipped:
        print(f"not prepared: {skipped}")
