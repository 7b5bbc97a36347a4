"""Programs and data files of a Windows environment into which uv of another system installed.

`uv pip install --target` writes programs to `bin` and data files beside the packages, and knows Windows' launchers on
Windows only.  Here they get the places and the form that an installer on Windows gives them.
"""

from __future__ import annotations

import configparser
import io
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

from cartwheel.machine.wine import windows_path
from cartwheel.model.errors import StepFailed

_LAUNCHERS = {"console_scripts": "t", "gui_scripts": "w"}
"""The first letter of the launcher's name in pip (distlib) for each group of entry points."""

_SUFFIXES = {"win_amd64": "64.exe", "win32": "32.exe"}


def arrange(folder: Path, wheel: Path | None, python: Path, architecture: str) -> None:
    """Give the environment in `folder` the layout of Windows.

    `wheel`: the wheel under test, whose data files are moved.  `python`: the interpreter outside the environment.  The
    launchers are those in its pip, else in this machine's.  Raises `StepFailed` if the wheel has a program and no pip
    was found; programs of other packages are left out then.
    """
    packages, scripts = folder / "Lib" / "site-packages", folder / "Scripts"
    for name in _data_files(wheel) if wheel else ():
        if (packages / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(packages / name, folder / name)
    entries = {name: (group, target) for group, name, target in _entry_points(packages)}
    for program in (packages / "bin").glob("*"):
        if program.name not in entries:
            shutil.move(program, scripts / program.name)
    launchers = _launchers(python.parent, _SUFFIXES[architecture])
    if not launchers and wheel and _has_programs(wheel):
        raise StepFailed(f"{wheel.name} has programs, and their launchers are in pip, which {python} lacks; install it")
    for name, (group, target) in entries.items():
        if launcher := launchers.get(group):
            (scripts / f"{name}.exe").write_bytes(launcher + _launcher_script(target, scripts / "python.exe"))


def _data_files(wheel: Path) -> Iterator[str]:
    """The paths of the wheel's data files, relative to an environment."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            top, _, rest = name.partition("/")
            if top.endswith(".data") and rest.startswith("data/") and not rest.endswith("/"):
                yield rest.removeprefix("data/")


def _entry_points(packages: Path) -> Iterator[tuple[str, str, str]]:
    """Group, name and target (`package.module:function`) of each program among the installed packages."""
    for path in sorted(packages.glob("*.dist-info/entry_points.txt")):
        parsed = configparser.ConfigParser(delimiters=("=",), interpolation=None)
        parsed.optionxform = str  # type: ignore[assignment,method-assign]
        parsed.read_string(path.read_text("utf-8"))
        for group in _LAUNCHERS:
            for name, target in parsed.items(group) if parsed.has_section(group) else ():
                yield group, name, target.partition("[")[0].strip()


def _has_programs(wheel: Path) -> bool:
    with zipfile.ZipFile(wheel) as archive:
        texts = (archive.read(name) for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt"))
        return any(f"[{group}]".encode() in text for text in texts for group in _LAUNCHERS)


def _launchers(python: Path, suffix: str) -> dict[str, bytes]:
    """pip's launchers by group of entry points; empty if no pip was found."""
    names = {group: f"pip/_vendor/distlib/{kind}{suffix}" for group, kind in _LAUNCHERS.items()}
    for library in (python / "Lib", Path(os.__file__).parent):
        for path in sorted((library / "ensurepip" / "_bundled").glob("pip-*.whl")):
            with zipfile.ZipFile(path) as archive:
                return {group: archive.read(name) for group, name in names.items()}
        if all((library / "site-packages" / name).is_file() for name in names.values()):
            return {group: (library / "site-packages" / name).read_bytes() for group, name in names.items()}
    return {}


def _launcher_script(target: str, python: Path) -> bytes:
    """What follows the launcher: the interpreter's path and a zip file with the program (distlib 0.4)."""
    module, _, function = target.partition(":")
    text = f"import sys\nfrom {module} import {function.partition('.')[0]}\nsys.exit({function}())\n"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("__main__.py", text)
    return f'#!"{windows_path(str(python))}"\r\n'.encode() + content.getvalue()
