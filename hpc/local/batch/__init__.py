"""AWS Batch on the laptop: its API, queues, retry rules and timeouts; jobs run as processes.

Everything from outside (credentials, logs, events) comes in through `BatchPorts`; the host of the service turns HTTP
requests into `BatchService.handle` calls.
"""

from hpc.local.batch.config import BatchConfig
from hpc.local.batch.errors import BatchError, JobWaitCancelled, JobWaitTimeout
from hpc.local.batch.ports import BatchPorts
from hpc.local.batch.service import BatchService

__all__ = ["BatchConfig", "BatchError", "BatchPorts", "BatchService", "JobWaitCancelled", "JobWaitTimeout"]
