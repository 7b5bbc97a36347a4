"""The shared cache: what one machine built others have, and a fault of the cache never makes a wrong file or a hang."""

from __future__ import annotations

import base64
import errno
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from msgspec.structs import replace

from cartwheel.filesystem.snapshot import DiskSnapshot
from cartwheel.inputs.folder_sources import TreeSources
from cartwheel.model.config.config_checks import refuse_invalid_values
from cartwheel.model.config.release_settings import CacheSettings
from cartwheel.model.config.settings import Settings
from cartwheel.model.errors import ConfigError
from cartwheel.model.record import Record
from cartwheel.model.step import Step
from cartwheel.shared_cache import entries, session, store
from cartwheel.shared_cache.registry_login import credentials
from cartwheel.shared_cache.session import CacheSession, refusal_to_write, session_of_run
from cartwheel.shared_cache.store import CacheFault, store_at
from support.graph import Graph
from support.models import manifests, understood
from support.registry import Call, Registry, digest, serving, slow

STEP = Step(
    name="build:one", doc="one", act=lambda work: {}, makes=("dist/one.whl",), sources=TreeSources(folders=("src",)),
    settings={"profile": "release"},
)  # fmt: skip
WHEEL = b"the wheel" * 100


@pytest.fixture
def server() -> Iterator[Registry]:
    with serving() as served:
        yield served


def snapshot(root: Path, source: str = "source", tool: str = "") -> DiskSnapshot:
    """A clone with one source."""
    (root / "src").mkdir(parents=True, exist_ok=True)
    (root / "src" / "lib.rs").write_text(source)
    return DiskSnapshot(root, {}, lambda name, _: tool)


def built(root: Path, data: bytes = WHEEL, source: str = "source") -> tuple[DiskSnapshot, Record]:
    """A clone in which the step is done."""
    disk = snapshot(root, source)
    (root / "dist").mkdir()
    (root / "dist" / "one.whl").write_bytes(data)
    seen = TreeSources(folders=("src",)).dependencies(disk, None)
    record = Record(
        task="build:one", settings={"profile": "release"}, needs={},
        makes={"dist/one.whl": disk.digest("dist/one.whl")}, seen=seen, tools={"rustc": "1.90"},
        machine="here", seconds=1.0,
    )  # fmt: skip
    return disk, record


@pytest.fixture
def filled(server: Registry, tmp_path: Path) -> Registry:
    """A registry with the step of another clone."""
    disk, record = built(tmp_path / "first")
    assert entries.send(STEP, record, disk, store_at(server.address, {})) == len(WHEEL)
    return server


def read(address: str, root: Path, step: Step = STEP, **more: Any) -> tuple[Record | None, list[str]]:
    """The steps that a clone takes from the cache, and its output."""
    lines: list[str] = []
    session = CacheSession(CacheSettings(url=address), {})
    disk = snapshot(root, **more)
    result = session.result(step, disk, lines.append)
    assert session.result(step, disk, lines.append) == result
    return result, lines


def test_another_clone_gets_the_step(filled: Registry, tmp_path: Path) -> None:
    result, lines = read(filled.address, tmp_path / "second")
    assert result is not None
    assert (result.machine, result.seen.local, lines) == ("shared cache", {}, [])
    assert (tmp_path / "second" / "dist" / "one.whl").read_bytes() == WHEEL
    assert read(filled.address, tmp_path / "third", source="other") == (None, [])
    assert not (tmp_path / "third" / "dist").exists()


def test_what_is_there_is_not_sent_again(filled: Registry, tmp_path: Path) -> None:
    disk, record = built(tmp_path / "again")
    filled.calls.clear()
    assert entries.send(STEP, record, disk, store_at(filled.address, {})) == 0
    assert {method for method, _ in filled.calls} == {"GET", "HEAD"}


def test_each_branch_has_its_last_entry_and_a_new_one_that_of_the_main_branch(server: Registry, tmp_path: Path) -> None:
    for branch in ("main", "fix/Odd name"):
        disk, record = built(tmp_path / branch.replace("/", "-"), source=branch)
        assert entries.send(STEP, record, disk, store_at(server.address, {}), branch)
    latest = sorted(tag for tag in server.manifests if tag.startswith("latest-"))
    assert [tag.rpartition("-")[0] for tag in latest] == ["latest-fix-odd-name", "latest-main"]
    for tag in [tag for tag in server.manifests if tag.startswith("exact")]:
        del server.manifests[tag]
    session = CacheSession(CacheSettings(url=server.address), {"GITHUB_HEAD_REF": "new"}, main="main")
    assert session.result(STEP, snapshot(tmp_path / "third", source="main"), print)
    assert not session.result(STEP, snapshot(tmp_path / "fourth", source="fix/Odd name"), print)


def proven(address: str, root: Path) -> tuple[Record | None, list[str]]:
    """What a release gets that may use what two machines built, and what it tells."""
    lines: list[str] = []
    settings = CacheSettings(url=address)
    return CacheSession(settings, {}, proven=True).result(STEP, snapshot(root), lines.append), lines


def confirm(server: Registry, root: Path, machine: str = "elsewhere", data: bytes = WHEEL) -> None:
    """Push the step from another machine."""
    disk, record = built(root, data)
    assert entries.send(STEP, replace(record, machine=machine), disk, store_at(server.address, {})) == 0


def test_a_release_may_use_what_two_machines_built_alike(filled: Registry, tmp_path: Path) -> None:
    assert proven(filled.address, tmp_path / "before") == (None, [])
    confirm(filled, tmp_path / "again")
    record, lines = proven(filled.address, tmp_path / "release")
    assert record is not None
    assert (record.machine, lines) == ("shared cache, built twice", [])
    assert (tmp_path / "release" / "dist" / "one.whl").read_bytes() == WHEEL
    assert read(filled.address, tmp_path / "other")[0] is not None


@pytest.mark.parametrize(("machine", "data"), [("here", WHEEL), ("elsewhere", b"other bytes")])
def test_one_machine_twice_or_two_with_other_bytes_prove_nothing(
    filled: Registry, tmp_path: Path, machine: str, data: bytes
) -> None:
    confirm(filled, tmp_path / "again", machine, data)
    assert not [tag for tag in filled.manifests if tag.startswith("again-")]
    assert proven(filled.address, tmp_path / "release") == (None, [])


def test_a_confirmation_of_other_files_is_none(filled: Registry, tmp_path: Path) -> None:
    confirm(filled, tmp_path / "again")
    edited_record(lambda record: record.update(makes={"dist/one.whl": "0" * 64}))(filled)
    record, lines = proven(filled.address, tmp_path / "release")
    assert record is None
    assert lines == [
        "the entry of build:one in the shared cache is not used: it confirms other files than those of its record"
    ]


def test_an_edit_of_a_file_that_was_not_read_still_hits(filled: Registry, tmp_path: Path) -> None:
    """The exact key differs, the record of the last entry fits."""
    for tag in [tag for tag in filled.manifests if tag.startswith("exact")]:
        del filled.manifests[tag]
    assert read(filled.address, tmp_path / "second")[0] is not None


@pytest.mark.parametrize(("tool", "hit"), [("1.90", True), ("1.91", False), ("", True)])
def test_an_entry_of_another_compiler_is_left_where_the_compiler_is_here(
    filled: Registry, tmp_path: Path, tool: str, hit: bool
) -> None:
    step = replace(STEP, tools=("rustc",))
    assert (read(filled.address, tmp_path / "second", step, tool=tool)[0] is not None) == hit


# Faults ---------------------------------------------------------------------------------------------------------------


def answers(status: int, data: bytes = b"", **headers: str) -> Callable[[Call], bool]:
    """One answer for every call."""
    return lambda call: call.answer(status, data, **headers) is None


def only(part: str, fault: Callable[[Call], bool]) -> Callable[[Call], bool]:
    """The fault for addresses with that part."""
    return lambda call: part in call.path and fault(call)


def broken_off(call: Call) -> bool:
    """An answer of which half arrives."""
    call.send_response(200)
    call.send_header("Content-Length", "1000")
    call.end_headers()
    call.wfile.write(b"{" * 500)
    call.close_connection = True
    return True


def reset(call: Call) -> bool:
    """The connection is closed before an answer."""
    call.connection.shutdown(socket.SHUT_RDWR)
    call.close_connection = True
    return True


def garbage(call: Call) -> bool:
    """Something that is no HTTP."""
    call.wfile.write(b"\x00\xff no http at all\r\n\r\n")
    call.close_connection = True
    return True


def endless(call: Call) -> bool:
    """A body that is far longer than its layer."""
    return call.answer(200, b"x" * 9_000_000) is None


def silent(call: Call) -> bool:
    """No answer until the test ends."""
    return call.registry.ended.wait(60)


def dripping(call: Call) -> bool:
    """A byte now and then."""
    slow(call, b"{" * 10_000)
    return True


def edited_manifest(**changes: Any) -> Callable[[Registry], None]:
    """Every manifest with other values."""

    def change(server: Registry) -> None:
        for tag, data in server.manifests.items():
            server.manifests[tag] = json.dumps(json.loads(data) | changes).encode()

    return change


def edited_record(change: Callable[[dict[str, Any]], None]) -> Callable[[Registry], None]:
    """A forged record under its right digest."""

    def forge(server: Registry) -> None:
        for tag, data in server.manifests.items():
            manifest = json.loads(data)
            layer = manifest["layers"][0]
            body = json.loads(server.blobs[layer["digest"]])
            change(body["record"])
            forged = json.dumps(body).encode()
            layer |= {"digest": digest(forged), "size": len(forged)}
            server.blobs[digest(forged)] = forged
            server.manifests[tag] = json.dumps(manifest).encode()

    return forge


def layer_size(size: int) -> Callable[[Registry], None]:
    """Every layer with that size."""

    def change(server: Registry) -> None:
        for tag, data in server.manifests.items():
            manifest = json.loads(data)
            for layer in manifest["layers"]:
                layer["size"] = size
            server.manifests[tag] = json.dumps(manifest).encode()

    return change


def layer_digest(name: str) -> Callable[[Registry], None]:
    """The record's layer with that digest."""

    def change(server: Registry) -> None:
        for tag, data in server.manifests.items():
            manifest = json.loads(data)
            manifest["layers"][0]["digest"] = name
            server.manifests[tag] = json.dumps(manifest).encode()

    return change


def other_bytes(server: Registry) -> None:
    """The wheel's digest names other bytes of the same length."""
    server.blobs[digest(WHEEL)] = b"X" * len(WHEEL)


def without_wheel(server: Registry) -> None:
    """The wheel's blob was collected."""
    del server.blobs[digest(WHEEL)]


def without_layers(server: Registry) -> None:
    """The manifest names no file."""
    for tag, data in server.manifests.items():
        manifest = json.loads(data)
        server.manifests[tag] = json.dumps(manifest | {"layers": manifest["layers"][:2]}).encode()


CALLS: Mapping[str, Callable[[Call], bool]] = {
    "closes before an answer": reset,
    "breaks off in a manifest": broken_off,
    "breaks off in a blob": only("/blobs/", broken_off),
    "speaks no HTTP": garbage,
    "never answers": silent,
    "never answers for a blob": only("/blobs/", silent),
    "drips": dripping,
    "drips a blob": only("/blobs/", dripping),
    "fails": answers(500, b"oops"),
    "is a proxy's page": answers(502, b"<html>Bad gateway</html>", Content_Type="text/html"),
    "is being maintained": answers(503, b"later", Retry_After="3600"),
    "limits calls": answers(429, b"{}", Retry_After="3600"),
    "refuses": answers(403, b"{}"),
    "wants a login without saying how": answers(401),
    "wants a login at a stranger's address": answers(401, WWW_Authenticate='Bearer realm="http://192.0.2.1/token"'),
    "wants a login nowhere": answers(401, WWW_Authenticate='Bearer realm="",service="x"'),
    "wants a login of a kind unknown": answers(401, WWW_Authenticate="Negotiate"),
    "gives tokens and takes none": lambda call: (
        (
            call.answer(200, b'{"token": "new"}')
            if "token" in call.path
            else call.answer(401, WWW_Authenticate=f'Bearer realm="http://{call.registry.host}/token"')
        )
        is None
    ),
    "gives tokens that are no JSON": lambda call: (
        (
            call.answer(200, b"<html>")
            if "token" in call.path
            else call.answer(401, WWW_Authenticate=f'Bearer realm="http://{call.registry.host}/token"')
        )
        is None
    ),
    "sends a page for a manifest": answers(200, b"<html>Log in</html>"),
    "redirects for ever": answers(307, Location="/v2/loop"),
    "lacks a blob": only("/blobs/", answers(404)),
    "sends too much": only("/blobs/", endless),
    "sends nothing for a blob": only("/blobs/", answers(200, b"")),
    "wants two logins nowhere": answers(401, WWW_Authenticate='Bearer realm="",service="x", Basic realm="harbor"'),
    "redirects to another scheme": answers(307, Location="ftp://192.0.2.1/x"),
    "sends JSON without an end": answers(200, b'{"x":' + b"[" * 100_000),
    "names a new place again and again": lambda call: (
        call.answer(307, Location=f"{call.path}x") is None  # requests follows thirty
    ),
    "expires in the middle": only("/blobs/", answers(401, WWW_Authenticate='Bearer realm=""')),
}
DAMAGES = (
    "sends a page for a manifest", "lacks a blob", "sends too much", "sends nothing for a blob",
    "sends JSON without an end",
)  # fmt: skip
"""Faults of calls that damage one entry."""
CONTENTS: Mapping[str, Callable[[Registry], None]] = {
    "other bytes under a digest": other_bytes,
    "a wheel that is gone": without_wheel,
    "a manifest without the wheel": without_layers,
    "docker's manifest": edited_manifest(
        mediaType="application/vnd.docker.distribution.manifest.v2+json", artifactType=None
    ),
    "digests that are addresses": layer_digest("http://192.0.2.1/x"),
    "digests that are paths": layer_digest("sha256:../../../etc/passwd"),
    "an image": edited_manifest(artifactType="application/vnd.docker.image"),
    "no layers": edited_manifest(layers=[]),
    "layers that are none": edited_manifest(layers="x"),
    "a negative size": layer_size(-1),
    "a size beyond reason": layer_size(1 << 60),
    "a record of another task": edited_record(lambda record: record.update(task="build:two")),
    "a record that writes elsewhere": edited_record(
        lambda record: record.update(makes={"../../.bashrc": digest(WHEEL)[7:]})
    ),
    "a record with another wheel's digest": edited_record(
        lambda record: record.update(makes={"dist/one.whl": "0" * 64})
    ),
    "a record that is none": edited_record(lambda record: record.update(makes=3)),
}


@pytest.mark.parametrize("fault", [*CALLS, *CONTENTS])
def test_a_fault_costs_time_and_one_line(
    filled: Registry, tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "SECONDS", 1.0)
    if fault in CALLS:
        filled.fault = CALLS[fault]
    else:
        CONTENTS[fault](filled)
    began = time.monotonic()
    result, lines = read(filled.address, tmp_path / "second")
    assert time.monotonic() - began < 30
    assert result is None
    assert len(lines) == 1
    damage = fault in CONTENTS or fault in DAMAGES
    subject = "the entry of build:one in the shared cache" if damage else "the shared cache"
    assert lines[0].startswith(f"{subject} is not used: ")
    assert "\n" not in lines[0]
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file() and "second" in str(p)) == ["lib.rs"]


def test_a_cache_that_is_slow_and_has_nothing_is_given_up(
    server: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_PATIENCE", 0.1)
    monkeypatch.setattr(session, "_SLOW", 0.03)
    server.fault = lambda call: bool(server.ended.wait(0.05)) and False
    lines: list[str] = []
    run = CacheSession(CacheSettings(url=server.address), {})
    disk = snapshot(tmp_path)
    for _ in range(9):
        assert run.result(STEP, disk, lines.append) is None
    assert len(lines) == 1
    assert re.fullmatch(r"the shared cache is not used further: (\d lookups|a lookup) took 0 s in vain", lines[0])
    assert len(server.calls) < 9


@pytest.mark.parametrize("size", [0, 1 << 31])
def test_no_size_in_a_manifest_makes_a_deadline_of_hours(size: int) -> None:
    assert store.deadline(size) <= 15 + 600


def test_a_page_of_tags_that_leads_to_itself_ends(filled: Registry) -> None:
    first = next(iter(filled.manifests))
    filled.fault = only("tags/list", answers(200, json.dumps({"tags": [first]}).encode(), Link="<?n=9>; rel=next"))
    assert store_at(filled.address, {}).tags() == (first,)
    assert len([place for _, place in filled.calls if "tags" in place]) < 4


def test_a_login_that_a_registry_offers_besides_another_is_used(filled: Registry, tmp_path: Path) -> None:
    """Harbor offers both kinds in one header."""
    (tmp_path / "config.json").write_text(json.dumps({"auths": {filled.host: login()}}))
    filled.login = ("me", "pass:word")
    offer = f'Bearer realm="http://{filled.host}/token",service=r, Basic realm="harbor"'
    filled.fault = lambda call: (
        "token" not in call.path
        and not call.headers.get("Authorization")
        and call.answer(401, WWW_Authenticate=offer) is None
    )
    assert store_at(filled.address, {"DOCKER_CONFIG": str(tmp_path)}).manifest(next(iter(filled.manifests)))


def test_an_upload_at_another_host_gets_no_login(server: Registry, tmp_path: Path) -> None:
    with serving() as other:
        (tmp_path / "config.json").write_text(json.dumps({"auths": {server.host: login()}}))
        server.login = ("me", "pass:word")
        seen: list[str | None] = []

        def noted(call: Call) -> bool:
            seen.append(call.headers.get("Authorization"))
            return False

        other.fault = noted
        server.fault = lambda call: (
            call.command == "POST"
            and call.answer(202, Location=f"http://{other.host}/v2/owner/name-cache/blobs/uploads/1") is None
        )
        place = store_at(server.address, {"DOCKER_CONFIG": str(tmp_path)})
        name = place.put_blob(WHEEL)
        assert (other.blobs[name], seen) == (WHEEL, [None])


# A shared folder ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the step of another clone."""
    disk, record = built(tmp_path / "first")
    entries.send(STEP, record, disk, store_at((tmp_path / "shared").as_uri(), {}))
    return tmp_path / "shared"


def test_an_address_with_a_drive_and_a_blank_is_a_windows_path(monkeypatch: pytest.MonkeyPatch) -> None:
    import nturl2path

    monkeypatch.setattr(store, "url2pathname", nturl2path.url2pathname)
    assert str(store.store_at("file:///C:/our%20cache", {})._folder) == r"C:\our cache"  # type: ignore[attr-defined]


@pytest.mark.skipif(os.name == "nt", reason="needs FIFOs")
@pytest.mark.parametrize("part", ["tags", "blobs"])
@pytest.mark.parametrize("kind", ["a FIFO", "a folder", "a link to itself", "a link to nothing", "a longer file"])
def test_what_is_no_entry_in_a_folder_costs_one_line(tmp_path: Path, folder: Path, part: str, kind: str) -> None:
    for path in (folder / part).iterdir():
        path.unlink()
        match kind:
            case "a FIFO":
                os.mkfifo(path)
            case "a folder":
                path.mkdir()
            case "a link to itself":
                path.symlink_to(path)
            case "a link to nothing":
                path.symlink_to(folder / "nothing")
            case _:
                path.write_bytes(b"x" * (5 << 20))
    result, lines = read(folder.as_uri(), tmp_path / "second")
    assert result is None
    missing = (part, kind) == ("tags", "a link to nothing")
    assert len(lines) == (0 if missing else 1)
    assert all("\n" not in line and "is not used: " in line for line in lines)


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_links_in_a_folder_are_followed(tmp_path: Path, folder: Path) -> None:
    for path in (folder / "blobs").iterdir():
        path.rename(tmp_path / path.name)
        path.symlink_to(tmp_path / path.name)
    (tmp_path / "link").symlink_to(folder)
    assert read((tmp_path / "link").as_uri(), tmp_path / "second")[0] is not None


def test_a_folder_that_stops_answering_costs_one_line(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a file server that is gone: a call on the folder does not return."""
    monkeypatch.setattr(store, "SECONDS", 0.2)
    ended = threading.Event()
    monkeypatch.setattr(store, "_content", lambda path, longest: ended.wait(20) or None)
    result, lines = read(folder.as_uri(), tmp_path / "second")
    ended.set()
    assert (result, lines) == (None, [f"the shared cache is not used: {folder}: no answer within 0 s"])


def test_a_folder_that_cannot_be_written_is_read_and_a_push_says_so(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: Any, **more: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(store, "write_atomically", refused)
    monkeypatch.setattr(store.os, "utime", refused)
    assert read(folder.as_uri(), tmp_path / "second")[0] is not None
    disk, record = built(tmp_path / "other", source="other")
    with pytest.raises(CacheFault, match=r"shared: Read-only file system"):
        entries.send(STEP, record, disk, store_at(folder.as_uri(), {}))


def test_two_that_push_at_once_leave_a_whole_entry(tmp_path: Path) -> None:
    address = (tmp_path / "shared").as_uri()
    clones = [built(tmp_path / name) for name in ("one", "two", "three", "four")]
    start = threading.Barrier(len(clones))
    failed: list[BaseException] = []

    def push(disk: DiskSnapshot, record: Record) -> None:
        start.wait()
        try:
            entries.send(STEP, record, disk, store_at(address, {}))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=push, args=clone) for clone in clones]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert read(address, tmp_path / "reader")[0] is not None
    assert {path.name[:6] for path in (tmp_path / "shared/tags").iterdir()} == {"exact-", "latest"}


def test_a_damaged_entry_is_named_and_the_others_are_used(server: Registry, tmp_path: Path) -> None:
    one, two = clone(tmp_path / "one", server.address), clone(tmp_path / "two", server.address)
    one.doit("build")
    one.doit("push")
    damaged = next(tag for tag, data in server.manifests.items() if b'"build:one"' in data and tag.startswith("exact"))
    server.manifests[damaged] = b"junk"
    output = two.doit("pull", code=1)
    assert "the entry of build:one in the shared cache is not used: its manifest is damaged" in output
    assert "1 pulled, 0 up to date, 3 missing in the cache" in output
    two.doit("build")
    assert "1 pushed, 1 there already" in one.doit("push"), "a damaged entry is replaced"
    assert server.manifests[damaged] != b"junk"


def test_a_registry_that_is_down_costs_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    result, lines = read(f"oci://127.0.0.1:{port}/owner/name", tmp_path / "second")
    assert (result, len(lines)) == (None, 1)


def test_a_record_of_other_sources_is_no_hit_even_under_the_key_of_these(filled: Registry, tmp_path: Path) -> None:
    edited_record(lambda record: record.update(settings={"profile": "dev"}))(filled)
    assert read(filled.address, tmp_path / "second") == (None, [])


PUSHES: Mapping[str, Callable[[Call], bool]] = {
    "is full": lambda call: call.command == "PUT" and call.answer(507, b"no space left") is None,
    "takes no such size": lambda call: call.command == "PUT" and call.answer(413) is None,
    "is read-only": lambda call: call.command in ("POST", "PUT") and call.answer(405) is None,
    "names an upload elsewhere": lambda call: (
        call.command == "POST" and call.answer(202, Location="https://192.0.2.1/up") is None
    ),
    "names no upload": lambda call: call.command == "POST" and call.answer(202) is None,
    "takes no manifest": lambda call: call.command == "PUT" and "manifests" in call.path and call.answer(400) is None,
    "dies in the middle": lambda call: call.command == "PUT" and reset(call),
}


@pytest.mark.parametrize("fault", PUSHES)
def test_a_push_that_fails_leaves_no_entry(server: Registry, tmp_path: Path, fault: str) -> None:
    server.fault = PUSHES[fault]
    disk, record = built(tmp_path / "first")
    with pytest.raises(CacheFault):
        entries.send(STEP, record, disk, store_at(server.address, {}))
    assert not server.manifests


# Logins ---------------------------------------------------------------------------------------------------------------


def login(user: str = "me", password: str = "pass:word") -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_a_login_of_the_container_tools_is_used_and_renewed(filled: Registry, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"auths": {filled.host: login()}}))
    filled.login = ("me", "pass:word")
    store = store_at(filled.address, {"DOCKER_CONFIG": str(tmp_path)})
    tag = next(iter(filled.manifests))
    assert store.manifest(tag)
    filled.token = "second"  # the first has expired
    assert store.manifest(tag)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CacheFault, match=r"answered 401 \(docker login or podman login\)"):
        store_at(filled.address, {"DOCKER_CONFIG": str(tmp_path)}).manifest(tag)


@pytest.mark.parametrize(
    ("place", "key", "matches"),
    [
        (".docker/config.json", "ghcr.io", True),
        (".docker/config.json", "https://ghcr.io", True),
        (".docker/config.json", "https://ghcr.io/v2/", True),
        (".config/containers/auth.json", "ghcr.io/owner", True),
        (".config/containers/auth.json", "ghcr.io/owner/name", True),
        (".config/containers/auth.json", "ghcr.io/other", False),
        (".docker/config.json", "quay.io", False),
    ],
)
def test_logins_are_found_where_docker_and_podman_keep_them(
    tmp_path: Path, place: str, key: str, matches: bool
) -> None:
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).write_text(json.dumps({"auths": {key: login()}}))
    expected = ("me", "pass:word") if matches else None
    assert credentials("ghcr.io", "owner/name", {"HOME": str(tmp_path)}) == expected


@pytest.mark.skipif(os.name == "nt", reason="a program as POSIX has them")
def test_a_credential_helper_is_asked(tmp_path: Path) -> None:
    helper = tmp_path / "docker-credential-shelf"
    helper.write_text('#!/bin/sh\nread host; echo "{\\"Username\\": \\"me\\", \\"Secret\\": \\"$host\\"}"\n')
    helper.chmod(0o755)
    (tmp_path / "config.json").write_text('{"credHelpers": {"ghcr.io": "shelf"}}')
    environ = {"DOCKER_CONFIG": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert credentials("ghcr.io", "a/b", environ) == ("me", "ghcr.io")


@pytest.mark.parametrize("text", ["", "[]", '{"auths": 3}', '{"auths": {"ghcr.io": {"auth": "%%%"}}}', "\x00"])
def test_a_damaged_file_of_logins_is_no_login(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    assert credentials("ghcr.io", "a/b", {"DOCKER_CONFIG": str(tmp_path)}) is None


@pytest.mark.parametrize(
    ("host", "environ", "expected"),
    [
        ("ghcr.io", {"GITHUB_TOKEN": "t", "GITHUB_ACTOR": "me"}, ("me", "t")),
        ("quay.io", {"GITHUB_TOKEN": "t"}, None),
        ("r.example", {"CI_REGISTRY": "r.example", "CI_REGISTRY_USER": "u", "CI_REGISTRY_PASSWORD": "p"}, ("u", "p")),
        ("q.example", {"CI_REGISTRY": "r.example", "CI_REGISTRY_USER": "u", "CI_REGISTRY_PASSWORD": "p"}, None),
    ],
)
def test_a_jobs_own_token_goes_to_its_own_registry_alone(
    host: str, environ: dict[str, str], expected: tuple[str, str] | None
) -> None:
    assert credentials(host, "a/b", environ) == expected


@pytest.mark.parametrize(
    ("write", "environ", "refused"),
    [
        ("protected", {}, False),
        ("never", {}, True),
        ("protected", {"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_REF_PROTECTED": "true"}, False),
        ("protected", {"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_REF_PROTECTED": "false"}, True),
        ("protected", {"CI": "true", "GITHUB_REF_PROTECTED": "true", "GITHUB_EVENT_NAME": "pull_request_target"}, True),
        ("protected", {"CI": "true", "CI_COMMIT_BRANCH": "main", "CI_DEFAULT_BRANCH": "main"}, False),
        ("protected", {"CI": "true", "CI_COMMIT_BRANCH": "x", "CI_DEFAULT_BRANCH": "main"}, True),
        ("protected", {"CI": "true", "CI_COMMIT_REF_PROTECTED": "true", "CI_MERGE_REQUEST_IID": "3"}, True),
        ("always", {"CI": "true"}, False),
    ],
)
def test_who_may_write(write: Any, environ: dict[str, str], refused: bool) -> None:
    assert bool(refusal_to_write(CacheSettings(url="file:///x", write=write), environ)) == refused


@pytest.mark.parametrize(
    ("environ", "reads"),
    [
        ({}, True),
        ({"GITHUB_EVENT_NAME": "push"}, True),
        ({"GITHUB_EVENT_NAME": "pull_request"}, True),
        ({"GITHUB_EVENT_NAME": "workflow_dispatch"}, False),
        ({"GITHUB_EVENT_NAME": "schedule"}, False),
        ({"GITHUB_EVENT_NAME": "release"}, False),
        ({"CI_PIPELINE_SOURCE": "merge_request_event"}, True),
        ({"CI_PIPELINE_SOURCE": "web"}, False),
    ],
)
def test_a_pipeline_that_may_publish_reads_nothing(environ: dict[str, str], reads: bool) -> None:
    project = replace(understood(manifests({})), cache=CacheSettings(url="file:///x"))
    assert session_of_run(project, (), environ).reads == reads
    assert not session_of_run(project, ("publish:pypi",), environ).reads


# With doit ------------------------------------------------------------------------------------------------------------


def clone(root: Path, address: str, **settings: str) -> Graph:
    """A clone of a project with a cache."""
    graph = Graph(root)
    dodo = graph.root / "dodo.py"
    rows = "".join(f", {key}={value!r}" for key, value in settings.items())
    text = dodo.read_text().replace("overrides={})", f"overrides={{}}, cache=CacheSettings(url={address!r}{rows}))")
    text = text.replace("import ReleaseSettings", "import CacheSettings, ReleaseSettings")
    dodo.write_text(text)
    return graph


def tour(root: Path, address: str) -> None:
    """Three clones in other folders build, push and pull, and have each other's edits."""
    one, two, three = (clone(root / name / "deep" / name, address) for name in ("one", "two", "three"))
    one.doit("repair")
    assert one.doit("push").endswith("4 pushed, 0 there already\n")
    assert one.doit("push").endswith("0 pushed, 4 there already\n")
    assert two.doit("pull").endswith("4 pulled, 0 up to date, 0 missing in the cache\n")
    assert "4 up to date" in two.doit("repair")
    assert (two.ran(), two.outputs()) == ([], one.outputs())
    assert "build:one: from the shared cache" in three.doit("repair")
    assert (three.ran(), three.outputs()) == ([], one.outputs())
    for graph in (two, three):
        graph.write("src/one.txt", "edited\n")
    two.doit("repair")
    assert two.doit("push").endswith("pushed, 0 there already\n")
    three.ran()
    three.doit("repair")
    assert (three.ran(), three.outputs()) == ([], two.outputs())


def test_clones_share_by_a_folder(tmp_path: Path) -> None:
    tour(tmp_path, f"file://{tmp_path / 'shared'}")


@pytest.mark.lab
@pytest.mark.parametrize("program", ["crane", "docker-registry"])
def test_clones_share_by_a_real_registry(tmp_path: Path, program: str) -> None:
    if not (path := shutil.which(program)):
        pytest.skip(f"needs {program}")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "config.yml").write_text(
        f"version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {tmp_path / 'data'}\n  delete: {{enabled: true}}\n"
        f"http:\n  addr: 127.0.0.1:{port}\n"
    )
    rest = (
        ("registry", "serve", "--address", f"127.0.0.1:{port}")
        if program == "crane"
        else ("serve", str(tmp_path / "config.yml"))
    )
    served = subprocess.Popen((path, *rest), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.1)
        address = f"oci://127.0.0.1:{port}/owner/name-cache"
        tour(tmp_path, address)
        last = clone(tmp_path / "last", address)
        assert re.search(r"[1-9]\d* entries were removed", last.doit("cache", "prune", "--days", "-1"))
        assert last.doit("pull").endswith("0 pulled, 0 up to date, 4 missing in the cache\n")
    finally:
        served.kill()
        served.wait()


def test_a_fault_of_the_cache_is_one_line_of_a_build(filled: Registry, tmp_path: Path) -> None:
    filled.fault = answers(500)
    graph = clone(tmp_path / "clone", filled.address)
    output = graph.doit("repair")
    assert output.count("the shared cache is not used: ") == 1
    assert graph.ran() == ["build-one", "build-two", "repair-one", "repair-two"]


def test_a_registry_that_is_down_is_told_without_pythons_objects(tmp_path: Path) -> None:
    with socket.socket() as closed:  # bound, and listened on by nobody
        closed.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{closed.getsockname()[1]}"
        output = clone(tmp_path / "clone", f"oci://{host}/name").doit("pull", code=1)
    assert f"the shared cache is not used: {host}: Failed to establish a new connection" in output
    assert "host=" not in output


def test_a_release_uses_nothing_from_the_cache(tmp_path: Path) -> None:
    address = f"file://{tmp_path / 'shared'}"
    one, two = clone(tmp_path / "one", address), clone(tmp_path / "two", address)
    one.doit("repair")
    one.doit("push")
    two.doit("pull")
    tag = {"CI_COMMIT_TAG": "v1.0"}
    dodo = two.root / "dodo.py"
    dodo.write_text(
        dodo.read_text().replace("cache=Cache", 'started_by=os.environ.get("CI_COMMIT_TAG", ""), cache=Cache')
    )
    assert "4 up to date" in two.doit("repair")
    two.doit("repair", env=tag)
    assert two.ran() == ["build-one", "build-two", "repair-one", "repair-two"]


@pytest.mark.parametrize(
    ("read", "pulls", "builds"), [("always", True, True), ("pull", True, False), ("never", False, False)]
)
def test_who_reads(tmp_path: Path, read: str, pulls: bool, builds: bool) -> None:
    address = f"file://{tmp_path / 'shared'}"
    one = clone(tmp_path / "one", address)
    one.doit("build")
    one.doit("push")
    two = clone(tmp_path / "two", address, read=read)
    assert ("from the shared cache" in two.doit("build")) == builds
    three = clone(tmp_path / "three", address, read=read)
    output = three.doit("pull", code=0 if pulls else 3)
    assert ("2 pulled" in output) == pulls


def test_old_entries_are_pruned_and_others_stay(server: Registry, tmp_path: Path) -> None:
    server.manifests["of-another-tool"] = b"{}"
    one = clone(tmp_path / "one", server.address)
    one.doit("build")
    one.doit("push")
    assert one.doit("cache", "prune") == "0 entries were removed\n"
    one.doit("cache", "prune", "--days", "-1")
    assert list(server.manifests) == ["of-another-tool"]


def test_a_date_without_a_zone_is_one_of_utc(filled: Registry) -> None:
    edited_manifest(annotations={"org.opencontainers.image.created": "2026-01-01T00:00:00"})(filled)
    assert entries.creation_time(next(iter(filled.manifests.values()))).isoformat() == "2026-01-01T00:00:00+00:00"


def test_a_damaged_entry_does_not_keep_the_others_from_being_pruned(server: Registry, tmp_path: Path) -> None:
    server.manifests["exact-0"] = b"junk"
    one = clone(tmp_path / "one", server.address)
    one.doit("build")
    one.doit("push")
    output = one.doit("cache", "prune", "--days", "-1", code=1)
    assert "exact-0 stays: its manifest is damaged" in output
    assert list(server.manifests) == ["exact-0"]


def test_without_a_cache_the_commands_say_how_to_have_one(tmp_path: Path) -> None:
    graph = Graph(tmp_path / "graph")
    assert "no cache is configured; write [tool.cartwheel] cache = " in graph.doit("pull", code=3)


@pytest.mark.parametrize(
    "address",
    [
        "oci://ghcr.io", "oci://ghcr.io/Owner/name", "oci://ghcr.io/owner/name:tag", "oci://host/a/../b", "oci://host//a",
        "oci://user:word@host/a", "OCI://host/a", "oci://host:/a", "oci://host/a?b", "https://host/a", "file://a", "",
    ],
)  # fmt: skip
def test_an_address_that_no_registry_takes_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="expected oci://HOST/NAME"):
        refuse_invalid_values(Settings(cache=address), "[tool.cartwheel]")


@pytest.mark.parametrize(
    "address", ["oci://ghcr.io/owner/a-b.c_d__e--f", "oci://localhost:5000/a", "oci://h/a/b/c", "file:///a b/c"]
)
def test_an_address_of_a_registry_or_a_folder_is_taken(address: str) -> None:
    refuse_invalid_values(Settings(cache=address), "[tool.cartwheel]")


def test_what_git_says_of_one_clone_is_not_shared(tmp_path: Path) -> None:
    """Another clone of the commit has other tags: a wheel that carries them would be wrong there."""
    one = clone(tmp_path / "one", f"file://{tmp_path / 'shared'}")
    reading = """
        class Reading(TreeSources, frozen=True, kw_only=True):
            def dependencies(self, snapshot, before):
                return replace(super().dependencies(snapshot, before), local={"git tags": "v1.0"})


        def steps"""
    dodo = (one.root / "dodo.py").read_text().replace("def steps", dedent(reading).strip(), 1)
    dodo = dodo.replace("sources=TreeSources(", 'sources=(Reading if name == "one" else TreeSources)(')
    one.write("dodo.py", f"from msgspec.structs import replace\n{dodo}")
    one.doit("build")
    output = one.doit("push")
    assert "build:one reads git's tags, edits or branch: not shared\n" in output
    assert output.endswith("1 pushed, 0 there already\n")
