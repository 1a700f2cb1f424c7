"""Rows of tasks as `hpc show --json` shows them."""

from __future__ import annotations

import json
from decimal import Decimal

from hpc.task_rows import jobs_of

ARN = "arn:aws:ecs:us-east-1:123456789012:container-instance/cluster/abc"


def test_jobs_come_oldest_first_with_their_attempts_and_places():
    first = {"status": "FAILED", "queue": "spot", "vcpus": Decimal("0.5"), "memory_mib": Decimal(2048)}
    row = {
        "status": "SUCCEEDED",
        "job:0000000000002:new:7": {"status": "SUCCEEDED", "attempts": [{"exit_code": Decimal(0)}]},
        "job:0000000000001:old": {**first, "attempts": [{"exit_code": Decimal(1), "container_instance": ARN}]},
        "instance:abc": {"instance_id": "i-1", "instance_type": "r6g.large", "zone": "us-east-1a", "market": "spot"},
    }
    place = {"instance_type": "r6g.large", "zone": "us-east-1a", "market": "spot"}
    assert json.loads(json.dumps(jobs_of(row))) == [
        {
            **first,
            "job_id": "old",
            "vcpus": 0.5,
            "memory_mib": 2048,
            "attempts": [{"exit_code": 1, "container_instance": ARN, **place}],
        },
        {"job_id": "new:7", "status": "SUCCEEDED", "attempts": [{"exit_code": 0, **dict.fromkeys(place)}]},
    ]


def test_a_row_that_was_made_in_advance_has_no_jobs():
    assert jobs_of({"status": "PENDING", "version": "0"}) == []
