"""A container: the same folders as outside, another system around them.

Everything is seen under the path it has outside, so that what compilers and test runners report means the same there
and here.  What is not said to be writable is mounted read-only.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from msgspec import Struct

from cartwheel.model.errors import StepFailed
from cartwheel.model.step import CommandLog
from cartwheel.model.wheels.container_image import interpreter_folder
from cartwheel.model.wheels.python import ABI3, ABI3T, FIRST_ABI3T, PURE
from cartwheel.process import run

LABEL = "cartwheel"
"""By this label a container is known, with its project."""

TETHER = Path(__file__).parents[1] / "process" / "hold_stdin.py"

_HOST_ONLY = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_*", "TERM", "TMPDIR", "TMP", "TEMP", "XDG_*",
    "CARGO", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "RUSTC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_RUSTC*", "SCCACHE_*", "PYO3_PYTHON", "PYO3_CONFIG_FILE", "PYTHONPATH", "PYTHONHOME",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "PIP_CACHE_DIR",
    "PIP_CONFIG_FILE", "UV_CACHE_DIR", "UV_CONFIG_FILE", "UV_PYTHON*", "LD_LIBRARY_PATH", "LIBRARY_PATH", "SDKROOT",
    "DEVELOPER_DIR", "TARGET_SYSROOT", "ZIG_*", "CARGO_ZIGBUILD_*", "DOCKER_*", "CONTAINER_*", "CONTAINERS_*",
    "REGISTRY_AUTH_FILE", "DBUS_SESSION_BUS_ADDRESS", "CARGO_MAKEFLAGS", "MAKEFLAGS", "SYSTEMROOT",
    "SYSTEMDRIVE", "COMSPEC",
)  # fmt: skip
"""Variables that speak of this machine's own folders, programs and pipes, and mean nothing in a container."""

_ENTRY = """\
exec 3<&0 </dev/null
trap 'exit 143' TERM
(while read -r _ <&3; do :; done; kill -TERM $$) &
PATH="$1${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}"
export PATH
shift
if command -v manylinux-entrypoint >/dev/null 2>&1 && [ -n "${AUDITWHEEL_ARCH:-}" ]; then
    set -- manylinux-entrypoint "$@"
fi
"$@" 3<&- &
wait $!"""
"""The first process of a container: it runs the command and ends with it, or when its standard input does, and with it
ends everything else in there.  The entry point of pypa's images makes 64-bit kernels look like 32-bit ones where the
image is such."""


class Mount(Struct, frozen=True, kw_only=True):
    """A file or folder of this machine in the container."""

    source: Path
    target: str = ""
    """Where it is seen; empty: under its own path."""
    writable: bool = False


class Container(Struct, frozen=True, kw_only=True):
    """How commands are run in a wheel's container; without an engine this machine is in the image already."""

    engine: tuple[str, ...] = ()
    """The engine and its own options: `("podman",)`."""
    image: str = ""
    """The image's id on this machine, or its name with a digest."""
    shown: str = ""
    """The image as messages name it."""
    root: Path
    """The project, which is seen in it, read-only."""
    home: Path
    """A folder that is HOME in it, writable."""
    user: str = ""
    """`uid:gid` that commands run as; empty: the image's own user."""
    mounts: tuple[Mount, ...] = ()
    """What else is seen in it."""
    environment: Mapping[str, str] = {}
    """Variables set in it, by value: nothing secret."""
    path: tuple[str, ...] = ()
    """Folders before the image's own PATH."""
    named: tuple[str, ...] = ()
    """Variables that are passed whatever they speak of: the project declares them."""
    client: Mapping[str, str] = {}
    """Variables of the engine's client alone, its credentials among them; none is passed into the container."""
    interpreters: Mapping[str, str] = {}
    """Its interpreters: the path of each by the name of its folder in pypa's images, `cp313-cp313`."""
    programs: Mapping[str, str] = {}
    """Programs of its own: the path of each by name, of `cargo` and `auditwheel` as far as they are there."""
    rustup: str = ""
    """Where its own rustup would keep its toolchains."""

    def interpreter(self, python: str, minimum: str) -> str:
        """The interpreter for such a wheel, `minimum` the oldest for abi3.  Raises `StepFailed` with what is there."""
        if python in (ABI3, ABI3T, PURE):
            minimum = f"3.{FIRST_ABI3T}" if python == ABI3T else minimum
            able = sorted((f for f in self.interpreters if _serves(f, minimum)), key=_minor)
            wanted = able[0] if able else f"cp{minimum.replace('.', '') or '3'} or newer"
        else:
            wanted = interpreter_folder(python)
        if wanted not in self.interpreters:
            there = ", ".join(sorted(self.interpreters, key=_minor)) or "none"
            raise StepFailed(
                f"{self.shown} has no interpreter {wanted}, and a wheel for {python} needs it; it has {there}: take "
                f"'{python}' out, or name an image that has it"
            )
        return self.interpreters[wanted]

    def argv(
        self, argv: Iterable[str], env: Mapping[str, str], *, cwd: Path, writable: Iterable[Path] = ()
    ) -> tuple[str, ...]:
        """The command line that runs `argv` there, to be started with `env` on this machine.

        `env` is what a tool is given here; in the container it has the same, but for what speaks of this machine's own
        folders (`_HOST_ONLY`), and by name only, so that no value is seen on a command line.  Of its PATH the folders
        below `writable` are kept.  The container ends with the command, and with whoever waits for it.
        """
        if not self.engine:
            return tuple(argv)
        writable = tuple(writable)
        inner = [part for part in env.get("PATH", "").split(os.pathsep) if part and _below(part, writable)]
        set_here = {**self.environment, "HOME": str(self.home)}
        passed = (n for n in env if n in self.named or not _is_host_only(n))
        named = sorted(n for n in passed if n not in set_here)
        mounts = (
            Mount(source=self.root),
            *self.mounts,
            *(Mount(source=path, writable=True) for path in (self.home, *writable)),
        )
        return (
            *(sys.executable, "-ISE", str(TETHER), *self.engine, "run", "--rm", "--interactive", "--pull=never"),
            *("--log-driver=none", "--security-opt=label=disable", "--entrypoint=/bin/sh", f"--workdir={cwd}"),
            f"--label={LABEL}={self.root}",
            *((f"--user={self.user}",) if self.user else ()),
            *(f"--mount={_mounted(mount)}" for mount in mounts),
            *(f"--env={name}" for name in named),
            *(f"--env={name}={value}" for name, value in sorted(set_here.items())),
            *(self.image, "-c", _ENTRY, "cartwheel", "".join(f"{part}:" for part in (*inner, *self.path)), *argv),
        )

    def inner_environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """`env` for a command that runs in place, where this machine is in the image already; else as it is."""
        if self.engine:
            return {**env, **self.client}
        path = os.pathsep.join((*self.path, env.get("PATH", os.defpath)))
        return {**env, **self.environment, "PATH": path}


class ContainerLog:
    """The words of a step whose commands run in a container (`model.step.Words`)."""

    def __init__(self, log: CommandLog, container: Container, writable: Iterable[Path] = ()) -> None:
        self._log = log
        self._container = container
        self._writable = tuple(writable)

    def say(self, text: str) -> None:
        """See `Words.say`."""
        self._log.say(text)

    def hide(self, words: Sequence[str]) -> None:
        """See `Words.hide`."""
        self._log.hide(words)

    def run(self, argv: tuple[str, ...], *, cwd: Path, env: Mapping[str, str]) -> None:
        """See `Words.run`."""
        with self._named(argv):
            self._log.run(self._inside(argv, cwd, env), cwd=cwd, env=self._container.inner_environment(env))

    def read(self, argv: tuple[str, ...], *, cwd: Path, env: Mapping[str, str]) -> str:
        """See `Words.read`."""
        with self._named(argv):
            return self._log.read(self._inside(argv, cwd, env), cwd=cwd, env=self._container.inner_environment(env))

    def attempt(
        self, argv: tuple[str, ...], *, cwd: Path, env: Mapping[str, str], hide: tuple[str, ...] = ()
    ) -> tuple[int, str]:
        """See `Words.attempt`."""
        inside = self._inside(argv, cwd, env)
        return self._log.attempt(inside, cwd=cwd, env=self._container.inner_environment(env), hide=hide)

    @contextmanager
    def _named(self, argv: tuple[str, ...]) -> Iterator[None]:
        """What fails is the command, and not the engine that it is a command to."""
        try:
            yield
        except run.Interrupted:
            raise
        except StepFailed as error:
            raise StepFailed(f"{Path(argv[0]).name} in a container of {self._container.shown}: {error}") from None

    def _inside(self, argv: Iterable[str], cwd: Path, env: Mapping[str, str]) -> tuple[str, ...]:
        return self._container.argv(argv, env, cwd=cwd, writable=self._writable)


def _serves(folder: str, minimum: str) -> bool:
    """Whether it is a CPython with the usual ABI and new enough; any where there is no minimum."""
    return re.fullmatch(r"cp3\d+-cp3\d+", folder) is not None and _minor(folder) >= int(minimum.partition(".")[2] or 0)


def _minor(folder: str) -> int:
    found = re.match(r"\D+3(\d+)", folder)
    return int(found[1]) if found else 0


def _is_host_only(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in _HOST_ONLY)


def _below(path: str, folders: Iterable[Path]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)


def _mounted(mount: Mount) -> str:
    """An engine reads it as one line of CSV."""
    parts = [
        "type=bind",
        f"source={mount.source}",
        f"target={mount.target or mount.source}",
        *(() if mount.writable else ("readonly",)),
    ]
    return ",".join(_csv(part) for part in parts)


def _csv(part: str) -> str:
    return '"{}"'.format(part.replace('"', '""')) if any(c in part for c in ',"\n') else part
