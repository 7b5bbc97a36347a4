"""Real images for real containers, and the engines that run them: Debian, unpacked from its own packages.

debootstrap fetches the packages; they are unpacked and not set up, which needs nothing of the other architecture to
run and takes seconds.  What is made is kept in the user's cache folder, for the files of one test run and for the next.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from filelock import FileLock
from platformdirs import user_cache_path

from cartwheel.process import run
from cartwheel.toolchain.container_command import LABEL

SHIM = Path(run.__file__).with_name("shim.py")
CACHE = user_cache_path("cartwheel-tests") / "images"
SUITE = "bookworm"
FLOOR = "manylinux_2_36"
"""Debian 12's glibc."""
PACKAGES = "python3,python3-venv,python3-pip,ca-certificates,gcc,g++,libc6-dev,patchelf"

CONTAINERS = """\
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
[containers]
netns = "host"
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
"""
"""podman on a bare machine: no systemd, no crun, and a root that may not raise its own limits."""


class Images:
    """An engine that runs here, with the images it was given."""

    def __init__(self, engine: str, env: Mapping[str, str]) -> None:
        self.engine = engine
        self.env = {**env, "CARTWHEEL_ENGINE": engine}

    def run(self, *arguments: str, stdin: object = subprocess.DEVNULL) -> str:
        """The engine's output; it must succeed."""
        done = subprocess.run(
            [self.engine, *arguments], env={**os.environ, **self.env}, stdin=stdin, capture_output=True, text=True
        )  # type: ignore[call-overload]
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    def answers(self, *arguments: str) -> bool:
        """Whether the engine does that."""
        done = subprocess.run([self.engine, *arguments], env={**os.environ, **self.env}, capture_output=True)
        return done.returncode == 0

    def debian(self, arch: str) -> str:
        """The name of an image of that architecture (`amd64`, `arm64`), with Python 3.11 where pypa's images have it,
        and a C and C++ compiler."""
        name = f"localhost/cartwheel-test-{arch}:{_recipe()}"
        CACHE.mkdir(parents=True, exist_ok=True)
        with FileLock(CACHE / f"{arch}-{self.engine}.lock"):
            if not self.answers("image", "inspect", name):
                self.run("import", *self._of(arch), str(_archive(arch)), name)
        return name

    def _of(self, arch: str) -> tuple[str, ...]:
        return ("--arch", arch) if self.engine == "podman" else ("--platform", f"linux/{arch}")

    def left(self, project: Path) -> list[str]:
        """The containers of a project, running or not."""
        return self.run("ps", "--all", "--quiet", f"--filter=label={LABEL}={project}").split()

    def none_left(self, project: Path) -> bool:
        """Whether none is, at most a few seconds from now."""
        end = time.monotonic() + 30
        while self.left(project) and time.monotonic() < end:
            time.sleep(0.1)
        return not self.left(project)


def _recipe() -> str:
    return hashlib.sha256(f"{SUITE} {PACKAGES} {inspect.getsource(_unpacked)}".encode()).hexdigest()[:12]


def _archive(arch: str) -> Path:
    """The file system of an image as one file, made once for all engines."""
    archive = CACHE / f"root-{arch}-{_recipe()}.tar"
    with FileLock(CACHE / f"{arch}.lock"):
        if not archive.is_file():
            with tempfile.TemporaryDirectory(dir=CACHE) as folder:
                root = _unpacked(Path(folder) / "root", arch)
                _call("tar", "-C", str(root), "-cf", f"{folder}/root.tar", ".")
                (Path(folder) / "root.tar").rename(archive)
    return archive


def _call(*command: str) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {(done.stderr or done.stdout)[-2000:]}"
    return done.stdout


def _unpacked(root: Path, arch: str) -> Path:
    _call("debootstrap", "--variant=minbase", "--foreign", f"--arch={arch}", f"--include={PACKAGES}", SUITE, str(root))
    for package in sorted((root / "var/cache/apt/archives").glob("*.deb")):
        unpack = f'dpkg-deb --fsys-tarfile "{package}" | tar -x --keep-directory-symlink -C "{root}"'
        _call("sh", "-c", unpack)
    for place in ("var/cache/apt/archives", "debootstrap", "usr/share/doc", "usr/share/locale"):
        shutil.rmtree(root / place, ignore_errors=True)
    if (root / "proc").is_symlink():
        (root / "proc").unlink()
    (root / "proc").mkdir(exist_ok=True)
    for name, to in (("cc", "gcc"), ("c++", "g++")):
        (root / "usr/bin" / name).symlink_to(to)
    interpreter = root / "opt/python/cp311-cp311/bin"
    interpreter.mkdir(parents=True)
    (interpreter / "python").symlink_to("/usr/bin/python3.11")
    certificates = "etc/ssl/certs/ca-certificates.crt"
    shutil.copy(f"/{certificates}", root / certificates)  # as trusted there as here
    return root


@cache
def root(arch: str) -> Path:
    """A folder with such a file system, for programs that are started without a container."""
    if sys.platform != "linux" or not shutil.which("debootstrap"):
        pytest.skip("needs debootstrap")
    recipe = hashlib.sha256(f"{SUITE} {PACKAGES} {inspect.getsource(_unpacked)}".encode()).hexdigest()[:12]
    folder = CACHE / f"root-{arch}-{recipe}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / f"root-{arch}.lock"):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
                _unpacked(Path(scratch) / "root", arch).rename(folder)
    return folder


@cache
def podman() -> Images:
    """podman, with separate images; skips the test without podman."""
    if sys.platform != "linux":
        pytest.skip("containers are tried on Linux")
    for tool in ("podman", "runc", "debootstrap"):
        if not shutil.which(tool):
            pytest.skip(f"needs {tool}")
    if os.geteuid() != 0:
        pytest.skip("the images for containers are made by root alone, and this is another user")
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE / "containers.conf").write_text(CONTAINERS)
    storage = f'[storage]\ndriver = "overlay"\ngraphroot = "{CACHE}/storage"\nrunroot = "{CACHE}/run"\n'
    (CACHE / "storage.conf").write_text(storage)
    env = {"CONTAINERS_CONF": str(CACHE / "containers.conf"), "CONTAINERS_STORAGE_CONF": str(CACHE / "storage.conf")}
    images = Images("podman", env)
    _must_run(images)
    return images


def _must_run(images: Images) -> None:
    name = images.debian("amd64")
    done = subprocess.run(
        [images.engine, "run", "--rm", name, "true"], env={**os.environ, **images.env}, capture_output=True, text=True
    )
    if done.returncode:
        output = done.stderr.strip().splitlines()
        pytest.skip(f"{images.engine} cannot run a container here: {output[-1] if output else done.returncode}")


@contextmanager
def docker() -> Iterator[Images]:
    """docker, with the running daemon or a new one; skips the test without a daemon."""
    if sys.platform != "linux":
        pytest.skip("containers are tried on Linux")
    for tool in ("docker", "dockerd", "debootstrap"):
        if not shutil.which(tool):
            pytest.skip(f"needs {tool}")
    if os.geteuid() != 0:
        pytest.skip("the images for containers are made by root alone, and this is another user")
    with tempfile.TemporaryDirectory(prefix="cartwheel-docker-") as folder:
        socket = f"unix://{folder}/docker.sock"
        daemon = subprocess.Popen(  # behind the shim, so that it ends with this process, however that ends
            [sys.executable, "-ISE", str(SHIM), "dockerd", f"--data-root={folder}/data", f"--exec-root={folder}/exec",
             f"--pidfile={folder}/pid", f"--host={socket}", "--iptables=false", "--ip6tables=false", "--bridge=none",
             "--shutdown-timeout=1"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0,
        )  # fmt: skip
        try:
            images = Images("docker", {"DOCKER_HOST": socket})
            end = time.monotonic() + 30
            while not images.answers("info"):
                if daemon.poll() is not None or time.monotonic() > end:
                    pytest.skip("docker's daemon does not start here")
                time.sleep(0.2)
            _must_run(images)
            yield images
        finally:
            os.killpg(daemon.pid, signal.SIGTERM)
            daemon.wait(30)
            assert daemon.stdin
            daemon.stdin.close()
            for mount in Path("/proc/self/mounts").read_text().splitlines():
                if (place := mount.split()[1]).startswith(folder):  # a daemon leaves the network that containers shared
                    _call("umount", place)


@cache
def emulated() -> None:
    """See that programs for aarch64 run here; skips the test where they cannot."""
    place = Path("/proc/sys/fs/binfmt_misc")
    rule = Path("/usr/lib/binfmt.d/qemu-aarch64.conf")
    if not (place / "qemu-aarch64").exists():
        if not rule.is_file():
            pytest.skip("needs qemu-user-static")
        if not (place / "register").exists():
            subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", str(place)], capture_output=True)
        try:
            (place / "register").write_text(rule.read_text())
        except OSError as error:
            pytest.skip(f"programs for aarch64 cannot be registered with this kernel: {error.strerror}")
