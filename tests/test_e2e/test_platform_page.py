"""How full the platform is, from its API and on its page, while a job runs and others wait for room."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from bs4 import BeautifulSoup

from tests.test_e2e import broken_setups as broken
from tests.test_e2e.api_client import Api
from tests.test_e2e.conftest import Platform, wait_until


def queues(api: Api) -> dict[tuple[str, str], dict[str, Any]]:
    """By architecture and use."""
    answer = api.get("/platform")
    assert answer.status == 200, answer
    return {(each["architecture"], each["use"]): each for each in answer.document["queues"]}


def count(queue: dict[str, Any]) -> int:
    """Its jobs, in whatever state."""
    return sum(queue["jobs"].values())


def row_of(platform: Platform, queue: str) -> list[str]:
    """The cells of a queue on the page."""
    url = json.loads(platform.hpc("show", "--platform", "--json").stdout)["web_url"]
    with urllib.request.urlopen(f"{url}/platform", timeout=60) as answer:
        row = BeautifulSoup(answer.read(), "html5lib").find(id=f"queue-{queue}")
    return [" ".join(cell.get_text(" ").split()) for cell in row.select("th, td")]


def test_what_runs_and_what_waits_is_told_by_the_api_and_on_the_page(platform, lines_file):
    api = Api(platform)
    # On an idle platform the queues are there, and nothing runs in them
    wait_until(lambda: not any(each["running_vcpus"] for each in queues(api).values()), every_s=1)
    idle = queues(api)
    assert set(idle) == {(name, use) for name in ("graviton", "x86") for use in ("first_try", "next_tries")}
    assert {each["state"] for each in idle.values()} == {"ENABLED"}
    before = idle["graviton", "first_try"]
    assert [each["kind"] for each in before["environments"]] == ["SPOT", "EC2"]
    assert before["max_vcpus"] == sum(each["max_vcpus"] for each in before["environments"]) > 1
    # With one vCPU to have and a job that hangs, the others wait
    with broken.queue_full(platform, lines_file):
        # A split, and four shards in each branch
        wait_until(lambda: count(queues(api)["graviton", "first_try"]) == count(before) + 9, every_s=1)
        full = queues(api)["graviton", "first_try"]
        assert (full["jobs"]["RUNNING"], full["running_vcpus"], full["max_vcpus"]) == (1, 1, 1)
        assert full["jobs"]["RUNNABLE"] >= 1
        assert full["jobs"]["SUCCEEDED"] > before["jobs"]["SUCCEEDED"]
        assert [each["kind"] for each in full["environments"]] == ["SPOT"]
        assert full["at_least"] == []
        cells = row_of(platform, full["name"])
        assert cells[0] == f"Graviton, first tries Enabled Spot {full['name']}"
        assert cells[1:5] == ["1 of 1 vCPUs", "0", str(full["jobs"]["RUNNABLE"]), "1"]
    # And when it is over, all is as it was
    wait_until(lambda: not queues(api)["graviton", "first_try"]["running_vcpus"], every_s=1)
    assert queues(api)["graviton", "first_try"]["environments"] == before["environments"]
