"""Deploy settings: what a person chooses before `cdk deploy`, checked before anything is synthesized.

A setting's name is its context key (`-c natGateways=2`). Its environment variable is made of the name
(`HPC_CDK_NAT_GATEWAYS=2`); only `UserName`, `EmailAddress` and `Region` are called the same in both places. Context
wins over the environment, the environment over the default; an empty value counts as not set. This module is the CDK
app's only reader of both; what can be set is in `hpc_constructs/settings/`. `python -m settings` prints the table that
the README shows.
"""

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Self

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from hpc_constructs.settings.account import AccountSettings
from hpc_constructs.settings.data import DataSettings
from hpc_constructs.settings.fields import SettingsError, example_of, extra_of, field_named, setting
from hpc_constructs.settings.jobs import JobSettings
from hpc_constructs.settings.web import WebSettings

PREFIX = "HPC_CDK_"
# Context that the CDK's command line writes itself (`cdk cli-telemetry`, `cdk acknowledge`).
KEYS_OF_THE_CDK = ("cli-telemetry", "acknowledged-issue-numbers")
SAME_IN_ENVIRONMENT = ("UserName", "EmailAddress", "Region")


# The first base's fields are the last in the table.
class Settings(WebSettings, DataSettings, JobSettings, AccountSettings):
    """All that differs between two deployments; frozen. `load` makes one and raises `SettingsError`."""

    workflows_directory: str = setting(
        "workflowsDirectory",
        "workflows",
        allowed="a folder, from the project's root or absolute",
        example="my-workflows",
        meaning="Folder of the workflow folders",
    )
    lambda_directory: str = setting(
        "lambdaDirectory",
        "lambda",
        allowed="a folder, from the project's root or absolute",
        example="my-functions",
        meaning="Folder of the functions' folders",
    )

    @classmethod
    def load(cls, *, context: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Self:
        """Reads each setting from the context, else from the environment (default: this process's).

        Raises `SettingsError` for the first one that is missing or bad, and for one that does not exist.
        """
        variables = os.environ if environment is None else environment
        _refuse_unknown(context, variables)
        values: dict[str, Any] = {}
        written: dict[str, str] = {}
        for name in setting_names():
            variable = environment_variable(name)
            for form, value in ((f"-c {name}", context.get(name)), (variable, variables.get(variable))):
                if name not in values and value not in (None, ""):
                    values[name], written[name] = value, form
        try:
            return cls.model_validate(values)
        except ValidationError as invalid:
            name = str(invalid.errors()[0]["loc"][0])
        form = written.get(name, environment_variable(name))
        found = f"is {str(values[name])[:80]!r}" if name in values else "is not set"
        field = field_named(cls, name)
        example = f"{form}={example_of(field)}"
        raise SettingsError(form.removeprefix("-c "), found=found, allowed=extra_of(field)["allowed"], example=example)


def setting_names() -> tuple[str, ...]:
    """The names of all settings, in the table's order."""
    return tuple(str(field.alias) for field in Settings.model_fields.values())


def environment_variable(name: str) -> str:
    """The environment variable of a setting: `natGateways` becomes `HPC_CDK_NAT_GATEWAYS`."""
    words = re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return name if name in SAME_IN_ENVIRONMENT else PREFIX + words.upper()


def _refuse_unknown(context: Mapping[str, Any], variables: Mapping[str, str]) -> None:
    """A misspelt name would be ignored silently. The CDK's own context keys contain '@', ':' or '/', but for a few."""
    names = setting_names()
    keys = {key: names for key in context if not re.search("[@:/]", key) and key not in KEYS_OF_THE_CDK}
    prefixed = {key: tuple(map(environment_variable, names)) for key in variables if key.startswith(PREFIX)}
    for key, known in {**keys, **prefixed}.items():
        if key not in known:
            near = get_close_matches(key, known, n=1, cutoff=0)[0]
            example = f"{near}={example_of(field_named(Settings, names[known.index(near)]))}"
            raise SettingsError(key, found="is no setting", allowed=", ".join(known), example=example)


def markdown_table() -> str:
    """The table of all settings for the README."""
    lines = ["| Context key | Environment variable | Default | Unit | Allowed | Example | What it does |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    for field in Settings.model_fields.values():
        name, extra = str(field.alias), extra_of(field)
        named = [f"`{name}`", f"`{environment_variable(name)}`", _default(field)]
        row = [*named, extra["unit"], extra["allowed"], f"`{example_of(field)}`", field.description or ""]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
    return "\n".join(lines)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    text = ",".join(field.default) if isinstance(field.default, tuple) else str(field.default)
    return f"`{text}`" if text else "none"


if __name__ == "__main__":
    print(markdown_table())
