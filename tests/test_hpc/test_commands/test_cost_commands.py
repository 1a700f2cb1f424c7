"""`hpc cost` and `hpc prices`."""

import json

import pytest

from hpc.cost import prices as price_table
from tests.test_hpc.test_commands.conftest import hpc

HOUR = {"started_at": "2026-01-31T10:00:00.000Z", "stopped_at": "2026-01-31T11:00:00.000Z", "exit_code": 0}


@pytest.fixture
def worked(connection, stack, submitted):
    """A submitted run whose split took an hour."""
    queue = stack.job_queues["graviton"]["first_try"].rpartition("/")[2]
    job = {"status": "SUCCEEDED", "queue": queue, "vcpus": 1, "memory_mib": 2048, "attempts": [HOUR]}
    row = {"state": "String_Split", "index": 0, "status": "SUCCEEDED", "job:0000000000001:a": job}
    connection.table(stack.run_table).put_item(Item={"pk": f"RUN#{submitted}", "sk": "TASK#String_Split#000000", **row})
    return submitted


def test_a_cost_is_shown_by_its_parts_beside_the_estimate(worked):
    result = hpc("cost", worked)
    assert result.exit_code == 0, result.output
    lines = [line.split(maxsplit=3) for line in result.stdout.splitlines()]
    assert f"Run {worked} so far, at prices of " in result.stdout
    assert ["Instances", "on", "demand", "0.0504 USD"] in [[part.rstrip() for part in line] for line in lines]
    assert "Estimate before" in result.stdout
    assert "Spot instances" not in result.stdout
    assert "ran on no instance of EC2, as on a laptop" in result.stdout


def test_a_cost_for_scripts(worked):
    shown = json.loads(hpc("cost", worked, "--json").stdout)
    assert shown["run_id"] == worked
    assert shown["on_demand_usd"] == {"low": 0.0504, "high": 0.0504}
    assert (shown["is_settled"], shown["estimate_error"]) == (False, None)


def test_a_submission_tells_what_it_is_expected_to_cost(platform_is_up, lines_file, project):
    result = hpc("submit", lines_file, "--project", project, "--lines-per-shard", "2")
    assert "On AWS it would cost " in result.stderr
    assert "earlier run" in result.stderr or "what its jobs may use at most" in result.stderr


@pytest.fixture
def table(monkeypatch, tmp_path):
    """A table of prices that may be rewritten."""
    made = {"as_of": "2026-01-01", "source": "a test", "regions": {"us-east-1": {"vcpu_hour": {"r6g": 0.05}}}}
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(made))
    monkeypatch.setattr(price_table, "TABLE", path)
    return path


def test_the_prices_of_the_platforms_region(platform_is_up, stack, table):
    result = hpc("prices")
    assert result.exit_code == 0, result.output
    assert "us-east-1, prices of 2026-01-01" in result.stdout
    assert "r6g, on demand, a vCPU an hour" in result.stdout


def test_a_region_without_prices_is_refused(table):
    result = hpc("prices", "--region", "mars-1")
    assert result.exit_code == 2
    assert (
        "--region: found 'mars-1', of which no price is known; expected one of us-east-1; or ask AWS: " in result.stderr
    )


def test_a_family_is_asked_for_in_a_refresh_only():
    result = hpc("prices", "--family", "r7g")
    assert result.exit_code == 2
    assert "--family goes with --refresh" in result.stderr


def test_a_refresh_that_reaches_nobody_changes_nothing(table, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(table.parent / "none"))
    before = table.read_bytes()
    result = hpc("prices", "--region", "us-east-1", "--refresh")
    assert result.exit_code == 3, result.output
    assert "credentials" in result.stderr
    assert table.read_bytes() == before
