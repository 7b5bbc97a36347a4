"""Attempts to make it publish wrongly, leak, hang or mislead: each is tried, and none may succeed.

`full` runs them all and prints how many there were; a sample by a printed seed runs with the slow cases.
"""

from __future__ import annotations

import base64
import codecs
import html
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote_plus

import pytest
import requests
from msgspec.structs import replace

from cartwheel.destinations.github_place import Place, token_for
from cartwheel.destinations.pypi_index import Index
from cartwheel.destinations.pypi_install import installer_environment
from cartwheel.destinations.retries import Patience
from cartwheel.model.errors import CartwheelError
from cartwheel.process.redact import redact
from cartwheel.stand_ins.pypi import LoopbackIndex
from support import deliveries
from support.indexes import Faulty, faulty, sdist, sha256, wheel
from support.seed import SEED

TOKENS = (
    "pypi-" + base64.urlsafe_b64encode(b"\x02\x01\x0bhost.exampl" + bytes(range(40, 110))).decode().rstrip("="),
    "glpat-x7Gh_2mZ-9Qw4rT1yU",
    "p&ss<w>ord\"with'every/thing+and=more%41",
    "two words and ümläuts in one password",
)
FORMS: Mapping[str, Callable[[str], str]] = {
    "plain": str,
    "Basic": lambda t: base64.b64encode(f"__token__:{t}".encode("latin-1")).decode(),
    "Basic, another user": lambda t: base64.b64encode(f"ab:{t}".encode()).decode(),
    "Basic, for addresses": lambda t: base64.urlsafe_b64encode(f"a:{t}".encode()).decode(),
    "base64 in lines": lambda t: "\r\n".join(re.findall(".{1,16}", base64.b64encode(f"me:{t}".encode()).decode())),
    "quoted": lambda t: quote(t, safe=""),
    "quoted as a form": quote_plus,
    "every character quoted": lambda t: "".join(f"%{b:02X}" for b in t.encode()),
    "HTML": html.escape,
    "entities": lambda t: "".join(f"&#{ord(c)};" for c in t),
    "hexadecimal entities": lambda t: "".join(f"&#x{ord(c):x};" for c in t),
    "JSON": lambda t: json.dumps({"header": t}),
    "JSON in JSON": lambda t: json.dumps(json.dumps(t)),
    "repr": repr,
    "split by tags": lambda t: "<b>".join(t),
    "split by wbr": lambda t: "<wbr/>".join(re.findall(".{1,5}", t)),
    "upper case": str.upper,
    "cut": lambda t: t[: len(t) - 3],
    "with escapes": lambda t: "\x1b[1m".join(re.findall(".{1,7}", t)),
    "hex dump": lambda t: t.encode().hex(),
    "after much else": lambda t: "x" * 290 + t,
    "short lines": lambda t: "\r\n".join(re.findall("(?s).{1,9}", t)),
    "base32": lambda t: base64.b32encode(f"me:{t}".encode()).decode(),
    "Ascii85": lambda t: base64.a85encode(f"user:{t}".encode()).decode(),
    "base85": lambda t: base64.b85encode(t.encode()).decode(),
    "reversed": lambda t: t[::-1],
    "rot13": lambda t: codecs.encode(t, "rot13"),
    "hex dump of Basic": lambda t: base64.b64encode(f"me:{t}".encode()).hex(),
}


def leak(text: str, secret: str) -> bool:
    """Whether somebody could read a secret, or twelve characters of it, out of a text."""
    width = min(12, len(secret))
    flat = re.sub(r"<[^>]*>|\x1b\[[0-9;]*m|\\x1b\[[0-9;]*m|\s", "", html.unescape(unquote_plus(text)))
    decoded = [text, flat, flat.lower()]
    for run in re.findall(r"[A-Za-z0-9+/_-]{12,}", flat):
        for start in range(4):
            part = run[start : start + (len(run) - start) // 4 * 4].replace("-", "+").replace("_", "/")
            decoded.append(base64.b64decode(part, validate=False).decode("latin-1"))
    decoded += decodings(flat)
    forms = {secret, secret.lower(), re.sub(r"\s", "", secret), secret.encode().decode("latin-1")}
    return any(s[i : i + width] in d for s in forms for i in range(len(s) - width + 1) for d in decoded)


def decodings(text: str) -> Iterator[str]:
    """What less usual encodings of parts of a text hold."""
    yield from (text[::-1], text.lower()[::-1], codecs.encode(text, "rot13"))
    rows: tuple[tuple[str, int, Callable[[bytes], bytes]], ...] = (
        (r"[A-Za-z2-7]{16,}", 8, lambda data: base64.b32decode(data, casefold=True)),
        (r"[!-u]{15,}", 5, base64.a85decode),
        (r"[!#-&(-+\-0-;<-Z^-~]{15,}", 5, base64.b85decode),
        (r"[0-9a-fA-F]{24,}", 2, lambda data: bytes.fromhex(data.decode())),
    )
    for pattern, group, decode in rows:
        for run in re.findall(pattern, text):
            for start in range(group):
                part = run[start : start + (len(run) - start) // group * group]
                with suppress(ValueError):
                    plain = decode(part.encode()).decode("latin-1")
                    yield plain
                    with suppress(ValueError):
                        yield base64.b64decode(plain[: len(plain) // 4 * 4]).decode("latin-1")


@dataclass(frozen=True)
class Try:
    """One attempt; it returns what it achieved, empty where nothing."""

    kind: str
    name: str
    attempt: Callable[[Path], str]


def refused(index: Index, path: Path, folder: Path, environ: Mapping[str, str]) -> str:
    """All that a user, a log or a ledger sees of an upload."""
    lines: list[str] = []
    try:
        deliveries.send(
            index, "demo", "1.0", [path], ledger=folder / "ledger", environ=environ, say=lines.append,
            patience=Patience(tries=1), wait=lambda seconds: None,
        )  # fmt: skip
    except CartwheelError as error:
        lines.append(str(error))
    ledger = folder / "ledger"
    return "\n".join((*lines, ledger.read_text() if ledger.exists() else ""))


# Secrets -------------------------------------------------------------------------------------------------------------


def echoes() -> Iterator[Try]:
    def body(form: Callable[[str], str], token: str, code: int) -> Callable[[Path], str]:
        def attempt(folder: Path) -> str:
            text = form(token).encode()
            with faulty(always=lambda post: post.answer(code, body=b"<p>no: " + text + b"</p>")) as state:
                seen = refused(state.index, wheel(folder), folder, {"CARTWHEEL_INDEX_FAULTY_TOKEN": token})
            return "leaks" if leak(seen, token) else ""

        return attempt

    def words(form: Callable[[str], str], token: str) -> Callable[[Path], str]:
        return lambda folder: "leaks" if leak(redact(f"error: {form(token)} refused", (token,)), token) else ""

    def phrase(form: Callable[[str], str], token: str) -> Callable[[Path], str]:
        def attempt(folder: Path) -> str:
            text = re.sub(r"[\r\n]", "", form(token)).encode("ascii", "replace").decode()
            with faulty(looks=[lambda post: post.answer(403, text)] * 3) as state:
                seen = refused(state.index, wheel(folder), folder, {"CARTWHEEL_INDEX_FAULTY_TOKEN": token})
            return "leaks" if leak(seen, token) else ""

        return attempt

    for number, token in enumerate(TOKENS):
        for name, form in FORMS.items():
            try:
                form(token).encode("latin-1")
            except UnicodeEncodeError:
                continue
            yield Try("secrets", f"{name}, token {number}, in an upload's answer", body(form, token, 403))
            yield Try("secrets", f"{name}, token {number}, in what a tool prints", words(form, token))
            if number < 2:
                yield Try("secrets", f"{name}, token {number}, in a look's status line", phrase(form, token))


UNSENDABLE = (
    "tok€n",
    "token\u2028x",
    "to\x00ken",
    "to\nken",
    "to\rken",
    "tok\x1b[0men",
    "“quoted”",
    "日本",
    "a\u202eb",
    "\u200btoken",
)


def unsendable() -> Iterator[Try]:
    def upload(token: str) -> Callable[[Path], str]:
        def attempt(folder: Path) -> str:
            with faulty() as state:
                seen = refused(state.index, wheel(folder), folder, {"CARTWHEEL_INDEX_FAULTY_TOKEN": token})
                if state.posts or "nothing was sent" not in seen:
                    return f"sent, or not in words: {seen}"
                return "shown" if token in seen else ""

        return attempt

    def page(token: str) -> Callable[[Path], str]:
        def attempt(folder: Path) -> str:
            place = Place(name="github", api="http://127.0.0.1:9", repository="o/demo")
            try:
                token_for(place, {"GITHUB_TOKEN": token})
            except CartwheelError as error:
                return "shown" if token in str(error) else ""
            return "taken"

        return attempt

    for token in UNSENDABLE:
        yield Try("unsendable tokens", f"an index, {token!r}", upload(f"x{token}y"))
        yield Try("unsendable tokens", f"a release page, {token!r}", page(f"x{token}y"))


def macaroon(host: str) -> str:
    """A token of PyPI's form that names its host."""
    data = b"\x02\x01" + bytes([len(host)]) + host.encode() + b"\x02\x04abcd\x00"
    return "pypi-" + base64.urlsafe_b64encode(data).decode().rstrip("=")


def elsewhere() -> Iterator[Try]:
    def attempt_of(name: str, environ: Mapping[str, str]) -> Callable[[Path], str]:
        def attempt(folder: Path) -> str:
            with faulty() as state:
                index = replace(state.index, name=name)
                refused(index, wheel(folder), folder, environ)
                sent = "".join(state.seen)
            return "sent to another host" if sent else ""

        return attempt

    for name in ("pypi", "testpypi", "house"):
        variable = f"CARTWHEEL_INDEX_{name.upper()}_TOKEN"
        for host in ("packages.example", "upload.packages.example", "test.packages.example"):
            yield Try("tokens elsewhere", f"{name}: for {host}", attempt_of(name, {variable: macaroon(host)}))
            yield Try(
                "tokens elsewhere", f"{name}: twine's, {host}", attempt_of(name, {"TWINE_PASSWORD": macaroon(host)})
            )
        yield Try("tokens elsewhere", f"{name}: twine's", attempt_of(name, {"TWINE_PASSWORD": "pypi-AgEI"}))
        other = {"TWINE_PASSWORD": "word", "TWINE_REPOSITORY": "another"}
        yield Try("tokens elsewhere", f"{name}: of another repository", attempt_of(name, other))
    for name in ("pypi", "testpypi"):
        variable = f"CARTWHEEL_INDEX_{name.upper()}_TOKEN"
        yield Try("tokens elsewhere", f"{name}: by its name", attempt_of(name, {variable: "pypi-AgEI"}))

    def token_at(api: str, variable: str) -> Callable[[Path], str]:
        def attempt(folder: Path) -> str:
            place = Place(name="github", api=api, repository="o/demo", own_token=False)
            return "sent" if token_for(place, {variable: "ghp_abcdefghijk"}) else ""

        return attempt

    for api in ("https://code.example/api/v3", "https://api.github.com.evil.example", "https://evil.example"):
        for variable in ("GITHUB_TOKEN", "GH_TOKEN"):
            yield Try("tokens elsewhere", f"{variable} to {api}", token_at(api, variable))


# What is shown -------------------------------------------------------------------------------------------------------

ACTING = (
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x1b]8;;http://evil.example\x07",
    "\x9b31m",
    "\u202e",
    "\u2066",
    "\u200f",
    "\x08\x08",
    "\x7f",
)


def escapes() -> Iterator[Try]:
    def attempt_of(text: str, code: int) -> Callable[[Path], str]:
        def attempt(folder: Path) -> str:
            with faulty(always=lambda post: post.answer(code, body=f"no {text} here".encode())) as state:
                seen = refused(state.index, wheel(folder), folder, {"TWINE_PASSWORD": "long-word"})
            return "acts" if any(c in seen for c in text if c in "\x1b\x9b\u202e\u2066\u200f\x08\x7f\x07") else ""

        return attempt

    for text in ACTING:
        for code in (400, 403, 500):
            yield Try("terminal", f"{text!r} in an answer of {code}", attempt_of(text, code))


# Files and ledgers ---------------------------------------------------------------------------------------------------


class Watched:
    """Counts file operations below a folder, and does something at one of them."""

    def __init__(self) -> None:
        self.below, self.at, self.seen = "", -1, 0
        self.act: Callable[[str], None] = lambda path: None

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.below or event not in ("open", "os.rename", "os.chmod", "os.listdir", "os.scandir"):
            return
        path = str(arguments[0])
        if path.startswith(self.below) or path.startswith("/dev/fd/"):
            self.seen += 1
            if self.seen == self.at:
                below, self.below = self.below, ""
                self.act(path)
                self.below = below


WATCHED = Watched()
sys.addaudithook(WATCHED)


def swaps() -> Iterator[Try]:
    """Another wheel takes the place of the checked one, in `dist/` or of the copy, at each file operation."""

    def attempt_of(at: int, copies: bool) -> Callable[[Path], str]:
        def attempt(folder: Path) -> str:
            path, other = wheel(folder / "dist"), wheel(folder / "other", files={"demo/evil.py": "EVIL = 1\n"})
            checked, evil = path.read_bytes(), other.read_bytes()

            def act(opened: str) -> None:
                for target in folder.rglob(f"upload/{path.name}") if copies else (path,):
                    spare = target.with_name("spare")
                    spare.write_bytes(evil)
                    os.replace(spare, target)

            tempfile.tempdir = str(folder)
            WATCHED.below, WATCHED.at, WATCHED.seen, WATCHED.act = str(folder), at, 0, act
            try:
                with faulty() as state:
                    index, digest = state.index, sha256(checked)
                    try:
                        deliveries.send(
                            index, "demo", "1.0", [path], ledger=folder / "ledger", say=lambda line: None,
                            environ={"TWINE_PASSWORD": "word"}, expected={path.name: digest},
                        )  # fmt: skip
                    except CartwheelError:
                        pass
                    sent = state.files.get(path.name, checked)
            finally:
                WATCHED.below, tempfile.tempdir = "", None
            if sent != checked:
                return f"another wheel was published, at operation {at}"
            row = (
                json.loads((folder / "ledger").read_bytes())["files"][path.name] if (folder / "ledger").exists() else {}
            )
            return "the ledger says another digest" if row.get("sha256", digest) != digest else ""

        return attempt

    for at in range(1, 31):
        yield Try("swaps", f"the file, at operation {at}", attempt_of(at, copies=False))
        yield Try("swaps", f"the copy, at operation {at}", attempt_of(at, copies=True))


def ledgers() -> Iterator[Try]:
    def attempt_of(row: Mapping[str, object], *, ahead: timedelta | None = None) -> Callable[[Path], str]:
        def attempt(folder: Path) -> str:
            path = wheel(folder)
            with faulty() as state:
                head = {"schema": 1, "index": "faulty", "url": state.index.url, "project": "demo", "version": "1.0"}
                full = {"sha256": sha256(path.read_bytes()), **row}
                if ahead is not None:  # from the attempt on, not from when the tries were listed
                    full["at"] = (datetime.now(UTC) + ahead).isoformat()
                (folder / "ledger").write_text(json.dumps({**head, "files": {path.name: full}}))
                seen = refused(state.index, path, folder, {"TWINE_PASSWORD": "word"})
                return "" if state.files else f"never sent: {seen}"

        return attempt

    now = datetime.now(UTC)
    for name, ahead in {
        "in an hour": timedelta(hours=1), "tomorrow": timedelta(days=1), "in a minute": timedelta(minutes=1),
        "two hours ago": timedelta(hours=-2),
    }.items():  # fmt: skip
        yield Try("ledgers", f"sent {name}", attempt_of({"state": "sent"}, ahead=ahead))
    for name, moment in {
        "in 2999": now.replace(year=2999),
        "without a zone": now.replace(tzinfo=None), "in 1970": datetime(1970, 1, 1, tzinfo=UTC),
    }.items():  # fmt: skip
        yield Try("ledgers", f"sent {name}", attempt_of({"state": "sent", "at": moment.isoformat()}))
    for at in ("", "yesterday", None, 3, "9999-99-99", "-1"):
        yield Try("ledgers", f"sent at {at!r}", attempt_of({"state": "sent", "at": at}))
    for state in ("sending", "unknown", "refused", "", None):
        yield Try("ledgers", f"state {state!r}", attempt_of({"state": state, "at": now.isoformat()}))


# The installer, stand-ins --------------------------------------------------------------------------------------------

SETTINGS = (
    "UV_INDEX", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX", "UV_OFFLINE",
    "UV_CONSTRAINT", "UV_OVERRIDE", "UV_EXCLUDE_NEWER", "UV_CONFIG_FILE", "UV_PRERELEASE", "UV_RESOLUTION",
    "UV_INDEX_STRATEGY", "UV_NO_BINARY", "UV_ONLY_BINARY", "UV_INSECURE_HOST", "UV_BUILD_CONSTRAINT",
    "UV_TORCH_BACKEND",
    "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_CONSTRAINT", "PIP_REQUIRE_HASHES",
    "PIP_PRE", "PIP_TRUSTED_HOST", "PIP_TARGET", "PIP_UPLOADED_PRIOR_TO",
)  # fmt: skip


def obeyed(name: str) -> str:
    return "obeyed" if name in installer_environment({name: "x"}) else ""


def settings() -> Iterator[Try]:
    for name in SETTINGS:
        yield Try(
            "installer", name, lambda folder, name=name: "obeyed" if name in installer_environment({name: "x"}) else ""
        )  # type: ignore[misc]


def strangers() -> Iterator[Try]:
    def attempt_of(auth: tuple[str, str] | None, file: str) -> Callable[[Path], str]:
        def attempt(folder: Path) -> str:
            with LoopbackIndex(folder / "index", password="only-of-this-run") as loopback:
                requests.post(
                    loopback.url, data={":action": "file_upload", "name": "demo"}, auth=auth, timeout=30,
                    files={"content": (file, b"evil")},
                )  # fmt: skip
                good = auth is not None and auth[1] == "only-of-this-run"
                outside = [p for p in folder.rglob("*") if p.is_file() and (not good or p.parent != loopback.folder)]
                return f"kept {outside}" if outside else ""

        return attempt

    for auth in (None, ("", ""), ("__token__", "guess"), ("only-of-this-run", ""), ("a", "only-of-this-run ")):
        yield Try("stand-in", f"with {auth}", attempt_of(auth, "demo-1.0-py3-none-any.whl"))
    for file in ("../evil-1.0.tar.gz", "/tmp/evil-1.0.tar.gz", "..\\evil.whl", ".evil.whl", "evil", "a/b-1.0.tar.gz"):
        yield Try("stand-in", f"a file named {file}", attempt_of(("a", "only-of-this-run"), file))


# All of them ---------------------------------------------------------------------------------------------------------


def tries() -> tuple[Try, ...]:
    groups = (echoes, unsendable, elsewhere, escapes, swaps, ledgers, settings, strangers)
    return tuple(one for group in groups for one in group())


@contextmanager
def nobody() -> Iterator[None]:
    """Without credentials of this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
        for name in ("TWINE_USERNAME", "TWINE_PASSWORD", "NETRC"):
            patch.delenv(name, raising=False)
        yield


def falls(chosen: tuple[Try, ...], tmp_path: Path) -> list[str]:
    lines, count = [], Counter(one.kind for one in chosen)
    fallen: Counter[str] = Counter()
    with nobody():
        for number, one in enumerate(chosen):
            folder = tmp_path / str(number)
            folder.mkdir()
            if problem := one.attempt(folder):
                lines.append(f"{one.kind}: {one.name}: {problem}")
                fallen[one.kind] += 1
    for kind, total in count.items():
        print(f"{kind:24} {total:4} tried  {fallen[kind]:4} fell")
    print(f"{'all':24} {len(chosen):4} tried  {len(lines):4} fell")
    return lines


@pytest.mark.lab
def test_a_sample_of_the_attacks_falls_nowhere(tmp_path: Path) -> None:
    chosen = random.Random(SEED).sample(tries(), 40)
    assert falls(tuple(chosen), tmp_path) == []


@pytest.mark.full(sample=0.0)
def test_no_attack_succeeds(tmp_path: Path) -> None:
    every = tries()
    assert len(every) >= 250
    assert falls(every, tmp_path) == []


@pytest.mark.full(sample=0.0)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fifty_releases_killed_at_random_moments_are_completed_and_their_ledgers_are_true(tmp_path: Path) -> None:
    chance, kills = random.Random(SEED), Counter[str]()
    for number in range(50):
        folder = tmp_path / str(number)
        names = ("demo-1.0-cp311-abi3-win_amd64.whl", "demo-1.0-py3-none-any.whl")
        paths = [*(wheel(folder, name) for name in names), sdist(folder)]
        ours = {path.name: path.read_bytes() for path in paths}
        whole = lambda post, ours=ours: post.faulty.take(post) if post.data in ours.values() else post.drop()  # noqa: E731
        with faulty(always=whole) as state:
            for _ in range(chance.randint(1, 3)):
                kills[killed(state, paths, folder, chance.uniform(0.0, 0.3))] += 1
                check(state, ours, folder)
            assert "sent before" not in refused_all(state, paths, folder)
            assert state.files == ours
            assert len(state.stored) == len(set(state.stored)), "nothing is kept twice"
    print(dict(kills))
    assert kills["killed"] >= 20


def killed(state: Faulty, paths: list[Path], folder: Path, after: float) -> str:
    """A release in a process that is killed after so many seconds."""
    pid = os.fork()
    if pid == 0:
        try:
            refused_all(state, paths, folder)
        finally:
            os._exit(0)
    time.sleep(after)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return "killed" if os.WIFSIGNALED(status) else "ended before"


def refused_all(state: Faulty, paths: list[Path], folder: Path) -> str:
    try:
        deliveries.send(
            state.index, "demo", "1.0", paths, ledger=folder / "ledger", environ={"TWINE_PASSWORD": "word"},
            say=lambda line: None, wait=lambda seconds: None,
        )  # fmt: skip
    except CartwheelError as error:
        return str(error)
    return ""


def check(state: Faulty, ours: Mapping[str, bytes], folder: Path) -> None:
    """The ledger says nothing that is not so."""
    assert all(ours[name] == data for name, data in state.files.items())
    ledger = folder / "ledger"
    for name, row in json.loads(ledger.read_bytes())["files"].items() if ledger.exists() else ():
        if row["state"] in ("sent", "there"):
            assert state.files[name] == ours[name]
            assert row["sha256"] == sha256(ours[name])


def test_a_look_at_what_is_shown_finds_every_form_unredacted() -> None:
    for token in TOKENS[:2]:
        missed = [name for name, form in FORMS.items() if name != "upper case" and not leak(form(token), token)]
        assert [name for name in missed if name not in ("hex dump", "JSON in JSON", "repr", "base64 in lines")] == []
