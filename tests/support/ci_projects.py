"""Configurations for which pipelines are written: each a project as a value, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cartwheel.ci.jobs import Pipeline, RepositoryFacts
from cartwheel.ci.project_pipeline import pipeline
from cartwheel.model.project import Project
from support.models import crate, manifests, understood

LINUX, MUSL = "x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl"
ARM, MAC, WINDOWS = "aarch64-unknown-linux-gnu", "aarch64-apple-darwin", "x86_64-pc-windows-msvc"
ABI3 = crate("abi3-py311")
EXCUSED = {"untested": "nobody has such a machine"}


def alone(table: Mapping[str, Any], *, cargo: Mapping[str, Any] | None = ABI3) -> Project:
    return understood(manifests(table, cargo=cargo, has_tests=True))


def _several() -> Project:
    """Two packages with tags of their own and one that stays at home."""
    shared: dict[str, Any] = {"publish": ["pypi", "crates-io", "github"], "ci": {"reproduce": True}}
    shared |= {"release": {"from": "ci", "branch": "trunk"}}
    root = manifests({"packages": [".", "bindings", "bench"], "targets": [LINUX, MAC], **shared}, cargo=ABI3)
    bindings = manifests({"targets": ["any"]}, folder="bindings", project={"name": "demo-api"}, has_tests=True)
    bench = manifests({"publish": [], "targets": ["any"]}, folder="bench", project={"name": "demo-bench"})
    return understood(root, bindings, bench)


PROJECTS = {
    "usual": lambda: alone({}),
    "pure": lambda: alone({}, cargo=None),
    "interpreters": lambda: alone(
        {
            "targets": [LINUX, MAC, WINDOWS],
            "python": ["3.12", "3.13", "3.14", "3.14t", "pypy3.11"],
            "test": {"python": ["3.13", "3.14t"]},
        },
        cargo=crate(),
    ),
    "several": _several,
    "by-release-page": lambda: alone(
        {"targets": [LINUX], "publish": ["pypi"], "ci": {"trigger": "release"}, "tag": "release/{version}"}
    ),
    "tokens": lambda: alone(
        {
            "targets": [LINUX],
            "publish": ["house", "pypi"],
            "index": {
                "house": {"url": "https://wheels.example/", "simple": "https://wheels.example/simple/"},
                "pypi": {"auth": "token", "environment": "release"},
            },
        }
    ),
    "practice-first": lambda: alone(
        {
            "targets": [LINUX],
            "publish": ["testpypi", "pypi"],
            "index": {"testpypi": {"environment": "practice", "auth": "trusted"}},
            "ci": {"install": ["--editable", ".[zig]"]},
        }
    ),
    "own-machines": lambda: alone(
        {
            "targets": [LINUX, "s390x-unknown-linux-gnu", "x86_64-pc-windows-gnu", "universal2-apple-darwin"],
            "sccache": True,
            "overrides": [
                {"select": "s390x-*", "toolchain": "container", "image": "example/s390x-rust:2026.11", **EXCUSED},
                {"select": "*-windows-gnu", "toolchain": "mingw", **EXCUSED},
                {"select": LINUX, "runner": "our-builder"},
            ],
        }
    ),
    "extended": lambda: alone(
        {
            "targets": [LINUX, "i686-pc-windows-msvc", "powerpc64le-unknown-linux-gnu"],
            "publish": ["github", "pypi"],
            "index": {
                "pypi": {"environment": "release"},
                "testpypi": {"auth": "token"},
                "nightly": {"url": "https://wheels.example/nightly/", "rehearsal": True},
            },
            "overrides": [
                {"select": LINUX, "runner": ["self-hosted", "Linux"]},
                {"select": "i686-*", "runner": {"group": "large", "labels": ["windows"]}},
                {"select": "powerpc64le-*", **EXCUSED},
            ],
            "ci": {
                "branches": ["main", "release/*"],
                "paths": ["src/**", "pyproject.toml"],
                "runner": ["self-hosted", "linux"],
                "on-request": ["pypi"],
                "schedule": "17 3 * * *",
                "nightly": "nightly",
                "steps": {
                    "before": {"build": [{"name": "Protocol buffers", "run": ["make protoc"]}]},
                    "after": {"verify": [{"run": ["make smoke"], "environment": {"LEVEL": "2"}}]},
                },
                "jobs": {
                    "docs": {"steps": [{"run": ["make docs", "make linkcheck"]}]},
                    "announce": {
                        "needs": "verify",
                        "environment": "announce",
                        "steps": [{"run": ["make news"], "environment": {"NEWS_TOKEN": {"secret": "NEWS_TOKEN"}}}],
                    },
                },
            },
        }
    ),
    "elsewhere": lambda: alone(
        {
            "targets": [LINUX],
            "sccache": True,
            "ci": {
                "github": {"file": ".github/workflows/publish.yml", "reusable": ".github/workflows/wheels.yml"},
                "gitlab": {"file": ".gitlab/wheels.yml"},
                "jobs": {
                    "pages": {"needs": "publish", "steps": [{"run": ["make pages"]}], "permissions": {"pages": "write"}}
                },
            },
        }
    ),
    "dockerfile": lambda: alone(
        {"targets": [LINUX, ARM], "image": "dockerfile:ci/Dockerfile", "toolchain": "container", "publish": ["pypi"]}
    ),
    "shared-cache": lambda: alone(
        {
            "targets": [LINUX, MAC, WINDOWS],
            "publish": ["testpypi", "pypi"],
            "cache": "oci://ghcr.io/owner/demo-cache",
        }
    ),
    "private": lambda: alone({"targets": [LINUX, WINDOWS], "publish": []}),
    "below-the-root": lambda: alone(
        {
            "targets": [LINUX, MAC],
            "publish": ["testpypi", "pypi"],
            "index": {"testpypi": {"auth": "token", "environment": "practice"}, "pypi": {"auth": "token"}},
            "ci": {"branches": ["master", "develop"], "paths": ["bindings/**"], "on-request": ["testpypi", "pypi"]},
        }
    ),
    "own-feeds": lambda: alone(
        {
            "targets": [LINUX, "aarch64-pc-windows-msvc"],
            "publish": ["feed", "crate-feed", "github"],
            "changelog": {"from": "github"},
            "index": {
                "feed": {"url": "https://feed.example/upload/", "simple": "https://feed.example/simple/", "user": "ci"},
                "crate-feed": {"url": "sparse+https://feed.example/index/", "kind": "crates"},
            },
            "overrides": [{"select": "*-windows-*", "skip": "no toolchain"}],
            "ci": {
                "github": {"file": ".github/workflows/feeds.yaml", "reusable": ".github/workflows/files.yaml"},
                "gitlab": {"file": "ci/feeds.yml"},
            },
        }
    ),
}


WHERE = {
    "elsewhere": RepositoryFacts(folder="python/demo", submodules=True, lfs=True),
    "below-the-root": RepositoryFacts(folder="bindings"),
}
"""Repositories that differ from a project at their root, by configuration."""


def pipeline_of(name: str) -> Pipeline:
    """The pipeline of a configuration."""
    return pipeline(PROJECTS[name](), version="1.0", where=WHERE.get(name, RepositoryFacts()))
