"""The emulator's process: the AWS emulator with our hooks, and our Batch service inside it.

The supervisor starts it as `python -m hpc.local.emulator CONFIG.json`, with the state directory as its working folder.
It answers on a Unix socket there, behind the front door. SIGUSR1 saves its state, SIGUSR2 ends the jobs and then it,
keeping its state.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path

from hpc.local.batch import BatchConfig, BatchPorts, BatchService
from hpc.local.batch.strays import end_processes_in
from hpc.local.configuration import ACCOUNT, JOBS_DIR, PlatformConfig
from hpc.local.front_door import EMULATOR_SOCKET
from hpc.local.journal import Journal
from hpc.local.object_store import ObjectStore

JOURNAL_FILE = "journal.sqlite"
CDK_OBJECTS_DIR = "cdk-objects"
# A connection of the front door that is not used; it opens another one when it needs one.
_KEEP_ALIVE_S = 75
# How long requests may take when the process has been told to end.
_GRACE_S = 3


def settings(config: PlatformConfig) -> dict[str, str]:
    """ministack's own settings; it reads them when it is imported."""
    return {
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": config.access_key_id,
        "AWS_SECRET_ACCESS_KEY": config.secret_access_key,
        "AWS_ENDPOINT_URL": config.endpoint_url,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(config.port),
        "IOT_MTLS_ENABLED": "0",
        "LAMBDA_EXECUTOR": "local",
        "LOG_LEVEL": "WARNING",
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": config.region,
        "PERSIST_STATE": "1",
        # The CDK's own buckets; those of runs are in the object store.
        "S3_DATA_DIR": str(config.state / CDK_OBJECTS_DIR),
        "S3_PERSIST": "1",
        "SFTP_ENABLED": "0",
        "STATE_DIR": str(config.state / "emulator"),
    }


def serve(config: PlatformConfig) -> None:
    """Runs the emulator until it is told to end; ends the process."""
    os.umask(0o077)  # the state holds keys; ministack writes it with the modes that the umask leaves
    os.environ.update(settings(config))
    logging.getLogger("botocore").setLevel(logging.WARNING)

    from hpc.local import hooks  # noqa: PLC0415 -- imports ministack, which reads the environment set above
    from hpc.local.hooks import accounts, batch  # noqa: PLC0415

    end_processes_in(config.state / JOBS_DIR)
    scope = batch.AccountScope(ACCOUNT, config.region)
    journal = Journal(config.state / JOURNAL_FILE)
    service = BatchService(
        _batch_config(config),
        BatchPorts(
            credentials_for_role=accounts.role_credentials,
            log_sink=scope.write_logs,
            on_state_change=scope.publish_job_state,
            keep_job=journal.keep_job,
        ),
    )
    hooks.install(
        service,
        ObjectStore(config.store),
        journal,
        access_key_id=config.access_key_id,
        secret_access_key=config.secret_access_key,
        state_dir=config.state_dir,
        jobs_dir=_jobs_dir(config),
    )
    _listen()


def _listen() -> None:
    """Serves until SIGTERM, on a Unix socket; the hooks end the process with the server.

    uvicorn with httptools: ministack's own choice, hypercorn, takes three times as long for a request.
    """
    import uvicorn  # noqa: PLC0415 -- with ministack
    from ministack import app  # noqa: PLC0415

    Path(EMULATOR_SOCKET).unlink(missing_ok=True)
    server = uvicorn.Config(
        app.app,
        uds=EMULATOR_SOCKET,
        http="httptools",
        loop="uvloop",
        lifespan="on",
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        date_header=False,  # ministack sends one
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
    )
    uvicorn.Server(server).run()


def _batch_config(config: PlatformConfig) -> BatchConfig:
    return BatchConfig(
        partition="aws",
        region=config.region,
        account=ACCOUNT,
        vcpus=config.vcpus,
        memory_mib=config.memory_mib,
        jobs_dir=_jobs_dir(config),
        scratch_dir=config.state / JOBS_DIR,
        path_prefix=Path(sys.executable).parent,
        endpoint_url=config.endpoint_url,
        faults_file=config.state / "faults.json",
    )


def _jobs_dir(config: PlatformConfig) -> Path:
    return Path(config.project_root) / "docker-image" / "BatchJob"


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal ends `hpc run`, not the platform
    serve(PlatformConfig.load(Path(sys.argv[1])))
