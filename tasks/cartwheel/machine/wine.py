"""Interpreters for Windows that Wine runs on another system."""

from __future__ import annotations

import os
import re
import shutil
import struct
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath

from cartwheel.machine.interpreters import Interpreter, NoInterpreter, display_name
from cartwheel.model.check_report import WINE
from cartwheel.model.wheels.architecture import pe_architecture
from cartwheel.model.wheels.python import PURE
from cartwheel.model.wheels.target import Target
from cartwheel.process.environment import home_folder

VARIABLE = "CARTWHEEL_WINE_PYTHON_"
"""The prefix of variables that name a `python.exe`; the version follows: `CARTWHEEL_WINE_PYTHON_3_13`."""

ADVICE = "install Wine 10 or newer (apt-get install wine, or your system's package)"

_RUNNER = Path(__file__).with_name("wine_runner.py")
_MACHINES = {0x14C: "I386", 0x8664: "AMD64", 0xAA64: "ARM64"}
"""The machine in a PE header, under lief's name (Microsoft's PE format, November 2026)."""


def variable(python: str) -> str:
    """The variable that names the interpreter: `CARTWHEEL_WINE_PYTHON_3_14T` for `3.14t`."""
    return VARIABLE + re.sub(r"[^A-Za-z0-9]", "_", python).upper()


def is_configured(env: Mapping[str, str]) -> bool:
    """Whether Wine and an interpreter for Windows are named or installed here.  Starts no process."""
    return sys.platform != "win32" and (
        any(value and name.startswith(VARIABLE) for name, value in env.items())
        or any(True for _ in _installed_programs("3", env))
    )


def wine_interpreter(target: Target, python: str, env: Mapping[str, str]) -> Interpreter | NoInterpreter | None:
    """An interpreter for the target that Wine starts; `None` if the target is another system or none is configured.

    For `py3` it is the newest that is named, else one that is installed.
    """
    if target.system != "windows" or not is_configured(env):
        return None
    wine = shutil.which("wine", path=env.get("PATH"))
    if not wine:
        return NoInterpreter(why=f"an interpreter for Windows is here, but Wine is missing; {ADVICE}", all=True)
    if python != PURE and not re.fullmatch(r"3\.\d+", python):
        why = "uv of another system installs for CPython with the GIL alone"
        return NoInterpreter(why=f"{display_name(python)} for Windows is not tested under Wine: {why}")
    reasons = []
    for version, path in _candidates(python, env):
        if why := _why_unusable(path, version, target.arch):
            reasons.append(why)
            continue
        return Interpreter(
            path=str(path), by=WINE, foreign=True, alone=True, version=version, local_path=local_path,
            env={"WINEDEBUG": "-all,err+module", "PYTHONUTF8": "1"},
            through=partial(_command, wine, str(path)),
        )  # fmt: skip
    name = "Python" if python == PURE else display_name(python)
    why = reasons[0] if reasons else f"{variable(python)} is not set"
    return NoInterpreter(why=f"{name} for Windows was not found: {why}")


def _candidates(python: str, env: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """Versions with the resolved paths of their interpreters: those named in variables, else those installed."""
    named = {match[1]: env[name] for name in env if (match := re.fullmatch(rf"{VARIABLE}3_(\d+)", name)) and env[name]}
    minors = sorted(named, key=int, reverse=True) if python == PURE else [python.removeprefix("3.")]
    chosen = [(f"3.{minor}", Path(os.path.realpath(named[minor]))) for minor in minors if minor in named]
    yield from chosen
    for path in () if chosen else _installed_programs("3" if python == PURE else python, env):
        if match := re.match(r"Python3(\d+)", Path(path).parent.name):
            yield f"3.{match[1]}", Path(path)


def _why_unusable(program: Path, version: str, architecture: str) -> str:
    """Why a program cannot run the tests of wheels for this version and architecture; empty if it can."""
    if not program.is_file():
        return f"{program} is missing; name a python.exe by its path on this machine"
    if program_architecture(program) != architecture:
        return f"{program} is not an interpreter for {architecture}"
    library = f"python{version.replace('.', '')}.dll"
    for part in (library, "Lib/os.py"):  # an embeddable package has no Lib, a virtual environment neither
        if not (program.parent / part).is_file():
            return f"{program} is no full installation of Python {version}: {part} is not beside it"
    return ""


def _installed_programs(python: str, env: Mapping[str, str]) -> Iterator[str]:
    """Interpreters where their installer puts them in Wine's folder, newest last."""
    prefix = Path(env.get("WINEPREFIX") or home_folder(env) / ".wine")
    name = f"Python{python.replace('.', '')}"
    for folder in ("users/*/AppData/Local/Programs/Python", "Program Files", "Program Files (x86)", "."):
        yield from sorted(str(path) for path in prefix.glob(f"drive_c/{folder}/{name}*/python.exe"))


def program_architecture(program: Path) -> str:
    """The platform tag of a Windows program, `win_amd64`; empty if it is not one."""
    try:
        with open(program, "rb") as file:
            start = file.read(4096)
    except OSError:
        return ""
    if start[:2] != b"MZ" or len(start) < 0x40:
        return ""
    header = struct.unpack_from("<I", start, 0x3C)[0]
    if start[header : header + 4] != b"PE\0\0" or len(start) < header + 6:
        return ""
    machine = _MACHINES.get(struct.unpack_from("<H", start, header + 4)[0], "")
    return pe_architecture(machine) if machine else ""


_PATHS = ("PYTHONPATH", "VIRTUAL_ENV", "CARTWHEEL_WITNESS")
"""Variables of the tests' environment that hold paths."""


def _command(wine: str, python: str, argv: tuple[str, ...], env: Mapping[str, str], cwd: Path) -> tuple[str, ...]:
    """The command that runs a Windows program with the paths of this machine translated.

    The program runs behind a script that reports its exit code, of which Wine passes on the last 8 bits.
    """
    values = [f"{name}={windows_path(env[name])}" for name in _PATHS if env.get(name)]
    program = str(Path(argv[0]).parent)
    arguments = (argv[0], *argv[1:]) if "-c" in argv else tuple(_argument(word) for word in argv)
    return ("env", *values, f"WINEPATH={windows_path(program)}", wine, python, "-ISE", windows_path(str(_RUNNER)),
            windows_path(argv[0]), *arguments[1:])  # fmt: skip


def _argument(word: str) -> str:
    """An argument with an absolute path of this machine translated: `--junitxml=/tmp/a` or `/tmp/a`."""
    start, equals, path = word.rpartition("=") if re.match(r"--?[\w-]+=/", word) else ("", "", word)
    top = PurePosixPath(path).parts[:2]
    return f"{start}{equals}{windows_path(path)}" if path[:1] == "/" and os.path.lexists("".join(top)) else word


def windows_path(path: str) -> str:
    r"""The path as Windows programs see it: Wine's drive `Z:` is this machine's root."""
    return "Z:" + path.replace("/", "\\") if path.startswith("/") else path


def local_path(path: str) -> str:
    r"""The path of this machine for a path that a program under Wine reports: `Z:\tmp\a` is `/tmp/a`."""
    match = re.fullmatch(r"(?:\\\\\?\\)?[Zz]:(.*)", path)
    return match[1].replace("\\", "/") if match else path


def failure_in_words(output: str) -> str:
    """Why the program ended, from its output: a missing DLL or function, or a crash; empty if it ended by itself."""
    if match := re.search(r'Library (\S+) \(which is needed by L"([^"]+)"\) not found', output):
        return f"{match[1]} is missing, and {_file_name(match[2])} needs it; let the repair graft it"
    if match := re.search(r"No implementation for (\S+) imported from L\"([^\"]+)\"", output):
        return f"Wine lacks {match[1]}, which {_file_name(match[2])} imports; use a newer Wine"
    if match := re.search(r"cartwheel: the program ended with exit code (.+)", output):
        return f"the program ended with exit code {match[1].strip()}"
    return ""


def _file_name(path: str) -> str:
    return re.split(r"[\\/]", path)[-1]
