"""Runs commands in a container that sees the project's folders under their host paths.

With equal paths, the output of compilers and test runners is valid on the host too. Mounts are read-only unless
declared writable.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
"""The label on each container; its value is the project's folder."""

HOLD_STDIN = Path(__file__).parents[1] / "process" / "hold_stdin.py"

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
"""Variables about the host's folders, programs and pipes, which have no meaning in a container."""

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
"""The first process of a container. It runs the command and exits with it, or when standard input closes; all other
processes then end too. The entry point of PyPA images makes a 64-bit kernel look like a 32-bit one in 32-bit images."""


class Mount(Struct, frozen=True, kw_only=True):
    """A file or folder of the host that is mounted in the container."""

    source: Path
    target: str = ""
    """The path in the container; empty: the same as `source`."""
    writable: bool = False


class Container(Struct, frozen=True, kw_only=True):
    """How to run commands in a wheel's container. Without an engine, this process already runs in the image."""

    engine: tuple[str, ...] = ()
    """The engine and its options: `("podman",)`."""
    image: str = ""
    """The local image id, or its name with a digest."""
    shown: str = ""
    """The image's name in messages."""
    root: Path
    """The project's folder, mounted read-only."""
    home: Path
    """HOME in the container, writable."""
    user: str = ""
    """`uid:gid` that commands run as; empty: the image's own user."""
    mounts: tuple[Mount, ...] = ()
    """Further mounts."""
    environment: Mapping[str, str] = {}
    """Variables set by value on the command line; they must not hold secrets."""
    path: tuple[str, ...] = ()
    """Folders that precede the image's PATH."""
    named: tuple[str, ...] = ()
    """Variables that the project declares; they are passed even if `_HOST_ONLY` lists them."""
    client: Mapping[str, str] = {}
    """Variables for the engine's client only, including credentials; none is passed into the container."""
    interpreters: Mapping[str, str] = {}
    """Interpreter paths by PyPA folder name, such as `cp313-cp313`."""
    programs: Mapping[str, str] = {}
    """Paths of `cargo` and `auditwheel` in the image, by name, as far as they are installed."""
    rustup: str = ""
    """RUSTUP_HOME in the image."""

    def interpreter(self, python: str, minimum: str) -> str:
        """The interpreter for a wheel's python; `minimum` is the oldest version for abi3.

        Raises `StepFailed`, listing the available interpreters, if none fits.
        """
        if python in (ABI3, ABI3T, PURE):
            minimum = f"3.{FIRST_ABI3T}" if python == ABI3T else minimum
            able = sorted((f for f in self.interpreters if _serves(f, minimum)), key=_minor)
            expected = able[0] if able else f"cp{minimum.replace('.', '') or '3'} or newer"
        else:
            expected = interpreter_folder(python)
        if expected not in self.interpreters:
            there = ", ".join(sorted(self.interpreters, key=_minor)) or "none"
            raise StepFailed(
                f"{self.shown} has no interpreter {expected}, and a wheel for {python} needs it; it has {there}: take "
                f"'{python}' out, or name an image that has it"
            )
        return self.interpreters[expected]

    def argv(
        self, argv: Iterable[str], env: Mapping[str, str], *, cwd: Path, writable: Iterable[Path] = ()
    ) -> tuple[str, ...]:
        """The host command line that runs `argv` in the container; start it with `env`.

        The variables of `env` are passed by name, so that no value appears on a command line; host-specific ones
        (`_HOST_ONLY`) are dropped. Of PATH, folders below `writable` are kept. The container ends with the command, or
        when the process waiting for it ends.
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
            *(sys.executable, "-ISE", str(HOLD_STDIN), *self.engine, "run", "--rm", "--interactive", "--pull=never"),
            *("--log-driver=none", "--security-opt=label=disable", "--entrypoint=/bin/sh", f"--workdir={cwd}"),
            f"--label={LABEL}={self.root}",
            *((f"--user={self.user}",) if self.user else ()),
            *(f"--mount={_mount_option(mount)}" for mount in mounts),
            *(f"--env={name}" for name in named),
            *(f"--env={name}={value}" for name, value in sorted(set_here.items())),
            *(self.image, "-c", _ENTRY, "cartwheel", "".join(f"{part}:" for part in (*inner, *self.path)), *argv),
        )

    def inner_environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """The environment for starting a command: with the engine, `env` and the client's variables; without, the
        image's."""
        if self.engine:
            return {**env, **self.client}
        path = os.pathsep.join((*self.path, env.get("PATH", os.defpath)))
        return {**env, **self.environment, "PATH": path}


class ContainerLog:
    """A `CommandLog` whose commands run in a container."""

    def __init__(self, log: CommandLog, container: Container, writable: Iterable[Path] = ()) -> None:
        self._log = log
        self._container = container
        self._writable = tuple(writable)

    def say(self, text: str) -> None:
        """See `CommandLog.say`."""
        self._log.say(text)

    def hide(self, words: Sequence[str]) -> None:
        """See `CommandLog.hide`."""
        self._log.hide(words)

    def measure(self, progress: Callable[[], str]) -> None:
        """See `CommandLog.measure`."""
        self._log.measure(progress)

    def run(self, argv: tuple[str, ...], *, cwd: Path, env: Mapping[str, str], seconds: float = 0.0) -> None:
        """See `CommandLog.run`."""
        inside = self._command_inside(argv, cwd, env)
        with self._errors_by_command(argv):
            self._log.run(inside, cwd=cwd, env=self._container.inner_environment(env), seconds=seconds)

    def read(self, argv: tuple[str, ...], *, cwd: Path, env: Mapping[str, str]) -> str:
        """See `CommandLog.read`."""
        with self._errors_by_command(argv):
            return self._log.read(
                self._command_inside(argv, cwd, env), cwd=cwd, env=self._container.inner_environment(env)
            )

    def attempt(
        self,
        argv: tuple[str, ...],
        *,
        cwd: Path,
        env: Mapping[str, str],
        hide: tuple[str, ...] = (),
        seconds: float = 0.0,
    ) -> tuple[int, str]:
        """See `CommandLog.attempt`."""
        inside, inner = self._command_inside(argv, cwd, env), self._container.inner_environment(env)
        return self._log.attempt(inside, cwd=cwd, env=inner, hide=hide, seconds=seconds)

    @contextmanager
    def _errors_by_command(self, argv: tuple[str, ...]) -> Iterator[None]:
        """Errors name the command and the image, not the engine's command line."""
        try:
            yield
        except run.Interrupted:
            raise
        except StepFailed as error:
            raise StepFailed(f"{Path(argv[0]).name} in a container of {self._container.shown}: {error}") from None

    def _command_inside(self, argv: Iterable[str], cwd: Path, env: Mapping[str, str]) -> tuple[str, ...]:
        return self._container.argv(argv, env, cwd=cwd, writable=self._writable)


def _serves(folder: str, minimum: str) -> bool:
    """Whether a folder name is a CPython with the default ABI, at least `minimum`; an empty `minimum` allows any."""
    return re.fullmatch(r"cp3\d+-cp3\d+", folder) is not None and _minor(folder) >= int(minimum.partition(".")[2] or 0)


def _minor(folder: str) -> int:
    match = re.match(r"\D+3(\d+)", folder)
    return int(match[1]) if match else 0


def _is_host_only(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in _HOST_ONLY)


def _below(path: str, folders: Iterable[Path]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)


def _mount_option(mount: Mount) -> str:
    """The mount as one line of CSV, as engines parse it."""
    parts = [
        "type=bind",
        f"source={mount.source}",
        f"target={mount.target or mount.source}",
        *(() if mount.writable else ("readonly",)),
    ]
    return ",".join(_csv(part) for part in parts)


def _csv(part: str) -> str:
    return '"{}"'.format(part.replace('"', '""')) if any(c in part for c in ',"\n') else part
