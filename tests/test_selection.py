"""The work of one run of a pipeline, as values."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cartwheel.ci.selection import NOWHERE, packages_to_release, selection
from cartwheel.model.errors import ConfigError
from support.ci_projects import PROJECTS, pipeline_of


@pytest.mark.parametrize("stage", ["build", "repair", "check"])
def test_a_build_runs_if_any_stage_of_one_of_its_wheels_is_stale(stage: str) -> None:
    project, pipeline = PROJECTS["usual"](), pipeline_of("usual")
    for build in pipeline.builds:
        for wheel in build.wheels:
            run = selection(project, pipeline, stale={f"{stage}:{wheel}"})
            assert [(row.build.name, row.tasks) for row in run.builds] == [(build.name, build.tasks(build.packages))]
            assert (run.sdists, run.packages, run.sdist_pythons) == ((), (), pipeline.sdist_pythons)


@pytest.mark.parametrize(
    ("stale", "sdists"),
    [("sdist:demo", ("check:sdist:demo",)), ("check:sdist:demo", ("check:sdist:demo",)), ("publish:pypi:demo", ())],
)
def test_a_source_distribution_is_made_if_it_or_its_check_is_stale(stale: str, sdists: tuple[str, ...]) -> None:
    run = selection(PROJECTS["usual"](), pipeline_of("usual"), stale={stale})
    assert (run.sdists, run.builds, run.packages) == (sdists, (), ())


def test_a_release_builds_everything_of_its_packages() -> None:
    project, pipeline = replace(PROJECTS["usual"](), started_by="v1.2.0"), pipeline_of("usual")
    run = selection(project, pipeline, stale=())
    assert (run.packages, run.sdists, run.sdist_pythons) == (("demo",), ("check:sdist:demo",), pipeline.sdist_pythons)
    assert [row.build.name for row in run.builds] == [build.name for build in pipeline.builds]


@pytest.mark.parametrize(
    ("name", "tag", "to", "why"),
    [
        ("usual", "v9", "", "the tag v9 belongs to no package in this commit; expected v1.2.0"),
        ("usual", "v9", "pypi", "the tag v9 belongs to no package that is published to pypi in this commit; "
         "expected v1.2.0"),
        ("usual", "", "pypi", "pypi takes tagged versions only, and this run started on a branch; start it on v1.2.0"),
        ("usual", "", "testpipi", "unknown index 'testpipi' of this pipeline; did you mean 'testpypi'?"),
        ("several", "demo-api-v1.2.0", "crates-io", "the tag demo-api-v1.2.0 belongs to no package that is published "
         "to crates-io in this commit; expected demo-v1.2.0, demo-api-v1.2.0"),
        ("usual", "v1.2.0", "nowher", "unknown index 'nowher' of this pipeline; did you mean 'nowhere'?"),
    ],
)  # fmt: skip
def test_a_run_that_can_release_nothing_is_refused_with_the_reason(name: str, tag: str, to: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        packages_to_release(replace(PROJECTS[name](), started_by=tag), pipeline_of(name), to)
    assert str(caught.value) == why


def test_a_run_by_hand_releases_to_an_index_for_practice_or_nothing() -> None:
    for tag in ("", "v1.2.0"):
        project, pipeline = replace(PROJECTS["usual"](), started_by=tag), pipeline_of("usual")
        assert packages_to_release(project, pipeline, "testpypi") == ("demo",)
        assert packages_to_release(project, pipeline, NOWHERE) == ()
    assert packages_to_release(PROJECTS["usual"](), pipeline_of("usual"), "") == ()
    project, pipeline = PROJECTS["usual"](), pipeline_of("usual")
    assert selection(project, pipeline, stale=(), to="testpypi").packages == ("demo",)
