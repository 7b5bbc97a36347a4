"""A file as it would be judged by an index: its name and metadata parsed, as far as they can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cartwheel.checks.distribution import Distribution

if TYPE_CHECKING:
    from packaging.metadata import RawMetadata


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A file with its metadata and name parsed, as far as they can be."""

    artifact: Distribution

    @property
    def file(self) -> str:
        return self.artifact.file

    @property
    def is_wheel(self) -> bool:
        return self.artifact.kind == "wheel"

    @cached_property
    def _parsed(self) -> tuple[RawMetadata, Mapping[str, list[str]]]:
        from packaging.metadata import parse_email

        found, rest = parse_email(self.artifact.metadata)
        if found.get("metadata_version", "") < "2.4":  # setuptools wrote it too early; twine does not send it then
            found.pop("license_files", None)
        return found, rest

    @property
    def metadata(self) -> Mapping[str, Any]:
        return self._parsed[0]

    def text(self, field: str) -> str:
        """A field of the metadata; empty where it is not there, or is `UNKNOWN`, which is dropped on the way."""
        found = str(self.metadata.get(field, ""))
        return "" if found.strip() == "UNKNOWN" else found

    @property
    def unparsed(self) -> Mapping[str, list[str]]:
        """Fields that are unknown, doubled or malformed."""
        return self._parsed[1]

    @cached_property
    def named(self) -> tuple[str, str]:
        """Normalised project name and version by the file's name; empty where it is not a valid one."""
        from packaging.utils import (
            InvalidSdistFilename,
            InvalidWheelFilename,
            parse_sdist_filename,
            parse_wheel_filename,
        )

        try:
            parsed = parse_wheel_filename(self.file)[:2] if self.is_wheel else parse_sdist_filename(self.file)
        except (InvalidWheelFilename, InvalidSdistFilename):
            return ("", "")
        return parsed[0], str(parsed[1])
