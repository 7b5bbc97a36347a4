"""The keys of `[tool.cartwheel]`.

The text under each key is its documentation: `python -m tools.reference` makes the reference and the JSON schema of it.
"Default:" and "Example:" begin the last sentences of a text.
"""

# Annotations are not postponed: msgspec would compile each of them from text at the first decode.

from typing import Literal

from cartwheel.model.config.release_settings import (
    CacheSettings,
    ChangelogSettings,
    ChecklistItem,
    CiSettings,
    IndexSettings,
    ReleaseSettings,
    VersionPattern,
)
from cartwheel.model.config.table import Table
from cartwheel.model.config.values import RunnerGroup, Secret


class Test(Table, frozen=True, kw_only=True):
    """`test`: how an installed wheel is tested."""

    command: tuple[str, ...] = ()
    """The command and its arguments; `{package}` is the package's folder.  Default: `["pytest", "{package}/tests"]` if
    there are Python files in `tests/`.  Example: `["pytest", "{package}/tests"]`"""
    extras: tuple[str, ...] = ()
    """Extras of the package to install with it.  Example: `["test"]`"""
    requires: tuple[str, ...] = ()
    """Further requirements to install, files of them, and of constraints (`-c FILE`).
    Example: `["pytest>=9", "-r requirements/test.txt"]`"""
    locked: bool = False
    """Requirements are installed in the versions of `uv.lock`, the package's or that of the workspace above it."""
    cwd: str = ""
    """The folder that the tests run in, relative to the package.  They run in a copy of the package's folder without
    the sources of its module, so that the installed wheel is what they import.  Default: an empty folder.
    Example: `"."`"""
    skip: str = ""
    """The reason why the tests are not run; the wheel may then be published untested.
    Example: `"numpy has no wheels for it"`"""
    python: tuple[str, ...] = ()
    """The Python versions that the wheel must be tested with.  Default: every supported one that is installed here and
    takes the wheel.  Example: `["3.11", "3.14"]`"""
    groups: tuple[str, ...] = ()
    """Dependency groups (PEP 735) to install, of the package or of the workspace above it.  Example: `["test"]`"""
    compile: bool = False
    """Requirements may be compiled under emulation too, which can take hours."""
    wine: bool = False
    """Tests under Wine count in a release too.  Without it they count for pull requests, and a release wants tests on
    Windows.  Default: false."""


class Before(Table, frozen=True, kw_only=True):
    """An entry of `before`: a command to run before the build.

    It runs in the package's folder on this machine, also where the build itself runs in a container; a command that
    several wheels share runs once.  Files that it makes and git does not hold are no inputs: a clone may lack them, and
    an edit of them shows when an input changes.
    """

    run: tuple[str, ...]
    """The command and its arguments.  Example: `["make", "generate"]`"""
    inputs: tuple[str, ...] = ()
    """Files and folders that it reads, relative to the package; the wheels depend on each.  Example: `["schema/"]`"""


class Training(Table, frozen=True, kw_only=True):
    """`pgo`: how an instrumented wheel is trained."""

    run: tuple[str, ...] = ()
    """The training command and its arguments; `{package}` is the package's folder, and `python` the interpreter of an
    environment that holds the instrumented wheel.  An empty list switches it off.
    Example: `["python", "{package}/bench/train.py"]`"""
    inputs: tuple[str, ...] = ()
    """Files and folders that it reads, relative to the package; the wheels depend on each.  Example: `["bench/"]`"""
    requires: tuple[str, ...] = ()
    """Further requirements to install.  Example: `["numpy"]`"""


class Select(Table, frozen=True, kw_only=True):
    """`select` of an override or a variant, where triples are not enough."""

    target: str = "*"
    """Triples by pattern; several patterns are separated by spaces.  Example: `"*-linux-musl"`"""
    python: str = "*"
    """Interpreters by pattern; several patterns are separated by spaces.  Example: `"pypy*"`"""


class Tunable(Table, frozen=True, kw_only=True):
    """The keys that may differ from wheel to wheel."""

    python: tuple[str, ...] | None = None
    """What wheels are for: `abi3`, `abi3t`, `3.13`, `3.14t`, `pypy3.11` (PyPy 7.3; `pypy3.11-v8` is PyPy 8),
    `pypy3.12`, `graalpy3.12`.  PyPy and GraalPy are left out where they are not published.  Default: `abi3` and
    `abi3t` as the crate's PyO3 features or the backend's table ask for them; else the versions that the classifiers
    name, else the supported ones, as far as `requires-python` allows; free-threaded ones too where a classifier
    says so. Example: `["3.13", "3.14", "3.14t"]`"""
    floor: str | None = None
    """The oldest system promised.  Default: `compatibility` or `macos-deployment-target` of `[tool.maturin]`, else the
    target's own: `manylinux2014`, `musllinux_1_2`, macOS `10.12` on x86_64 and `11.0` on arm64.  Example:
    `"manylinux_2_28"`"""
    toolchain: Literal["native", "zig", "mingw", "xwin", "container"] | None = None
    """How the target is compiled.  Default: `native` where this machine can and keeps the floor, else the first that
    crosses to the target."""
    image: str | None = None
    """The container image to build Linux targets in, by name (`{policy}` and `{arch}` are filled in) or as
    `dockerfile:PATH`; it implies `toolchain = "container"`.  Default: with that toolchain, the newest image of the
    Python Packaging Authority that keeps the floor.  Example: `"registry.example/{policy}_{arch}-rust:2026.11"`"""
    features: tuple[str, ...] | None = None
    """Cargo features, added to those of `[tool.maturin]`.  Default: none.  Example: `["simd"]`"""
    profile: str | None = None
    """The cargo profile.  Default: that of `[tool.maturin]`, else `release`.  Example: `"dist"`"""
    flags: tuple[str, ...] | None = None
    """Compiler flags: for rustc, added to those that `.cargo/config.toml` has for the target; for other backends, as
    `CFLAGS` and `CXXFLAGS`.  Default: none.  Example: `["-C target-cpu=x86-64-v3"]`"""
    environment: dict[str, str | Secret] | None = None
    """Variables set for the build, recorded as digests.  The source distribution is built with those of the package's
    table.  Default: none.  Example: `{ OPENSSL_STATIC = "1", KEY = { secret = "LICENSE_KEY" } }`"""
    before: tuple[Before, ...] | None = None
    """Commands to run before the build; those of the package's table also before its source distribution.
    Default: none.  Example: `[{ run = ["make", "generate"], inputs = ["schema/"] }]`"""
    pgo: Training | None = None
    """Crates only: wheels are compiled with a profile (profile-guided optimization) that a training command records.
    One profile serves every interpreter of a target.  It needs rustup's component `llvm-tools`, and a machine that runs
    the target.  Default: none.  Example: `{ run = ["python", "{package}/bench/train.py"], inputs = ["bench/"] }`"""
    runner: str | tuple[str, ...] | RunnerGroup | None = None
    """The machine that builds such a wheel in CI: a label, several labels, or a group.  Default: a hosted one of the
    target's kind.  Example: `["self-hosted", "Linux", "X64"]`"""
    untested: str | None = None
    """The reason why a wheel may be published although no machine has run its tests.  Default: every wheel must be
    tested.  Example: `"no machine of this kind"`"""


class Override(Tunable, frozen=True, kw_only=True):
    """`[[overrides]]`: keys for the wheels that `select` matches; later entries win."""

    select: str | Select
    """Triples by pattern, or a table of patterns for triples and interpreters.
    Example: `{ target = "*-linux-*", python = "pypy*" }`"""
    skip: str | None = None
    """The reason why such wheels are not built.  Example: `"nobody uses it"`"""
    test: Test | None = None
    """Keys of `test` that differ.  Example: `{ skip = "numpy has no wheels for it" }`"""


class Variant(Tunable, frozen=True, kw_only=True):
    """`[[variants]]`: further wheels of the package for the same targets, built in another way."""

    name: str
    """The last part of the task's name.  Example: `"small"`"""
    select: str | Select = "*"
    """The targets that it is built for; patterns for interpreters choose among the package's own."""
    build_tag: str = ""
    """The build tag (PEP 427) in the file's name, which tells it from another wheel for the same interpreter and
    system.  Example: `"1small"`"""


class Settings(Tunable, frozen=True, kw_only=True):
    """`[tool.cartwheel]` of a package.  Keys of the root's table are the defaults of every package."""

    packages: tuple[str, ...] | None = None
    """Root only: the folders of the packages.  Default: the root itself.
    Example: `["crates/core", "bindings/python"]`"""
    excluded_packages: tuple[str, ...] | None = None
    """Root only: folders, by pattern, of packages that are not released; `doit adopt` does not propose them.
    Default: none.  Example: `["fuzz", "examples/*"]`"""
    targets: tuple[str, ...] | None = None
    """Rust triples, or `any`.  Default: `["any"]` for pure Python; else Linux (gnu and musl) and macOS on x86_64 and
    aarch64, and Windows on x86_64.  Example: `["x86_64-unknown-linux-gnu", "aarch64-apple-darwin"]`"""
    publish: tuple[str, ...] | None = None
    """The destinations of a release, in order; with `[]` the package is built and checked into `dist/private/` and
    never uploaded.  Default: `["pypi"]`.  Example: `["pypi", "github", "crates-io"]`"""
    tag: str | None = None
    """The form of the tag, of `{version}` (as the manifest writes it), `{pep440}`, `{semver}` and `{name}`.
    Default: `v{version}`, in a project of several packages `{name}-v{version}`.  Example: `"release-{version}"`"""
    version: Literal["scm"] | None = None
    """Package's own table only: the version comes from git, by a plugin of the backend such as setuptools-scm.
    Default: a manifest holds it."""
    version_from: Literal["Cargo.toml", "pyproject.toml", "pyproject.toml alone"] | None = None
    """Package's own table only: the manifest that decides the version; with `"pyproject.toml alone"` the crate keeps
    another one.  Default: the crate's, where there is one."""
    versions: tuple[VersionPattern, ...] | None = None
    """Package's own table only: further files that hold the version.  Default: none.
    Example: `[{ file = "docs/conf.py", pattern = 'release = "{version}"' }]`"""
    module: str | None = None
    """Package's own table only: the module that its wheels are imported as; empty if they are not imported.
    Default: as `[tool.maturin]`, the crate or the package is named.  Example: `"stone.core"`"""
    changelog: ChangelogSettings | None = None
    """Where the release notes are.  Default: the keys of `changelog` below.  Example: `{ file = "docs/changes.md",
    required = "final" }`"""
    bump_message: str | None = None
    """The message of the commit of `doit bump`, with `{name}`, `{version}` and `{tag}`.
    Default: `Version {version}`, in a project of several packages `{name} {version}`."""
    checklist: tuple[ChecklistItem, ...] | None = None
    """What must be done before a release is tagged.  Default: nothing.
    Example: `[{ run = ["cargo", "test"] }, { manual = "Are the docs up to date?" }]`"""
    test: Test | None = None
    """How installed wheels are tested.  Default: the keys of `test` below.  Example: `{ command = ["pytest",
    "{package}/tests"], extras = ["test"] }`"""
    inputs: tuple[str, ...] | None = None
    """Further files and folders, relative to the package, that the wheels depend on.  Default: none.
    Example: `["schema/", "data.json"]`"""
    environment_pass: tuple[str, ...] | None = None
    """Further variables, by name or pattern, that the build may read; the wheels depend on each.  Default: none: a
    build sees only variables that are known to be harmless.  Example: `["VENDOR_*"]`"""
    cargo_directory: Literal["wheel", "triple"] | None = None
    """What has a cargo target directory: every wheel (fast) or every triple (small).  Default: `wheel`."""
    third_party: bool | None = None
    """Put the licences of all crates, grafted libraries and vendored code into each wheel, as
    `licenses/THIRD-PARTY.txt` in its `.dist-info`.  Default: `false`."""
    sccache: bool | None = None
    """Compile through sccache where it is installed.  Default: `false`."""
    dropped: dict[str, str] | None = None
    """Files of the last release that end, by pattern (of the file name without `.whl`, of `TRIPLE` or
    `TRIPLE:PYTHON`), each with the reason.  Default: a release that loses a file is refused.
    Example: `{ "*-win32" = "no users" }`"""
    index: dict[str, IndexSettings] | None = None
    """Root only: destinations that are not known by name.
    Example: `{ house = { url = "https://packages.example/" } }`"""
    release: ReleaseSettings | None = None
    """Root only: how a release is made.  Default: the keys of `release` below.  Example: `{ branch = "trunk" }`"""
    cache: str | CacheSettings | None = None
    """Root only: where finished steps are that machines share, as text or as a table with the keys of `cache` below.
    Default: no cache.  Example: `"oci://ghcr.io/owner/name-cache"`"""
    ci: CiSettings | None = None
    """Root only: the pipeline that `doit ci` writes.  Default: the keys of `ci` below.  Example: `{ trigger =
    "release" }`"""
    overrides: tuple[Override, ...] = ()
    """Keys for some of the wheels."""
    variants: tuple[Variant, ...] = ()
    """Further wheels, built in another way."""
