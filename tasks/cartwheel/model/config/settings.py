"""`[tool.cartwheel]`: its keys, as they are written, with what each means and what it is when left out.

Decoding is strict: a key or value that is not listed here is refused with the place and the nearest name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import msgspec

from cartwheel.model.errors import ConfigError, did_you_mean


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """A table of the configuration; keys are written with dashes."""


class Test(Table, frozen=True, kw_only=True):
    """`test`: how the installed wheel is tested."""

    command: tuple[str, ...] = ()
    """The command and its arguments; `{package}` is the package's folder.  Default: pytest over `tests/`, if there."""
    extras: tuple[str, ...] = ()
    """Extras of the package that are installed with it."""
    requires: tuple[str, ...] = ()
    """Further requirements."""
    skip: str = ""
    """A reason not to run the tests; the wheel may then be published untested."""
    python: tuple[str, ...] = ()
    """The Python versions that the tests are run with.  Default: every supported one that is here and takes it."""
    groups: tuple[str, ...] = ()
    """Dependency groups of the package (PEP 735) whose requirements are installed with it."""
    compile: bool = False
    """Under emulation too, requirements may be compiled.  Default: no, for that takes hours."""


class Before(Table, frozen=True, kw_only=True):
    """An entry of `before`: a command that is run in the package's folder before its wheels are built."""

    run: tuple[str, ...]
    """The command and its arguments."""
    inputs: tuple[str, ...] = ()
    """The files and folders it reads, relative to the package; each is part of what the wheels depend on."""


class Secret(Table, frozen=True, kw_only=True):
    """A value of `environment` that the configuration does not hold."""

    secret: str
    """The variable that holds it where the build is started."""


class Select(Table, frozen=True, kw_only=True):
    """`select` of an override or a variant, where it is more than triples."""

    target: str = "*"
    """Triples by pattern, such as `*-linux-musl`."""
    python: str = "*"
    """Interpreters by pattern, such as `pypy*`."""


class IndexSettings(Table, frozen=True, kw_only=True):
    """`index.NAME`: an index that is not known by its name."""

    url: str = ""
    """Where files are sent.  Default: what twine or `.pypirc` knows by that name."""
    simple: str = ""
    """Where the index is read (the simple API).  Default: derived from `url`."""
    rehearsal: bool | None = None
    """Kind `pypi`: a place to practise, which needs no tag and takes development versions.  Default: only testpypi is
    one."""
    auth: Literal["token", "trusted"] | None = None
    """Kind `pypi`: how files are sent: with a `token` from the environment, .pypirc or the keyring, or `trusted`, with
    one minted for the pipeline's job.  Default: a token where there is one, else on PyPI trusted publishing."""
    environment: str = ""
    """The environment of the pipeline's job that publishes, as the index's trusted publisher names it."""
    rules: dict[str, str] = {}
    """What PyPI refuses and this index takes: a rule by its name (`size`), or one value of it
    (`platform-tag macosx_27_0_arm64`), each with the reason."""
    kind: Literal["pypi", "github", "crates"] | None = None
    """What it is.  Default: `github` and `crates-io` are known by name, every other is like PyPI."""
    repository: str = ""
    """Kind `github`: `owner/name`.  Default: what the remote's address says."""
    crates: tuple[str, ...] | None = None
    """Kind `crates`: exactly these are sent.  Default: those of the workspace that may be, but for the extension."""


class ReleaseSettings(Table, frozen=True, kw_only=True):
    """`release`: how a release is made."""

    origin: Literal["here", "ci"] = msgspec.field(default="here", name="from")
    """Where the wheels of a release are made: on this machine, or by the pipeline that the tag starts."""
    branch: str = "main"
    """The branch that releases are tagged on."""
    remote: str = "origin"
    """The remote that the branch and the tag are pushed to."""


class CiSettings(Table, frozen=True, kw_only=True):
    """`ci`: the pipeline that `doit ci` writes."""

    trigger: Literal["tag", "release"] = "tag"
    """What starts a release: a tag that is pushed, or a release page that is published."""
    install: tuple[str, ...] = ()
    """The arguments of `pip install` that bring cartwheel into a job.  Default: the version that wrote the pipeline,
    with zig."""
    own: bool = False
    """A pipeline that you wrote yourself releases, so a tag is not refused where none of `doit ci` is there."""


class VersionPattern(Table, frozen=True, kw_only=True):
    """An entry of `versions`: a further place where the version stands."""

    file: str
    """Relative to the package; it may lie above it, within the project."""
    pattern: str
    """The text around it, with `{version}` (as the manifest writes it), `{pep440}` or `{semver}` in its place; it must
    match exactly once in the file."""


class ChangelogSettings(Table, frozen=True, kw_only=True):
    """`changelog`: where a release's notes are kept, in the form of Keep a Changelog."""

    file: str = ""
    """Relative to the package; it may lie above it, within the project.  Default: `CHANGELOG.md`, if there."""
    required: Literal["always", "final", "never"] = "always"
    """Which versions are refused without an entry: every one, those that are no pre-release, or none."""


class ChecklistItem(Table, frozen=True, kw_only=True):
    """An entry of `checklist`: a command, or a question for a person."""

    run: tuple[str, ...] = ()
    """A command and its arguments, run in the package's folder; it must have passed on the commit that is tagged."""
    manual: str = ""
    """What a person confirms, once for each version."""
    name: str = ""
    """A short name for the task.  Default: taken from the command or the question."""

    @property
    def slug(self) -> str:
        """The last part of its task's name."""
        text = self.name or self.manual or " ".join(self.run)
        return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].rstrip("-") or "item"


class Tunable(Table, frozen=True, kw_only=True):
    """The keys that may differ from wheel to wheel."""

    python: tuple[str, ...] | None = None
    """What wheels are for.  Default: `abi3` if the crate asks for it, else the versions `requires-python` allows."""
    floor: str | None = None
    """The oldest system promised, such as `manylinux_2_28`.  Default: the target's own, see `doit plan`."""
    toolchain: Literal["native", "zig", "mingw", "xwin", "container"] | None = None
    """How it is compiled.  Default: `native` where this machine can, else what crosses to the target."""
    image: str | None = None
    """Toolchain `container`, which it implies for Linux: the image, by name (`{policy}` and `{arch}` are filled in) or
    as `dockerfile:PATH`.  Default: the newest of the Python Packaging Authority's that keeps the floor."""
    features: tuple[str, ...] | None = None
    """Cargo features added to those under `[tool.maturin]`."""
    profile: str | None = None
    """The cargo profile.  Default: `release`."""
    flags: tuple[str, ...] | None = None
    """Flags for the compiler, added to those that `.cargo/config.toml` names for the target."""
    environment: dict[str, str | Secret] | None = None
    """Variables set for the build."""
    before: tuple[Before, ...] | None = None
    """Commands that are run before the build."""
    runner: str | None = None
    """The label of the machine that builds it in CI.  Default: one of the target's own kind."""
    untested: str | None = None
    """A reason why such a wheel may be published although no machine has run its tests."""


class Override(Tunable, frozen=True, kw_only=True):
    """`[[overrides]]`: keys for the wheels that `select` matches; later ones win over earlier."""

    select: str | Select
    """Triples by pattern, such as `*-linux-musl`, or a table of patterns for triples and interpreters."""
    skip: str | None = None
    """A reason not to make such wheels at all."""
    test: Test | None = None
    """Keys of `test` that differ."""


class Variant(Tunable, frozen=True, kw_only=True):
    """`[[variants]]`: further wheels of the same package for a target, made in another way."""

    name: str
    """The last part of its task's name."""
    select: str | Select = "*"
    """The targets that it is made for; with patterns for interpreters, only those of the package's own."""
    build_tag: str = ""
    """What tells its file from another of the same interpreter and system, such as `1small` (PEP 427's build tag)."""


class Settings(Tunable, frozen=True, kw_only=True):
    """`[tool.cartwheel]` of one package; what the root's table says is every package's default."""

    packages: tuple[str, ...] | None = None
    """Only in the root: the folders of the packages.  Default: the root itself."""
    targets: tuple[str, ...] | None = None
    """Rust triples, or `any`.  Default: `any` for pure Python, else both architectures of Linux (gnu and musl) and
    macOS, and Windows on x86_64."""
    publish: tuple[str, ...] | None = None
    """The indexes of a release, in order; empty: built and checked, never sent.  Default: `pypi`."""
    tag: str | None = None
    """The tag's form.  Default: `v{version}`, in a project of several packages `{name}-v{version}`."""
    version: Literal["scm"] | None = None
    """Of the package's own table: its version comes from git, by its backend's plugin (setuptools-scm, hatch-vcs).
    Default: it stands in a manifest."""
    version_from: Literal["Cargo.toml", "pyproject.toml"] | None = None
    """Of the package's own table: where its version is decided.  Default: the crate, where there is one."""
    versions: tuple[VersionPattern, ...] | None = None
    """Of the package's own table: further places where the version stands."""
    module: str | None = None
    """Of the package's own table: what its wheels are imported as, empty where they are not.  Default: what
    `[tool.maturin]`, the crate or the package is named."""
    changelog: ChangelogSettings | None = None
    bump_message: str | None = None
    """The message of the commit that `doit bump` makes, with `{name}`, `{version}` and `{tag}`.
    Default: `Version {version}`, in a project of several packages `{name} {version}`."""
    checklist: tuple[ChecklistItem, ...] | None = None
    """What must be done before a release is tagged."""
    test: Test | None = None
    inputs: tuple[str, ...] | None = None
    """Further files and folders, relative to the package, that the wheel depends on."""
    environment_pass: tuple[str, ...] | None = None
    """Further variables, by name or pattern, that the build may read; each is then part of what it depends on."""
    cargo_directory: Literal["wheel", "triple"] | None = None
    """What has a cargo directory of its own: every wheel (fast), or every target (small).  Default: `wheel`."""
    sccache: bool | None = None
    """Compile through sccache where it is installed.  Default: no."""
    index: dict[str, IndexSettings] | None = None
    release: ReleaseSettings | None = None
    ci: CiSettings | None = None
    overrides: tuple[Override, ...] = ()
    variants: tuple[Variant, ...] = ()


def for_practice(name: str, said: bool | None) -> bool:
    """Whether an index is a place to practise, with what its table says, if it says so."""
    return name == "testpypi" if said is None else said


_T = TypeVar("_T", bound=Table)


def decode(kind: type[_T], raw: object, *, where: str) -> _T:
    """The table as a value; raises `ConfigError` that names the place, what stands there and what could."""
    if isinstance(raw, Mapping):
        _refuse_unknown(kind, raw, where)
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}{_place(str(error))}: {_said(str(error), kind, raw)}") from None


def _refuse_unknown(kind: type[Table], raw: Mapping[str, Any], where: str) -> None:
    known = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for key, value in raw.items():
        if key not in known:
            raise ConfigError(f"{where}: unknown key '{key}'{did_you_mean(key, known)}")
        for nested in _tables_in(known[key].type):
            if isinstance(value, Mapping):
                parts = value.items() if _by_name(known[key].type) else (("", value),)
                for name, part in parts:
                    if isinstance(part, Mapping):
                        _refuse_unknown(nested, part, f"{where} {key}{'.' + name if name else ''}")
            elif isinstance(value, list):
                for number, part in enumerate(value, 1):
                    if isinstance(part, Mapping):
                        _refuse_unknown(nested, part, f"{where} {key}, entry {number}")


def _tables_in(annotation: object) -> tuple[type[Table], ...]:
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return (annotation,)
    inner = getattr(annotation, "__args__", ())
    return tuple(table for part in inner for table in _tables_in(part))


def _by_name(annotation: object) -> bool:
    """Whether it is a table whose own keys are names."""
    if getattr(annotation, "__origin__", None) is dict:
        return True
    return any(_by_name(part) for part in getattr(annotation, "__args__", ()))


def _place(message: str) -> str:
    match = re.search(r" - at `\$\.?([^`]*)`", message)
    return f" {match[1]}".rstrip() if match else ""


def _said(message: str, kind: type[Table], raw: object) -> str:
    text = re.sub(r" - at `.*", "", message).replace(" | null", "")  # TOML has none
    match = re.search(r"Invalid enum value '?([^']*)'?", text)
    if match:
        parts = re.split(r"[.\[]", _place(message).strip())
        field = next((f for f in msgspec.structs.fields(kind) if f.encode_name == parts[0]), None)
        tables = _tables_in(field.type) if field else ()
        inner = next(
            (f for table in tables for f in msgspec.structs.fields(table) if f.encode_name == parts[-1]), field
        )
        known = _literals_in(inner.type) if inner else ()
        return f"unknown value '{match[1]}'{did_you_mean(match[1], known)}"
    return text[:1].lower() + text[1:]


def _literals_in(annotation: object) -> tuple[str, ...]:
    inner = getattr(annotation, "__args__", ())
    return tuple(part for part in inner if isinstance(part, str)) + tuple(
        text for part in inner if not isinstance(part, str) for text in _literals_in(part)
    )
