"""A registry of crates whose answers a test scripts."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cartwheel.destinations.trusted_publishing import claims_of
from cartwheel.stand_ins.crates import CrateRequest, LoopbackRegistry
from support.indexes import Identities


class Scripted(CrateRequest):
    """A registry whose next answers to `publish` are scripted; then it behaves."""

    place: Shelf

    def publish(self, document: dict[str, Any], crate: bytes) -> None:
        """The script first."""
        self.place.posts.append(document["name"])
        self.place.tokens.add(self.headers.get("Authorization", ""))
        if self.place.script:
            self.place.script.pop(0)(self, document, crate)
        else:
            super().publish(document, crate)

    def index(self, name: str) -> None:
        """What was just taken may be hidden for a while."""
        if name in self.place.hidden:
            self.place.hidden[name] -= 1
            if self.place.hidden[name] >= 0:
                self.answer(404)
                return
        super().index(name)


Act = Callable[[Scripted, dict[str, Any], bytes], None]


class Shelf(LoopbackRegistry):
    """A registry that notes what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.posts: list[str] = []
        self.tokens: set[str] = set()
        self.script: list[Act] = []
        self.hidden: dict[str, int] = {}


class Trusting(Scripted):
    """A registry with trusted publishing, as crates.io has it (controllers/trustpub, November 2026), and the issuer of
    the identities of jobs of `me/demo`.  It takes crates only with a token that is not revoked."""

    place: TrustingShelf

    def respond(self) -> None:
        """Issues identities; exchanges and revokes tokens."""
        place, where = self.place, urlsplit(self.path)
        if where.path == "/identity":
            (audience,) = parse_qs(where.query)["audience"]
            self.tell(200, {"value": place.identities.token(audience)})
        elif where.path != "/api/v1/trusted_publishing/tokens":
            super().respond()
        elif self.command == "POST":
            self.exchange(json.loads(self.body())["jwt"])
        else:
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            place.revoked.append(token)
            place.token = "none is valid"
            self.answer(place.revoking) if token in place.issued else self.answer(401)

    def exchange(self, identity: str) -> None:
        """A token for an identity, once."""
        place, claims = self.place, claims_of(identity)
        if place.troubles:
            self.answer(place.troubles.pop(0))
            return
        wrong = (
            "Failed to decode JWT" if claims.get("aud") != place.base.removeprefix("http://")
            else "JWT has already been used" if identity in place.identities.used
            else f"No Trusted Publishing config found for repository `{claims['repository']}`."
            if claims["repository"] != "me/demo" else ""
        )  # fmt: skip
        place.identities.used.append(identity)
        if wrong:
            self.tell(400, {"errors": [{"detail": wrong}]})
            return
        place.token = f"cio_tp_{len(place.issued)}s3cr3t"
        place.issued.append(place.token)
        self.tell(200, {"token": place.token})


class TrustingShelf(Shelf):
    """The tokens of a registry with trusted publishing."""

    def __init__(self) -> None:
        super().__init__()
        self.token = "none is valid"
        self.identities = Identities()
        self.issued: list[str] = []
        self.revoked: list[str] = []
        self.revoking = 204
        self.troubles: list[int] = []
        """The statuses of the next exchanges."""
