"""Windows on a Linux machine: Wine 10 and CPython for Windows, prepared once and kept in the user's cache folder.

Debian 12's Wine lacks functions that Rust programs need, so Wine comes from Debian 13, unpacked into a folder.  CPython
comes from Maven Central, in the layout of the Windows installer.  `python -m support.wine` prepares everything.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
from filelock import FileLock
from platformdirs import user_cache_path

CACHE = user_cache_path("cartwheel-tests") / "windows"
LAUNCHER_SOURCE = Path(__file__).parents[1] / "windows" / "venvlauncher.c"
ARCHIVES = {"3.11": "3.11.3-1.5.9", "3.12": "3.12.1-1.5.10", "3.13": "3.13.5-1.5.12", "3.14": "3.14.3-1.5.13"}
"""CPython for Windows on Maven Central: org.bytedeco:cpython (November 2026)."""
SUITE = "trixie"
NEEDS = ("debootstrap", "mvn", "x86_64-w64-mingw32-gcc", "unshare")

_STARTER = """\
#!/bin/sh
# Start Wine in a private mount namespace: the folder with Debian 13's Wine sees every other folder of this machine.
if unshare --mount true 2>/dev/null; then propagation=private; else propagation=unchanged; fi # the latter in a chroot
exec unshare --mount --propagation $propagation sh -c '
root=$1; shift
for folder in /*; do
    case $folder in /bin|/boot|/dev|/etc|/lib*|/proc|/run|/sbin|/sys|/usr|/var) continue ;; esac
    [ -d "$folder" ] && [ ! -L "$folder" ] && mkdir -p "$root$folder" && mount --bind "$folder" "$root$folder"
done
mount -t proc proc "$root/proc" && mount --bind /dev "$root/dev"
exec chroot "$root" sh -c "cd \\"\\$0\\" && exec /usr/bin/wine \\"\\$@\\"" "$PWD" "$@"
' sh {root} "$@"
"""


class Windows:
    """Wine and the interpreters that it runs."""

    def __init__(self, wine: Path, pythons: Mapping[str, Path], prefix: Path) -> None:
        self.wine = wine
        self.pythons = pythons
        self.prefix = prefix

    @property
    def environment(self) -> dict[str, str]:
        """The variables that Wine needs, beside those of this process."""
        return {
            "WINEPREFIX": str(self.prefix), "WINEDEBUG": "-all", "DISPLAY": "", "XDG_RUNTIME_DIR": "/tmp",
            "PATH": os.pathsep.join((str(self.wine.parent), os.environ["PATH"])),
        }  # fmt: skip

    @property
    def variables(self) -> dict[str, str]:
        """The variables by which cartwheel finds the interpreters."""
        return {f"CARTWHEEL_WINE_PYTHON_{version.replace('.', '_')}": str(p) for version, p in self.pythons.items()}

    def run(
        self, *argv: str, cwd: Path, env: Mapping[str, str] | None = None, timeout: float = 600
    ) -> subprocess.CompletedProcess[str]:
        """Run a Windows program to its end; stdout and stderr are captured together.

        They go through a file: Wine's services start with the first program, outlive it and would hold a pipe open.
        """
        with tempfile.TemporaryFile() as output:
            code = subprocess.run(
                [str(self.wine), *argv], cwd=cwd, env={**os.environ, **self.environment, **(env or {})},
                timeout=timeout, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            ).returncode  # fmt: skip
            output.seek(0)
            return subprocess.CompletedProcess(argv, code, stdout=output.read().decode(errors="replace"))


def windows_path(path: Path | str) -> str:
    r"""The Windows form of a path of this machine: `Z:\tmp\a`."""
    return "Z:" + str(path).replace("/", "\\")


@cache
def windows() -> Windows:
    """Wine with CPython 3.11 to 3.14 for Windows; skips the test if this machine cannot have them."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        pytest.skip("Wine is used on x86_64 Linux")
    for tool in NEEDS:
        if not shutil.which(tool):
            pytest.skip(f"needs {tool}")
    if os.geteuid() != 0:
        pytest.skip("the folder with Wine is made and entered by root")
    try:
        return prepared()
    except AssertionError as error:
        pytest.skip(f"Wine cannot be prepared here: {error}")


def prepared() -> Windows:
    """Wine and the interpreters; made if the cache lacks them, which takes about three minutes."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / "lock"):
        root = _wine_root()
        starter = CACHE / "bin" / "wine"
        starter.parent.mkdir(exist_ok=True)
        starter.write_text(_STARTER.format(root=root))
        starter.chmod(0o755)
        pythons = {version: _python(version) for version in ARCHIVES}
        machine = Windows(starter, pythons, CACHE / "prefix")
        done = machine.run("cmd", "/c", "exit 7", cwd=CACHE)
        if done.returncode != 7:
            pytest.skip(f"Wine does not start here: {done.stdout[-300:]}")
        _register(machine)
    return machine


def _call(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {(done.stderr or done.stdout)[-2000:]}"
    return done.stdout


def _wine_root() -> Path:
    """A folder with Debian 13 and its Wine."""
    root = CACHE / f"root-{SUITE}"
    done = root / "done"
    if not done.is_file():
        if root.exists():
            shutil.rmtree(root)
        debian = "ID=debian\n" in Path("/etc/os-release").read_text()
        mirrors = _call("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").split()
        own = mirrors[:1] if debian else []  # elsewhere debootstrap knows Debian's mirror
        _call("debootstrap", "--variant=minbase", "--include=wine,wine64,ca-certificates", SUITE, str(root), *own)
        if os.path.ismount(root / "proc"):
            _call("umount", str(root / "proc"))
        done.touch()
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    return root


def _python(version: str) -> Path:
    """CPython's `python.exe`, in the layout of the installer."""
    folder = CACHE / f"python-{version}-{_recipe()}"
    if not folder.is_dir():
        name = ARCHIVES[version]
        coordinates = f"org.bytedeco:cpython:{name}:jar:windows-x86_64"
        local = CACHE / "maven"  # Java does not look at HOME for the user's own repository
        _call("mvn", "-q", f"-Dmaven.repo.local={local}", "dependency:get", "-Dtransitive=false",
              f"-Dartifact={coordinates}")  # fmt: skip
        jar = local / f"org/bytedeco/cpython/{name}/cpython-{name}-windows-x86_64.jar"
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            with zipfile.ZipFile(jar) as archive:
                archive.extractall(scratch)
            _laid_out(Path(scratch), version.replace(".", "")).rename(folder)
    return folder / "python.exe"


def _recipe() -> str:
    code = inspect.getsource(_laid_out) + inspect.getsource(_stable_abi_library)
    return hashlib.sha256(f"{code}{LAUNCHER_SOURCE.read_text('utf-8')}".encode()).hexdigest()[:12]


def _laid_out(scratch: Path, digits: str) -> Path:
    """The archive's files as the installer arranges them."""
    jar, to = scratch / "org/bytedeco/cpython/windows-x86_64", scratch / "python"
    (to / "DLLs").mkdir(parents=True)
    (to / "Scripts").mkdir()
    for name, place in (("lib", "Lib"), ("libs", "libs"), ("include", "include")):
        shutil.move(jar / name, to / place)
    for name in ("python.exe", f"python{digits}.dll", "bin/pythonw.exe"):
        shutil.move(jar / name, to)
    for path in (to / "Lib").glob("vcruntime140*.dll"):
        shutil.move(path, to)
    for path in (*(to / "Lib").glob("*.pyd"), *(to / "Lib").glob("*.dll")):
        shutil.move(path, to / "DLLs")
    # The archive has pip and setuptools twice, in Lib and in Lib/site-packages.
    for pattern in ("pip", "pip-*", "setuptools", "setuptools-*", "pkg_resources", "_distutils_hack", "*.pth"):
        for path in (to / "Lib").glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    scripts = to / "Lib/venv/scripts/nt"
    for name, flags in (("python", ()), ("pythonw", ('-DEXE=L"pythonw.exe"', "-mwindows"))):
        launcher = scratch / f"{name}.exe"
        _call("x86_64-w64-mingw32-gcc", "-O2", "-municode", "-static", *flags, "-o", str(launcher),
              str(LAUNCHER_SOURCE))  # fmt: skip
        for copy in (f"{name}.exe", f"{name.replace('python', 'venv')}launcher.exe"):
            shutil.copy(launcher, scripts / copy)
    _stable_abi_library(scratch, to, digits)
    return to


def _stable_abi_library(scratch: Path, to: Path, digits: str) -> None:
    """Make `python3.dll`, which the archive lacks: it forwards the names of the stable ABI to `pythonXY.dll`."""
    symbols = _call("x86_64-w64-mingw32-nm", str(to / "libs/python3.lib"))
    names = sorted(set(re.findall(r"(?m)\b__imp_(\S+)$", symbols)))
    rows = "".join(f"  {name} = python{digits}.{name}\n" for name in names)
    (scratch / "python3.def").write_text(f"LIBRARY python3.dll\nEXPORTS\n{rows}")
    (scratch / "empty.c").write_text("")
    _call("x86_64-w64-mingw32-gcc", "-shared", "-nostdlib", "-Wl,-e,0", "-o", str(to / "python3.dll"), "empty.c",
          "python3.def", cwd=scratch)  # fmt: skip


def _register(windows: Windows) -> None:
    """Write the registry keys of PEP 514, by which uv and cartwheel find interpreters on Windows."""
    marker = windows.prefix / "registered"
    listing = "\n".join(map(str, windows.pythons.values()))
    if marker.is_file() and marker.read_text() == listing:
        return
    lines = ["Windows Registry Editor Version 5.00"]
    for version, python in windows.pythons.items():
        key = rf"[HKEY_CURRENT_USER\Software\Python\PythonCore\{version}"
        folder, program = (windows_path(path).replace("\\", "\\\\") for path in (python.parent, python))
        lines += [f"{key}]", f'"SysVersion"="{version}"', '"SysArchitecture"="64bit"']
        lines += [rf"{key}\InstallPath]", f'@="{folder}\\\\"', f'"ExecutablePath"="{program}"']
    file = CACHE / "pythons.reg"
    file.write_text("\r\n".join(lines) + "\r\n", "utf-8")
    done = windows.run("regedit", "/S", windows_path(file), cwd=CACHE)
    assert done.returncode == 0, done.stdout
    marker.write_text(listing)


if __name__ == "__main__":
    try:
        print("\n".join(f"{name}={value}" for name, value in windows().variables.items()))
    except pytest.skip.Exception as skipped:
        print(f"not prepared: {skipped}")
