"""Synthesizes the app for template tests: once for each choice of settings."""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
USER = "abc"


@dataclass(frozen=True)
class Synthesized:
    """A synthesized assembly, which is gone with this object, and the template of one of its stacks as a dict."""

    directory: tempfile.TemporaryDirectory[str]
    template: dict[str, Any]
    stack: str = "Production"

    @property
    def folder(self) -> Path:
        return Path(self.directory.name)

    @property
    def template_file(self) -> Path:
        return self.folder / f"{self.stack}-{USER}.template.json"

    @property
    def web(self) -> "Synthesized":
        """The same assembly, and the template of its stack `WebApplication`."""
        return Synthesized(self.directory, _template(self.folder, "WebApplication"), "WebApplication")

    @property
    def validation_report(self) -> dict[str, Any]:
        return json.loads((self.folder / "validation-report.json").read_text("utf-8"))

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """Properties of all resources of a type, by logical id."""
        found = self.template["Resources"].items()
        return {name: resource.get("Properties", {}) for name, resource in found if resource["Type"] == kind}

    def one(self, kind: str, part_of_name: str = "") -> dict[str, Any]:
        """Properties of the one resource of a type whose logical id contains the text."""
        named = {name: found for name, found in self.resources(kind).items() if part_of_name in name}
        assert len(named) == 1, f"{kind} with {part_of_name!r}: {sorted(named)}"
        return next(iter(named.values()))

    def name_of(self, kind: str, part_of_name: str = "") -> str:
        """Logical id of that one resource."""
        properties = self.one(kind, part_of_name)
        return next(name for name, found in self.resources(kind).items() if found is properties)

    def definitions(self) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
        """Logical id, definition and substitutions of each state machine."""
        for name, machine in self.resources("AWS::StepFunctions::StateMachine").items():
            yield name, json.loads(machine["DefinitionString"]), machine.get("DefinitionSubstitutions", {})


def synthesize(**settings: str) -> Synthesized:
    """The app with these settings (by context key). Raises what synthesis raises, findings of cdk-nag among it."""
    return _synthesized(tuple(sorted(settings.items())))


@cache
def _synthesized(settings: tuple[tuple[str, str], ...]) -> Synthesized:
    from app import create_app

    directory = tempfile.TemporaryDirectory(prefix="hpc-cdk-out-")
    create_app(context=dict(settings), environment={"UserName": USER}, outdir=directory.name).synth()
    return Synthesized(directory, _template(Path(directory.name), "Production"))


def _template(folder: Path, stack: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{stack}-{USER}.template.json").read_text("utf-8"))
    return found
