"""What a job of a workflow does before it builds: installs packages of the system, sets up tools, generates files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from cartwheel.adoption.build_scripts import installs_packages, is_redundant, script_lines
from cartwheel.adoption.built_wheels import BuildCall, builds_wheels
from cartwheel.adoption.parsed_files import Texts
from cartwheel.adoption.platform_names import image_policy
from cartwheel.adoption.rust_choice import rust_left_out
from cartwheel.adoption.workflows import JobRun, JobStep

_HARMLESS = re.compile(
    r"(?:sudo\s+)?(?:(?:git|ls|df|du|pwd|which|where|command|type|env|printenv|cat|printf|date|uname|id|free|lscpu|ldd"
    r"|cd|mkdir|rm|export|unset|ulimit|chmod|chown|xcode-select|xcodebuild|pytest|tox|nox|ruff|mypy|sccache|twine|ldconfig"
    r"|auditwheel|sleep|test|exit|file|mount|umount|Write-\w+|Get-\w+|New-Item|Remove-Item)\b"
    r"|cargo\s+(?:test|nextest|fmt|clippy|check|build|install|fetch|clean|login|publish|audit|deny|doc|binstall)\b"
    r"|(?:\S*/)?(?:python|py)[\d.]*\s+(?:-V|--version|-m\s+(?:pip|venv|ensurepip|pytest|uv|virtualenv)\b)|virtualenv\b"
    r"|maturin\s+(?:develop|--version|-V)|uv\s+(?:venv|python|sync|pip|lock|tool|cache|self)\b|\S*activate\b"
    r"|docker\s+(?:info|version|pull|buildx|login|run\s+--rm\s+--privileged)\b|\w+=\S*$|\[|if\b|fi$|else$|then$|done$|:$)"
)
"""Commands that make no part of a wheel."""
_HARMLESS_ACTIONS = re.compile(
    r"actions/(?:checkout|setup-python|cache(?:/\w+)?|upload-artifact|github-script|attest\S*)|astral-sh/setup-uv"
    r"|dtolnay/\S+|actions-rs/\S+|actions-rust-lang/\S+|moonrepo/setup-rust|hecrj/setup-rust-action|swatinem/rust-cache"
    r"|mozilla-actions/sccache-action|docker/setup-\S+|docker/login-action|step-security/harden-runner|taiki-e/\S+"
    r"|rui314/setup-mold|mlugg/setup-zig|goto-bus-stop/setup-zig|korandoru/setup-zig|ilammy/msvc-dev-cmd|pyo3/maturin-action"
    r"|pypa/cibuildwheel|extractions/setup-just|dorny/paths-filter|jlumbroso/free-disk-space|codecov/\S+|quansight-labs/\S+"
    r"|maxim-lobanov/setup-xcode|conda-incubator/\S+|houseabsolute/\S+|cargo-bins/\S+|baptiste0928/cargo-install"
)
"""Actions that check out, install interpreters and Rust, cache, or report; lower case, without the version."""
_MANAGERS = {"linux": r"\bapt(?:-get|itude)?\b", "macos": r"\bbrew\b", "windows": r"\b(?:choco|vcpkg)\b"}
"""The package managers of GitHub's machines (runner images, November 2026)."""
_INSTALL = re.compile(r"\b(?:install|add)\b(.*)|\s-S\w*\b(.*)")
_PRESENT_PACKAGE = re.compile(
    r"(?:gcc|g\+\+|binutils|libc6-dev|crossbuild-essential)-\S*(?:linux|mingw|arm|riscv|s390|ppc|power)\S*|qemu\S*|binfmt\S*"
    r"|python(?:@?3[\d.]*|3)?(?:-\S*)?|musl(?:-tools|-dev)?|mingw\S*|patchelf|build-essential|curl|wget|git|rustup|rust|uv"
    r"|maturin|gcc|g\+\+|make|zig|pkg-config|sudo|ca-certificates|unzip|zip|xz-utils|lld|mold"
)
"""Packages that every machine has, or that cartwheel installs if a toolchain needs them."""


def with_preparation(call: BuildCall, job: JobRun, steps: Sequence[JobStep], texts: Texts) -> BuildCall:
    """The build, which is the last of `steps`, with what earlier steps did to its machine.  A container of the build
    sees the files that they made, but not the packages."""
    rows = tuple(steps[:-1])
    packages: list[str] = []
    commands: list[str] = []
    for script in (*(step.run for step in rows if step.run), call.setup):
        for block in _blocks(script):
            (packages if any(map(installs_packages, block)) else commands).extend(block)
    needed = packages if any(map(_installs_more, packages)) and not call.isolated else []
    in_image = bool(image_policy(job.container)[0])
    known = in_image or all(re.search(_MANAGERS[job.system], line) for line in needed if installs_packages(line))
    left_out = (*_actions(rows), *filter(_may_matter, commands), *(() if known else needed))
    lines = "\n".join(needed) if known else ""
    rust = rust_left_out(steps, call.folder, texts, isolated=call.isolated) if call.triples else ()
    call = replace(call, notes=(*call.notes, *_image_left_out(call, job), *rust))
    if in_image and lines:
        call = replace(call, before="\n".join(part for part in (lines, call.before) if part))
    return replace(call, setup="" if in_image else lines, left_out=tuple(dict.fromkeys(left_out)))


_USUAL_IMAGE = re.compile(
    r"quay\.io/pypa/|(?:ghcr\.io/)?(?:rust-cross|messense|pyo3)/|(?:docker\.io/(?:library/)?)?(?:python|rust|ubuntu|debian|alpine|fedora"
    r"|rockylinux\S*|almalinux\S*|archlinux)(?::|$)|(?:many|musl)linux[\w.]*$|auto$|off$|\d"
)
"""Images of distributions and for wheels in general, which hold nothing of one project."""


def _image_left_out(call: BuildCall, job: JobRun) -> Iterable[str]:
    """A line if the build's image is one of the project."""
    image = call.container or job.container
    if image and call.triples and not _USUAL_IMAGE.match(image):
        yield f'its image {image} is not taken over; if the wheels need what it holds, write it as image = "{image}"'


_OPENS, _CLOSES = re.compile(r"\b(?:if|for|while|until|case)\b"), re.compile(r"(?:^|;\s*|\s)(?:fi|done|esac)\b|^\}$")


def _blocks(script: str) -> Iterable[tuple[str, ...]]:
    """The commands of a script one by one; a control structure is one block of all its lines."""
    block: list[str] = []
    depth = 0
    for line in script_lines(script):
        depth += len(_OPENS.findall(line)) - len(_CLOSES.findall(line))
        block.append(line)
        if depth > 0:
            continue
        depth = 0
        plain = len(block) == 1 and not _OPENS.search(line) and not re.search(r"[\"'(){}]", line)
        yield from ((part,) for part in map(str.strip, re.split(r"&&|;", line)) if part) if plain else (tuple(block),)
        block = []
    if block:
        yield tuple(block)


def _installs_more(line: str) -> bool:
    """Whether a line installs a package that a machine of the pipeline may lack."""
    match = _INSTALL.search(line) if installs_packages(line) else None
    words = (match[1] or match[2] or "").split() if match else ()
    return any(not word.startswith("-") and not _PRESENT_PACKAGE.fullmatch(word) for word in words)


def _actions(steps: Iterable[JobStep]) -> Iterable[str]:
    yield from (step.uses for step in steps if step.uses and not _HARMLESS_ACTIONS.fullmatch(step.uses))


def _may_matter(command: str) -> bool:
    """Whether a command may make a file of the wheel, or something that the build needs."""
    return not (is_redundant(command) or builds_wheels(command) or _HARMLESS.match(command) or "GITHUB_" in command)
