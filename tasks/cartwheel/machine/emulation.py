"""Interpreters in a sysroot: emulated by qemu, or linked with musl on a machine with glibc."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from cartwheel.machine.host import this_machine
from cartwheel.machine.interpreters import Interpreter, NoInterpreter, display_name
from cartwheel.model.errors import CartwheelError
from cartwheel.model.wheels.architecture import BY_NAME
from cartwheel.model.wheels.python import PURE, maturin_interpreter
from cartwheel.model.wheels.target import Target, version_of_floor
from cartwheel.process.run import capture


def _loader(target: Target) -> str:
    """The path of the dynamic loader in the target's file system; empty for targets that qemu does not emulate."""
    row = BY_NAME.get(target.arch) if target.system == "linux" else None
    return (row.musl_loader if target.libc == "musl" else row.glibc_loader) if row else ""


QEMU = "apt-get install qemu-user-static, or your system's package of that name"
SYSROOT = "CARTWHEEL_SYSROOT_"
"""The prefix of variables that name a sysroot; the triple follows in capitals."""


def variable(target: Target) -> str:
    """The variable that names the target's sysroot: `CARTWHEEL_SYSROOT_AARCH64_UNKNOWN_LINUX_GNU`."""
    return SYSROOT + re.sub(r"[^A-Za-z0-9]", "_", target.triple).upper()


def sysroot(target: Target, env: Mapping[str, str]) -> Path | None:
    """The sysroot: the folder in the target's variable, or in QEMU_LD_PREFIX if it fits.  Starts no process."""
    loader = _loader(target)
    if not loader or sys.platform != "linux":
        return None
    if folder := env.get(variable(target)):
        return Path(os.path.abspath(folder))
    folder = env.get("QEMU_LD_PREFIX")
    return Path(folder) if folder and os.path.lexists(Path(folder, loader)) else None


def emulated_interpreter(
    target: Target, floor: str, python: str, env: Mapping[str, str]
) -> Interpreter | NoInterpreter | None:
    """An interpreter in the target's sysroot; `None` without a sysroot."""
    root = sysroot(target, env)
    if root is None:
        return None
    if not root.is_dir():
        return NoInterpreter(why=f"{variable(target)} names {root}, which is no folder", all=True)
    loader = _loader(target)
    if target.libc == "musl" and target.machine == this_machine().machine and os.path.lexists(f"/{loader}"):
        path = _path_in_sysroot(root, python)  # musl's loader is installed here, so the kernel starts such programs
        if not path:
            return _absent(python, root)
        interpreter = Interpreter(path=path, by="musl here")
        why = _unfit(target, floor, interpreter, root, env)
        return NoInterpreter(why=why, all=True) if why else interpreter
    if not os.path.lexists(root / loader):
        return NoInterpreter(why=f"{root} has no {loader}, so it is no file system of {target.triple}", all=True)
    suffix = BY_NAME[target.arch].qemu or target.arch
    qemu = _qemu(suffix, env)
    if not qemu:
        return NoInterpreter(why=f"qemu-{suffix} is missing; {QEMU}", all=True)
    path = _path_in_sysroot(root, python)
    if not path:
        return _absent(python, root)
    prefix = (qemu, "-L", str(root))
    interpreter = Interpreter(
        path=path, by=f"emulated by {Path(qemu).name}", foreign=True, env={"QEMU_LD_PREFIX": str(root)},
        through=lambda argv, env, cwd: (*prefix, *argv),
    )  # fmt: skip
    why = _unfit(target, floor, interpreter, root, env)
    return NoInterpreter(why=why, all=True) if why else interpreter


def _absent(python: str, root: Path) -> NoInterpreter:
    return NoInterpreter(why=f"{display_name(python)} is not in {root}")


def _qemu(suffix: str, env: Mapping[str, str]) -> str:
    names = (f"qemu-{suffix}", f"qemu-{suffix}-static")
    return next((path for name in names if (path := shutil.which(name, path=env.get("PATH")))), "")


_FOLDERS = ("usr/local/bin", "usr/bin", "bin", "opt/python/*/bin")


def _path_in_sysroot(root: Path, python: str) -> str:
    """The path of an interpreter in a sysroot, with links unresolved, because they are relative to the sysroot."""
    name = "python3" if python == PURE else maturin_interpreter(python)
    paths = (path for folder in _FOLDERS for path in sorted(root.glob(f"{folder}/{name}")))
    return next((str(path) for path in paths if os.path.lexists(path)), "")


_PROBE = """
import os, subprocess, sys, venv
if sys.argv[1]:
    subprocess.run([sys.argv[1]], capture_output=True)
try:
    print(os.confstr("CS_GNU_LIBC_VERSION").split()[1])
except (AttributeError, OSError, ValueError):
    print("0.0")
"""


def _unfit(target: Target, floor: str, interpreter: Interpreter, root: Path, env: Mapping[str, str]) -> str:
    """The reason that an interpreter in a sysroot cannot test wheels with this floor; empty if it can."""
    loader = f"/{_loader(target)}" if target.libc == "musl" else ""
    command = interpreter.through((interpreter.path, "-I", "-c", _PROBE, loader), env, root)
    try:
        there = capture(command, cwd=root, env={**env, **interpreter.env}).strip()
    except CartwheelError as error:
        if loader and re.search(f"(No such file or directory|Exec format error): '{loader}'", str(error)):
            return (
                f"installers start {loader} to see the version of musl, and this machine cannot start it; "
                f"link it to {root}{loader}, and let the kernel start such programs with qemu (binfmt_misc)"
            )
        code, _, output = str(error).rpartition(": exit ")[2].partition(":")
        return f"{interpreter.path} makes no environments: {(output.strip() or f'exit {code}').splitlines()[-1]}"
    oldest = version_of_floor(target, floor or target.floor, where="floor")
    version = tuple(int(part) for part in there.split(".")[:2])
    if target.libc == "musl" and any(version):
        return f"{interpreter.path} is linked with glibc {there}; the wheel is for musl"
    if target.libc != "gnu" or version >= oldest:
        return ""
    return f"{root} has glibc {there}; the wheel is for {oldest[0]}.{oldest[1]} and newer"
