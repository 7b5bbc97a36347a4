"""CPython linked with musl on a glibc machine, compiled once from Debian's source package and kept in the cache.

Debian's `musl` brings the dynamic loader, so programs that are linked with musl run.  The interpreter has no zlib, ssl
or ctypes, which is enough for pytest.  `python -m support.musl` prepares it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest
from filelock import FileLock
from platformdirs import user_cache_path

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


@cache
def sysroot() -> Path:
    """A folder with `bin/python3.11` linked with musl; skips the test if this machine cannot have it."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        pytest.skip("the interpreter is compiled on x86_64 Linux")
    for tool in NEEDS:
        if not shutil.which(tool):
            pytest.skip(f"needs {tool}")
    if "VERSION_CODENAME=bookworm" not in Path("/etc/os-release").read_text():
        pytest.skip("the interpreter is compiled from a source package of Debian 12")
    return prepared()


def prepared() -> Path:
    """The folder; compiled if the cache lacks it, which takes 75 s on two cores."""
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = CACHE / SOURCE
    with FileLock(CACHE / "lock"):
        if not (folder / "bin" / SOURCE).is_file():
            with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
                _compile(_source(Path(scratch)), Path(scratch), folder)
    return folder


def _call(*command: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}: {(done.stderr or done.stdout)[-2000:]}"
    return done.stdout


def _source(scratch: Path) -> Path:
    """CPython's source, from this machine's own Debian mirror, without a change of its list of sources."""
    mirror = _call("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", cwd=scratch).split()[0]
    (scratch / "lists" / "partial").mkdir(parents=True)
    keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (scratch / "sources.list").write_text(f"deb-src [signed-by={keys}] {mirror} bookworm main\n")
    options = (
        f"Dir::Etc::sourcelist={scratch}/sources.list", "Dir::Etc::sourceparts=-",
        f"Dir::State::lists={scratch}/lists", "APT::Sandbox::User=root",
    )  # fmt: skip
    apt = ("apt-get", "-q", *(word for option in options for word in ("-o", option)))
    _call(*apt, "update", cwd=scratch)
    _call(*apt, "source", "--download-only", SOURCE, cwd=scratch)
    (archive,) = scratch.glob(f"{SOURCE}_*.orig.tar.*")
    _call("tar", "-xf", str(archive), cwd=scratch)
    (source,) = scratch.glob("Python-*")
    return source


def _compile(source: Path, scratch: Path, folder: Path) -> None:
    compiler = scratch / "musl-cc"
    compiler.write_text(_COMPILER)
    compiler.chmod(0o755)
    env = {"CC": str(compiler), "PKG_CONFIG": "/bin/false", **_CACHED_ANSWERS}
    options = (f"--prefix={folder}", "--without-ensurepip", "--disable-test-modules")
    _call("./configure", *options, cwd=source, env=env)
    _call("make", "-j2", cwd=source, env=env)
    _call("make", "install", cwd=source, env=env)


if __name__ == "__main__":
    try:
        print(sysroot())
    except pytest.skip.Exception as skipped:
        print(f"not prepared: {skipped}")
