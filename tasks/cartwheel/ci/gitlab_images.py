"""GitLab: the images that jobs run in, and the jobs that build them from Dockerfiles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cartwheel.ci.gitlab_events import events, is_included, stage
from cartwheel.ci.gitlab_runners import machine_of
from cartwheel.ci.jobs import PLAN, Build, Pipeline, slug
from cartwheel.ci.yaml_document import TextLines
from cartwheel.model.wheels.container_image import DOCKERFILE, IN_IMAGE
from cartwheel.model.wheels.target import TARGETS

Row = dict[str, Any]


def default_image(pipeline: Pipeline) -> str:
    """The image of jobs that build nothing in an image of their own."""
    return f"python:{pipeline.python}"


def image_row(pipeline: Pipeline, build: Build) -> dict[str, str]:
    """The row of a build in the matrix of its job: its name, its image, and the platform tag that the image keeps."""
    row = {"BUILD": build.name, "IMAGE": image_address(build) or default_image(pipeline)}
    return {**row, IN_IMAGE: build.promise} if build.promise else row


def image_address(build: Build) -> str:
    """The address of a build's image; one from a Dockerfile is kept in the project's registry, under the commit."""
    if not build.image.startswith(DOCKERFILE):
        return build.image
    name = slug(build.image.removeprefix(DOCKERFILE)).lower()
    return f"$CI_REGISTRY_IMAGE/cartwheel-{name}:{TARGETS[build.target].arch}-$CI_COMMIT_SHA"


def image_job(build: Build) -> str:
    """The job that builds a build's Dockerfile."""
    return f"image-{slug(build.image.removeprefix(DOCKERFILE))}-{TARGETS[build.target].arch}"


def image_needs(rows: Iterable[Build]) -> list[str]:
    """The jobs that build the Dockerfiles of these builds."""
    return list(dict.fromkeys(image_job(build) for build in rows if build.image.startswith(DOCKERFILE)))


def image_jobs(pipeline: Pipeline) -> Row:
    """For each Dockerfile and architecture a job that builds its image once, into the project's registry."""
    rows: Row = {}
    for build in pipeline.builds:
        if not build.image.startswith(DOCKERFILE):
            continue
        file = f"{pipeline.where.prefix}{build.image.removeprefix(DOCKERFILE)}"
        address, context = image_address(build), file.rpartition("/")[0] or "."
        script = (
            'echo "$CI_REGISTRY_PASSWORD" | docker login -u "$CI_REGISTRY_USER" --password-stdin "$CI_REGISTRY"',
            f'docker build --pull --file "{file}" --tag "{address}" "{context}"',
            f'docker push "{address}"',
        )
        rows[image_job(build)] = {
            "stage": stage(pipeline, PLAN),
            **({"rules": events(pipeline)} if is_included(pipeline) else {}),
            **({"tags": list(tags)} if (tags := machine_of(build).tags) else {}),
            "timeout": "60 minutes",
            "image": "docker:29",
            "services": ["docker:29-dind"],
            "needs": [],
            "script": TextLines(script),
        }
    return rows
