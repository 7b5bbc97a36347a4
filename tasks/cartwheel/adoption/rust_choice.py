"""The Rust that a job of a workflow chooses, where no toolchain file of the repository does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from cartwheel.adoption.parsed_files import Texts
from cartwheel.adoption.workflows import JobStep

_INPUTS = {
    "pyo3/maturin-action": "rust-toolchain",
    "dtolnay/rust-toolchain": "toolchain",
    "actions-rs/toolchain": "toolchain",
    "actions-rust-lang/setup-rust-toolchain": "toolchain",
    "moonrepo/setup-rust": "channel",
    "hecrj/setup-rust-action": "rust-version",
    "houseabsolute/actions-rust-cross": "toolchain",
}
"""Actions that install Rust, and the input that names the toolchain (their README files, November 2026)."""
_BY_REF = "dtolnay/rust-toolchain"
"""This action is named by the toolchain: `@nightly`, `@1.75.0`."""
_COMMAND = re.compile(r"\brustup\s+(?:default|override\s+set|toolchain\s+install|install|update)\b([^\n;&|]*)")
_NAME = re.compile(r"(?:beta|nightly)(?:-\d{4}-\d\d-\d\d)?|stable-\d{4}-\d\d-\d\d|\d+\.\d+(?:\.\d+)?")
"""A toolchain other than the newest stable one, without its host."""
_HOST = re.compile(r"-(?:x86_64|aarch64|i686|arm\w*|\w+)-(?:unknown|pc|apple)-\S+$")


def rust_left_out(steps: Sequence[JobStep], folder: str, texts: Texts, *, isolated: bool) -> Iterable[str]:
    """A line if the build that is the last of `steps` uses another Rust than the newest stable one.

    Nothing if a toolchain file in `folder` or above names it: rustup reads that on every machine.  An `isolated` build
    sees only what its own step names.
    """
    above = PurePosixPath(folder)
    files = (
        str(place / name) for place in (above, *above.parents) for name in ("rust-toolchain", "rust-toolchain.toml")
    )
    if any(name in texts for name in files):
        return
    seen = steps[-1:] if isolated else steps
    names = [name for step in seen for name in _toolchain_names(step)]
    if names and names[-1] != "stable":
        yield (
            f"its Rust is {names[-1]}, and other machines take the newest stable one; if the wheels need it, write a "
            f'rust-toolchain.toml: [toolchain] channel = "{names[-1]}"'
        )


def _toolchain_names(step: JobStep) -> Iterable[str]:
    """The toolchains that a step chooses, without their hosts, the one in effect last."""
    in_script = [word for match in _COMMAND.finditer(step.run) for word in match[1].split()]
    named = step.with_.get(_INPUTS.get(step.uses, ""), "") or (step.version if step.uses == _BY_REF else "")
    names = (_HOST.sub("", name.strip()) for name in (*in_script, named, step.env.get("RUSTUP_TOOLCHAIN", "")))
    yield from (name for name in names if name == "stable" or _NAME.fullmatch(name))
