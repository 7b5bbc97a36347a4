"""Repair: graft foreign libraries into a raw wheel and name it for its floor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cartwheel.backends.wheel_step import build_environment, raw_wheel, third_party_setting
from cartwheel.model.project import Package, Project, Wheel
from cartwheel.model.step import Step, Work
from cartwheel.model.wheels.artifacts import wheel_path


def steps(project: Project) -> Iterable[Step]:
    """One step for each wheel."""
    for package, wheel in project.wheels:
        yield Step(
            name=f"repair:{wheel.segments}",
            doc=wheel.file,
            needs=(raw_wheel(wheel),),
            makes=(wheel_path(package, wheel),),
            after=(f"build:{wheel.segments}",),
            settings={"floor": wheel.floor, "file": wheel.file, **third_party_setting(package)},
            tools=("auditwheel", "repairwheel", "delocate", "delvewheel"),
            ships=True,
            act=lambda work, package=package, wheel=wheel: _finish(package, wheel, work),  # type: ignore[misc]
        )


def _finish(package: Package, wheel: Wheel, work: Work) -> Mapping[str, tuple[str, ...]]:
    from cartwheel.backends.finished_wheel import finish
    from cartwheel.toolchain import container_setup
    from cartwheel.toolchain.repairers import repair

    contained = container_setup.builds_in_container(package, wheel)
    inside = container_setup.available_container(package, wheel, work) if contained else None
    in_place = inside is not None and not inside.engine
    able = inside is not None and "auditwheel" in inside.programs
    env = build_environment(package, work)
    raw = work.root / raw_wheel(wheel)
    repair(
        raw,
        work.root / package.dist,
        expected=wheel.file,
        target=wheel.target,
        floor=wheel.floor,
        log=work.log,
        env=env,
        scratch=work.scratch,
        made_elsewhere=contained and not in_place,
        inside=inside if able and not in_place else None,
        finish=lambda repaired: finish(repaired, raw, package, wheel, env, work),
    )
    return {}
