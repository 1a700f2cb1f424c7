"""The words: what the state machine keeps of a verdict, and the mail that tells people.

What stays in the state is bounded whatever happens: at most 20 reasons of at most 500 bytes, once as a list and once in
the message. All reasons lie in S3.
"""

import json
import re
from typing import Any

from check_event import CheckEvent
from comparison import Verdict

# Step Functions ends an execution whose state passes 256 KiB, and no Catch sees it.
# Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
REASONS_IN_STATE = 20
REASON_BYTES = 500
# SNS: less than 100 characters, no line breaks or control characters.
# Source: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
SUBJECT_CHARACTERS = 99
# `Seconds` of the state Failed.
WAIT_S = 5


def answer(event: CheckEvent, verdict: Verdict) -> dict[str, Any]:
    """What the state machine keeps."""
    return {
        "OutputStatus": verdict.status,
        "permanent": verdict.permanent,
        "reason_count": len(verdict.findings),
        "reasons": [shortened(finding.reason) for finding in verdict.findings[:REASONS_IN_STATE]],
        "reasons_key": event.reasons_key,
        "subject": subject(event, verdict),
        "message": message(event, verdict),
    }


def reasons_document(event: CheckEvent, verdict: Verdict) -> bytes:
    """All reasons in full, as JSON."""
    document = {
        "run_id": event.run_id,
        "attempt": event.attempt,
        "OutputStatus": verdict.status,
        "reasons": [one_line(finding.reason) for finding in verdict.findings],
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def subject(event: CheckEvent, verdict: Verdict) -> str:
    """Such as `SUCCEEDED: string_processing of project Project1`, cut to what SNS takes."""
    text = f"{verdict.status}: {event.workflow} of project {event.project}"
    text = re.sub(r"[^ -~]", "?", text)
    return text if len(text) <= SUBJECT_CHARACTERS else f"{text[: SUBJECT_CHARACTERS - 3]}..."


def message(event: CheckEvent, verdict: Verdict) -> str:
    """Plain text: what ended how, what was made or why not, what happens next and where to look."""
    when = f"at try {event.attempt} of {event.max_attempts}" if event.attempt else "before its first try"
    body = failure_lines(event, verdict) if verdict.findings else success_lines(event, verdict)
    return "\n".join(
        [f"Run {event.run_id} of {event.workflow}, project {event.project}: {verdict.status} {when}.", "", *body]
    )


def success_lines(event: CheckEvent, verdict: Verdict) -> list[str]:
    source = verdict.input
    read = f" ({source.bytes:,} bytes, {source.lines:,} lines, {verdict.shards:,} shards)" if source else ""
    return [
        f"Made from {event.input_key}{read}, and checked:",
        *(f"- {event.uri(key)} ({size.bytes:,} bytes, {size.lines:,} lines)" for key, size in verdict.merged.items()),
        "",
        f"Next: nothing, the run is complete. Fetch the results: hpc results {event.run_id} -o DIR",
        f"How it went: hpc show {event.run_id}",
    ]


def failure_lines(event: CheckEvent, verdict: Verdict) -> list[str]:
    all_reasons = event.uri(event.reasons_key)
    shown = [f"- {shortened(finding.reason)}" for finding in verdict.findings[:REASONS_IN_STATE]]
    more = len(verdict.findings) - len(shown)
    return [
        f"Found wrong ({len(verdict.findings):,}):",
        *shown,
        *([f"- and {more:,} more, all in {all_reasons}"] if more else []),
        "",
        f"Next: {next_step(event, verdict)}",
        f"How it went: hpc show {event.run_id}",
        f"What the jobs wrote: hpc logs {event.run_id}",
        f"All reasons: {all_reasons}",
    ]


def next_step(event: CheckEvent, verdict: Verdict) -> str:
    """What the states Is_Complete and Failed will do with this verdict."""
    if not verdict.permanent and event.attempt < event.max_attempts:
        return f"try {event.attempt + 1} of {event.max_attempts} starts in {WAIT_S} s and runs only what is missing."
    why = "another one would not change this" if verdict.permanent else f"this was the last of {event.max_attempts}"
    return f"no further try, {why}. Correct what is named above, then go on: hpc resume {event.run_id}"


def one_line(text: str) -> str:
    """Text that can be printed and encoded: a job's reason may quote any bytes of its input."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text).encode(errors="replace").decode()


def shortened(text: str) -> str:
    """One line of at most 500 bytes of UTF-8, cut in the middle: its start names the object, its end the finding."""
    data = one_line(text).encode()
    if len(data) <= REASON_BYTES:
        return data.decode()
    half = (REASON_BYTES - len(" ... ")) // 2
    return f"{data[:half].decode(errors='ignore')} ... {data[-half:].decode(errors='ignore')}"
