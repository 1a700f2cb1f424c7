"""Every private name of the emulator that the laptop platform touches, in one folder.

ministack has no plugin interface. Each module closes the gaps between one part of it and AWS; `install` puts all hooks
in place and fails by name when a new version of ministack has moved something. Import this package only after the
emulator's environment variables are set, because ministack reads them when it is imported.
"""

from __future__ import annotations

from pathlib import Path

from hpc.local.batch import BatchService
from hpc.local.hooks import (
    access_logs,
    accounts,
    batch,
    cloud_formation,
    events,
    expressions,
    images,
    lambdas,
    requests,
    state,
    step_functions,
    storage,
)
from hpc.local.journal import Journal
from hpc.local.object_store import ObjectStore


def install(
    service: BatchService,
    store: ObjectStore,
    journal: Journal,
    *,
    access_key_id: str,
    secret_access_key: str,
    state_dir: str,
    jobs_dir: Path,
) -> None:
    """Puts every hook in place; call once, before the emulator serves its first request."""
    requests.install(service, store, state_dir=state_dir)
    storage.install(store)
    expressions.install()
    batch.install(service)
    step_functions.install()
    lambdas.install(service.faults)
    # Before the state, which wraps it: an execution whose event is lost is in the journal.
    events.install(service.faults)
    cloud_formation.install(service)
    images.install(jobs_dir)
    access_logs.install()
    state.install(service, store, journal)
    # After the state: the owner is made when what was kept has been loaded.
    accounts.install(access_key_id, secret_access_key)
