"""A run that is being prepared: what was typed, the file that came with it, and what is wrong with both."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from web_application import form
from web_application.api import Problem

# The parameter that every workflow has; the API calls it `project` where it is not a workflow's.
PROJECT = "ProjectNo"
FILE = "file"
_NAMES = {"project": PROJECT, "file_name": FILE}
_SUBMISSION = re.compile(r"[0-9a-f]{32}")


@dataclass
class Draft:
    """The state of one form. `source` is `file` or `object`; `errors` has texts by field, under "" for the whole."""

    workflow: Mapping[str, Any]
    values: dict[str, str] = field(default_factory=dict)
    source: str = "file"
    overwrite: bool = False
    submission: str = field(default_factory=lambda: uuid.uuid4().hex)
    uploaded: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    said_by_api: set[str] = field(default_factory=set)

    @classmethod
    def of_form(cls, workflow: Mapping[str, Any], given: Mapping[str, str]) -> Draft:
        """What a person sent; everything in it may be made up."""
        names = workflow["parameters"].get("properties", {})
        submission = given.get("submission", "")
        return cls(
            workflow=workflow,
            values={name: given.get(name, "") for name in names},
            source="object" if given.get("source") == "object" or not workflow.get("upload") else "file",
            overwrite=given.get("overwrite") == "true",
            submission=submission if _SUBMISSION.fullmatch(submission) else uuid.uuid4().hex,
        )

    @classmethod
    def of_run(cls, workflow: Mapping[str, Any], run: Mapping[str, Any]) -> Draft:
        """The same values again."""
        return cls(workflow=workflow, values=form.as_typed(workflow["parameters"], run["parameters"]), source="object")

    @property
    def upload(self) -> Mapping[str, str] | None:
        """Where the workflow wants a file's bucket and key; None when it takes no file."""
        upload: Mapping[str, str] | None = self.workflow.get("upload")
        return upload

    @property
    def input_names(self) -> tuple[str, ...]:
        """The parameters that an uploaded file fills in."""
        return (self.upload["bucket_parameter"], self.upload["key_parameter"]) if self.upload else ()

    @property
    def needs_file(self) -> bool:
        """Whether the input is to come with the form."""
        return self.upload is not None and self.source == "file"

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters as JSON; without the input's when that is a file which has not been uploaded."""
        given = form.typed(self.workflow["parameters"], self.values)
        return {name: value for name, value in given.items() if not (self.needs_file and name in self.input_names)}

    @property
    def fields(self) -> dict[str, form.Field]:
        """The form's fields."""
        return form.fields(self.workflow["parameters"], self.values, self.errors)

    def upload_key(self, file_name: str, sha256: str) -> str:
        """The same for the same file in the same form, so that a double click uploads to one key of S3."""
        return _digest(self.submission, self.workflow["name"], sha256, file_name)

    def take_upload(self, target: Mapping[str, Any], file_name: str) -> None:
        """The file is in S3 now: from here on the input is that object."""
        if self.upload is None:
            return
        self.values[self.upload["bucket_parameter"]] = str(target["bucket"])
        self.values[self.upload["key_parameter"]] = str(target["key"])
        self.source, self.uploaded = "object", file_name

    def idempotency_key(self) -> str:
        """The same for the same form with the same values, so that a double click is one run.

        Other values are another run, also when the browser went back to the form.
        """
        return _digest(self.submission, self.workflow["name"], self.parameters, self.overwrite)

    def refuse(self, problem: Problem) -> None:
        """Takes what the API said to the fields that it said it of."""
        known = {*self.workflow["parameters"].get("properties", {}), FILE}
        for error in problem.errors:
            name = _NAMES.get(error.field, error.field)
            self._say(name if name in known else "", error.detail)
        if not problem.errors:
            self._say("", problem.detail or problem.title)

    def language_of(self, name: str, page: str) -> str:
        """The language of an error: the API's texts are English, the others are in the page's language."""
        return "en" if name in self.said_by_api else page

    def _say(self, name: str, text: str) -> None:
        if name not in self.errors:
            self.errors[name] = text
            self.said_by_api.add(name)


def _digest(*parts: Any) -> str:
    """64 hexadecimal digits, which the API takes as an `Idempotency-Key`."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
