"""GitHub's releases, with answers that a test scripts."""

from __future__ import annotations

from collections.abc import Callable

from cartwheel.stand_ins.github import GitHubRequest, LoopbackReleases

HEAD = "c0ffee" * 6 + "c0ff"
TOKEN = "a-token-that-nobody-may-see"
REPOSITORY = "o/demo"


class Scripted(GitHubRequest):
    """GitHub whose answers to some calls are scripted: by call, a list of what happens next."""

    place: Shelf

    def respond(self) -> None:
        """Who is asking counts first."""
        self.place.seen.append((self.command, self.path.partition("?")[0], self.headers.get("Authorization", "")))
        public = self.path.startswith("/stored/")
        if not public and self.headers.get("Authorization") != f"Bearer {self.place.wanted_token}":
            self.refuse(401, "Bad credentials")
            return
        script = self.place.script.get(self.call(), [])
        if script:
            script.pop(0)(self)
        else:
            super().respond()

    def call(self) -> str:
        """The call, in a word."""
        path = self.path.partition("?")[0]
        kinds = {
            ("POST", "/assets"): "upload", ("GET", "/assets"): "assets", ("POST", "/releases"): "create",
            ("GET", "/releases"): "releases",
        }  # fmt: skip
        change = {"PATCH": "publish", "DELETE": "remove"}.get(self.command, "")
        return change or next((k for (m, end), k in kinds.items() if m == self.command and path.endswith(end)), "")


class Shelf(LoopbackReleases):
    """The releases of `o/demo`."""

    repository = REPOSITORY

    def __init__(self) -> None:
        super().__init__(lambda: self.known)
        self.known = {"v1.0": HEAD}
        self.script: dict[str, list[Callable[[Scripted], None]]] = {}
        self.seen: list[tuple[str, str, str]] = []
        self.wanted_token = TOKEN

    def calls(self, word: str) -> int:
        """How many requests of that method or with that end of the path there were."""
        return sum(word == method or path.endswith(word) for method, path, _ in self.seen)


def status(code: int, message: str = "no reason", *codes: str, **headers: str) -> Callable[[Scripted], None]:
    """An answer that does nothing."""

    def act(call: Scripted) -> None:
        call.body()
        call.refuse(code, message, *codes, **headers)

    return act
