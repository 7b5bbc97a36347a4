"""The crates that cargo resolves for one target, with their features and checksums."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from cartwheel.cargo.lockfile import checksums
from cartwheel.cargo.workspace import lock_path
from cartwheel.process.run import capture

_LINE = re.compile(
    r"(?P<name>\S+) v(?P<version>\S+)(?P<place>(?: \([^()]*(?:\([^()]*\)[^()]*)*\))*) ?(?P<features>\S*)"
)


def resolved_crates(
    manifest: Path,
    *,
    targets: tuple[str, ...],
    features: tuple[str, ...],
    env: Mapping[str, str],
    cwd: Path,
    default_features: bool = True,
    all_features: bool = False,
) -> dict[str, str]:
    """Every crate that a build for one of `targets` uses: `{"pyo3": "0.29.3 features=abi3,macros sha256:…"}`.

    If a crate occurs in several versions, its keys include the version. A local crate's entry holds only its features,
    because its files count. Runs cargo offline; raises `StepFailed` if crates are not fetched or the lockfile is stale.
    """
    flags = [f"--features={','.join(features)}"] if features else []
    flags += [] if default_features else ["--no-default-features"]
    flags += ["--all-features"] if all_features else []
    chosen = [word for target in targets for word in ("--target", target)]
    printed = capture(
        ("cargo", "tree", "--manifest-path", str(manifest), *chosen, "-e", "normal,build", "--locked",
         "--offline", "--prefix", "none", "--no-dedupe", "--color", "never", "-f", "{p} {f}", *flags),
        cwd=cwd, env=env,
    )  # fmt: skip
    lock = lock_path(manifest)
    return crates_in_tree(printed, checksums(lock) if lock else {})


def crates_in_tree(printed: str, locked: Mapping[tuple[str, str], str]) -> dict[str, str]:
    """The output of `cargo tree -f '{p} {f}'`, combined with the lockfile's checksums."""
    features: dict[tuple[str, str], set[str]] = {}
    for line in printed.splitlines():
        parsed = _LINE.fullmatch(line.removesuffix("(*)").rstrip())
        if parsed:
            features.setdefault((parsed["name"], parsed["version"]), set()).add(parsed["features"])
    names = [name for name, _ in features]
    return {
        name if names.count(name) == 1 else f"{name} {version}": _entry(name, version, sets, locked)
        for (name, version), sets in sorted(features.items())
    }


def _entry(name: str, version: str, sets: set[str], locked: Mapping[tuple[str, str], str]) -> str:
    """One crate's entry. Host and target may build it with different features: `features=a,b|a`."""
    features = f" features={'|'.join(sorted(sets))}" if any(sets) else ""
    digest = locked.get((name, version))
    return f"local{features}" if digest is None else f"{version}{features} {digest}"
