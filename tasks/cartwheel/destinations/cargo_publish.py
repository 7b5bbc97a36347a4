"""cargo as the way to a registry of crates: what it is asked to do there, and what its answers mean.

Measured with cargo 1.95, November 2026.  Packaging several crates that need one another takes cargo 1.90 or newer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from cartwheel.cargo.config_files import cargo_home
from cartwheel.cargo.publish_order import Crate
from cartwheel.destinations.credentials import REHEARSAL_TOKEN, refuse_misdirected, refuse_unsendable, token_variable
from cartwheel.destinations.http import is_insecure, is_loopback
from cartwheel.destinations.protocol import Answer
from cartwheel.destinations.retries import LOST, seconds_until
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.errors import ConfigError, StepFailed
from cartwheel.model.step import CommandLog
from cartwheel.process import environment
from cartwheel.process.redact import inert, redact

CRATES_IO = "crates-io"
_STAND_IN = "cartwheel-rehearsal"


class Registry(Struct, frozen=True, kw_only=True):
    """A registry by its name in the configuration."""

    name: str
    url: str = ""
    """Its index; empty where cargo knows it by name."""
    stand_in: bool = False
    """On this machine, for practice: no credentials of the user's go there, and cargo's home is a throw-away one."""

    @property
    def arguments(self) -> tuple[str, ...]:
        """How a cargo command is led there, and nowhere else."""
        if not self.stand_in:
            return ("--registry", self.name)
        # cargo knows crates-io by heart, and no variable moves it; others' crates are in the stand-in as well
        there = ("--index", self.url) if self.name == CRATES_IO else ("--registry", self.name)
        return ("--config", f'source.crates-io.replace-with="{self._known_as}"', *there)

    @property
    def _known_as(self) -> str:
        """The name that a variable can give to a stand-in; cargo takes only one name for an address."""
        return _STAND_IN if self.name == CRATES_IO else self.name

    def proof(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """What `cargo publish` asks for beside: it takes the token of an index without a name from its arguments alone,
        and the token of a stand-in is good for one rehearsal."""
        return ("--token", self._practice(environ)) if self.stand_in and self.name == CRATES_IO else ()

    def _practice(self, environ: Mapping[str, str]) -> str:
        return environ.get(REHEARSAL_TOKEN) or "practice"

    def environ(self, environ: Mapping[str, str], home: Path) -> dict[str, str]:
        """What cargo is given of the environment; `home`: cargo's, for a stand-in."""
        own = f"CARGO_REGISTRIES_{_shouted(self.name)}"
        if self.stand_in:
            stand_in = f"CARGO_REGISTRIES_{_shouted(self._known_as)}"
            led = {f"{stand_in}_INDEX": self.url, f"{stand_in}_TOKEN": self._practice(environ)}
            return {**environment.tool_environment(environ), **led, "CARGO_HOME": str(home)}
        given = environment.tool_environment(environ, ("CARGO_REGISTRY_*", "CARGO_REGISTRIES_*"))
        if self.url:
            given[f"{own}_INDEX"] = self.url
        token = environ.get(token_variable(self.name), "").strip()
        if token:
            refuse_unsendable(self.name, token_variable(self.name), token)
            refuse_misdirected(self.name, token_variable(self.name), token, self.url.removeprefix("sparse+"))
            given["CARGO_REGISTRY_TOKEN" if self.name == CRATES_IO else f"{own}_TOKEN"] = token
        return given


def registry_named(name: str, table: Mapping[str, IndexSettings]) -> Registry:
    """The registry of that name in the configuration; raises `ConfigError` where its address cannot be meant."""
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


def _shouted(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", name).upper()


class Cargo:
    """cargo in one workspace, for one registry."""

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
        self._proof = registry.proof(environ)
        self._hidden = (*(v for k, v in self._env.items() if k.endswith("_TOKEN")), *self._proof[1:])

    def metadata(self, manifest: Path | None = None) -> Mapping[str, Any]:
        """What cargo knows of the crates of a workspace; asks nobody."""
        argv = ("cargo", "metadata", "--no-deps", "--format-version", "1", "--manifest-path")
        said = self._log.read((*argv, str(manifest or self._manifest)), cwd=self._manifest.parent, env=self._env)
        found: Mapping[str, Any] = json.loads(said)
        return found

    def package(self, crates: Iterable[Crate], *, verify: bool) -> dict[str, Path]:
        """Each crate's file, packed as it would be published; with `verify` each is also compiled from its file.

        Crates that need one another find the files of this very call.
        """
        picked = tuple(crates)
        self._ask(
            (
                "cargo", "package", *self._common, *(() if verify else ("--no-verify",)),
                *(word for crate in picked for word in ("--package", crate.name)),
            )
        )  # fmt: skip
        return {crate.name: self.packed(crate) for crate in picked}

    def packed(self, crate: Crate) -> Path:
        """Where a crate's file lies once it is packed."""
        return self._target / "package" / crate.file

    def publish(self, crate: Crate) -> Answer:
        """Send one crate by one `cargo publish`; what became of it."""
        argv = ("cargo", "publish", *self._common, *self._proof, "--no-verify", "--package", crate.name)
        code, said = self._try(argv)
        return Answer(status=200, words="") if code == 0 else understood(said, datetime.now(UTC))

    def published(self, crate: Crate) -> bytes | None:
        """The crate's file as the registry serves it, or None where the registry does not know this version."""
        argv = ("cargo", "info", *self.registry.arguments, "--locked", f"{crate.name}@{crate.version}")
        code, said = self._try(argv)
        if code and f"could not find `{crate.name}@{crate.version}` in registry" in said:
            return None
        if code:
            raise StepFailed(f"{self.registry.name}: cannot be read: {understood(said, datetime.now(UTC)).words}")
        return self._downloaded(crate)

    @property
    def _common(self) -> tuple[str, ...]:
        return (
            *self.registry.arguments, "--locked", "--manifest-path", str(self._manifest),
            "--target-dir", str(self._target),
        )  # fmt: skip

    def _downloaded(self, crate: Crate) -> bytes:
        """The file that cargo has just looked into.  A cache is kept for each registry under a name that only cargo
        can make, so that two registries with other bytes under the same name cannot be told apart."""
        home = cargo_home(self._env)
        found = {path.read_bytes(): path for path in sorted((home / "registry" / "cache").glob(f"*/{crate.file}"))}
        if len(found) != 1:
            places = ", ".join(str(path) for path in found.values()) or f"no {crate.file} below {home}"
            raise StepFailed(f"{crate.file}: expected one downloaded file, found {places}; remove them and start again")
        return next(iter(found))

    def _ask(self, argv: tuple[str, ...]) -> str:
        """What it prints; raises `StepFailed` with its own words."""
        code, said = self._try(argv)
        if code:
            raise StepFailed(f"{argv[0]} {argv[1]}: {_last_words(said)}")
        return said

    def _try(self, argv: tuple[str, ...]) -> tuple[int, str]:
        code, said = self._log.attempt(argv, cwd=self._manifest.parent, env=self._env, hide=self._hidden)
        return code, redact(said, self._hidden)


_STATUS = re.compile(r"\(status (\d{3})|200 OK response, got (\d{3})")
_HEADER = re.compile(r"^\s*retry-after:\s*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)
_AFTER = re.compile(r"try again (?:after|in|at) (.+? GMT|\d+ seconds?|\d+ minutes?|\S+Z)", re.IGNORECASE)
_NETWORK = re.compile(r"^\s*\[(\d+)\] ", re.MULTILINE)
"""An error of curl's, by its number: the answer never came."""


def understood(said: str, now: datetime) -> Answer:
    """What the words of a cargo that failed say of the registry's answer.

    The status is 400 where the registry refused without one, and `LOST` where the answer never came.
    """
    words = _last_words(said)
    match = _STATUS.search(said)
    if match:
        return Answer(status=int(match[1] or match[2]), words=words, retry_after=_asked_to_wait(said, now))
    return Answer(status=LOST if _NETWORK.search(said) else 400, words=words)


def _asked_to_wait(said: str, now: datetime) -> float:
    """Seconds to wait, from a header that cargo shows or from the words "try again after" with a date."""
    header, told = _HEADER.search(said), _AFTER.search(said)
    seconds = seconds_until(header[1], now) if header else 0.0
    if told:
        number, _, unit = told[1].partition(" ")
        if number.isdigit():
            seconds = max(seconds, float(number) * (60.0 if unit.lower().startswith("minute") else 1.0))
        else:
            seconds = max(seconds, _until(told[1], now))
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


def _last_words(said: str) -> str:
    """cargo's error in one line, without what it said while all was well."""
    lines = [line.strip() for line in said.partition("\n  headers:")[0].splitlines()]
    told = [line.removeprefix("error: ") for line in lines if line and not line.startswith(_CHATTER)]
    return inert("; ".join(told[:6]))[:600] or "no reason given"
