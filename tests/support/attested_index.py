"""An index on loopback that takes attestations as PyPI does: with a minted token only, verified, served per file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import jwt

from cartwheel.model.errors import CartwheelError
from cartwheel.provenance.attestations import verify_attestations
from cartwheel.stand_ins.pypi import IndexRequest, LoopbackIndex, _form
from cartwheel.stand_ins.stub_server import served_address
from support.sigstore_lab import Issuer


class AttestedIndex(LoopbackIndex):
    """A context manager that serves it; `publisher` is the trusted publisher of every project."""

    def __init__(self, folder: Path, issuer: Issuer, trust: Path, *, repository: str = "owner/demo") -> None:
        super().__init__(folder, name="house", password="minted")
        self.issuer, self.trust = issuer, trust
        self.publisher = {"kind": "GitHub", "repository": repository, "workflow": "release.yml", "environment": "house"}
        self.documents: dict[str, dict[str, Any]] = {}
        self.refused: list[str] = []

    def __enter__(self) -> AttestedIndex:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.url = self._until.enter_context(served_address(AttestedRequest, self)) + "/"
        return self

    def document(self, attestations: list[Any]) -> dict[str, Any]:
        """A provenance document, as the index serves it."""
        return {
            "version": 1,
            "attestation_bundles": [{"publisher": self.publisher, "attestations": attestations}],
        }


class AttestedRequest(IndexRequest):
    """The requests of a publishing job and of those who verify."""

    place: AttestedIndex

    def respond(self) -> None:
        """Mints tokens, judges attestations, and serves them."""
        path = unquote(urlsplit(self.path).path)
        if path == "/_/oidc/audience":
            self.tell(200, {"audience": "house"})
        elif path == "/_/oidc/mint-token":
            self._mint()
        elif path.startswith("/integrity/") and path.endswith("/provenance"):
            document = self.place.documents.get(path.split("/")[-2])
            self.tell(200, document) if document else self.tell(404, {"message": "no provenance"})
        else:
            super().respond()

    def _mint(self) -> None:
        try:
            key = self.place.issuer.key.public_key()
            claims = jwt.decode(json.loads(self.body())["token"], key, ["RS256"], audience="house")
        except (jwt.InvalidTokenError, KeyError, ValueError):
            self.tell(422, {"errors": [{"code": "invalid-token", "description": "not valid"}]})
            return
        if claims["repository"] != self.place.publisher["repository"]:
            self.tell(422, {"errors": [{"code": "invalid-publisher", "description": "valid, but no publisher"}]})
        else:
            self.tell(200, {"success": True, "token": "minted"})

    def _upload(self, body: bytes) -> None:
        form = _form(self.headers.get("Content-Type", ""), body)
        file, _ = form.get("content", ("", b""))
        sent = json.loads(form.get("attestations", ("", b"[]"))[1] or b"[]")
        if sent:
            document = self.place.document(sent)
            try:
                verify_attestations(document, file, form["sha256_digest"][1].decode(), self.place.trust)
            except CartwheelError as error:
                self.place.refused.append(str(error))
                self.answer(400, f"Invalid attestations supplied during upload: {error}".encode())
                return
            self.place.documents[file] = document
        super()._upload(body)
