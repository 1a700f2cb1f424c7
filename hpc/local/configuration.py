"""What a laptop platform is made of, as its processes read it: one file in the state directory."""

from __future__ import annotations

import json
import os
import secrets
import socket
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from hpc.local.loopback import is_free
from hpc.local.object_store import StoreConfig, StorePorts

ACCOUNT = "000000000000"
# Each attempt of a job works in a folder of its own below it.
JOBS_DIR = "jobs"
# The platform's own processes need room beside the jobs.
_JOB_MEMORY_SHARE = 0.75


@dataclass(frozen=True)
class PlatformConfig:
    """What the processes need to know; `memory_mib` and `vcpus` are what Batch jobs may use together."""

    state_dir: str
    project_root: str
    port: int
    region: str
    access_key_id: str
    vcpus: int
    memory_mib: int
    store: StoreConfig
    secret_access_key: str = field(repr=False)

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def state(self) -> Path:
        """The state directory."""
        return Path(self.state_dir)

    def save(self, path: Path) -> None:
        """Writes the configuration, readable by its owner only: it holds the platform's keys."""
        write_private(path, json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> PlatformConfig:
        """Raises ValueError for a file that is no configuration."""
        document = json.loads(path.read_text())
        try:
            store = document["store"]
            made = StoreConfig(**{**store, "ports": StorePorts(**store["ports"])})
            return cls(**{**document, "store": made})
        except (KeyError, TypeError) as error:
            raise ValueError(f"it is no configuration of a platform ({error!r})") from error

    @classmethod
    def make(
        cls, *, state_dir: Path, project_root: Path, port: int, region: str, last: PlatformConfig | None
    ) -> PlatformConfig:
        """The next configuration: the last one goes on (its keys are in the kept state); port and region may change."""
        return cls(
            state_dir=str(state_dir),
            project_root=str(project_root),
            port=port,
            region=region,
            access_key_id=last.access_key_id if last else "AKIA" + secrets.token_hex(8).upper(),
            secret_access_key=last.secret_access_key if last else secrets.token_urlsafe(30),
            vcpus=os.cpu_count() or 1,
            memory_mib=int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20 * _JOB_MEMORY_SHARE),
            store=StoreConfig(
                ports=_store_ports(last.store.ports if last else None, besides=port),
                access_key_id=last.store.access_key_id if last else "AKIA" + secrets.token_hex(8).upper(),
                secret_access_key=last.store.secret_access_key if last else secrets.token_urlsafe(30),
            ),
        )


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner may read, whole or not at all."""
    temporary = path.with_suffix(".tmp")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _store_ports(last: StorePorts | None, *, besides: int) -> StorePorts:
    """The ports of the last time if they are all free, else others that are free now; never the endpoint's."""
    if last and all(port != besides and is_free(port) for port in asdict(last).values()):
        return last
    with ExitStack() as held:
        ports: list[int] = []
        while len(ports) < len(fields(StorePorts)):
            probe = held.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            if probe.getsockname()[1] != besides:
                ports.append(probe.getsockname()[1])
        return StorePorts(*ports)
