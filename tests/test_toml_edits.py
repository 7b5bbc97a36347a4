"""Edits of TOML files: in every form that people write, the named value changes and no other byte."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from cartwheel.filesystem.edits import TextPlace, new_contents
from cartwheel.filesystem.toml_edits import with_key, with_strings
from cartwheel.model.config.manifests import Keys
from cartwheel.model.errors import ConfigError

AT = ("tool", "x", "version")
PROJECT = ("project", "version")

# «…» is the text that changes: between the guillemets the old one; the new one is NEW.
REPLACED: dict[str, tuple[Keys, str]] = {
    "a plain table": (AT, '[tool.x]\nversion = "«1.2.0»"\n'),
    "spaces in the header": (AT, '[ tool.x ]\nversion = "«1.2.0»"\n'),
    "spaces around every dot": (AT, '[ tool . x ]\nversion  =  "«1.2.0»"   # now\n'),
    "indented with tabs": (AT, '\t[tool.x]\t# here\n\t\tversion\t=\t"«1.2.0»"\t# now\n'),
    "a quoted header": (AT, '[tool."x"]\n"version" = "«1.2.0»"\n'),
    "a dotted key at the top": (AT, 'tool.x.version = "«1.2.0»"\ntool.x.other = "1.2.0"\n'),
    "a dotted key in a table": (AT, '[tool]\nx.a = 1\nx.version = "«1.2.0»"\nx.b = 2\n'),
    "a dotted key with spaces": (AT, 'tool . x . version = "«1.2.0»"\n'),
    "an inline table": (AT, '[tool]\nx = { other = "1.2.0", version = "«1.2.0»" } # both\n'),
    "an inline table without spaces": (AT, '[tool]\nx={other="1.2.0",version="«1.2.0»"}\n'),
    "inline tables within each other": (AT, 'tool = { y = [1, 2,], x = { version = "«1.2.0»" } }\n'),
    "a dotted key in an inline table": (AT, "tool = { x.a = 1, x.version = '«1.2.0»' }\n"),
    "a literal string": (AT, "[tool.x]\nversion = '«1.2.0»' # 'as is'\n"),
    "a multi-line string": (AT, '[tool.x]\nversion = """«1.2.0»"""\n'),
    "a multi-line string on its own line": (AT, '[tool.x]\nversion = """«\n1.2.0»"""\n'),
    "a multi-line string with a folded line": (AT, '[tool.x]\nversion = """«\\\n   1.2.0»"""\n'),
    "a multi-line literal string": (AT, "[tool.x]\nversion = '''«1.2.0»'''\n"),
    "an escape in the string": (AT, '[tool.x]\nversion = "«1\\u002E2.0»"\n'),
    "CRLF": (AT, '# one\r\n[tool.x]\r\n\r\nversion = "«1.2.0»" # now\r\n\r\n[y]\r\na = 1\r\n'),
    "mixed line endings": (AT, '# one\n[tool.x]\r\n\nversion = "«1.2.0»"\r\n\n[y]\r\na = 1\n'),
    "no line ending at the end": (AT, '[tool.x]\nversion = "«1.2.0»"'),
    "blank lines and trailing spaces": (AT, '\n\n   [tool.x]  \n\n\n   version = "«1.2.0»"   \n\n\n'),
    "the same version in other places": (AT, 'v = "1.2.0"\n[a]\nversion = "1.2.0"\n[tool.x]\nversion = "«1.2.0»"\n'),
    "a header in a string": (AT, '[tool.x]\na = """\n[tool.x]\nversion = "1.2.0"\n"""\nversion = "«1.2.0»"\n'),
    "a header in a comment": (AT, '# [tool.x]\n# version = "1.2.0"\n[tool.x]\nversion = "«1.2.0»"\n'),
    "tables out of order": (AT, '[tool.z]\nq=1\n[b]\nv = "1.2.0"\n[tool.x]\nversion = "«1.2.0»"\n[tool.a]\nq = 1\n'),
    "a parent after its child": (AT, '[tool.x]\nversion = "«1.2.0»"\n[tool]\nversion = "1.2.0"\n'),
    "empty parents": (AT, '[tool]\n[tool.x]\nversion = "«1.2.0»"\n[tool.x.y]\n'),
    "other alphabets": (AT, '# é ✓\n[tool.x]\n"ключ" = "значение"\nversion = "«1.2.0»"\n'),
    "values of every other kind": (
        AT,
        "[tool.x]\nd = 1979-05-27 07:32:00Z\nf = 1_000.0e+3\nn = nan\nh = 0xDEAD_beef\nb=true\ne = []\n"
        'm = [\n  "a", # one\n  "b"\n  , # two\n]\nversion = "«1.2.0»"\n',
    ),
    "an array of tables in between": (AT, '[[bin]]\nname = "a"\n[[bin]]\nname = "b"\n[tool.x]\nversion = "«1.2.0»"\n'),
    "an array of tables that is interrupted": (
        AT,
        '# all\n[[bin]]\nname = "a"\n\n[tool.x]  # x\nversion = "«1.2.0»"\n\n[[bin]]\nname = "b"\nversion = "1.2.0"\n',
    ),
    "an entry of an array of tables": (
        ("package", 1, "version"),
        '[[package]]\nname = "a"\nversion = "1.2.0"\n\n[[package]]\nname = "b"\nversion = "«1.2.0»"\n',
    ),
    "an entry of an interrupted array of tables": (
        ("bin", 1, "version"),
        '[[bin]]\nversion = "1.2.0"\n[x]\na = 1\n[[bin]]\nversion = "«1.2.0»"\n[[bin]]\nversion = "1.2.0"\n',
    ),
    "a table below an entry of an interrupted array": (
        ("a", 1, "b", "version"),
        '[[a]]\n[a.b]\nversion = "1.2.0"\n[x]\nq = 1\n[[a]]\nz = 1\n[a.b]\nversion = "«1.2.0»"\n',
    ),
    "an element of an array": (
        ("package", 0, "dependencies", 1),
        '[[package]]\nname = "a"\ndependencies = [\n "b 1.2.0",\n "«1.2.0»",\n "c",\n]\n',
    ),
    "a dependency of a target": (
        ("target", "cfg(windows)", "dependencies", "a", "version"),
        "[target.'cfg(windows)'.dependencies]\na = { path = 'x', version = '«1.2.0»' }\n[tool]\nversion = '1.2.0'\n",
    ),
    "a byte order mark": (PROJECT, '\ufeff[project]\nname = "x"\nversion = "«1.2.0»"\n'),
    "a byte order mark and CRLF": (PROJECT, '\ufeff[project]\r\nversion = \'«1.2.0»\'\r\n'),
    "an inline array of tables": (("a", 1, "version"), 'a = [{ version = "1.2.0" }, { version = "«1.2.0»" }]\n'),
}  # fmt: skip


@pytest.mark.parametrize("form", REPLACED)
def test_a_string_is_replaced_and_no_other_byte(form: str) -> None:
    at, marked = REPLACED[form]
    head, _, rest = marked.partition("«")
    old, _, tail = rest.partition("»")
    expected = f"{head}2.0.0-rc.1{tail}".encode()
    assert with_strings(f"{head}{old}{tail}".encode(), {at: "2.0.0-rc.1"}, shown_as="a.toml") == expected


def test_several_strings_of_one_file_are_replaced_at_once() -> None:
    before = b'[[p]]\nv = "1"\n[[p]]\nv = \'1\'\n[x]\nv = "1"\n'
    values: dict[Keys, str] = {("p", 0, "v"): "2", ("p", 1, "v"): "3"}
    assert with_strings(before, values, shown_as="a.toml") == b'[[p]]\nv = "2"\n[[p]]\nv = \'3\'\n[x]\nv = "1"\n'


def test_a_value_that_is_no_string_is_refused_in_words() -> None:
    with pytest.raises(ConfigError, match=r"a\.toml: x\.v cannot be replaced .*; change it by hand to '2'"):
        with_strings(b"[x]\nv = 1\n", {("x", "v"): "2"}, shown_as="a.toml")


def test_a_file_that_is_no_toml_is_refused_in_words() -> None:
    with pytest.raises(ConfigError, match=r"a\.toml: not valid TOML"):
        with_strings(b"[x\n", {("x", "v"): "2"}, shown_as="a.toml")


def test_a_place_that_holds_other_text_than_was_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text('v = "1.1"\n')
    place = TextPlace(path="a.py", what="__version__", found="1.0", expected="2.0", span=(5, 8))
    with pytest.raises(ConfigError, match=r"a\.py: __version__ reads '1\.0', but is written otherwise"):
        new_contents(tmp_path, [place])


# A key that is added --------------------------------------------------------------------------------------------------

TABLE = ("tool", "cartwheel", "release")

# «…» is what is added, or what replaces the text behind the bar.
ADDED = {
    "an empty file": '«[tool.cartwheel.release]\nfrom = "ci"\n»',
    "no such table": '[project]\nname = "x"\n«\n[tool.cartwheel.release]\nfrom = "ci"\n»',
    "no line ending at the end": '[project]\nname = "x"«\n[tool.cartwheel.release]\nfrom = "ci"\n»',
    "CRLF": '[tool.cartwheel]\r\n«[tool.cartwheel.release]\r\nfrom = "ci"\r\n»',
    "a header": '[tool.cartwheel.release] # how\nbranch = "x"\n«from = "ci"\n»\n# next\n[y]\n',
    "a header with spaces": '[ tool.cartwheel.release ]\n«from = "ci"\n»\n[y]\n',
    "a header with CRLF": '[tool.cartwheel.release]\r\nbranch = "x"\r\n«from = "ci"\r\n»[y]\r\n',
    "a header at the end": '[tool.cartwheel.release]«\nfrom = "ci"\n»',
    "an inline table": '[tool.cartwheel]\nrelease = { branch = "x"«, from = "ci"» } # c\n',
    "an empty inline table": '[tool.cartwheel]\nrelease = {«from = "ci"»}\n',
    "an inline table in another": '[tool]\ncartwheel = { release = { branch = "x"«, from = "ci"» } }\n',
    "dotted keys": '[tool.cartwheel]\nrelease.branch = "x"\n«release.from = "ci"\n»publish = []\n',
    "dotted keys above": '[tool]\ncartwheel.publish = []\n[y]\na = 1\n«\n[tool.cartwheel.release]\nfrom = "ci"\n»',
    "tables after it": '[tool.cartwheel]\na = 1\n«\n[tool.cartwheel.release]\nfrom = "ci"\n»\n# of ruff\n[tool.ruff]\n',
    "a byte order mark": '\ufeff[tool.cartwheel.release]\n«from = "ci"\n»',
    "another value": '[tool.cartwheel.release]\nfrom = "«ci|here»" # or ci\n',
    "the value": '[tool.cartwheel.release]\nfrom = "ci"\n',
}


@pytest.mark.parametrize("form", ADDED)
def test_a_key_is_added_and_nothing_else_moves(form: str) -> None:
    head, _, rest = ADDED[form].partition("«")
    new, _, tail = rest.partition("»")
    new, _, old = new.partition("|")
    after = with_key(f"{head}{old}{tail}".encode(), TABLE, "from", "ci", shown_as="pyproject.toml")
    assert after.decode() == f"{head}{new}{tail}"
    read = tomllib.loads(after.decode().removeprefix("\ufeff"))
    assert read["tool"]["cartwheel"]["release"]["from"] == "ci"


@pytest.mark.parametrize("text", ["tool = { cartwheel = {} }\n", 'tool = { cartwheel = { publish = ["pypi"] } }\n'])
def test_a_table_that_cannot_take_a_key_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot be added to \[tool.cartwheel.release\]; add it by hand"):
        with_key(text.encode(), TABLE, "from", "ci", shown_as="pyproject.toml")
