"""The answer about what all runs share: queues, and what is in them."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from answer import Answer
from deployment import Deployment
from request import Request

from hpc.checks.compute import read_queues
from hpc.checks.queue_counts import read_queue_counts

# Two for each of the architectures that there are.
QUEUES_AT_ONCE = 4


def get_platform(deployment: Deployment, _: Request, _owner: str) -> Answer:
    """The queues and their jobs, everybody's: counts, and nothing else of them."""
    # Makes Batch's client, too, which threads must not do.
    queues = read_queues(deployment.connection, deployment.stack)
    with ThreadPoolExecutor(QUEUES_AT_ONCE) as threads:
        found = [*threads.map(partial(read_queue_counts, deployment.connection), queues)]
    return Answer(200, {"queues": [each.as_json() for each in found]})
