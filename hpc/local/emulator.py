"""The one service of the laptop platform: the AWS emulator with our hooks, and our Batch service inside it.

Started by `hpc.local.platform.up` as `python -m hpc.local.emulator CONFIG.json`; ends on SIGTERM, keeping its state.
It holds a lock on `platform.lock` in its state directory for as long as it lives: whoever finds the lock free knows
that no platform runs there, whatever a stale file says.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import signal
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hpc.local.batch.strays import end_processes_in

ACCOUNT = "000000000000"


@dataclass(frozen=True)
class EmulatorConfig:
    """What the process needs to know; `memory_mib` and `vcpus` are what Batch jobs may use together."""

    state_dir: str
    project_root: str
    port: int
    region: str
    access_key_id: str
    vcpus: int
    memory_mib: int
    secret_access_key: str = field(repr=False)

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def save(self, path: Path) -> None:
        """Writes the configuration, readable by its owner only: it holds the platform's root key."""
        temporary = path.with_suffix(".tmp")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(asdict(self), file)
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> EmulatorConfig:
        return cls(**json.loads(path.read_text()))

    def environment(self) -> dict[str, str]:
        """ministack's own settings; it reads them when it is imported."""
        state = Path(self.state_dir)
        return {
            "AUTH": "true",
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "IOT_MTLS_ENABLED": "0",
            "LAMBDA_EXECUTOR": "local",
            "LOG_LEVEL": "INFO",
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": self.region,
            "PERSIST_STATE": "1",
            "S3_DATA_DIR": str(state / "s3"),
            "S3_PERSIST": "1",
            "SFTP_ENABLED": "0",
            "STATE_DIR": str(state / "emulator"),
        }


def serve(config: EmulatorConfig) -> None:
    """Runs the emulator until SIGTERM; raises SystemExit when another platform has the state directory."""
    os.umask(0o077)  # the state holds keys; ministack writes it with the modes that the umask leaves
    lock = (Path(config.state_dir) / "platform.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"another platform already runs in {config.state_dir}; end it with `hpc down`")
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    os.environ.update(config.environment())
    logging.getLogger("botocore").setLevel(logging.WARNING)

    from ministack import app  # noqa: PLC0415 -- reads the environment set above

    from hpc.local import emulator_hooks  # noqa: PLC0415 -- imports ministack

    end_processes_in(Path(config.state_dir) / "jobs")
    service = _batch_service(config, emulator_hooks)
    emulator_hooks.install(
        service,
        access_key_id=config.access_key_id,
        secret_access_key=config.secret_access_key,
        state_dir=config.state_dir,
    )
    sys.argv = sys.argv[:1]  # ministack parses the command line too
    app.main()  # ends the process itself, with the lock


def _batch_service(config: EmulatorConfig, hooks: Any) -> Any:
    from hpc.local.batch import BatchConfig, BatchPorts, BatchService  # noqa: PLC0415 -- with the hooks

    scope = hooks.AccountScope(ACCOUNT, config.region)
    state = Path(config.state_dir)
    return BatchService(
        BatchConfig(
            partition="aws",
            region=config.region,
            account=ACCOUNT,
            vcpus=config.vcpus,
            memory_mib=config.memory_mib,
            jobs_dir=Path(config.project_root) / "docker-image" / "BatchJob",
            scratch_dir=state / "jobs",
            path_prefix=Path(sys.executable).parent,
            endpoint_url=config.endpoint_url,
            faults_file=state / "faults.json",
        ),
        BatchPorts(
            credentials_for_role=hooks.role_credentials,
            log_sink=scope.write_logs,
            on_state_change=scope.publish_job_state,
        ),
    )


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal ends `hpc run`, not the platform
    serve(EmulatorConfig.load(Path(sys.argv[1])))
