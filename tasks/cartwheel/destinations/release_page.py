"""A release page as it is and as it is planned, the files that belong to it, and what to do with each."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct, ValidationError, convert

from cartwheel.destinations.github_api import Persistent
from cartwheel.destinations.protocol import Release, in_order
from cartwheel.filesystem.digests import sha256_of
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import Package, packages_with_same_tag
from cartwheel.model.wheels.artifacts import package_artifacts
from cartwheel.model.wheels.wheel_name import normalised_name
from cartwheel.process.redact import inert

SUMS = "SHA256SUMS"


class Asset(Struct, frozen=True, kw_only=True):
    """A file of a release, as GitHub lists it."""

    id: int
    name: str
    size: int
    sha256: str
    """Empty if the server gives no digest (GitHub before 2025, older GitHub Enterprise servers)."""
    whole: bool
    """False: the remains of an interrupted upload."""
    url: str


class Page(Struct, frozen=True, kw_only=True):
    """A release page as it exists."""

    id: int
    draft: bool
    immutable: bool
    prerelease: bool
    notes: str
    html: str
    upload: str
    assets: tuple[Asset, ...]


class PageSpec(Struct, frozen=True, kw_only=True):
    """A release page as it is planned."""

    tag: str
    commit: str
    """The commit that the tag must point to on GitHub; empty if the tag is not made yet and is not checked."""
    title: str
    notes: str
    prerelease: bool
    generated: bool = False
    """GitHub generates the notes when the page is published, if it has none."""
    project: str
    """The normalised name that all its files start with."""
    form: str = "v{version}"
    """The tag template, with the package's name filled in."""
    files: Mapping[str, Path] = {}
    sha256: Mapping[str, str] = {}
    others: tuple[str, ...] = ()
    """Files of packages that share the page; it is published only once these are there too."""


class PagePlan(Struct, frozen=True, kw_only=True):
    """The decision for each file, in order."""

    send: tuple[str, ...]
    there: tuple[str, ...]
    broken: tuple[Asset, ...]
    wrong: tuple[str, ...]


# The files -----------------------------------------------------------------------------------------------------------


def partners(release: Release) -> tuple[Package, ...]:
    """The other packages whose files belong on the same page."""
    return packages_with_same_tag(release.package, release.project.packages, release.index)


def files_of(package: Package, *, shared: bool) -> tuple[str, ...]:
    """The names of all files that a package puts on its page; `shared`: other packages have the same tag."""
    planned = tuple(artifact.file for artifact in package_artifacts(package))
    return (*planned, *extra_names(archive_stem(package), f"{SUMS}-{package.key}" if shared else SUMS))


def archive_stem(package: Package) -> str:
    """The start of the archive's name."""
    return f"{normalised_name(package.name)}-{package.version}"


def sums_name(release: Release) -> str:
    """The name of the list of digests; packages that share a page have one each."""
    return f"{SUMS}-{release.package.key}" if partners(release) else SUMS


def extra_files(files: Iterable[Path], folder: Path, *, stem: str, sums: str = SUMS) -> tuple[Path, ...]:
    """Writes an archive of all `files` and a list of digests to `folder`; equal files give equal bytes.

    The archive is not compressed: its members already are, and the output would depend on the compressor's version.
    """
    paths = sorted(files, key=lambda path: path.name)
    archive, listed = folder / f"{stem}-all.tar", folder / sums
    _pack(paths, archive)
    lines = sorted((path.name, sha256_of(path)) for path in (*paths, archive))
    listed.write_bytes("".join(f"{digest}  {name}\n" for name, digest in lines).encode())
    return archive, listed


def extra_names(stem: str, sums: str = SUMS) -> tuple[str, str]:
    """The names of the archive and of the list of digests."""
    return f"{stem}-all.tar", sums


def _pack(paths: Iterable[Path], target: Path) -> None:
    with tarfile.open(target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in paths:
            member = tarfile.TarInfo(f"{target.stem}/{path.name}")
            member.size, member.mode = path.stat().st_size, 0o644
            with open(path, "rb") as file:
                archive.addfile(member, file)


# Reading the page -----------------------------------------------------------------------------------------------------


def find(forge: Persistent, tag: str, own: int = 0) -> Page | None:
    """The published release of the tag, else its draft (the one with the id `own` if there are several), else None.

    Raises `StepFailed` if there are several drafts, which GitHub allows, and none has the id `own`: a person must
    choose.
    """
    rows = rows_of(forge, tag)
    meant = [row for row in rows if not row.get("draft")] or [row for row in rows if row.get("id") == own] or rows
    if len(meant) > 1:
        places = ", ".join(inert(str(row.get("html_url"))) for row in meant)
        raise StepFailed(
            f"{forge.api.place.name}: {tag} has {len(meant)} drafts ({places}); delete all but one and start again"
        )
    return page_of(forge, meant[0]) if meant else None


def tag_refusals(forge: Persistent, spec: PageSpec) -> tuple[str, ...]:
    """Why the tag is wrong on GitHub, which would otherwise create a missing tag on its default branch."""
    place = forge.api.place
    if not spec.commit:
        return ()
    reply = forge.ask("GET", f"commits/tags/{spec.tag}", ok=(404, 422))
    commit = str(reply.fields.get("sha", "")) if reply.answer.taken else ""
    if not commit:
        return (f"{place.repository} has no tag {spec.tag} at {place.api}; push it first: doit tag",)
    if commit != spec.commit:
        return (f"{spec.tag} is on commit {commit[:12]} there, and this is {spec.commit[:12]}; a tag is never moved",)
    return ()


def rows_of(forge: Persistent, tag: str) -> tuple[Mapping[str, Any], ...]:
    """GitHub's rows for a tag: at most one published release, and any number of drafts."""
    return tuple(row for row in forge.pages("releases") if row.get("tag_name") == tag)


def latest(forge: Persistent, spec: PageSpec) -> bool:
    """Whether the release is the newest final version among the published ones with tags of the same form.

    GitHub's own rule ("legacy") goes by date, so a patch of an old branch would become the latest.
    """
    from packaging.version import InvalidVersion, Version

    from cartwheel.model.versions.version import version_in

    def version_of(tag: str) -> Version | None:
        try:
            return Version(version_in(spec.form, tag))
        except InvalidVersion:
            return None

    own = version_of(spec.tag)
    if own is None or spec.prerelease:
        return False
    published = (row for row in forge.pages("releases") if not row.get("draft") and not row.get("prerelease"))
    others = (version_of(str(row.get("tag_name"))) for row in published)
    return not any(other and not other.is_prerelease and other > own for other in others)


def newest_below(forge: Persistent, form: str, version: str) -> Mapping[str, Any] | None:
    """GitHub's row of the newest published release older than `version`, of tags of the form; final ones come first."""
    from packaging.version import Version

    from cartwheel.model.versions.version import version_in

    rows = []
    for row in forge.pages("releases"):
        text = "" if row.get("draft") else version_in(form, str(row.get("tag_name")))
        if text and Version(text) < Version(version):
            rows.append((not Version(text).is_prerelease, Version(text), row))
    return max(rows, key=lambda found: found[:2])[2] if rows else None


class _PageRow(Struct, frozen=True, kw_only=True):
    """GitHub's row of a release."""

    id: int
    upload_url: str
    html_url: str = ""
    draft: bool = False
    immutable: bool | None = False
    prerelease: bool = False
    body: str | None = None


class _AssetRow(Struct, frozen=True, kw_only=True):
    """GitHub's row of a file of a release."""

    id: int
    name: str
    size: int
    url: str
    state: str = "uploaded"
    digest: str | None = None


_Row = TypeVar("_Row")


def _decode_row(row: Mapping[str, Any], kind: type[_Row]) -> _Row:
    """A row of an answer. Raises `StepFailed` if it is not one of GitHub's."""
    try:
        return convert(row, kind)
    except ValidationError as error:
        raise StepFailed(
            f"the API of the release page answers unlike GitHub's ({error}); look at the 'url' of its table"
        ) from None


def page_of(forge: Persistent, row: Mapping[str, Any]) -> Page:
    """A release page with all its assets, from GitHub's row."""
    page = _decode_row(row, _PageRow)
    return Page(
        id=page.id,
        draft=page.draft,
        immutable=bool(page.immutable),
        prerelease=page.prerelease,
        notes=page.body or "",
        html=inert(page.html_url),
        upload=page.upload_url.partition("{")[0],
        assets=tuple(asset_of(asset) for asset in forge.pages(f"releases/{page.id}/assets")),
    )


def asset_of(row: Mapping[str, Any]) -> Asset:
    """An asset, from GitHub's row."""
    asset = _decode_row(row, _AssetRow)
    digest = asset.digest or ""
    return Asset(
        id=asset.id, name=inert(asset.name), size=asset.size, whole=asset.state == "uploaded",
        sha256=digest.removeprefix("sha256:") if digest.startswith("sha256:") else "", url=asset.url,
    )  # fmt: skip


def judge(page: Page | None, spec: PageSpec, digest: Callable[[Asset], str]) -> PagePlan:
    """The decision for each file, and every reason against it. `digest`: computes the digest of an asset listed
    without one."""
    assets = {asset.name: asset for asset in page.assets} if page else {}
    wrong, there = [], []
    for name in in_order(set(spec.files) & set(assets)):
        asset = assets[name]
        if not asset.whole:
            continue
        theirs = asset.sha256 or (digest(asset) if asset.size == spec.files[name].stat().st_size else "")
        if theirs == spec.sha256[name]:
            there.append(name)
        else:
            wrong.append(
                f"{name}: the release has it with other bytes: ours sha256 {spec.sha256[name]}, theirs "
                f"{theirs or f'of {asset.size} bytes'}; a published file is never replaced: release the next version"
            )
    known = {*spec.files, *spec.others}
    wrong += [
        f"{name}: the release has it and the plan has not; plan it, or release the next version"
        for name in sorted(set(assets) - known)
        if name.startswith((f"{spec.project}-",)) and name.endswith((".whl", ".tar.gz"))
    ]
    send = tuple(name for name in in_order(spec.files) if name not in there)
    if page and page.immutable and send:
        wrong.append(
            f"the release {page.html} can no longer be changed (it is immutable) and lacks {', '.join(send)}; "
            "release the next version"
        )
    broken = tuple(asset for asset in assets.values() if not asset.whole and asset.name in spec.files)
    return PagePlan(send=send, there=tuple(there), broken=broken, wrong=tuple(wrong))
