"""CPython linked with musl on a glibc machine, compiled once from Debian's source package and kept in the cache.

x86_64: Debian's `musl` brings the dynamic loader, so programs that are linked with musl run.  aarch64: zig compiles and
links, Debian's `musl` of that architecture is unpacked beside the interpreter, and qemu runs it.  The interpreters have
no zlib, ssl or ctypes, which is enough for pytest.  `python -m support.musl [aarch64]` prepares one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
from filelock import FileLock
from platformdirs import user_cache_path

CACHE = user_cache_path("cartwheel-tests") / "musl"
NEEDS = {"x86_64": ("musl-gcc", "apt-get", "make"), "aarch64": ("apt-get", "dpkg-deb", "make", "qemu-aarch64-static")}
SOURCE = "python3.11"
"""Debian 12's source package."""

_COMPILER = """\
#!/bin/sh
case $1 in --print-multiarch | -print-multiarch) exec echo {machine}-linux-musl ;; esac # configure, setup.py
exec {compiler} "$@"
"""
_COMPILERS = {"x86_64": "musl-gcc", "aarch64": f"{sys.executable} -m ziglang cc -target aarch64-linux-musl -dynamic"}
_ANSWERS = {f"ac_cv_{name}": "no" for name in ("header_zlib_h", "lib_z_gzread", "lib_z_inflateCopy")}
"""configure finds the headers of glibc's zlib, which musl cannot link."""
_CROSS_ANSWERS = {"ac_cv_file__dev_ptmx": "no", "ac_cv_file__dev_ptc": "no", "ac_cv_buggy_getaddrinfo": "no"}


@cache
def sysroot(machine: str = "x86_64") -> Path:
    """A folder with `bin/python3.11` linked with musl; skips the test if this machine cannot have it."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        pytest.skip("the interpreter is compiled on x86_64 Linux")
    for tool in NEEDS[machine]:
        if not shutil.which(tool):
            pytest.skip(f"needs {tool}")
    if "VERSION_CODENAME=bookworm" not in Path("/etc/os-release").read_text():
        pytest.skip("the interpreter is compiled from a source package of Debian 12")
    return prepared(machine)


def prepared(machine: str = "x86_64") -> Path:
    """The folder; compiled if the cache lacks it, which takes 75 s on two cores, or 4 minutes for aarch64."""
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = CACHE / (SOURCE if machine == "x86_64" else f"{SOURCE}-{machine}")
    with FileLock(CACHE / f"lock-{machine}"):
        if not (folder / "bin" / SOURCE).is_file():
            with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
                here = Path(scratch)
                if machine != "x86_64":
                    _loader(here, folder)
                _compile(_source(here), here, folder, machine)
    return folder


def _call(*command: str, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}: {(done.stderr or done.stdout)[-2000:]}"
    return done.stdout


def _apt(scratch: Path, line: str, *options: str) -> tuple[str, ...]:
    """apt-get with this machine's own Debian mirror as the only source, without a change of its list of sources."""
    mirror = _call("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", cwd=scratch).split()[0]
    (scratch / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (scratch / "sources.list").write_text(f"{line} [signed-by={keys}] {mirror} bookworm main\n")
    every = (
        f"Dir::Etc::sourcelist={scratch}/sources.list", "Dir::Etc::sourceparts=-",
        f"Dir::State::lists={scratch}/lists", "APT::Sandbox::User=root", *options,
    )  # fmt: skip
    apt = ("apt-get", "-q", *(word for option in every for word in ("-o", option)))
    _call(*apt, "update", cwd=scratch)
    return apt


def _loader(scratch: Path, folder: Path) -> None:
    """Unpack musl for arm64, which has the dynamic loader."""
    apt = _apt(scratch, "deb", "APT::Architecture=arm64", "APT::Architectures::=arm64")
    _call(*apt, "download", "musl:arm64", cwd=scratch)
    (package,) = scratch.glob("musl_*_arm64.deb")
    _call("dpkg-deb", "-x", str(package), str(folder), cwd=scratch)


def _source(scratch: Path) -> Path:
    """CPython's source."""
    _call(*_apt(scratch, "deb-src"), "source", "--download-only", SOURCE, cwd=scratch)
    (archive,) = scratch.glob(f"{SOURCE}_*.orig.tar.*")
    _call("tar", "-xf", str(archive), cwd=scratch)
    (source,) = scratch.glob("Python-*")
    return source


def _compile(source: Path, scratch: Path, folder: Path, machine: str) -> None:
    compiler = scratch / "musl-cc"
    compiler.write_text(_COMPILER.format(machine=machine, compiler=_COMPILERS[machine]))
    compiler.chmod(0o755)
    env = {"CC": str(compiler), "PKG_CONFIG": "/bin/false", **_ANSWERS}
    options = [f"--prefix={folder}", "--without-ensurepip", "--disable-test-modules"]
    if machine != "x86_64":
        zig = f"{sys.executable} -m ziglang"
        env |= {"AR": f"{zig} ar", "RANLIB": f"{zig} ranlib", "CXX": "/bin/false", **_CROSS_ANSWERS}
        options += [f"--host={machine}-linux-musl", "--build=x86_64-linux-gnu", f"--with-build-python={_builder()}"]
        options += ["--disable-ipv6"]
    _call("./configure", *options, cwd=source, env=env)
    _call("make", "-j2", cwd=source, env=env)
    _call("make", "install", cwd=source, env=env)


def _builder() -> str:
    """The CPython of the same version that runs the build's own scripts."""
    base = Path(sys.base_prefix, "bin", SOURCE)
    found = str(base) if base.is_file() else shutil.which(SOURCE)
    if not found:
        pytest.skip(f"needs {SOURCE}")
    return found


if __name__ == "__main__":
    try:
        print(sysroot(*sys.argv[1:]))
    except pytest.skip.Exception as skipped:
        print(f"not prepared: {skipped}")
