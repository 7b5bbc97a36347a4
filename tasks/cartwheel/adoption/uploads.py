"""The uploads of one step: each command or action, and the index that its options and variables name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from cartwheel.adoption.called_scripts import RUNNER_NAMES, TASK_RUNNERS
from cartwheel.adoption.parsed_files import Texts, parsed_toml
from cartwheel.adoption.shell_loops import joined_lines
from cartwheel.adoption.shell_variables import assignments
from cartwheel.adoption.workflows import JobStep

UNNAMED = "an index known only at run time"
FORGES_AND_CRATES = ("github", "crates-io")
PYPIS = ("pypi", "testpypi")

_TOKENS = ("TWINE_PASSWORD", "UV_PUBLISH_TOKEN", "MATURIN_PYPI_TOKEN", "UV_PUBLISH_PASSWORD",
           "POETRY_PYPI_TOKEN_PYPI", "PDM_PUBLISH_PASSWORD", "HATCH_INDEX_AUTH", "FLIT_PASSWORD")  # fmt: skip
_PAGES = ("softprops/action-gh-release", "ncipollo/release-action", "svenstaro/upload-release-action")
_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "twine": ("TWINE_REPOSITORY_URL", "TWINE_REPOSITORY"),
    "uv": ("UV_PUBLISH_URL", "UV_PUBLISH_INDEX"),
    "maturin": ("MATURIN_REPOSITORY_URL", "MATURIN_REPOSITORY"),
    "pdm": ("PDM_PUBLISH_REPO",),
    "hatch": ("HATCH_INDEX_REPO",),
    "flit": ("FLIT_INDEX_URL",),
}
"""The variables that name an index, by program; the first that has a value counts (the programs' manuals, November
2026)."""
_COMMANDS = (
    (re.compile(r"\b(twine)\s+upload\b[^\n;&|]*"), ""),
    (re.compile(r"\b(uv|maturin|poetry|pdm|rye|flit|hatch)\s+(?:publish|upload)\b[^\n;&|]*"), ""),
    (re.compile(r"\b(cargo)\s+publish\b[^\n;&|]*"), "crates-io"),
    (re.compile(r"\b(gh)\s+release\s+(?:upload|create)\b[^\n;&|]*"), "github"),
    (re.compile(r"\b(?:cargo\s+)?(dist)\s+host\b[^\n;&|]*--steps=(?:upload|release)[^\n;&|]*"), "github"),
)
_UNREAD = re.compile(
    rf"^[^\S\n]*(?:\w+=\S*\s+|sudo\s+)*(?:(?:{'|'.join(RUNNER_NAMES)})\b[^\n;&|]*?[\s:/_.-](?:publish|upload|deploy|pypi)\w*"
    rf"|(?:{'|'.join(TASK_RUNNERS)})\s+(?:run\s+|-[se]\s+)?release)\b[^\n;&|]*",
    re.MULTILINE,
)
"""A call of a script or of a task that is not read and whose name says that it sends files."""
_NO_INDEX = re.compile(r"coverage|codecov|docs|pages|site|docker|image|artifact|crate|conda|npm|docker", re.IGNORECASE)
_ACTION = re.compile(
    r"[\w.-]+/[\w./-]*(?:pypi[\w.-]*(?:publish|upload|deploy)|(?:publish|upload|deploy)[\w.-]*pypi)[\w.-]*|jrubics/poetry-publish"
)
"""Other actions that send files to an index."""
_ADDRESS_INPUTS = ("repository-url", "repository_url", "repository-name", "repository_name", "repository", "index-url",
                   "index_url", "pypi_url", "url")  # fmt: skip
_PRINTED = re.compile(
    r"""\b(?:echo|printf|Write-Host|Write-Output)\b(?:[^\S\n]+(?:"[^"]*"|'[^']*'|[^\s"';&|]+))*|(?<!\S)\#[^\n]*""", re.X
)
"""What a script prints, and its comments."""
_OPTION = re.compile(
    r"""(?<!\S)(?:--(?P<kind>repository-url|publish-url|repository|repo|index)(?:=|\s+|$)|-r\s*=?)["']?(?P<value>[^\s"')]*)"""
)


class Upload(Struct, frozen=True, kw_only=True):
    """One command or action that sends files."""

    index: str
    """`pypi`, `testpypi`, `github`, `crates-io`, an address, or the name or text that is given for an index."""
    what: str
    """The action or the command."""
    password: str = ""
    """The variable of the password, if it is known."""


def index_addresses(texts: Texts) -> dict[str, str]:
    """Upload addresses by name, of uv's indexes and hatch's repositories; `""`: of `[tool.uv] publish-url`."""
    addresses: dict[str, str] = {}
    for path in texts:
        name = path.rpartition("/")[2]
        if name not in ("pyproject.toml", "uv.toml"):
            continue
        document = parsed_toml(texts, path)
        tool = document.get("tool", {})
        uv = document if name == "uv.toml" else tool.get("uv", {})
        repos = tool.get("hatch", {}).get("publish", {}).get("index", {}).get("repos", {})
        for repo, row in repos.items():
            if isinstance(row, Mapping) and isinstance(row.get("url"), str):
                addresses.setdefault(repo, row["url"])
        if isinstance(url := uv.get("publish-url"), str):
            addresses.setdefault("", url)
        for row in uv.get("index", ()):
            if isinstance(row, Mapping) and row.get("name") and row.get("publish-url"):
                addresses.setdefault(str(row["name"]), str(row["publish-url"]))
    return addresses


def is_literal_address(index: str) -> bool:
    """Whether an index is a complete address without variables."""
    return re.fullmatch(r"https?://[^\s/:${}%<>]+(?::\d+)?(?:/[^\s${}<>]*)?", index) is not None


def uploads(step: JobStep, addresses: Mapping[str, str]) -> Iterable[Upload]:
    """The uploads of a step; `addresses`: as `index_addresses` returns them."""
    env = step.env
    token = next((name for name in _TOKENS if name in env), "")
    if step.uses == "pypa/gh-action-pypi-publish":
        index = step.with_.get("repository-url", "") or step.with_.get("repository_url", "")
        password = "password" if "password" in step.with_ else ""
        yield Upload(index=_standard_name(index, addresses), what=step.uses, password=password)
    elif step.uses == "pyo3/maturin-action" and step.with_.get("command") in ("upload", "publish"):
        index = _index_of("maturin", step.with_.get("args", ""), env)
        yield Upload(index=_standard_name(index, addresses), what=step.uses, password=token)
    elif _ACTION.fullmatch(step.uses):
        index = next((step.with_[key] for key in _ADDRESS_INPUTS if step.with_.get(key)), "")
        password = next((key for key in step.with_ if re.search("password|token", key)), token)
        yield Upload(index=_standard_name(index, addresses), what=step.uses, password=password)
    elif step.uses in _PAGES and any(step.with_.get(key) for key in ("files", "artifacts", "file")):
        yield Upload(index="github", what=step.uses)
    if not step.run:
        return
    script = _PRINTED.sub("", joined_lines(step.run))
    for pattern, kind in _COMMANDS:
        for match in pattern.finditer(script):
            if "--dry-run" in match[0]:
                continue
            what = re.sub(r"\s+", " ", match[0]).strip()[:40].strip()
            if kind:
                yield Upload(index=kind, what=what, password="CARGO_REGISTRY_TOKEN" if kind == "crates-io" else "")
                continue
            env = {**step.env, **dict(assignments(script[: match.end()]))}
            configured = _configured_addresses(script, env)
            index = _index_of(match[1], match[0], env) or (addresses.get("", "") if match[1] == "uv" else "")
            yield Upload(index=_standard_name(configured.get(index, index), addresses), what=what, password=token)
    for match in _UNREAD.finditer(script):
        if not _NO_INDEX.search(match[0]) and not any(pattern.search(match[0]) for pattern, _ in _COMMANDS):
            yield Upload(index=UNNAMED, what=re.sub(r"\s+", " ", match[0]).strip()[:40].strip(), password=token)


def _index_of(program: str, command: str, env: Mapping[str, str]) -> str:
    """What a command and its variables name as the index, an address first; empty if they name none."""
    options = list(_OPTION.finditer(command))
    options.sort(key=lambda match: not (match["kind"] or "").endswith("-url"))
    if options:
        text = options[0]["value"] or UNNAMED
    else:
        text = next((env[name] for name in _VARIABLES.get(program, ()) if env.get(name)), "")
    text = re.sub(r"\$(?:env:)?\{?(\w+)\}?", lambda match: env.get(match[1]) or match[0], text)
    return {"main": "pypi", "test": "testpypi"}.get(text, text) if program == "hatch" else text


def _configured_addresses(script: str, env: Mapping[str, str]) -> dict[str, str]:
    """Addresses by name that `poetry config repositories.NAME` and `pdm config repository.NAME.url` set."""
    pattern = r"""\bconfig\b[^\n;&|]*\srepositor(?:ies|y)\.([\w-]+?)(?:\.url)?["']?\s+["']?(https?://[^\s"']+)"""
    poetry = {
        name.removeprefix("POETRY_REPOSITORIES_").removesuffix("_URL").lower().replace("_", "-"): value
        for name, value in env.items()
        if name.startswith("POETRY_REPOSITORIES_") and name.endswith("_URL")
    }
    return {**poetry, **dict(re.findall(pattern, script))}


def _standard_name(index: str, addresses: Mapping[str, str]) -> str:
    """`pypi` or `testpypi` for their addresses and names and for no index at all, else the index as it is given."""
    if not index:
        return "pypi"
    if index.startswith("${{"):
        return UNNAMED
    text = addresses.get(index, index)
    if re.match(r"https?://test\.pypi\.(?:org|python\.org)(?:[:/]|$)", text) or re.fullmatch("test[._-]?pypi", text):
        return "testpypi"
    if re.match(r"https?://(?:upload\.)?pypi\.(?:org|python\.org)(?:[:/]|$)", text) or text == "pypi":
        return "pypi"
    return f"index {index}" if index in FORGES_AND_CRATES else index
