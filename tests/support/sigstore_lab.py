"""A real Sigstore on loopback: an issuer of identities, Fulcio, a certificate log and Rekor.

The servers come from the Go module proxy and are built once per machine (about 5 minutes). They run in the network
namespace of the process that starts them, which has only `lo`: some of them listen on every interface. Versions and
traps: fulcio 1.8, tesseract 0.1, rekor 1.5 (an attestation needs the log's first version), November 2026.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from platformdirs import user_cache_path
from ruamel.yaml import YAML

from cartwheel.stand_ins.stub_server import StubRequest, served_address

BIN = user_cache_path("cartwheel-tests") / "sigstore"
MODULES = {
    "fulcio": "github.com/sigstore/fulcio@v1.8.8",
    "posix": "github.com/transparency-dev/tesseract/cmd/tesseract/posix@v0.1.1",
    "rekor-server": "github.com/sigstore/rekor/cmd/rekor-server@v1.5.2",
}
PLAINLY = ("-gcflags=all=-N -l -dwarf=false", "-ldflags=-s -w")
"""Without optimiser and debug information: two thirds of the time (fulcio from nothing: 136 and 204 CPU seconds)."""
FULCIO, LOG, REKOR, TRILLIAN = 5555, 6962, 3000, 8090
FORGE = "https://forge.example"


def lacking() -> str:
    """Why the lab cannot run on this machine; empty if it can."""
    missing = [name for name in ("go", "unshare", "ip") if not shutil.which(name)]
    if missing:
        return f"needs {', '.join(missing)}"
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True)
    return "" if tried.returncode == 0 else "needs the right to make a network namespace"


def build() -> None:
    """Builds the servers that the cache lacks."""
    BIN.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "GOBIN": str(BIN), "GOFLAGS": "-mod=mod"}
    for name, module in MODULES.items():
        if not (BIN / name).exists():
            subprocess.run(["go", "install", *PLAINLY, module], env=env, check=True, capture_output=True)
    if not (BIN / "trillian").exists():
        source = BIN / "source"
        shutil.copytree(Path(__file__).parent / "trillian_memory", source, dirs_exist_ok=True)
        subprocess.run(["go", "build", *PLAINLY, "-o", str(BIN / "trillian"), "."], cwd=source, env=env, check=True)


# ---- keys

_PKCS8, _SEC1 = serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL
_PEM = serialization.Encoding.PEM


def _written(folder: Path, name: str, key: Any, form: Any = _PKCS8, password: bytes = b"") -> Any:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    (folder / f"{name}.key").write_bytes(key.private_bytes(_PEM, form, encryption))
    (folder / f"{name}.pub").write_bytes(_public(key.public_key(), _PEM))
    return key


def _public(key: Any, encoding: Any = serialization.Encoding.DER) -> bytes:
    public: bytes = key.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
    return public


def _authority(name: str, key: Any, above: tuple[x509.Certificate, Any] | None = None) -> x509.Certificate:
    """A certificate authority; Fulcio's own must be for code signing."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, signer = (above[0].subject, above[1]) if above else (subject, key)
    now = datetime.now(UTC) - timedelta(minutes=5)
    builder = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(now + timedelta(days=9))
        .add_extension(x509.BasicConstraints(True, 0 if above else 1), critical=True)
        .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )  # fmt: skip
    if above:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
    return builder.sign(signer, hashes.SHA384())


def _keys(folder: Path) -> None:
    root, own = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1())
    _written(folder, "fulcio", own, password=b"lab")
    top = _authority("lab root", root)
    chain = (_authority("lab intermediate", own, (top, root)), top)
    (folder / "root.pem").write_bytes(top.public_bytes(_PEM))
    (folder / "chain.pem").write_bytes(b"".join(row.public_bytes(_PEM) for row in chain))
    _written(folder, "log", ec.generate_private_key(ec.SECP256R1()), form=_SEC1)
    _written(folder, "rekor", ec.generate_private_key(ec.SECP256R1()), password=b"lab")


# ---- identities


class Issuer:
    """An issuer of identities as a forge has it, for jobs of any repository."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.url = ""
        self.repository = "owner/demo"
        """The repository whose job asks for an identity."""

    @property
    def keys(self) -> dict[str, object]:
        """The public keys, as the issuer serves them."""
        row = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**row, "use": "sig", "alg": "RS256", "kid": "lab"}]}

    def token(self, audience: str, *, repository: str = "", commit: str = "a" * 40, key: Any = None) -> str:
        """The identity of a job of `repository`."""
        repository = repository or self.repository
        now, ref = int(time.time()), "refs/tags/v1.0"
        workflow = f"{repository}/.github/workflows/release.yml@{ref}"
        claims = {
            "iss": self.url, "aud": audience, "iat": now, "nbf": now - 5, "exp": now + 300, "jti": str(time.time_ns()),
            "sub": f"repo:{repository}:environment:house", "repository": repository,
            "repository_owner": repository.split("/")[0], "repository_id": "1", "repository_owner_id": "2",
            "repository_visibility": "public", "ref": ref, "ref_type": "tag", "sha": commit, "workflow": "release",
            "workflow_ref": workflow, "workflow_sha": commit, "job_workflow_ref": workflow,
            "job_workflow_sha": commit, "event_name": "push", "run_id": "1", "run_attempt": "1",
            "runner_environment": "github-hosted", "environment": "house",
        }  # fmt: skip
        return jwt.encode(claims, key or self.key, "RS256", {"kid": "lab"})


class _IssuerRequest(StubRequest):
    place: Issuer

    def respond(self) -> None:
        """Discovery and keys, as Fulcio reads them, and a job's identity, as GitHub gives it."""
        url = self.place.url
        if self.path == "/jwks":
            self.tell(200, self.place.keys)
        elif self.path.startswith("/job?"):
            self.tell(200, {"value": self.place.token(parse_qs(urlsplit(self.path).query)["audience"][0])})
        else:
            self.tell(200, {
                "issuer": url, "jwks_uri": f"{url}/jwks", "authorization_endpoint": url, "token_endpoint": url,
                "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            })  # fmt: skip


_TEMPLATES = {
    "github-workflow-trigger": "event_name", "github-workflow-sha": "sha", "github-workflow-name": "workflow",
    "github-workflow-repository": "repository", "github-workflow-ref": "ref",
    "build-signer-uri": "{{ .url }}/{{ .job_workflow_ref }}", "build-signer-digest": "job_workflow_sha",
    "runner-environment": "runner_environment", "source-repository-uri": "{{ .url }}/{{ .repository }}",
    "source-repository-digest": "sha", "source-repository-ref": "ref",
    "source-repository-identifier": "repository_id",
    "source-repository-owner-uri": "{{ .url }}/{{ .repository_owner }}",
    "source-repository-owner-identifier": "repository_owner_id",
    "build-config-uri": "{{ .url }}/{{ .workflow_ref }}", "build-config-digest": "workflow_sha",
    "build-trigger": "event_name",
    "run-invocation-uri": "{{ .url }}/{{ .repository }}/actions/runs/{{ .run_id }}/attempts/{{ .run_attempt }}",
    "source-repository-visibility-at-signing": "repository_visibility",
}  # fmt: skip
"""The claims of a job that Fulcio writes into certificates, as for GitHub (fulcio, config/identity)."""


def _fulcio_configuration(issuer: str) -> str:
    metadata = {
        "default-template-values": {"url": FORGE},
        "extension-templates": _TEMPLATES,
        "subject-alternative-name-template": "{{ .url }}/{{ .job_workflow_ref }}",
    }
    row = {"issuer-url": issuer, "client-id": "sigstore", "type": "ci-provider", "ci-provider": "forge"}
    text = io.StringIO()  # Fulcio reads JSON as another, older form
    YAML(typ="safe").dump({"oidc-issuers": {issuer: row}, "ci-issuer-metadata": {"forge": metadata}}, text)
    return text.getvalue()


# ---- servers


class Sigstore:
    """A running Sigstore."""

    def __init__(self, folder: Path, issuer: Issuer) -> None:
        self.folder, self.issuer = folder, issuer

    @property
    def trust(self) -> Path:
        """Its trust configuration."""
        return self.folder / "trust.json"

    def foreign(self, part: str) -> Path:
        """A trust configuration that knows other keys for one `part`: `tlogs`, `ctlogs`, `certificateAuthorities`."""
        document = json.loads(self.trust.read_text())
        root = document["trustedRoot"]
        if part == "certificateAuthorities":
            other = ec.generate_private_key(ec.SECP384R1())
            der = _authority("another", other).public_bytes(serialization.Encoding.DER)
            root[part][0]["certChain"]["certificates"] = [{"rawBytes": base64.b64encode(der).decode()}]
        else:
            root[part] = [_log(ec.generate_private_key(ec.SECP256R1()).public_key(), "http://127.0.0.1:1")]
        path = self.folder / f"trust-{part}.json"
        path.write_text(json.dumps(document))
        return path


def _log(key: Any, url: str) -> dict[str, object]:
    der = _public(key)
    return {
        "baseUrl": url, "hashAlgorithm": "SHA2_256",
        "publicKey": {"rawBytes": base64.b64encode(der).decode(), "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                      "validFor": {"start": "2020-01-01T00:00:00Z"}},
        "logId": {"keyId": base64.b64encode(hashlib.sha256(der).digest()).decode()},
    }  # fmt: skip


def _trust(keys: Path, issuer: str) -> Mapping[str, object]:
    valid = {"start": "2020-01-01T00:00:00Z"}
    chain = x509.load_pem_x509_certificates((keys / "chain.pem").read_bytes())
    rows = [{"rawBytes": base64.b64encode(c.public_bytes(serialization.Encoding.DER)).decode()} for c in chain]
    log, rekor = (serialization.load_pem_public_key((keys / f"{name}.pub").read_bytes()) for name in ("log", "rekor"))
    authority = {"uri": _at(FULCIO), "subject": {"organization": "lab", "commonName": "lab"}}
    place = "application/vnd.dev.sigstore"

    def service(url: str) -> list[dict[str, object]]:
        return [{"url": url, "majorApiVersion": 1, "validFor": valid, "operator": "lab"}]

    return {
        "mediaType": f"{place}.clienttrustconfig.v0.1+json",
        "trustedRoot": {
            "mediaType": f"{place}.trustedroot+json;version=0.1",
            "tlogs": [_log(rekor, _at(REKOR))],
            "ctlogs": [_log(log, _at(LOG))],
            "certificateAuthorities": [{**authority, "certChain": {"certificates": rows}, "validFor": valid}],
            "timestampAuthorities": [],
        },
        "signingConfig": {
            "mediaType": f"{place}.signingconfig.v0.2+json",
            "caUrls": service(_at(FULCIO)), "oidcUrls": service(issuer), "rekorTlogUrls": service(_at(REKOR)),
            "rekorTlogConfig": {"selector": "ANY"}, "tsaUrls": [], "tsaConfig": {"selector": "ANY"},
        },
    }  # fmt: skip


def _at(port: int) -> str:
    return f"http://127.0.0.1:{port}"


@contextmanager
def running(folder: Path) -> Iterator[Sigstore]:
    """A Sigstore in this process's network namespace, while the context lasts."""
    keys = folder / "keys"
    keys.mkdir(parents=True)
    _keys(keys)
    issuer = Issuer()
    with ExitStack() as until:
        issuer.url = until.enter_context(served_address(_IssuerRequest, issuer))
        (folder / "fulcio.yaml").write_text(_fulcio_configuration(issuer.url))

        def start(name: str, *arguments: str) -> None:
            output = until.enter_context(open(folder / f"{name}.log", "wb"))
            server = subprocess.Popen([str(BIN / name), *arguments], stdout=output, stderr=output, cwd=folder)
            until.callback(server.wait)
            until.callback(server.kill)

        start(
            "posix", "--private_key", str(keys / "log.key"), "--origin", "log.example",
            "--storage_dir", str(folder / "log"), "--roots_pem_file", str(keys / "root.pem"),
            "--ext_key_usages", "CodeSigning", "--http_endpoint", f"127.0.0.1:{LOG}",
            "--checkpoint_interval", "200ms",
        )  # fmt: skip
        start(
            "fulcio", "serve", "--host", "127.0.0.1", "--port", str(FULCIO), "--grpc-host", "127.0.0.1",
            "--grpc-port", "5554", "--metrics-port", "2113", "--ca", "fileca", "--fileca-cert",
            str(keys / "chain.pem"), "--fileca-key", str(keys / "fulcio.key"), "--fileca-key-passwd", "lab",
            "--fileca-watch=false", "--config-path", str(folder / "fulcio.yaml"), "--ct-log-url", _at(LOG),
            "--ct-log-origin", "log.example", "--ct-log-public-key-path", str(keys / "log.pub"),
        )  # fmt: skip
        start("trillian", "-address", f"127.0.0.1:{TRILLIAN}")
        time.sleep(0.5)
        start(
            "rekor-server", "serve", "--rekor_server.address", "127.0.0.1", "--port", str(REKOR),
            "--rekor_server.hostname", "rekor.example", "--rekor_server.signer", str(keys / "rekor.key"),
            "--rekor_server.signer-passwd", "lab", "--trillian_log_server.address", "127.0.0.1",
            "--trillian_log_server.port", str(TRILLIAN), "--enabled_api_endpoints",
            "getLogInfo,getPublicKey,getLogProof,createLogEntry,getLogEntryByIndex,getLogEntryByUUID",
        )  # fmt: skip
        for url in (f"{_at(FULCIO)}/healthz", f"{_at(LOG)}/healthz", f"{_at(REKOR)}/api/v1/log"):
            _answers(url, folder)
        sigstore = Sigstore(folder, issuer)
        sigstore.trust.write_text(json.dumps(_trust(keys, issuer.url)))
        yield sigstore


def _answers(url: str, folder: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if requests.get(url, timeout=5).status_code < 500:
                return
        except requests.RequestException:
            pass
        time.sleep(0.1)
    logs = "\n".join(f"{path.name}: {path.read_text(errors='replace')[-500:]}" for path in folder.glob("*.log"))
    raise AssertionError(f"{url} does not answer\n{logs}")
