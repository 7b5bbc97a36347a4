"""The environment of tools: an allowlist of variables.

A variable that changes a wheel is *counted*: it is passed, and its digest is part of a step's dependencies.  A variable
that only locates tools or configures the network is passed and not counted.  Builds and tests see no credentials of
publishers or indexes: the variables of uv, pip, container engines and sccache reach only these tools.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from cartwheel.model.config.values import Secret
from cartwheel.model.errors import StepFailed

PASSED = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_*", "TZ", "TERM", "TMPDIR", "TMP", "TEMP", "XDG_*",
    "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "USERPROFILE", "APPDATA", "LOCALAPPDATA",
    "PROGRAMDATA", "PROGRAMFILES*", "COMMONPROGRAMFILES*", "PROCESSOR_*", "NUMBER_OF_PROCESSORS", "VSCMD_*", "VC*DIR",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PYENV_ROOT", "PYENV",
    "CARGO_HOME", "CARGO_NET_*", "CARGO_HTTP_*", "CARGO_REGISTRIES_*_INDEX", "CARGO_INCREMENTAL", "CARGO_BUILD_JOBS",
    "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "RUSTUP_DIST_SERVER", "RUSTUP_UPDATE_ROOT", "RUSTUP_AUTO_INSTALL",
    "RUST_BACKTRACE", "ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR", "CARGO_ZIGBUILD_CACHE_DIR",
    "SOURCE_DATE_EPOCH", "XWIN_CACHE_DIR", "XWIN_HTTP_RETRIES", "XWIN_ARCH",
    "QEMU_*", "CARTWHEEL_SYSROOT_*", "CARTWHEEL_WINE_PYTHON_*", "WINEPREFIX",
)  # fmt: skip
"""Passed and not counted.  A counted SOURCE_DATE_EPOCH, set to the commit's time, would rebuild for each commit."""

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "uv": ("UV_*",),
    "pip": ("PIP_*",),
    "engine": ("DOCKER_*", "CONTAINER_HOST", "CONTAINERS_*", "REGISTRY_AUTH_FILE", "DBUS_SESSION_BUS_ADDRESS"),
    "sccache": ("SCCACHE_*", "AWS_*", "ALIBABA_CLOUD_*", "TENCENTCLOUD_*", "ACTIONS_CACHE_*", "ACTIONS_RESULTS_URL",
                "ACTIONS_RUNTIME_TOKEN"),
}  # fmt: skip
"""Variables of tools that reach an index, a registry or a store; no other tool gets them.

Source: the tools' documentation, November 2026.
"""

_NEVER = ("UV_PUBLISH_*", "CC_TEST_REPORTER_ID")
"""Credentials that no tool here needs: uploads use twine and cargo, which get theirs separately; Code Climate's has the
name of a compiler's variable."""

_CREDENTIAL_NAME = (
    r"(?:^|_)(?:TOKEN|PASSWORD|PASSWD|USERNAME|SECRET|CREDENTIALS?|AUTH|KEY|CONNECTION_STRING)(?:_|$)|^(?:AWS|ACTIONS|"
    r"ALIBABA_CLOUD|TENCENTCLOUD)_"
)
_CREDENTIAL_VALUE = r"://[^/\s@]*[^/\s@:][^/\s@]*@"
"""A URL with a user name, a password or a token before its host."""

COUNTED = (
    "MATURIN_PEP517_ARGS", "MATURIN_NO_INSTALL_RUST", "PYO3_*", "ARCHFLAGS", "SDKROOT",
    "DEVELOPER_DIR", "TARGET_SYSROOT", "_PYTHON_HOST_PLATFORM",
    "RUSTFLAGS", "RUSTC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_RUSTC*", "CARGO_PROFILE_*", "CARGO_TARGET_*_*", "RUSTC_BOOTSTRAP", "CARGO_UNSTABLE_*",
    "CC", "CXX", "AR", "LD", "RANLIB", "CC_*", "CXX_*", "AR_*", "HOST_CC", "TARGET_CC", "CFLAGS",
    "CXXFLAGS", "CPPFLAGS",
    "LDFLAGS", "CFLAGS_*", "CXXFLAGS_*", "PKG_CONFIG*", "LIBRARY_PATH", "LD_LIBRARY_PATH", "INCLUDE", "LIB", "LIBPATH",
    "CMAKE_*", "SKBUILD_*", "FC", "FFLAGS", "DISTUTILS_USE_SDK", "MSSDK",
    "XWIN_CROSS_COMPILER", "XWIN_VARIANT", "XWIN_VERSION", "XWIN_SDK_VERSION", "XWIN_CRT_VERSION", "XWIN_INCLUDE_*",
)  # fmt: skip
"""Passed and counted: variables that maturin, cargo, rustc, the cc crate, CMake, scikit-build-core and setuptools read.

Source: their documentation and cargo's sources, November 2026.
"""


def home_folder(environ: Mapping[str, str]) -> Path:
    """The user's home folder."""
    return Path(environ.get("HOME") or environ.get("USERPROFILE") or "~").expanduser()


def cargo_home(environ: Mapping[str, str]) -> Path:
    """The folder of cargo's configuration and fetched crates."""
    return Path(environ.get("CARGO_HOME") or Path.home() / ".cargo")


def builds_forbidden(environ: Mapping[str, str]) -> bool:
    """Whether this run must not build (`CARTWHEEL_FROZEN`), because it only assembles files that other jobs built."""
    return environ.get("CARTWHEEL_FROZEN", "") not in ("", "0")


def tool_environment(environ: Mapping[str, str], extra: Iterable[str] = ()) -> dict[str, str]:
    """The variables of `environ` to pass to a tool; `extra` adds names or patterns."""
    return _plain(environ, (*PASSED, *COUNTED)) | _select(environ, extra)


def counted_variables(
    environ: Mapping[str, str], extra: Iterable[str] = (), *, compiled: bool = True
) -> dict[str, str]:
    """The variables that a wheel depends on; without compiled code only those that `extra` names."""
    return (_plain(environ, COUNTED) if compiled else {}) | _select(environ, extra)


def _plain(environ: Mapping[str, str], patterns: tuple[str, ...]) -> dict[str, str]:
    """What the patterns select, without variables that are credentials by their names."""
    named = _select(environ, patterns)
    never = _select(named, _NEVER)
    return {k: v for k, v in named.items() if k not in never and not re.search(_CREDENTIAL_NAME, k)}


def _select(environ: Mapping[str, str], patterns: Iterable[str]) -> dict[str, str]:
    exact, prefixes, globs = _kinds_of_patterns(tuple(patterns))
    return {
        name: value
        for name, value in environ.items()
        if name in exact or name.startswith(prefixes) or any(fnmatchcase(name, glob) for glob in globs)
    }


@cache
def _kinds_of_patterns(patterns: tuple[str, ...]) -> tuple[frozenset[str], tuple[str, ...], tuple[str, ...]]:
    """Split patterns into exact names, prefixes (`LC_*`) and other patterns; the first two kinds match fast."""
    starred = [p for p in patterns if "*" in p]
    prefixes = tuple(p[:-1] for p in starred if p.index("*") == len(p) - 1)
    return frozenset(patterns).difference(starred), prefixes, tuple(p for p in starred if p[:-1] not in prefixes)


def family(environ: Mapping[str, str], *tools: str, credentials: bool = True) -> dict[str, str]:
    """The variables of these tools (see `FAMILIES`); without `credentials`, only those that a build may see too."""
    own = _select(environ, tuple(pattern for tool in tools for pattern in FAMILIES[tool]))
    never = _select(own, _NEVER)
    return {k: v for k, v in own.items() if k not in never and (credentials or not is_credential(k, v))}


def uv_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for uv's search for interpreters."""
    return {**tool_environment(environ), **family(environ, "uv")}


def is_credential(name: str, value: str) -> bool:
    """Whether a tool's variable holds a credential: by its name, or as a URL with user information."""
    return bool(re.search(_CREDENTIAL_NAME, name) or re.search(_CREDENTIAL_VALUE, value))


def in_ci(environ: Mapping[str, str]) -> bool:
    """Whether this process runs in a CI job."""
    return environ.get("CI", "").lower() not in ("", "0", "false")


BRANCH = "CARTWHEEL_RELEASED_BRANCH"
"""The branch of the working tree from which a release's clean checkout, which is detached, was made."""


def released_branch(environ: Mapping[str, str]) -> str:
    """The branch that a clean checkout stands for; empty in any other tree."""
    return environ.get(BRANCH, "")


TREE = "CARTWHEEL_RELEASED_TREE"
"""The root of the working tree for which a release's clean checkout was made."""


def released_tree(environ: Mapping[str, str]) -> str:
    """The working tree for which this clean checkout was made; empty in any other tree."""
    return environ.get(TREE, "")


def forge_job(environ: Mapping[str, str]) -> str:
    """`GitHub` or `GitLab` in a job of that forge, whose job token starts no pipeline; else empty."""
    jobs = {"GITHUB_ACTIONS": "GitHub", "GITLAB_CI": "GitLab"}
    return next((forge for name, forge in jobs.items() if environ.get(name, "").lower() == "true"), "")


def fingerprint(value: str) -> str:
    """A short digest for records, because the value may be a secret and must not be written."""
    return "sha256:" + hashlib.sha256(value.encode()).hexdigest()[:16]


def configured_environment(values: Mapping[str, str | Secret], environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of a wheel's `environment`; raises `StepFailed` if a secret is not set."""
    if missing := missing_secrets(values, environ):
        raise StepFailed(missing)
    return {name: environ[v.secret] if isinstance(v, Secret) else v for name, v in values.items()}


def missing_secrets(values: Mapping[str, str | Secret], environ: Mapping[str, str]) -> str:
    """A message about one secret that is not set; empty if all are set."""
    unset = unset_secrets(values, environ)
    for name, value in values.items():
        if isinstance(value, Secret) and value.secret in unset:
            return f"environment: {name} is to be what ${value.secret} holds, and that is not set; set it"
    return ""


def unset_secrets(values: Mapping[str, str | Secret], environ: Mapping[str, str]) -> tuple[str, ...]:
    """The names of secrets' variables that are not set or are empty: GitHub passes undefined secrets as empty."""
    names = dict.fromkeys(value.secret for value in values.values() if isinstance(value, Secret))
    return tuple(name for name in names if not environ.get(name))


def literal_values(values: Mapping[str, str | Secret]) -> dict[str, str]:
    """The configured values that are not secrets; secrets differ between machines."""
    return {name: value for name, value in values.items() if isinstance(value, str)}


def secrets(values: Mapping[str, str | Secret], environ: Mapping[str, str]) -> tuple[str, ...]:
    """The values of the secrets, to be redacted in logs."""
    values_set = (environ.get(value.secret, "") for value in values.values() if isinstance(value, Secret))
    return tuple(value for value in values_set if value)


SET_BY_US = frozenset({
    "CARGO", "CARGO_TARGET_DIR", "CARGO_BUILD_BUILD_DIR", "PATH", "MACOSX_DEPLOYMENT_TARGET", "OUT_DIR", "TARGET",
    "HOST", "PROFILE",
})  # fmt: skip
"""Variables that cartwheel, cargo or a wrapper sets for each build; the user's values have no effect."""
