"""The S3 server on disk that holds run data: SeaweedFS, one process on loopback.

The emulator's own S3 holds objects in memory; inputs of 10 GB and months of results need a disk. Nothing talks to the
server but the front door (see `front_door`), which signs what the emulator's IAM has allowed, and the emulator itself.
Its inner HTTP interfaces want tokens that only it can make; its gRPC ports on loopback are open to whoever may use this
machine's loopback, as the files in the state directory are to their owner.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlencode

import botocore.auth
import botocore.awsrequest
import botocore.credentials

# What the server may hold in memory before it collects garbage harder; it works with 10 GB inputs below it.
MEMORY_LIMIT = "600MiB"
LOG_DIR = "logs"
_REGION = "us-east-1"
_TIMEOUT_S = 60
_POLL_S = 0.1
# A volume is one file; the server makes a new one when the last is full.
_VOLUME_MB = 1024
# A read of less than this from a disk that is nearly full would fail half way: the server then only reads.
_MIN_FREE_SPACE = "64MiB"


class ObjectStoreError(Exception):
    """The object store refused a call that the platform itself made."""


@dataclass(frozen=True)
class StorePorts:
    """The server's ports on 127.0.0.1, all of them chosen for one platform."""

    s3: int
    s3_grpc: int
    master: int
    master_grpc: int
    volume: int
    volume_grpc: int
    filer: int
    filer_grpc: int


@dataclass(frozen=True)
class StoreConfig:
    """Where the server keeps its objects, and the one key that it takes."""

    ports: StorePorts
    access_key_id: str
    secret_access_key: str = field(repr=False)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.ports.s3}"


def command(config: StoreConfig, directory: Path) -> list[str]:
    """The server's command line; it works in `directory`, which holds nothing else."""
    ports = config.ports
    options = {
        "dir": str(directory),
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.port": ports.master,
        "master.port.grpc": ports.master_grpc,
        # There is one master; with the 10 s of a cluster it would take up to 20 s to start again after a kill.
        "master.electionTimeout": "500ms",
        "master.heartbeatInterval": "100ms",
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": _VOLUME_MB,
        "volume.port": ports.volume,
        "volume.port.grpc": ports.volume_grpc,
        "volume.max": 0,
        "volume.minFreeSpace": _MIN_FREE_SPACE,
        "volume.preStopSeconds": 0,
        "filer": "true",
        "filer.port": ports.filer,
        "filer.port.grpc": ports.filer_grpc,
        "filer.disableHttp": "true",
        # Relative to its working folder: a socket's path may have no more than about 100 characters.
        "filer.localSocket": "filer.sock",
        "s3": "true",
        "s3.port": ports.s3,
        "s3.port.grpc": ports.s3_grpc,
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.localSocket": "s3.sock",
        "s3.iam": "false",
    }
    program = Path(sys.executable).with_name("weed")
    logging = (
        "-logtostderr=false",
        "-alsologtostderr=false",
        "-stderrthreshold=ERROR",
        f"-logdir={directory / LOG_DIR}",
    )
    limits = ("-log_max_size_mb=8", "-log_max_files=2")
    return [str(program), *logging, *limits, "server", *(f"-{name}={value}" for name, value in options.items())]


def environment(config: StoreConfig, directory: Path) -> dict[str, str]:
    """The server's whole environment: its key, and nothing of the person's shell."""
    return {
        "AWS_ACCESS_KEY_ID": config.access_key_id,
        "AWS_SECRET_ACCESS_KEY": config.secret_access_key,
        "GOMAXPROCS": str(max(1, (os.cpu_count() or 1) // 2)),  # with more, it spends a quarter more on waiting
        "GOMEMLIMIT": MEMORY_LIMIT,
        "HOME": str(directory),
        "TMPDIR": str(directory),
        # Volumes that a bucket's first object makes; with the default of 7, a disk with less room than 7 of them is
        # taken whole by the first bucket, and every object of the next one is refused.
        "WEED_MASTER_VOLUME_GROWTH_COPY_1": "2",
    }


def prepare(directory: Path) -> None:
    """Makes the server's folder, with keys for the tokens of its inner interfaces."""
    for folder in (directory, directory / LOG_DIR):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = directory / "security.toml"
    if file.exists():
        return
    # Whole or not at all: with an empty file the server's inner interfaces would be open.
    temporary = file.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600)
    sections = ("signing", "signing.read", "filer_signing", "filer_signing.read")
    temporary.write_text("".join(f'[jwt.{name}]\nkey = "{secrets.token_hex(32)}"\n' for name in sections))
    temporary.replace(file)


def remove_sockets(config: StoreConfig) -> None:
    """Removes the sockets that the server leaves in /tmp, whatever TMPDIR says; their names hold its ports.

    Not those at which somebody listens: another platform that was given one of the ports since.
    """
    for port in asdict(config.ports).values():
        for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108 -- the server's choice
            with contextlib.suppress(OSError):  # another user's
                if not _listens(path):
                    path.unlink()


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
    return True


def why_not_a_key(key: str) -> str | None:
    """What is wrong with a key that the server would take for another one; None for one that it keeps as it is.

    It stores `a//b` and `a\\b` as `a/b`. Policies are held against the key as it was sent, so such a key would reach an
    object that the caller may not touch, or replace one that it never named.
    """
    if "\\" in key:
        found = "a backslash"
    elif key.startswith("/") or "//" in key:
        found = "a '/' at its beginning or after another one"
    elif {".", ".."} & set(key.split("/")):
        found = "'.' or '..' between slashes"
    else:
        return None
    return f"Key {key[:200]!r}: found {found}, which this machine's object store cannot keep; expected a key without it"


class ObjectStore:
    """Signs requests for the server, and sends it the few that the platform makes itself."""

    def __init__(self, config: StoreConfig) -> None:
        self._config = config
        credentials = botocore.credentials.Credentials(config.access_key_id, config.secret_access_key)
        self._signer = botocore.auth.S3SigV4Auth(credentials, "s3", _REGION)

    def signed_headers(
        self, method: str, path_and_query: str, payload_hash: str, amz_headers: Mapping[str, str] = MappingProxyType({})
    ) -> dict[str, str]:
        """The headers that make the server take a request.

        `path_and_query` is what will be sent; `payload_hash` is the hexadecimal SHA-256 of the body, or one of
        S3's words for a body that is not hashed; `amz_headers` are those that the request has besides and that begin
        with X-Amz-, all of which the server wants signed.
        """
        request = botocore.awsrequest.AWSRequest(
            method=method,
            url=f"http://{self._config.host}{_canonical(path_and_query)}",
            headers={**amz_headers, "X-Amz-Content-SHA256": payload_hash},
        )
        self._signer.add_auth(request)
        return {name: request.headers[name] for name in ("Authorization", "X-Amz-Date", "X-Amz-Content-SHA256")}

    def request(
        self, method: str, path_and_query: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> tuple[int, dict[str, str], bytes]:
        """Sends one request with a small body; gives status, headers and body. Raises OSError without an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._config.ports.s3, timeout=_TIMEOUT_S)
        try:
            signed = self.signed_headers(method, path_and_query, "UNSIGNED-PAYLOAD")
            connection.request(method, path_and_query, body=body, headers={**(headers or {}), **signed})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(f"the object store broke off its answer: {error!r}") from error
        finally:
            connection.close()

    def read(self, bucket: str, key: str) -> bytes | None:
        """A small object, None when it is not there; raises ObjectStoreError."""
        status, _, body = self.request("GET", f"/{bucket}/{quote(key)}")
        if status == 404:
            return None
        if status != 200:
            raise ObjectStoreError(f"reading s3://{bucket}/{key}: the object store answered {status}")
        return body

    def create_bucket(self, bucket: str) -> None:
        """Makes a bucket, unless it is there; raises ObjectStoreError."""
        status, _, body = self.request("PUT", f"/{bucket}")
        if status not in (200, 409):
            raise ObjectStoreError(f"making bucket {bucket}: the object store answered {status}: {body[:300]!r}")

    def is_empty(self, bucket: str) -> bool:
        """Whether no object is in the bucket; a bucket that is not there is empty."""
        status, _, body = self.request("GET", f"/{bucket}?list-type=2&max-keys=1")
        return status == 404 or (status == 200 and b"<Contents>" not in body)

    def delete_bucket(self, bucket: str) -> None:
        """Removes an empty bucket; raises ObjectStoreError."""
        status, _, body = self.request("DELETE", f"/{bucket}")
        if status not in (204, 404):
            raise ObjectStoreError(f"deleting bucket {bucket}: the object store answered {status}: {body[:300]!r}")

    def wait_until_up(self, timeout_s: float) -> None:
        """Returns when the server takes requests; raises ObjectStoreError when it does not within the time."""
        give_up_at = time.monotonic() + timeout_s
        while not self.answers():
            if time.monotonic() > give_up_at:
                raise ObjectStoreError(f"the object store did not answer within {timeout_s:g} s")
            time.sleep(_POLL_S)

    def answers(self) -> bool:
        """Whether the server takes and gives objects now; for some seconds after a start it only lists buckets."""
        try:
            return self._knows_its_volumes() and self.request("GET", "/")[0] == 200
        except (OSError, ValueError):
            return False

    def _knows_its_volumes(self) -> bool:
        """Asked of its master: an object written to find out would take room for volumes that run data may need."""
        connection = http.client.HTTPConnection("127.0.0.1", self._config.ports.master, timeout=_TIMEOUT_S)
        try:
            connection.request("GET", "/dir/status")
            return bool(json.load(connection.getresponse())["Topology"]["DataCenters"])
        except (http.client.HTTPException, KeyError, TypeError):
            return False
        finally:
            connection.close()


def _canonical(path_and_query: str) -> str:
    """The one spelling that is signed; clients may also send `a/b`, `a+b` or `a%7Eb` for `a%2Fb`, `a%20b` or `a~b`.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html (canonical request)
    """
    path, _, query = path_and_query.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True, encoding="latin-1")
    canonical = urlencode(pairs, quote_via=quote, safe="", encoding="latin-1")
    return quote(unquote_to_bytes(path), safe="/") + (f"?{canonical}" if canonical else "")
