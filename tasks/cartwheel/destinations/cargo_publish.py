"""Runs cargo against a registry of crates and parses what it answers.

Measured with cargo 1.95, November 2026. Packaging several crates that depend on each other needs cargo 1.90 or newer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from cartwheel.cargo.publish_order import Crate
from cartwheel.destinations.credentials import REHEARSAL_TOKEN, refuse_foreign_token, refuse_unsendable
from cartwheel.destinations.http import is_insecure, is_loopback
from cartwheel.destinations.protocol import Answer
from cartwheel.destinations.retries import LOST, seconds_until
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.destination import token_variable
from cartwheel.model.errors import ConfigError, StepFailed
from cartwheel.model.step import CommandLog
from cartwheel.process import environment
from cartwheel.process.environment import cargo_home
from cartwheel.process.redact import inert, redact
from cartwheel.process.run import TooLate

CRATES_IO = "crates-io"
_STAND_IN = "cartwheel-rehearsal"
PUBLISH_SECONDS = 600.0
"""The time for one `cargo publish`: packing, sending at most 10 MB, and cargo's own wait of a minute for the index."""
READ_SECONDS = 300.0
"""The time for one look at the registry, which may first read a whole index."""


class Registry(Struct, frozen=True, kw_only=True):
    """A registry of crates, by its name in the configuration."""

    name: str
    url: str = ""
    """The address of its index; empty for a registry that cargo knows by name."""
    stand_in: bool = False
    """True for a rehearsal's stand-in on this machine: it gets no credentials of the user, and a throw-away
    CARGO_HOME."""

    @property
    def arguments(self) -> tuple[str, ...]:
        """The cargo options that select this registry and no other."""
        if not self.stand_in:
            return ("--registry", self.name)
        # cargo has crates-io built in and no variable moves it, so the source is replaced; the stand-in serves
        # third-party crates too
        there = ("--index", self.url) if self.name == CRATES_IO else ("--registry", self.name)
        return ("--config", f'source.crates-io.replace-with="{self._known_as}"', *there)

    @property
    def _known_as(self) -> str:
        """The name under which variables configure a stand-in; cargo accepts only one name for an address."""
        return _STAND_IN if self.name == CRATES_IO else self.name

    def token_options(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """Further options of `cargo publish`: for a stand-in of crates-io, the rehearsal's token.

        cargo takes the token of an unnamed index only from its arguments; this token is valid for one rehearsal. One
        word holds both, for a token may begin with a hyphen.
        """
        return (f"--token={self._rehearsal_token(environ)}",) if self.stand_in and self.name == CRATES_IO else ()

    def _rehearsal_token(self, environ: Mapping[str, str]) -> str:
        return environ.get(REHEARSAL_TOKEN) or "practice"

    def environ(self, environ: Mapping[str, str], home: Path) -> dict[str, str]:
        """The environment for cargo, with the registry's token. `home`: CARGO_HOME for a stand-in.

        Raises `ConfigError` if the token cannot be sent or belongs to another host.
        """
        own = f"CARGO_REGISTRIES_{_variable_name(self.name)}"
        if self.stand_in:
            stand_in = f"CARGO_REGISTRIES_{_variable_name(self._known_as)}"
            variables = {f"{stand_in}_INDEX": self.url, f"{stand_in}_TOKEN": self._rehearsal_token(environ)}
            return {**environment.tool_environment(environ), **variables, "CARGO_HOME": str(home)}
        passed = environment.tool_environment(environ, ("CARGO_REGISTRY_*", "CARGO_REGISTRIES_*"))
        if self.url:
            passed[f"{own}_INDEX"] = self.url
        token = environ.get(token_variable(self.name), "").strip()
        if token:
            refuse_unsendable(self.name, token_variable(self.name), token)
            refuse_foreign_token(self.name, token_variable(self.name), token, self.url.removeprefix("sparse+"))
            passed[self.token_name] = token
        return passed

    @property
    def token_name(self) -> str:
        """cargo's variable for the registry's token."""
        return (
            "CARGO_REGISTRY_TOKEN" if self.name == CRATES_IO else f"CARGO_REGISTRIES_{_variable_name(self.name)}_TOKEN"
        )


def registry_of(name: str, table: Mapping[str, IndexSettings]) -> Registry:
    """The registry called `name` in the configuration; raises `ConfigError` if its address is invalid or insecure."""
    settings = table.get(name)
    url = settings.url if settings else ""
    if url and name == CRATES_IO and not (settings and settings.rehearsal):
        raise ConfigError(f"index {name}: cargo knows it by name; remove its url, or name the registry otherwise")
    if url and not re.match(r"(sparse\+https?|https?|ssh|registry\+https?)://[^/@]+(/|$)", url):
        raise ConfigError(
            f"index {name}: its url is no index of cargo's without credentials; expected sparse+https://…"
        )
    if is_insecure(re.sub(r"^(sparse|registry)\+", "", url)) and not (settings and settings.plain_http):
        raise ConfigError(
            f"index {name}: its url is without TLS: anybody in between reads the token; use https, or allow it with "
            f"plain-http = true in [tool.cartwheel.index.{name}]"
        )
    if url.startswith("sparse+") and not url.endswith("/"):
        url += "/"
    rehearsal = bool(settings and settings.rehearsal)
    return Registry(name=name, url=url, stand_in=rehearsal and is_loopback(url.removeprefix("sparse+")))


def _variable_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", name).upper()


class Cargo:
    """Runs cargo in one workspace, for one registry."""

    def __init__(
        self,
        registry: Registry,
        manifest: Path,
        *,
        log: CommandLog,
        environ: Mapping[str, str],
        target: Path,
        home: Path,
    ) -> None:
        self.registry = registry
        self._manifest, self._log, self._target = manifest, log, target
        self._env = registry.environ(environ, home)
        self._token_options = registry.token_options(environ)
        self._hidden = tuple(v for k, v in self._env.items() if k.endswith("_TOKEN"))

    def authorise(self, token: str) -> None:
        """Use a token that the registry issued to this job."""
        self._env = {**self._env, self.registry.token_name: token}
        self._hidden = (*self._hidden, token)

    def metadata(self, manifest: Path | None = None) -> Mapping[str, Any]:
        """The output of `cargo metadata --no-deps` for a workspace; works offline."""
        argv = ("cargo", "metadata", "--no-deps", "--format-version", "1", "--manifest-path")
        output = self._log.read((*argv, str(manifest or self._manifest)), cwd=self._manifest.parent, env=self._env)
        document: Mapping[str, Any] = json.loads(output)
        return document

    def package(self, crates: Iterable[Crate], *, verify: bool) -> dict[str, Path]:
        """Packs crates as they would be published and returns each file by crate name; `verify` also compiles each from
        it.

        One call packs all crates, so that crates that depend on each other are resolved. Raises `StepFailed`.
        """
        picked = tuple(crates)
        self._ask(
            (
                "cargo", "package", *self._common, *(() if verify else ("--no-verify",)),
                *(word for crate in picked for word in ("--package", crate.name)),
            )
        )  # fmt: skip
        return {crate.name: self.crate_path(crate) for crate in picked}

    def crate_path(self, crate: Crate) -> Path:
        """The path of a crate's packed file."""
        return self._target / "package" / crate.file

    def publish(self, crate: Crate) -> Answer:
        """Sends one crate with one `cargo publish` and returns the registry's answer."""
        argv = ("cargo", "publish", *self._common, *self._token_options, "--no-verify", "--package", crate.name)
        try:
            code, output = self._try(argv, seconds=PUBLISH_SECONDS)
        except TooLate as error:
            return Answer(status=LOST, words=str(error), late=True)
        return Answer(status=200, words="") if code == 0 else answer_from(output, datetime.now(UTC))

    def published_crate(self, crate: Crate) -> bytes | None:
        """The crate's file as the registry serves it, or None if the registry does not have this version.

        Raises `StepFailed` if the registry cannot be read.
        """
        argv = ("cargo", "info", *self.registry.arguments, "--locked", f"{crate.name}@{crate.version}")
        code, output = self._try(argv, seconds=READ_SECONDS)
        if code and f"could not find `{crate.name}@{crate.version}` in registry" in output:
            return None
        if code:
            raise StepFailed(f"{self.registry.name}: cannot be read: {answer_from(output, datetime.now(UTC)).words}")
        return self._download(crate)

    @property
    def _common(self) -> tuple[str, ...]:
        return (
            *self.registry.arguments, "--locked", "--manifest-path", str(self._manifest),
            "--target-dir", str(self._target),
        )  # fmt: skip

    def _download(self, crate: Crate) -> bytes:
        """The file that cargo has just downloaded.

        cargo names the cache folder of each registry with a hash that only it can compute, so two registries with
        different bytes for one file name cannot be told apart: that raises `StepFailed`.
        """
        home = cargo_home(self._env)
        contents = {path.read_bytes(): path for path in sorted((home / "registry" / "cache").glob(f"*/{crate.file}"))}
        if len(contents) != 1:
            places = ", ".join(str(path) for path in contents.values()) or f"no {crate.file} below {home}"
            raise StepFailed(f"{crate.file}: expected one downloaded file, found {places}; remove them and start again")
        return next(iter(contents))

    def _ask(self, argv: tuple[str, ...]) -> str:
        """The command's output; raises `StepFailed` with cargo's error."""
        code, output = self._try(argv)
        if code:
            raise StepFailed(f"{argv[0]} {argv[1]}: {_last_words(output)}")
        return output

    def _try(self, argv: tuple[str, ...], *, seconds: float = 0.0) -> tuple[int, str]:
        code, output = self._log.attempt(
            argv, cwd=self._manifest.parent, env=self._env, hide=self._hidden, seconds=seconds
        )
        return code, redact(output, self._hidden)


_STATUS = re.compile(r"\(status (\d{3})|200 OK response, got (\d{3})")
_HEADER = re.compile(r"^\s*retry-after:\s*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)
_AFTER = re.compile(r"try again (?:after|in|at) (.+? GMT|\d+ seconds?|\d+ minutes?|\S+Z)", re.IGNORECASE)
_NETWORK = re.compile(r"^\s*\[(\d+)\] ", re.MULTILINE)
"""A curl error with its number: no answer arrived."""


def answer_from(output: str, now: datetime) -> Answer:
    """The registry's answer, parsed from the output of a failed cargo.

    The status is 400 if the registry refused without a status, and `LOST` if no answer arrived.
    """
    words = _last_words(output)
    match = _STATUS.search(output)
    if match:
        return Answer(status=int(match[1] or match[2]), words=words, retry_after=_requested_wait(output, now))
    return Answer(status=LOST if _NETWORK.search(output) else 400, words=words)


def _requested_wait(output: str, now: datetime) -> float:
    """Seconds to wait, from a Retry-After header that cargo shows or from the words "try again after"; 0 without
    either."""
    header, advice = _HEADER.search(output), _AFTER.search(output)
    seconds = seconds_until(header[1], now) if header else 0.0
    if advice:
        number, _, unit = advice[1].partition(" ")
        if number.isdigit():
            seconds = max(seconds, float(number) * (60.0 if unit.lower().startswith("minute") else 1.0))
        else:
            seconds = max(seconds, _until(advice[1], now))
    return seconds


def _until(moment: str, now: datetime) -> float:
    try:
        return max(0.0, (datetime.fromisoformat(moment) - now).total_seconds())
    except ValueError:
        return seconds_until(moment, now)


_CHATTER = (
    "warning:", "note:", "help:", "Updating", "Packaging", "Packaged", "Uploading", "Verifying", "Compiling",
    "Finished", "Downloading", "Downloaded", "Unpacking", "Caused by:", "|", "=",
)  # fmt: skip


def _last_words(output: str) -> str:
    """cargo's error in one line, without its progress messages."""
    lines = [line.strip() for line in output.partition("\n  headers:")[0].splitlines()]
    reasons = [line.removeprefix("error: ") for line in lines if line and not line.startswith(_CHATTER)]
    return inert("; ".join(reasons[:6]))[:600] or "no reason given"
