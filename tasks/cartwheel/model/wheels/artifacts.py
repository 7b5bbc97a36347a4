"""The plan: every file of a release by exact name, known before anything is built."""

from __future__ import annotations

from msgspec import Struct

from cartwheel.model.project import Package, Project, Wheel, state_folder
from cartwheel.model.wheels.target import ANY

OUTWARD = ("tag", "publish", "verify", "release")
"""Stages that act outside this machine; they run only if the command line names them."""

REPORT_PAGE = ".cartwheel/report.html"
"""Where `doit report` writes its page."""
REPRODUCED = ".cartwheel/reproduced.txt"
"""The output of `doit reproduce` in a pipeline."""


def report_mark(commit: str) -> str:
    """The line in a report's head that says of which commit it is."""
    return f'<meta name="cartwheel-commit" content="{commit}">'


class Artifact(Struct, frozen=True, kw_only=True):
    """One file of a release."""

    file: str
    kind: str
    """`wheel` or `sdist`."""
    package: str
    target: str
    """A triple, or `any`."""
    python: str
    task: str
    """The task that writes the file into `dist/`."""
    path: str
    """Relative to the project."""
    report: str
    """The report of its check, relative to the project."""


def artifacts(project: Project) -> tuple[Artifact, ...]:
    """All files of the release, in the configuration's order."""
    return tuple(a for package in project.packages for a in package_artifacts(package))


def package_artifacts(package: Package) -> tuple[Artifact, ...]:
    """The files of one package: its wheels, then its source distribution."""
    return (*(_wheel(package, wheel) for wheel in package.wheels), _sdist(package))


def _wheel(package: Package, wheel: Wheel) -> Artifact:
    return Artifact(
        file=wheel.file, kind="wheel", package=package.key, target=wheel.target.triple, python=wheel.python,
        task=f"repair:{wheel.segments}", path=wheel_path(package, wheel), report=report_path(wheel),
    )  # fmt: skip


def _sdist(package: Package) -> Artifact:
    return Artifact(
        file=package.sdist, kind="sdist", package=package.key, target=ANY, python="",
        task=f"sdist:{package.key}", path=f"{package.dist}/{package.sdist}",
        report=sdist_report_path(package),
    )  # fmt: skip


def wheel_path(package: Package, wheel: Wheel) -> str:
    """The path of the repaired wheel, relative to the project."""
    return f"{package.dist}/{wheel.file}"


def report_path(wheel: Wheel) -> str:
    """The path of the wheel's check report, relative to the project."""
    return f"{state_folder(debug=wheel.debug)}/checks/{wheel.place}.json"


def ready_tasks(package: Package) -> tuple[str, ...]:
    """The task that finds reasons to refuse the release before anything is built."""
    return (f"ready:{package.key}",)


def check_tasks(package: Package) -> tuple[str, ...]:
    """The tasks that check all files of a package: each wheel, the source distribution, and the set of them."""
    return (*(f"check:{w.segments}" for w in package.wheels), f"check:sdist:{package.key}", f"check:set:{package.key}")


def sdist_report_path(package: Package) -> str:
    """The path of the source distribution's check report, relative to the project."""
    return f"{package.state}/checks/sdist/{package.key}.json"


def set_report_path(package: Package) -> str:
    """The path of the report of the check of all files together, relative to the project."""
    return f"{package.state}/checks/set/{package.key}.json"


def ledger_path(package: Package, index: str) -> str:
    """The path of the ledger of this version on an index, relative to the project."""
    return f".cartwheel/ledgers/{index}/{package.key}-{package.version}.json"


def report_paths(package: Package) -> tuple[str, ...]:
    """The paths of all check reports of a package, relative to the project."""
    return (*(artifact.report for artifact in package_artifacts(package)), set_report_path(package))
