"""What Batch goes through with the jobs of one task, as the details of its events: made up, in AWS's shape."""

from dataclasses import dataclass, field

from hypothesis import strategies as st

RUN_ID = "20260102-030405-abc123"
QUEUE = "arn:aws:batch:us-east-1:123456789012:job-queue/Spot"
CREATED_MS = 1_767_323_045_000
ENDS = {
    "succeeded": (0, None, "Essential container in task exited"),
    "failed": (1, None, "Essential container in task exited"),
    "reclaimed": (None, None, "Host EC2 (instance i-1) terminated."),
}


@dataclass
class History:
    """Every state of the jobs of a task in order, each with the second in which it began."""

    details: list[dict] = field(default_factory=list)

    @property
    def jobs(self) -> list[dict]:
        """The jobs as they are in the end, oldest first."""
        return list({detail["jobId"]: detail for detail in self.details}.values())

    @property
    def newest(self) -> dict:
        return self.details[-1]


def job_history(number: int, ends: list[str], stop_at: str | None, name: str = "String_Repeat-3") -> list[dict]:
    """The details of one job: an attempt each of `ends`; `stop_at` is the status in which its last attempt still is."""
    created = CREATED_MS + number * 100_000
    base = {
        "jobName": f"{RUN_ID}-{name}",
        "jobId": f"0000000{number}-0000-4000-8000-000000000000",
        "jobQueue": QUEUE,
        "createdAt": created,
    }
    requirements = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}]
    container = {"resourceRequirements": requirements, "environment": []}
    details, attempts, now = [], [], created
    for attempt, end in enumerate(ends):
        where = {
            "containerInstanceArn": f"arn:aws:ecs:us-east-1:123456789012:container-instance/spot/{number}{attempt}"
        }
        log = {"logStreamName": f"log-{number}-{attempt}"}
        for status in ("RUNNABLE", "STARTING", "RUNNING"):
            now += 700
            started = {"startedAt": now} if status == "RUNNING" else {}
            running = {**container, **(where | log if status != "RUNNABLE" else {})}
            details.append(
                {**base, "status": status, "attempts": list(attempts), "container": running, "seen": now, **started}
            )
            if attempt == len(ends) - 1 and status == stop_at:
                return details
        exit_code, reason, status_reason = ENDS[end]
        told = {name: value for name, value in (("exitCode", exit_code), ("reason", reason)) if value is not None}
        attempts.append(
            {
                "container": {**where, **log, **told},
                "startedAt": now,
                "stoppedAt": now + 500,
                "statusReason": status_reason,
            }
        )
        now += 500
    last = {**details[-1], "attempts": attempts, "stoppedAt": now, "seen": now}
    status = "SUCCEEDED" if ends[-1] == "succeeded" else "FAILED"
    details.append(
        {**last, "status": status, "statusReason": status_reason, "container": {**container, **where, **told}}
    )
    return details


@st.composite
def histories(draw: st.DrawFn) -> History:
    """One to three tries of a task, each but the last a failed job, each with one to three attempts."""
    tries = draw(st.integers(1, 3))
    history = History()
    for number in range(tries):
        lost = ["reclaimed"] * draw(st.integers(0, 2))
        is_last = number == tries - 1
        end = draw(st.sampled_from(sorted(ENDS))) if is_last else draw(st.sampled_from(["failed", "reclaimed"]))
        stop_at = draw(st.sampled_from([None, "RUNNABLE", "STARTING", "RUNNING"])) if is_last else None
        history.details += job_history(number, [*lost, end], stop_at)
    return history


@st.composite
def deliveries(draw: st.DrawFn, history: History) -> list[list[dict]]:
    """Batches of what arrives of the events: some never, some twice or three times, in any order."""
    copies = draw(st.lists(st.integers(0, 3), min_size=len(history.details), max_size=len(history.details)))
    arriving = [detail for detail, number in zip(history.details, copies, strict=True) for _ in range(number)]
    arriving = draw(st.permutations(arriving))
    batches, rest = [], list(arriving)
    while rest:
        size = draw(st.integers(1, len(rest)))
        batches.append(rest[:size])
        rest = rest[size:]
    return batches
