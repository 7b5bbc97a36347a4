"""Destinations of the kind `crates`: registries that take the crates of a package's workspace.

Only cargo talks to the registry. Each crate must be available before the next one is sent.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec.structs import replace

from cartwheel.cargo.config_files import configuration
from cartwheel.cargo.publish_order import Crate
from cartwheel.destinations import crates_identity
from cartwheel.destinations.cargo_publish import CRATES_IO, Cargo, Registry, registry_of
from cartwheel.destinations.crate_content import differences
from cartwheel.destinations.crates_identity import JobToken, job_token
from cartwheel.destinations.protocol import (
    MISSING,
    THERE,
    Answer,
    DestinationStatus,
    Item,
    ItemStatus,
    JobNeeds,
    Release,
    Standing,
    overall_state,
)
from cartwheel.destinations.released_crates import cargo_for, crate_manifest, released_crates, workspace_of
from cartwheel.destinations.retries import Patience
from cartwheel.filesystem.digests import sha256_of
from cartwheel.filesystem.manifest_files import read_toml
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.destination import CRATES, token_variable
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import Project
from cartwheel.model.wheels.binary_facts import shortened_list
from cartwheel.process import environment
from cartwheel.process.environment import cargo_home
from cartwheel.process.step_log import StepLog
from cartwheel.stand_ins.crates import LoopbackRegistry, third_party

_ONE_AT_A_TIME = threading.Lock()
"""Held while crates are sent or compared: packages of one workspace may share crates."""

PATIENCE = Patience(lag=5.0)


def locate(project: Project, name: str, root: Path, environ: Mapping[str, str]) -> None:
    """Raises `ConfigError` if the registry's address is invalid."""
    registry_of(name, project.indexes)


def destination(release: Release) -> CrateRelease:
    """The crates of a package's release."""
    log = release.log
    if log is None:
        folder = release.scratch if release.scratch != Path() else Path(TemporaryDirectory().name)
        log = StepLog(folder / "cargo.log", shown_as="cargo's words")
    cargo = cargo_for(release, log)
    token = job_token(cargo.registry, release.settings, release.environ, release.say)
    return CrateRelease(cargo, released_crates(release, cargo), job_token=token)


def name_refusals(release: Release, names: Sequence[str], paths: Sequence[Path]) -> tuple[str, ...]:
    """With `release.sending`, a missing identity or token; a registry of crates takes no wheels or sdists."""
    if not release.sending:
        return ()
    registry = registry_of(release.index, release.project.indexes)
    token = job_token(registry, release.settings, release.environ, release.say)
    return tuple(filter(None, (token.refusal() if token else _without_token(registry, release),)))


def _without_token(registry: Registry, release: Release) -> str:
    """Why `cargo publish` will have no token; empty if it may have one, such as that of a credential provider."""
    env, names = release.environ, (token_variable(registry.name), registry.token_name)
    home = cargo_home(env)
    stored = any((home / name).is_file() for name in ("credentials.toml", "credentials"))
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in configuration(release.root, env).files)
    provided = any("CREDENTIAL_PROVIDER" in name for name in env) or any("credential-provider" in t for t in texts)
    if registry.stand_in or stored or provided or any(env.get(name) for name in names):
        return ""
    return f"index {registry.name}: no token; set {' or '.join(names)}, or run: cargo login --registry {registry.name}"


def existing_files(release: Release, version: str, crates: Mapping[str, str]) -> tuple[str, ...]:
    """The files of the crates in `crates` (new version by name) that the registry already has in that version."""
    with TemporaryDirectory() as folder:
        cargo = cargo_for(release, StepLog(Path(folder, "cargo.log"), shown_as="cargo's words"))
        sent = released_crates(release, cargo)
        moved = (replace(crate, version=crates[crate.name]) for crate in sent if crate.name in crates)
        return tuple(crate.file for crate in moved if cargo.published_crate(crate) is not None)


def job_needs(name: str, settings: IndexSettings) -> JobNeeds:
    """Trusted publishing if the configuration asks for it, and by default on crates.io."""
    trusted = settings.auth == "trusted" or (settings.auth is None and name == CRATES_IO)
    return JobNeeds(audiences=(crates_identity.AUDIENCE,) if trusted else ())


@contextmanager
def stand_in(project: Project, folder: Path, clone: Path, token: str) -> Iterator[LoopbackRegistry]:
    """A registry that serves every crate in the lockfiles of the workspaces to publish; cargo fetches them first."""
    import os

    env = environment.tool_environment(os.environ)
    log = StepLog(folder.with_suffix(".log"), shown_as=str(folder.with_suffix(".log")))
    caches = tuple((cargo_home(env) / "registry" / "cache").glob("*"))
    registry = LoopbackRegistry(token=token)
    for manifest in sorted({workspace_of(package) for package in project.packages if crate_manifest(package)}):
        workspace = (clone / manifest).parent
        log.run(("cargo", "fetch", "--locked", "--manifest-path", str(clone / manifest)), cwd=workspace, env=env)
        argv = ("cargo", "metadata", "--locked", "--offline", "--format-version", "1", "--manifest-path")
        metadata = json.loads(log.read((*argv, str(clone / manifest)), cwd=workspace, env=env))
        caches = tuple((cargo_home(env) / "registry" / "cache").glob("*"))
        locked = third_party(metadata, read_toml(Path(metadata["workspace_root"]) / "Cargo.lock", "Cargo.lock"), caches)
        for (name, version), crate in locked.crates.items():
            registry.add(locked.rows[name][version], crate)
    registry.third_party = registry.holds()
    with registry.open():
        yield registry


class CrateRelease:
    """The crates of one release at a registry, in publishing order."""

    content, lags, one_by_one, deadline = "content", True, True, 900.0

    def __init__(
        self,
        cargo: Cargo,
        crates: tuple[Crate, ...],
        *,
        patience: Patience = PATIENCE,
        job_token: JobToken | None = None,
    ) -> None:
        self._job_token = job_token
        self.name, self.url, self.patience = cargo.registry.name, cargo.registry.url, patience
        self._cargo, self._crates = cargo, {crate.file: crate for crate in crates}
        self._theirs: dict[str, bytes] = {}
        self._verified: set[str] = set()

    @contextmanager
    def session(self) -> Iterator[None]:
        """Serializes the releases of crates in this process; revokes the job's token at the end."""
        with _ONE_AT_A_TIME:
            try:
                yield
            finally:
                if self._job_token:
                    self._job_token.revoke()

    def items(self, files: Sequence[Item]) -> tuple[Item, ...]:
        """Each crate as cargo packs it."""
        crates = tuple(self._crates.values())
        packed = self._cargo.package(crates, verify=False)
        return tuple(
            Item(
                name=crate.file, path=packed[crate.name], sha256=sha256_of(packed[crate.name]),
                title=f"{crate.name} {crate.version}",
            )
            for crate in crates
        )  # fmt: skip

    def refusals(self, items: Sequence[Item], *, sending: bool) -> tuple[str, ...]:
        """The errors of crates that do not compile from their packed files, or of a registry that cannot be read."""
        if sending and self._job_token and (lacking := self._job_token.refusal()):
            return (lacking,)
        try:
            standing = self.look(items)
            if not standing.wrong:
                self._compile(standing)
        except StepFailed as error:
            return tuple(str(error).splitlines())
        return ()

    def look(self, items: Sequence[Item], *, public: bool = False) -> Standing:
        """Which crates the registry serves, compared by content."""
        send, there, wrong = [], [], []
        for item in items:
            theirs = self._remote_crate(item.name)
            if theirs is None:
                send.append(item.name)
            elif names := differences(item.path.read_bytes(), theirs, (c.name for c in self._crates.values())):
                wrong.append(
                    f"{item.label}: {self.name} has it with other content ({shortened_list(names)}): "
                    f"ours sha256 {item.sha256}, theirs {hashlib.sha256(theirs).hexdigest()}; "
                    "a published crate is never replaced: release the next version"
                )
            else:
                there.append(item.name)
        return Standing(send=tuple(send), there=tuple(there), wrong=tuple(wrong))

    def prepare(self, standing: Standing) -> None:
        """Compiles every crate to send from its packed file, before the first is sent."""
        self._compile(standing)

    def send(self, item: Item) -> Answer:
        """Sends one crate with one `cargo publish`; a token of the job is issued first, and renewed in time."""
        if self._job_token and self._job_token.stale:
            self._cargo.authorise(self._job_token.issue())
        return self._cargo.publish(self._crates[item.name])

    def renew_credentials(self, answer: Answer) -> bool:
        """Always False: a registry token cannot be renewed."""
        return False

    def settles(self, answer: Answer) -> int:
        """0 for answers that rule out that the crate was kept, 3 if the registry claims to have it, else 1."""
        if answer.status in (401, 403, 413, 429):
            return 0
        return 3 if _says_existing(answer) else 1

    def refusal(self, item: Item, answer: Answer) -> str:
        """Why the registry did not take the crate, and what to do."""
        where, words = f"{item.label}: {self.name}", answer.words
        again = "start again later: only what is missing is sent"
        if answer.status in (401, 403) or "no token found" in words:
            return f"{where} does not accept the credentials ({words}); check the token and what it may do"
        if _says_existing(answer):
            return (
                f"{where} says it has it but does not show it ({words}); it may be withdrawn, or just uploaded: {again}"
            )
        if answer.late:
            return f"{where} did not take it in time, and does not show it ({words}); {again}"
        if answer.passing:
            return f"{where} could not take it after {self.patience.tries} tries ({words}); {again}"
        return f"{where} refuses it ({words}); nothing after it was sent"

    def finish(self, items: Sequence[Item]) -> None:
        """Does nothing: a crate is public once it is sent."""

    def prove(self, items: Sequence[Item]) -> str:
        """Installs nothing: that the registry serves every crate is the proof."""
        return f"{self.name} serves {', '.join(item.label for item in items)}"

    def status(self, digests: Mapping[str, str]) -> DestinationStatus:
        """Which crates the registry serves; does not compare their content."""
        items = tuple(
            ItemStatus(name=file, state=MISSING if self._remote_crate(file) is None else THERE) for file in self._crates
        )
        return DestinationStatus(name=self.name, kind=CRATES, state=overall_state(items), items=items)

    def _remote_crate(self, file: str) -> bytes | None:
        """The crate as the registry serves it, cached once it exists: a published crate never changes."""
        if file not in self._theirs and (data := self._cargo.published_crate(self._crates[file])) is not None:
            self._theirs[file] = data
        return self._theirs.get(file)

    def _compile(self, standing: Standing) -> None:
        """Compiles the crates to send from their packed files, each at most once."""
        waiting = set(standing.send) - self._verified
        if waiting:
            self._cargo.package((self._crates[file] for file in standing.send), verify=True)
            self._verified |= waiting


def _says_existing(answer: Answer) -> bool:
    return "already uploaded" in answer.words or "already exists" in answer.words


# Which crates --------------------------------------------------------------------------------------------------------
