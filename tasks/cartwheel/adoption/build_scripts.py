"""Scripts that workflows run before a build, as entries of `before` or as lines of a Dockerfile."""

from __future__ import annotations

import re
import shlex

from msgspec import Struct

from cartwheel.adoption.shell_loops import joined_lines

_REDUNDANT = re.compile(
    r"^(?:sudo\s+)?(?:rustup\b|rustc\b|curl\b.*(?:rustup|sh\.rustup\.rs)|(?:\S*python[\d.]*\s+-m\s+|uv\s+)?(?:\S*/)?pip[\d.]*\s+install\b"
    r"|pipx?\s+install\b|uv\s+(?:sync|tool\s+install)\b|cargo\s+(?:--version|-V)|source\b|\.\s|set\s+[-+]|echo\b|true$)"
)
"""Commands that a build by cartwheel does not need: it, or the job that it writes, installs Rust, maturin and build
requirements."""

_PACKAGES = re.compile(
    r"\b(?:yum|dnf|microdnf|apt|apt-get|aptitude|apk|zypper|pacman|brew|choco|vcpkg)\b(?:\s+-\S+)*\s+"
    r"(?:install|add|update|upgrade|-S\w*|makecache|config-manager)\b|\bvcpkg\b"
)
LINUX_PACKAGES = r"\b(?:yum|dnf|microdnf|apt-get|apt|aptitude|apk|zypper|pacman)\s+(?=-|install|add|update|upgrade)"
"""The start of a command that installs packages on Linux as root."""
_CONTROL = re.compile(r"^\s*(?:if|for|while|case|function|\{|\(|cd|export|pushd)\b|[|><`$*]|^\s*\w+=")


class BeforeBuild(Struct, frozen=True, kw_only=True):
    """The work of a script, without the tools that cartwheel installs itself."""

    commands: tuple[tuple[str, ...], ...] = ()
    """Commands of the project, each with its arguments; a script with control structures is one `sh -c`."""
    image: tuple[str, ...] = ()
    """Lines of a shell script that installs packages of the system."""


def before_build(script: str) -> BeforeBuild:
    """The parts of a script. A script that installs packages inside of control structures is kept as a whole."""
    lines = [line for line in script_lines(script) if not is_redundant(line)]
    if any(_CONTROL.search(line) for line in lines):
        if _PACKAGES.search(script):
            return BeforeBuild(image=tuple(lines))
        return BeforeBuild(commands=(("sh", "-ec", "\n".join(lines)),))
    commands: list[tuple[str, ...]] = []
    packages: list[str] = []
    for line in (part.strip() for whole in lines for part in re.split(r"&&|;", whole)):
        if not line or _REDUNDANT.match(line):
            continue
        if _PACKAGES.search(line):
            packages.append(line.removeprefix("sudo "))
        else:
            commands.append(tuple(_words(line)))
    return BeforeBuild(commands=tuple(commands), image=tuple(packages))


def is_redundant(line: str) -> bool:
    """Whether cartwheel or the job that it writes already does what the line does."""
    return all(not part or _REDUNDANT.match(part) for part in map(str.strip, re.split(r"&&|;", line)))


def installs_packages(line: str) -> bool:
    """Whether a line of a shell script installs packages of the system."""
    return bool(_PACKAGES.search(line))


def dockerfile(lines: tuple[str, ...]) -> str:
    """An image of the Python Packaging Authority with what the lines install."""
    script = " && \\\n    ".join(lines) if not any(_CONTROL.search(line) for line in lines) else ""
    run = script or "<<SCRIPT\n" + "\n".join(("set -e", *lines)) + "\nSCRIPT"
    return f"ARG POLICY\nARG ARCH\nFROM quay.io/pypa/${{POLICY}}_${{ARCH}}\nRUN {run}\n"


def script_lines(script: str) -> list[str]:
    """The lines of a shell script without comments; a continued line is one."""
    lines = joined_lines(script).splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return ["sh", "-ec", line]
