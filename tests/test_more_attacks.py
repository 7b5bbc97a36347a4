"""More attempts to make it publish wrongly, leak, hang or mislead: pages, files, ledgers and odd forms of secrets."""

from __future__ import annotations

import base64
import codecs
import gzip
import html
import json
import os
import quopri
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from cartwheel.destinations import simple_page
from cartwheel.destinations.pypi_index import Index
from cartwheel.destinations.pypi_reader import Unreadable, download_digest, listing, read_bytes
from cartwheel.destinations.retries import Patience, seconds_until
from cartwheel.destinations.simple_api import NoIndex, listed_files
from cartwheel.model.destination import token_variable
from cartwheel.model.errors import CartwheelError
from cartwheel.process.redact import RedactedStream, redact
from cartwheel.stand_ins.pypi import LoopbackIndex
from support import deliveries
from support.indexes import Post, faulty, sha256, wheel
from support.seed import SEED

JSON = "application/vnd.pypi.simple.v1+json"
ONCE = Patience(tries=1)
TOKENS = ("glpat-x7Gh_2mZ-9Qw4rT1yU", "pypi-AgENdGVzdC5leGFtcGxlAiQ1NzNhZjk5", "p&ss<w>ord\"with'every/thing+and=more")
ODD: dict[str, Callable[[str], str]] = {
    "percent, twice": lambda t: quote(quote(t, safe=""), safe=""),
    "every character percent, twice": lambda t: "".join(f"%25{b:02x}" for b in t.encode()),
    "base64, twice": lambda t: base64.b64encode(base64.b64encode(f"u:{t}".encode())).decode(),
    "base64 of UTF-16": lambda t: base64.b64encode(t.encode("utf-16-le")).decode(),
    "base64 of JSON": lambda t: base64.b64encode(json.dumps({"token": t}).encode()).decode(),
    "base64 in an address": lambda t: quote(base64.b64encode(f"x:{t}".encode()).decode(), safe=""),
    "octal": lambda t: "".join(f"\\{b:03o}" for b in t.encode()),
    "quoted-printable": lambda t: quopri.encodestring(t.encode()).decode(),
    "every byte quoted-printable": lambda t: "".join(f"={b:02X}" for b in t.encode()),
    "spaced": " ".join,
    "hex with colons": lambda t: ":".join(f"{b:02x}" for b in t.encode()),
    "hex with spaces": lambda t: " ".join(f"{b:02X}" for b in t.encode()),
    "a list of hex": lambda t: ", ".join(f"0x{b:02x}" for b in t.encode()),
    "a list of bytes": lambda t: str(list(t.encode())),
    "a list of characters": lambda t: repr(list(t)),
    "HTML, twice": lambda t: html.escape(html.escape(t)),
    "entities, twice": lambda t: "".join(f"&amp;#{ord(c)};" for c in t),
    "JSON escapes": lambda t: "".join(f"\\u{ord(c):04X}" for c in t),
    "with NUL": "\0".join,
    "quoted in a mail": lambda t: "\n> ".join(re.findall(".{1,6}", t)),
    "joined in code": lambda t: '" + "'.join(re.findall(".{1,5}", t)),
    "split by comments": lambda t: "<!-- x -->".join(re.findall(".{1,5}", t)),
    "the case swapped": str.swapcase,
    "base32": lambda t: base64.b32encode(t.encode()).decode(),
    "base32 after others": lambda t: base64.b32encode(f"ab:{t}".encode()).decode().lower(),
    "base32 in lines": lambda t: "\n".join(re.findall(".{1,9}", base64.b32encode(f"u:{t}".encode()).decode())),
    "base32, the other alphabet": lambda t: base64.b32hexencode(f"x{t}".encode()).decode(),
    "Ascii85": lambda t: base64.a85encode(f"us:{t}!".encode(), adobe=True).decode(),
    "base85": lambda t: base64.b85encode(t.encode()).decode(),
    "base85 after others": lambda t: base64.b85encode(f"user:{t}".encode()).decode(),
    "reversed": lambda t: t[::-1],
    "reversed, in lines": lambda t: "\n".join(re.findall(".{1,4}", t[::-1])),
    "rot13": lambda t: codecs.encode(t, "rot13"),
    "hex of base64": lambda t: base64.b64encode(f"u:{t}".encode()).hex(),
    "hex without its beginning": lambda t: t.encode().hex()[7:],
    "base64 of a form body": lambda t: base64.b64encode(f"password={quote(t, safe='')}&x=1".encode()).decode(),
    "base64 of hex": lambda t: base64.b64encode(t.encode().hex().encode()).decode(),
    "base64 without its beginning": lambda t: base64.b64encode(f"u:{t}".encode()).decode()[6:],
    "base64 for addresses, quoted": lambda t: quote(base64.urlsafe_b64encode(f"u:{t}".encode()).decode(), safe=""),
    "base64 in short lines": lambda t: "\n ".join(re.findall(".{1,3}", base64.b64encode(t.encode()).decode())),
    "one character a line": "\n".join,
    "without its beginning": lambda t: t[5:],
    "without both ends": lambda t: t[3:-3],
}


@pytest.mark.parametrize("form", ODD.values(), ids=ODD)
def test_an_odd_form_of_a_secret_is_redacted(form: Callable[[str], str]) -> None:
    for token in TOKENS:
        text = redact(f"error: {form(token)} was refused", (token,))
        left = re.sub(r"[^A-Za-z0-9]", "", text.replace("error", "").replace("was refused", ""))
        assert "***" in text, text
        assert len(left) < 12, text


@pytest.mark.parametrize("form", ODD.values(), ids=ODD)
def test_an_odd_form_is_redacted_in_output_that_arrives_line_by_line(form: Callable[[str], str]) -> None:
    for token in TOKENS:
        stream = RedactedStream((token,))
        pieces = [stream.add(line) for line in f"error:\n{form(token)}\nwas refused\n".splitlines(keepends=True)]
        text = "".join((*pieces, stream.rest()))
        left = re.sub(r"[^A-Za-z0-9]", "", text.replace("error", "").replace("was refused", ""))
        assert "***" in text, text
        assert len(left) < 12, text


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("end", ["\n", " \n\n", "\r\n"], ids=repr)
def test_a_secret_of_a_few_characters_to_a_line_is_redacted_as_it_arrives(size: int, end: str) -> None:
    for token in ("hunter2p", "hunter2pw", "hunter2pwqxz", "hunter2pwqxzkk9"):
        stream = RedactedStream((token,))
        lines = ["token: ", *(f"{token[at : at + size]}{end}" for at in range(0, len(token), size)), "end\n"]
        text = "".join((*map(stream.add, lines), stream.rest()))
        assert "***" in text, text
        assert token[:3] not in "".join(text.split()), text


def test_a_short_secret_is_redacted_in_each_encoding_and_its_parts_stay() -> None:
    token = "s3cr3t-Pw"
    for name in ("base32", "base85", "reversed", "rot13", "hex of base64", "base64, twice"):
        assert "***" in redact(f"x {ODD[name](token)} y", (token,)), name
    assert redact("t3rc and s3cr3t and more", (token,)) == "t3rc and s3cr3t and more"


def test_redaction_of_much_output_is_quick() -> None:
    text = "".join(f"Compiling crate{n} v1.{n}.0 sha256 {sha256(str(n).encode())} \n" for n in range(3_000))
    redact("", TOKENS)
    began = time.process_time()
    assert redact(text, TOKENS) == text
    assert time.process_time() - began < 3


def test_ordinary_text_stays_as_it_is() -> None:
    text = "Compiling demo (0x7ffe12ab), 12, 34, 56: sha256 9f86d081884c7d659a2feaa0c55ad015, see <a href='x'>y</a>"
    assert redact(text, TOKENS) == text


# Pages ----------------------------------------------------------------------------------------------------------------


def page(files: list[dict[str, Any]], **more: object) -> bytes:
    return json.dumps({"meta": {"api-version": "1.1"}, "name": "demo", "files": files, **more}).encode()


def row(name: str, digest: str = "0" * 64, **more: object) -> dict[str, Any]:
    return {"filename": name, "url": f"../../files/{name}", "hashes": {"sha256": digest}, **more}


def read(body: bytes, kind: str = JSON) -> tuple[Any, ...]:
    return listed_files(body, content_type=kind, url="http://127.0.0.1:9/simple/demo/", project="demo")


WHOLE = page([row("demo-1.0-py3-none-any.whl"), row("demo-1.0.tar.gz")])


@pytest.mark.parametrize("share", range(1, 12))
def test_a_page_that_breaks_off_anywhere_is_never_an_empty_or_shorter_one(share: int) -> None:
    with pytest.raises(NoIndex):
        read(WHOLE[: len(WHOLE) * share // 12])


FORMS = {
    "a byte order mark": (b"\xef\xbb\xbf" + WHOLE, JSON),
    "plain JSON": (WHOLE, "application/json; charset=utf-8"),
    "the latest": (WHOLE, "application/vnd.pypi.simple.latest+json"),
    "HTML without quotes": (
        b"<!DOCTYPE html><A HREF=../../files/demo-1.0-py3-none-any.whl#sha256=%b>demo-1.0-py3-none-any.whl</A><br>"
        b"<a href='../../files/demo-1.0.tar.gz#sha256=%b'>demo-1.0.tar.gz</a>" % (b"0" * 64, b"0" * 64),
        "text/html",
    ),
    "shortened texts": (
        b"<a href='/files/demo-1.0-py3-none-any.whl#sha256=%b'>demo-1.0-py3..&gt;</a>"
        b"<a href='/files/demo-1.0.tar.gz#sha256=%b'> demo-1.0.tar.gz </a>" % (b"0" * 64, b"0" * 64),
        "text/html; charset=nonsense",
    ),
    "a base": (
        b"<head><base href='/files/'></head><a href='demo-1.0-py3-none-any.whl#sha256=%b'>demo-1.0-py3-none-any.whl</a>"
        b"<a href='demo-1.0.tar.gz#sha256=%b'>demo-1.0.tar.gz</a>" % (b"0" * 64, b"0" * 64),
        "application/xhtml+xml",
    ),
}


@pytest.mark.parametrize(("body", "kind"), FORMS.values(), ids=FORMS)
def test_forms_of_the_same_page_are_read_alike(body: bytes, kind: str) -> None:
    assert [(r.file, r.sha256, r.url) for r in read(body, kind)] == [
        ("demo-1.0-py3-none-any.whl", "0" * 64, "http://127.0.0.1:9/files/demo-1.0-py3-none-any.whl"),
        ("demo-1.0.tar.gz", "0" * 64, "http://127.0.0.1:9/files/demo-1.0.tar.gz"),
    ]


NO_PAGES = {
    "signing in": (b"<html><body><form action='/login'>Password</form></body></html>", "text/html"),
    "signing in, with an application": (b"<html><a href='/client.zip'>our client</a></html>", "text/html"),
    "JSON of something else": (b'{"message": "sign in first"}', "application/json"),
    "a list": (b"[]", JSON),
    "another version": (page([], meta={"api-version": "2.0"}), JSON),
    "another version, HTML": (b'<meta name="pypi:repository-version" content="2.0"><a href="x">y</a>', "text/html"),
    "text": (b"demo-1.0.tar.gz", "text/plain"),
    "XML": (b"<Error><Code>AccessDenied</Code></Error>", "application/xml"),
    "nothing": (b"", "text/html"),
}


@pytest.mark.parametrize(("body", "kind"), NO_PAGES.values(), ids=NO_PAGES)
def test_what_is_no_page_is_never_an_empty_project(body: bytes, kind: str) -> None:
    with pytest.raises(NoIndex):
        read(body, kind)


ODD_VALUES = (
    None, 0, -1, 1.5, True, "", [], {}, "\0", "\u202e", ["x"], {"a": 1}, "x" * 5000, "../../../etc/passwd", "http://[::1",
    "http://h:99999999/x", "https://user:pw@other/x.whl", "data:,x", "//evil/x", "a.tar.gz?x#y", 10**400,
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a JSON document."""
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


def test_an_odd_value_anywhere_in_a_page_is_refused_or_loses_no_file() -> None:
    more = {
        "size": 10,
        "yanked": False,
        "requires-python": ">=3.8",
        "core-metadata": False,
        "upload-time": "2026-01-01",
    }
    whole = json.loads(page([row("demo-1.0-py3-none-any.whl", **more), row("demo-1.0.tar.gz")], versions=["1.0"]))
    outcomes = Counter[str]()
    for path in places(whole):
        for value in ODD_VALUES:
            document = json.loads(json.dumps({"all": whole}))
            *above, last = ("all", *path)
            target = document
            for key in above:
                target = target[key]
            target[last] = value
            try:
                assert len(read(json.dumps(document["all"]).encode())) == 2 or (path, value) == (("files",), [])
                outcomes["read"] += 1
            except NoIndex:
                outcomes["refused"] += 1
    print(dict(outcomes))
    assert outcomes["refused"] > 250 < outcomes.total()


def test_a_damaged_page_is_read_or_refused() -> None:
    chance = random.Random(SEED)
    for kind, whole in ((JSON, WHOLE), ("text/html", FORMS["a base"][0])) * 300:
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data))
            data[at : at + chance.choice((0, 1, 20))] = chance.randbytes(chance.choice((0, 1, 3)))
        with suppress(NoIndex):
            read(bytes(data), kind)


def test_withdrawn_files_and_unknown_digests_are_read_as_such() -> None:
    rows = read(page([row("demo-1.0.tar.gz", yanked="bad"), row("demo-1.0-py3-none-any.whl", yanked="", hashes=None)]))
    assert [(r.yanked, r.sha256) for r in rows] == [(True, "0" * 64), (True, "")]
    (other,) = read(b"<a href='/demo-1.0.tar.gz#md5=12' data-yanked>demo-1.0.tar.gz</a>", "text/html")
    assert (other.yanked, other.sha256) == (True, "")


def test_a_packed_page_that_unpacks_to_very_much_ends_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simple_page, "LARGEST", 10_000_000)
    bomb = gzip.compress(b" " * 200_000_000)

    def answer(post: Post) -> None:
        post.answer(200, body=bomb, headers={"Content-Type": JSON, "Content-Encoding": "gzip"})

    with faulty(looks=[answer]) as state:
        began = time.monotonic()
        with pytest.raises(Unreadable, match="its page has more than 10 MB"):
            listing(state.index, "demo", "1.0", patience=ONCE, environ={})
        assert time.monotonic() - began < 20


# Releases -----------------------------------------------------------------------------------------------------------


def send(index: Index, path: Path, folder: Path, **more: Any) -> str:
    """The message of an upload to the user; empty if it succeeded."""
    try:
        deliveries.send(
            index, "demo", "1.0", [path], ledger=folder / "ledger", environ={"TWINE_PASSWORD": "a word"},
            say=lambda line: None, patience=ONCE, wait=lambda seconds: None, **more,
        )  # fmt: skip
    except CartwheelError as error:
        return str(error)
    return ""


def looks_like(files: Callable[[str], list[dict[str, Any]]], path: Path) -> Callable[[Post], None]:
    body = page(files(sha256(path.read_bytes())))
    return lambda post: post.answer(200, body=body, headers={"Content-Type": JSON})


NAME = "demo-1.0-cp311-abi3-win_amd64.whl"
LISTED: dict[str, tuple[Callable[[str], list[dict[str, Any]]], str]] = {
    "other bytes": (lambda ours: [row(NAME)], "has it with other bytes"),
    "both bytes": (lambda ours: [row(NAME), row(NAME, ours)], "has it with other bytes"),
    "both bytes, the other way": (lambda ours: [row(NAME, ours), row(NAME)], "has it with other bytes"),
    "another spelling": (lambda ours: [row("Demo-1.0.tar.gz")], "Demo-1.0.tar.gz: faulty has it and the plan has not"),
    "escapes in a name": (
        lambda ours: [row("demo-1.0-py3-none-any\x1b[2J.whl")],
        r"demo-1.0-py3-none-any\x1b[2J.whl: faulty has it",
    ),
    "lines in a name": (lambda ours: [row("demo-1.0-py3-none-any\nall is well.whl")], r"any\nall is well.whl"),
    "a digest in capitals": (lambda ours: [row(NAME, ours.upper())], ""),
}


@pytest.mark.parametrize(("files", "words"), LISTED.values(), ids=LISTED)
def test_what_an_index_lists_is_compared_before_anything_is_sent(
    files: Callable[[str], list[dict[str, Any]]], words: str, tmp_path: Path
) -> None:
    path = wheel(tmp_path / "dist", NAME)
    with faulty() as state:
        state.looks = [looks_like(files, path)] * 9
        output = send(state.index, path, tmp_path)
        assert words in output
        assert bool(words) == bool(output)
        assert not {"\x1b", "\nall is well"} & {part for part in ("\x1b", "\nall is well") if part in output}
        assert state.posts == []


def test_of_two_clones_with_different_bytes_the_later_one_is_refused_and_its_ledger_says_so(tmp_path: Path) -> None:
    ours, theirs = wheel(tmp_path / "a", NAME), wheel(tmp_path / "b", NAME, files={"demo/other.py": "1\n"})

    def after_theirs(post: Post) -> None:
        post.faulty.keep(post.file, theirs.read_bytes())
        post.faulty.take(post)

    with faulty(script=[after_theirs]) as state:
        output = send(state.index, ours, tmp_path)
        assert "has it with other bytes" in output
        assert state.files == {NAME: theirs.read_bytes()}
    book = json.loads((tmp_path / "ledger").read_bytes())
    assert book["files"][NAME]["state"] == "refused"
    with faulty(files={NAME: theirs.read_bytes()}) as state:
        assert send(state.index, theirs, tmp_path / "b") == ""
        assert state.posts == []


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize("whole_folder", [False, True])
def test_a_linked_file_or_folder_is_sent_as_the_bytes_that_were_checked(whole_folder: bool, tmp_path: Path) -> None:
    real = wheel(tmp_path / "real", NAME)
    place = tmp_path / "dist"
    if whole_folder:
        place.symlink_to(real.parent, target_is_directory=True)
    else:
        place.mkdir()
        (place / NAME).symlink_to(real)
    checked = real.read_bytes()
    with faulty() as state:
        assert send(state.index, place / NAME, tmp_path, expected={NAME: sha256(checked)}) == ""
        assert state.files == {NAME: checked}
    real.write_bytes(wheel(tmp_path / "evil", NAME, files={"demo/evil.py": "1\n"}).read_bytes())
    with faulty() as state:
        output = send(state.index, place / NAME, tmp_path / "evil", expected={NAME: sha256(checked)})
        assert "not the ones that were checked" in output
        assert state.posts == []


LEDGERS = {
    "of another version": {"version": "0.9"},
    "of another form": {"schema": 2},
    "of another project": {"project": "other"},
    "rows that are lists": {"files": []},
    "a row that is a number": {"files": {NAME: 3}},
    "a row without a digest": {"files": {NAME: {"state": "sent", "at": datetime.now(UTC).isoformat()}}},
}


@pytest.mark.parametrize("change", LEDGERS.values(), ids=LEDGERS)
def test_a_ledger_that_is_not_this_release_s_neither_stops_nor_replaces_an_upload(
    change: dict[str, Any], tmp_path: Path
) -> None:
    path = wheel(tmp_path / "dist", NAME)
    with faulty() as state:
        head = {"schema": 1, "index": "faulty", "url": state.index.url, "project": "demo", "version": "1.0"}
        (tmp_path / "ledger").write_text(json.dumps({**head, "files": {}, **change}))
        output = send(state.index, path, tmp_path)
        assert (output, list(state.files)) == ("", [NAME]) or "never replaced" in output


@pytest.mark.parametrize("text", ["-5", "nan", "inf", "1e999", "٣", "", "Thu, 01 Jan 1970 00:00:00 GMT", "garbage, x"])
def test_a_retry_after_that_is_no_time_is_none(text: str) -> None:
    assert seconds_until(text, datetime.now(UTC)) == 0.0


def test_a_private_index_s_files_are_downloaded_with_its_credentials_and_another_host_s_without(tmp_path: Path) -> None:
    path = wheel(tmp_path / "dist", NAME)
    environ = {token_variable("house"): "a word of the house"}
    with LoopbackIndex(tmp_path / "index", password="a word of the house", private=True) as loopback, faulty() as other:
        (loopback.folder / NAME).write_bytes(path.read_bytes())
        index = Index(name="house", url=loopback.url, simple=loopback.simple, user="me")
        (listed,) = listing(index, "demo", "1.0", environ=environ)
        assert read_bytes(listed.url, shown_as="x", index=index, environ=environ) == path.read_bytes()
        assert download_digest(listed, index, environ=environ) == sha256(path.read_bytes())
        with pytest.raises(Unreadable, match="401"):
            read_bytes(listed.url, shown_as="x", index=index, environ={}, patience=ONCE)
        seen: list[str] = []

        def look(post: Post) -> None:
            seen.append(post.headers.get("Authorization", ""))
            post.answer(200, body=b"bytes")

        other.looks = [look]
        assert read_bytes(f"{other.base}/simple/x", shown_as="x", index=index, environ=environ) == b"bytes"
        assert seen == [""]
