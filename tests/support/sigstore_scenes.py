"""Real signatures in a network namespace of one's own: `unshare --net python -m support.sigstore_scenes FOLDER`.

Prints what came of each scene as JSON: `ok: ...`, or the error's text.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from cartwheel.destinations import pypi_provenance, trusted_publishing
from cartwheel.destinations.delivery import deliver
from cartwheel.destinations.github_api import Api
from cartwheel.destinations.github_place import Place
from cartwheel.destinations.github_release import GitHubRelease
from cartwheel.destinations.ledger import Ledger
from cartwheel.destinations.protocol import Item, Release
from cartwheel.destinations.pypi import PypiDestination
from cartwheel.destinations.pypi_index import resolve
from cartwheel.destinations.release_bundles import Bundles
from cartwheel.destinations.release_page import PageSpec, extra_files
from cartwheel.destinations.retries import Patience
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.errors import CartwheelError
from cartwheel.provenance import attestations
from support.attested_index import AttestedIndex
from support.indexes import sdist, sha256, wheel
from support.models import manifests, understood
from support.release_shelf import HEAD, TOKEN, Scripted
from support.release_shelf import Shelf as PageShelf
from support.sigstore_lab import Sigstore, running

WHEEL, SDIST = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"


def _item(path: Path) -> Item:
    return Item(name=path.name, path=path, sha256=sha256(path.read_bytes()))


SCENES: dict[str, Callable[[Scenes], str]] = {}
"""Every scene by its name."""


def scene(act: Callable[[Scenes], str]) -> Callable[[Scenes], str]:
    """Registers a scene."""
    SCENES[act.__name__] = act
    return act


class Scenes:
    """The scenes, each a method that returns a text or raises `CartwheelError`."""

    def __init__(self, folder: Path, sigstore: Sigstore, shelf: AttestedIndex) -> None:
        self.folder, self.sigstore, self.shelf = folder, sigstore, shelf
        settings = IndexSettings(
            url=shelf.url, simple=shelf.simple, auth="trusted", attestations=True, sigstore=str(sigstore.trust)
        )
        self.index = resolve("house", {"house": settings})
        self.items = (_item(wheel(folder / "files")), _item(sdist(folder / "files")))

    def _deliver(self, *items: Item, version: str = "1.0") -> str:
        trusted_publishing._MINTED.clear()
        lines: list[str] = []
        one_try = Patience(tries=1)
        there = PypiDestination(self.index, "demo", version, environ=os.environ, say=lines.append, patience=one_try)
        planned = there.items(items or self.items)
        assert not there.refusals(planned, sending=True), there.refusals(planned, sending=True)
        book = Ledger(
            self.folder / f"ledger-{version}.json", index="house", url=there.url, project="demo", version=version,
            say=lines.append,
        )  # fmt: skip
        with there.session():
            sent = deliver(there, planned, book, say=lines.append)
        return f"{len(sent)} sent; {' | '.join(line for line in lines if 'attested' in line)}"

    def _document(self, file: str = WHEEL) -> dict[str, Any]:
        return self.shelf.documents[file]

    def _verified(self, document: Any = None, file: str = WHEEL, digest: str = "", trust: Path | None = None) -> str:
        attested = attestations.verify_attestations(
            document or self._document(), file, digest or self.items[0].sha256, trust or self.sigstore.trust
        )
        return f"{attested.publisher} {attested.commit}"

    @scene
    def published_with_attestations(self) -> str:
        return self._deliver()

    @scene
    def verified_from_the_index(self) -> str:
        digests = {item.name: item.sha256 for item in self.items}
        return pypi_provenance.verify(
            self.index, "demo", "1.0", digests, Path(), repository="owner/demo", commit="a" * 40
        )

    @scene
    def of_another_repository(self) -> str:
        digests = {item.name: item.sha256 for item in self.items}
        return pypi_provenance.verify(self.index, "demo", "1.0", digests, Path(), repository="owner/else", commit="")

    @scene
    def of_another_commit(self) -> str:
        digests = {item.name: item.sha256 for item in self.items}
        return pypi_provenance.verify(
            self.index, "demo", "1.0", digests, Path(), repository="owner/demo", commit="b" * 40
        )

    @scene
    def without_attestations(self) -> str:
        return pypi_provenance.verify(
            self.index, "demo", "1.1", {"demo-1.1.tar.gz": "0" * 64}, Path(), repository="", commit=""
        )

    @scene
    def a_tampered_wheel(self) -> str:
        return self._verified(digest="0" * 64)

    @scene
    def a_renamed_wheel(self) -> str:
        return self._verified(file="demo-1.0-py2.py3-none-any.whl")

    @scene
    def a_replay_on_another_version(self) -> str:
        return self._verified(file="demo-1.1-py3-none-any.whl")

    @scene
    def another_publisher(self) -> str:
        document = json.loads(json.dumps(self._document()))
        document["attestation_bundles"][0]["publisher"]["repository"] = "owner/else"
        return self._verified(document)

    @scene
    def another_workflow(self) -> str:
        document = json.loads(json.dumps(self._document()))
        document["attestation_bundles"][0]["publisher"]["workflow"] = "else.yml"
        return self._verified(document)

    @scene
    def an_edited_statement(self) -> str:
        import base64

        document = json.loads(json.dumps(self._document()))
        envelope = document["attestation_bundles"][0]["attestations"][0]["envelope"]
        text = base64.b64decode(envelope["statement"]).replace(b"demo-1.0", b"demo-1.1")
        envelope["statement"] = base64.b64encode(text).decode()
        return self._verified(document, file="demo-1.1-py3-none-any.whl")

    @scene
    def a_foreign_log(self) -> str:
        return self._verified(trust=self.sigstore.foreign("tlogs"))

    @scene
    def a_foreign_certificate_log(self) -> str:
        return self._verified(trust=self.sigstore.foreign("ctlogs"))

    @scene
    def a_foreign_authority(self) -> str:
        return self._verified(trust=self.sigstore.foreign("certificateAuthorities"))

    @scene
    def a_job_that_is_no_publisher(self) -> str:
        self.sigstore.issuer.repository = "owner/fork"
        try:
            return self._deliver(_item(wheel(self.folder / "fork", "demo-1.2-py3-none-any.whl")), version="1.2")
        finally:
            self.sigstore.issuer.repository = "owner/demo"

    @scene
    def an_attestation_of_another_job_is_refused_by_the_index(self) -> str:
        """The token is the publisher's, the attestation is not."""
        self.shelf.publisher["repository"], before = "owner/other", self.shelf.publisher["repository"]
        issuer = self.sigstore.issuer
        usual = issuer.token
        issuer.token = lambda audience, **how: usual(  # type: ignore[method-assign]
            audience, repository="owner/other" if audience == "house" else "owner/demo", **how
        )
        try:
            return self._deliver(_item(wheel(self.folder / "two", "demo-1.3-py3-none-any.whl")), version="1.3")
        finally:
            issuer.token = usual  # type: ignore[method-assign]
            self.shelf.publisher["repository"] = before

    @contextmanager
    def _page(self, repository: str = "owner/demo") -> Iterator[tuple[PageShelf, Callable[[], str]]]:
        """A release page of `repository`, and what makes and verifies it."""
        table = {"github": {"attestations": True, "sigstore": str(self.sigstore.trust)}}
        project = understood(manifests({"publish": ["github"], "index": table}))
        lines: list[str] = []
        release = Release(
            project=project, package=project.packages[0], index="github", root=Path("/"), environ=os.environ,
            say=lines.append,
        )  # fmt: skip
        shelf = PageShelf()
        shelf.repository = repository
        with shelf.open(Scripted):
            place = Place(name="github", api=shelf.base, repository=repository)
            (self.folder / "page").mkdir(exist_ok=True)
            paths = extra_files([item.path for item in self.items], self.folder / "page", stem="demo-1.0")
            items = (*self.items, *map(_item, paths))
            files = {item.name: item for item in items}
            spec = PageSpec(
                tag="v1.0", commit=HEAD, title="demo 1.0", notes="First.", prerelease=False, project="demo",
                files={name: item.path for name, item in files.items()},
                sha256={name: item.sha256 for name, item in files.items()},
            )  # fmt: skip

            def publish() -> str:
                api = Api(place, {"GITHUB_TOKEN": TOKEN})
                page = GitHubRelease(api, spec, say=lines.append, bundles=Bundles(release))
                book = Ledger(self.folder / "page.json", index="github", url=page.url, project="demo", version="1.0",
                              say=lines.append)  # fmt: skip
                with page.session():
                    assert not page.refusals(items, sending=True)
                    deliver(page, page.items(items), book, say=lines.append)
                    page.look(items, public=True)
                    return f"{page.prove(items)} | {' | '.join(line for line in lines if 'signed' in line)}"

            yield shelf, publish

    @scene
    def a_release_page_with_a_bundle_for_each_file(self) -> str:
        with self._page() as (shelf, publish):
            first = publish()
            signed = {name: data for name, data in shelf.files("v1.0").items() if name.endswith(".sigstore.json")}
            publish()
            assert signed.items() <= shelf.files("v1.0").items(), "a bundle is never replaced"
            (self.folder / "bundle.json").write_bytes(signed[f"{WHEEL}.sigstore.json"])
            return f"{len(signed)} bundles; {first}"

    @scene
    def a_release_page_that_another_repository_signed(self) -> str:
        with self._page("owner/else") as (_, publish):
            return publish()

    def _bundle(self, file: str = WHEEL, digest: str = "", trust: Path | None = None) -> str:
        text = (self.folder / "bundle.json").read_text()
        return attestations.verify_bundle(
            text, file, digest or self.items[0].sha256, "owner/demo", trust or self.sigstore.trust
        )

    @scene
    def a_bundle_proves_the_commit(self) -> str:
        return self._bundle()

    @scene
    def a_bundle_of_another_file(self) -> str:
        return self._bundle(file="demo-1.1-py3-none-any.whl")

    @scene
    def a_bundle_of_other_bytes(self) -> str:
        return self._bundle(digest="0" * 64)

    @scene
    def a_bundle_of_a_foreign_authority(self) -> str:
        return self._bundle(trust=self.sigstore.foreign("certificateAuthorities"))

    @scene
    def an_identity_that_another_key_signed(self) -> str:
        token = self.sigstore.issuer.token("sigstore", key=rsa.generate_private_key(65537, 2048))
        with attestations.signing(token, self.sigstore.trust) as signer:
            return signer.attestation(WHEEL, "0" * 64)

    @scene
    def gitlab_gives_the_identity_in_a_variable(self) -> str:
        github = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(("GITHUB_", "ACTIONS_"))}
        os.environ |= {"GITLAB_CI": "true", "SIGSTORE_ID_TOKEN": self.sigstore.issuer.token("sigstore")}
        try:
            signatures = pypi_provenance.sign(self.index, self.items[:1], Path(), lambda line: None)
            return self._verified(self.shelf.document([json.loads(signatures[WHEEL])]))
        finally:
            del os.environ["GITLAB_CI"], os.environ["SIGSTORE_ID_TOKEN"]
            os.environ |= github


def outcome(scene: Callable[[], str]) -> str:
    """`ok:` and what a scene returned, or the text of its error."""
    try:
        return f"ok: {scene()}"
    except CartwheelError as error:
        return str(error)


def main(folder: Path) -> None:
    """Runs every scene, in the order in which they are written."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with running(folder / "sigstore") as sigstore:
        os.environ |= {
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{sigstore.issuer.url}/job?api=1",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "bearer",
        }
        with AttestedIndex(folder / "shelf", sigstore.issuer, sigstore.trust) as shelf:
            scenes = Scenes(folder, sigstore, shelf)
            outcomes = {name: outcome(partial(act, scenes)) for name, act in SCENES.items()}
    sys.stdout.write(json.dumps(outcomes))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
