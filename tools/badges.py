"""The badges of the README that repeat what pyproject.toml says, as SVG."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "screens"

_CHARACTER, _PADDING = 6.6, 7
"""Widths in pixels, at a size of 11."""


def badges() -> Mapping[Path, str]:
    """The badges by path."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    mark = "Programming Language :: Python :: 3."
    minors = sorted(int(row.removeprefix(mark)) for row in project["classifiers"] if row.startswith(mark))
    pythons = f"3.{minors[0]} to 3.{minors[-1]}"
    return {
        FOLDER / "python.svg": badge("Python", pythons, "#3572a5"),
        FOLDER / "licence.svg": badge("licence", project["license"], "#4c1"),
    }


def badge(name: str, value: str, colour: str) -> str:
    """A name on grey and its value on a colour."""
    left, right = (round(len(text) * _CHARACTER + 2 * _PADDING) for text in (name, value))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img">
<title>{name}: {value}</title>
<rect width="{left + right}" height="20" rx="3" fill="#555"/>
<path d="M{left} 0h{right - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3H{left}z" fill="{colour}"/>
<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">
<text x="{left / 2}" y="14">{name}</text><text x="{left + right / 2}" y="14">{value}</text>
</g>
</svg>
"""
