"""Helpers for tests that kill runs: the steps that a run reports, and a program of two crates."""

from __future__ import annotations

import re

from support.projects import CRATE, FLOOR, TRIPLE

_OK = re.compile(r"^  ok  (\S+)", re.MULTILINE)


CHECKS_ONLY = "version-sync"
"""A step that looks and makes nothing: whether it runs again is of no account here."""


def finished_steps(output: str) -> set[str]:
    """The steps that a run reports as finished."""
    return set(_OK.findall(output)) - {CHECKS_ONLY}


MUSL = "x86_64-unknown-linux-musl"
CRATES = {
    "pebble/Cargo.toml": """[package]
name = "pebble"
version = "1.0.0"
edition = "2021"

[dependencies]
grit = { path = "grit" }
""",
    "pebble/Cargo.lock": """version = 4

[[package]]
name = "grit"
version = "0.1.0"

[[package]]
name = "pebble"
version = "1.0.0"
dependencies = [
 "grit",
]
""",
    "pebble/grit/Cargo.toml": '[package]\nname = "grit"\nversion = "0.1.0"\nedition = "2021"\n',
    "pebble/grit/src/lib.rs": 'pub fn size() -> &\'static str {\n    "small"\n}\n',
    "pebble/src/main.rs": 'fn main() {\n    println!("pebble, {}", grit::size());\n}\n',
    "pebble/README.md": "# pebble\n",
    "pebble/pyproject.toml": CRATE.format(
        triple=f'{TRIPLE}", "{MUSL}', floor=f'\n[[tool.cartwheel.overrides]]\nselect = "*-gnu"\nfloor = "{FLOOR}"'
    ),
}
