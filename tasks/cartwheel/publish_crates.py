"""Publishing to a registry of crates: those of a package's workspace that others can use, never its extension."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cartwheel.cargo.publish_order import Crate
from cartwheel.destinations.cargo_publish import Cargo, registry_named
from cartwheel.destinations.crate_registry import ONE_AT_A_TIME, crates_of, look, wait_until_shown
from cartwheel.destinations.crate_registry import send as send_crates
from cartwheel.destinations.ledger import Ledger
from cartwheel.destinations.pypi_index import Index
from cartwheel.gate import verified_digests
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import Package, Project
from cartwheel.model.step import CommandLog, Work
from cartwheel.model.wheels.artifacts import ledger


def locate(project: Project, name: str, work: Work) -> None:
    """Raises `ConfigError` where the registry's address cannot be meant."""
    registry_named(name, project.indexes)


def refuse(project: Project, package: Package, name: str, work: Work) -> None:
    """All that can be known before anything is public; raises `StepFailed` or `ConfigError`."""
    verified_digests(package, work.root)
    with ONE_AT_A_TIME:
        cargo, crates = workshop(project, package, name, work)
        wrong = look(cargo, crates, verify=True).wrong
    if wrong:
        raise StepFailed("\n".join((f"nothing was sent to {name}:", *wrong)))


def send(project: Project, package: Package, name: str, work: Work) -> dict[str, tuple[str, ...]]:
    """Publish the crates that the registry lacks; raises `StepFailed`."""
    verified_digests(package, work.root)
    with ONE_AT_A_TIME:
        cargo, crates = workshop(project, package, name, work)
        index = Index(name=name, url=cargo.registry.url, simple="")
        book = Ledger(work.root / ledger(package, name), index, package.name, package.version, work.announce)
        send_crates(cargo, crates, book=book, say=work.announce)
    return {}


def verify(project: Project, package: Package, name: str, work: Work) -> None:
    """Raises `StepFailed` where the registry does not serve every crate with our content."""
    with ONE_AT_A_TIME:
        cargo, crates = workshop(project, package, name, work)
        wrong = wait_until_shown(cargo, crates, say=work.announce)
    if wrong:
        raise StepFailed("\n".join((f"{name} does not show what was published:", *wrong)))
    work.announce(f"{name} serves {', '.join(f'{crate.name} {crate.version}' for crate in crates)}")


def workshop(project: Project, package: Package, name: str, work: Work) -> tuple[Cargo, tuple[Crate, ...]]:
    """cargo for this registry, and the crates of a package's release in the order of publishing."""
    cargo = cargo_for(project, package, name, work.root, log=work.log, environ=work.snapshot.environ)
    return cargo, its_crates(project, package, name, cargo, work.root)


def cargo_for(
    project: Project, package: Package, name: str, root: Path, *, log: CommandLog, environ: Mapping[str, str]
) -> Cargo:
    """cargo in the workspace of a package."""
    return Cargo(
        registry_named(name, project.indexes),
        root / _workspace(package),
        log=log,
        environ=environ,
        target=root / ".cartwheel" / "crates" / package.key,
        home=root / ".cartwheel" / "local" / "cargo",
    )


def its_crates(project: Project, package: Package, name: str, cargo: Cargo, root: Path) -> tuple[Crate, ...]:
    """The crates that the package's release sends there; raises `ConfigError` where there are none."""
    settings = project.indexes.get(name)
    crated = [p for p in project.packages if p.manifest]
    return crates_of(
        cargo,
        (root / package.manifest).parent,
        root=root,
        extensions=[(root / p.manifest).parent for p in crated if p.bindings != "bin"],
        asked=settings.crates if settings else None,
        alone=sum(_workspace(p) == _workspace(package) for p in crated) == 1,
    )


def _workspace(package: Package) -> str:
    return package.manifests.workspace_path or package.manifest
