"""A dynamic version: each backend's own place for it is read, and a bump writes it there."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from time import process_time

import pytest

from cartwheel.filesystem.edits import new_contents
from cartwheel.model.errors import ConfigError
from cartwheel.pipeline import read_project
from cartwheel.versions.version_places import survey, version_disagreements

SETUPTOOLS, HATCH, MESON = "setuptools.build_meta", "hatchling.build", "mesonpy"
SCIKIT, PDM, FLIT = "scikit_build_core.build", "pdm.backend", "flit_core.buildapi"
ATTRIBUTE = '[tool.setuptools.dynamic]\nversion = { attr = "agate.__version__" }\n'
SIMPLE = {"agate/__init__.py": '"""agate"""\n__version__ = "1.2.0"\n'}
FLAT_META = '[tool.scikit-build.metadata.version]\nprovider = "scikit_build_core.metadata.regex"\n'


def project(root: Path, backend: str, tables: str, files: Mapping[str, str]) -> Path:
    """A project with one package, whose version is dynamic."""
    pyproject = (
        f'[build-system]\nrequires = []\nbuild-backend = "{backend}"\n'
        f'[project]\nname = "agate"\ndynamic = ["version"]\n{tables}'
        '[tool.cartwheel]\npublish = []\ntargets = ["any"]\n'
    )
    for path, text in {**files, "pyproject.toml": pyproject}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(text.encode())
    return root


WRITTEN: list[tuple[str, str, Mapping[str, str], str]] = [
    (SETUPTOOLS, ATTRIBUTE, SIMPLE, "agate/__init__.py"),
    (SETUPTOOLS, ATTRIBUTE, {"src/agate/__init__.py": "__version__: str = '1.2.0'\n"}, "src/agate/__init__.py"),
    (SETUPTOOLS, ATTRIBUTE, {"agate.py": "\ufeff__version__ = version = '1.2.0'\n"}, "agate.py"),
    (
        SETUPTOOLS,
        ATTRIBUTE,
        {"agate/__init__.py": "from ._version import VERSION as __version__\n", "agate/_version.py": 'VERSION="1.2.0"'},
        "agate/_version.py",
    ),
    (
        SETUPTOOLS,
        '[tool.setuptools]\npackage-dir = { "" = "lib" }\n' + ATTRIBUTE,
        {"lib/agate/__init__.py": '__version__ = "1.2.0"\n', "agate/__init__.py": '__version__ = "9"\n'},
        "lib/agate/__init__.py",
    ),
    (
        SETUPTOOLS,
        '[tool.setuptools.packages.find]\nwhere = ["lib"]\n' + ATTRIBUTE,
        {"lib/agate/__init__.py": '__version__ = "1.2.0"\n'},
        "lib/agate/__init__.py",
    ),
    (
        SETUPTOOLS,
        '[tool.setuptools]\npackage-dir = { agate = "code" }\n' + ATTRIBUTE,
        {"code/__init__.py": "from .about import __version__\n", "code/about.py": '__version__ = "1.2.0"\n'},
        "code/about.py",
    ),
    (SETUPTOOLS, '[tool.setuptools.dynamic]\nversion = { file = "VERSION" }\n', {"VERSION": "1.2.0\r\n"}, "VERSION"),
    (SETUPTOOLS, '[tool.setuptools.dynamic]\nversion = { file = ["VERSION"] }\n', {"VERSION": "1.2.0"}, "VERSION"),
    (HATCH, '[tool.hatch.version]\npath = "agate/__init__.py"\n', SIMPLE, "agate/__init__.py"),
    (HATCH, '[tool.hatch.version]\npath = "a.txt"\n', {"a.txt": "# é\nVERSION = 'v1.2.0'\n"}, "a.txt"),
    (
        HATCH,
        """[tool.hatch.version]\npath = "a.js"\npattern = 'version: "(?P<version>[^"]+)"'\n""",
        {"a.js": 'x = { version: "1.2.0" }\n'},
        "a.js",
    ),
    (
        HATCH,
        """[tool.hatch.version]\npath = "a.py"\npattern = '^__version__ = "(?P<version>.*)"$'\n""",
        {"a.py": '# é\r\n\r\n__version__ = "1.2.0"\r\nx = 1\r\n'},
        "a.py",
    ),
    (
        HATCH,
        """[tool.hatch.version]\npath = "VERSION"\npattern = '(?P<version>.*)'\n""",
        {"VERSION": "1.2.0\r\n"},
        "VERSION",
    ),
    (SCIKIT, f'{FLAT_META}input = "agate/__init__.py"\n', SIMPLE, "agate/__init__.py"),
    (
        SCIKIT,
        f"""{FLAT_META}input = "a.h"\nregex = '#define V "(?P<value>.*)"'\n""",
        {"a.h": '#define V "1.2.0"\n'},
        "a.h",
    ),
    (PDM, '[tool.pdm.version]\nsource = "file"\npath = "agate/__init__.py"\n', SIMPLE, "agate/__init__.py"),
    (FLIT, "", SIMPLE, "agate/__init__.py"),
    (FLIT, '[tool.flit.module]\nname = "rock"\n', {"src/rock.py": '__version__ = "1.2.0"\n'}, "src/rock.py"),
    (MESON, "", {"meson.build": "# project(\nproject('agate', 'c',\n  version : '1.2.0')\n"}, "meson.build"),
    (
        MESON,
        "",
        {
            "meson.build": "project(\n  'agate', ['c', 'rust'], # )\n  version: files('VERSION'),\n)",
            "VERSION": "1.2.0\n",
        },
        "VERSION",
    ),
    ("poetry.core.masonry.api", '[tool.poetry]\nversion = "1.2.0" # here\n', {}, "pyproject.toml"),
]


@pytest.mark.parametrize(("backend", "tables", "files", "place"), WRITTEN)
def test_a_bump_writes_the_version_where_the_backend_reads_it(
    tmp_path: Path, backend: str, tables: str, files: Mapping[str, str], place: str
) -> None:
    root = project(tmp_path, backend, tables, files)
    [package] = read_project(root, {}).packages
    assert package.version == "1.2.0"
    assert place in package.manifests.paths
    before = (root / place).read_bytes()
    assert version_disagreements(survey(root, ".").places) == ()
    assert new_contents(root, survey(root, ".", to="1.3.0rc1").places) == {place: before.replace(b"1.2.0", b"1.3.0rc1")}


def test_a_build_file_without_a_literal_version_is_read_in_no_time(tmp_path: Path) -> None:
    banner = "#" * 60 + "\n# agate\n" + "#" * 60 + "\n"
    arguments = "'agate', 'c', # the name\n" * 20
    build = f"{banner * 20}project({arguments} version: run_command('sh').stdout())\n"
    started = process_time()
    with pytest.raises(ConfigError, match="cannot read where it comes from"):
        read_project(project(tmp_path, MESON, "", {"meson.build": build}), {})
    assert process_time() - started < 5


def test_reading_a_module_prints_no_warnings_of_its_syntax(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    module = '__version__ = "1.2.0"\nassert (1, "always true")\nDIGITS = "\\d"\n'
    root = project(tmp_path, SETUPTOOLS, ATTRIBUTE, {"agate/__init__.py": module})
    warnings.simplefilter("always")
    assert read_project(root, {}).packages[0].version == "1.2.0"
    assert version_disagreements(survey(root, ".").places) == ()
    assert [str(row.message) for row in recwarn] == []


@pytest.mark.parametrize("value", ["(1, 2, 0)", '".".join(map(str, (1, 2, 0)))', '".".join(["1", "2", "0"])'])
def test_a_version_that_a_module_joins_is_read_and_is_changed_by_hand(tmp_path: Path, value: str) -> None:
    root = project(tmp_path, SETUPTOOLS, ATTRIBUTE, {"agate/__init__.py": f"__version__ = {value}\n"})
    assert read_project(root, {}).packages[0].version == "1.2.0"
    with pytest.raises(ConfigError, match=r"^agate/__init__\.py: __version__ reads '1\.2\.0', .* by hand to '2\.0'"):
        new_contents(root, survey(root, ".", to="2.0").places)


NOWHERE = (
    "pyproject.toml: [project] version is dynamic, and cartwheel cannot read where it comes from; "
    'write version = "…" into [project], and take "version" out of dynamic'
)


@pytest.mark.parametrize(
    ("backend", "tables", "files"),
    [
        (SETUPTOOLS, ATTRIBUTE, {}),
        (SETUPTOOLS, ATTRIBUTE, {"agate/__init__.py": "__version__ = read()\n"}),
        (SETUPTOOLS, ATTRIBUTE, {"agate/__init__.py": "from agate import __version__\n"}),
        (SETUPTOOLS, ATTRIBUTE, {"agate/__init__.py": "__version__ = '1\n"}),
        (SETUPTOOLS, '[tool.setuptools.dynamic]\nversion = { file = ["A", "B"] }\n', {"A": "1", "B": "2"}),
        (HATCH, '[tool.hatch.version]\nsource = "code"\npath = "agate/__init__.py"\n', SIMPLE),
        (HATCH, '[tool.hatch.version]\npath = "agate/__init__.py"\npattern = "("\n', SIMPLE),
        (HATCH, """[tool.hatch.version]\npath = "a"\npattern = 'v(.+)'\n""", {"a": "v1.2.0"}),
        (HATCH, """[tool.hatch.version]\npath = "a"\npattern = 'v(?P<value>.+)'\n""", {"a": "v1.2.0"}),
        (SCIKIT, f"""{FLAT_META}input = "a"\nregex = 'v(?P<version>.+)'\n""", {"a": "v1.2.0"}),
        (SCIKIT, f'{FLAT_META}input = "agate/__init__.py"\nresult = "{{value}}.dev1"\n', SIMPLE),
        (SCIKIT, f'{FLAT_META}input = "agate/__init__.py"\nremove = "\\\\.0$"\n', SIMPLE),
        (PDM, '[tool.pdm.version]\nsource = "call"\ngetter = "x:y"\n', SIMPLE),
        (MESON, "", {"meson.build": "project('agate', 'c')\ndependency('x', version: '1.2.0')\n"}),
        (MESON, "", {"meson.build": "project('agate', version: run_command('sh').stdout())\n"}),
        ("unknown.backend", "", SIMPLE),
    ],
)
def test_a_version_that_only_the_build_can_tell_is_asked_for(
    tmp_path: Path, backend: str, tables: str, files: Mapping[str, str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_project(project(tmp_path, backend, tables, files), {})
    assert str(caught.value) == NOWHERE


def test_a_version_that_pep_440_does_not_know_is_named_with_its_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^agate/__init__\.py: .*one-two"):
        read_project(project(tmp_path, FLIT, "", {"agate/__init__.py": "__version__ = 'one-two'\n"}), {})
