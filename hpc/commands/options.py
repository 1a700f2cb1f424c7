"""Options that commands share, and commands whose flags come from a workflow's `workflow.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hpc import parameters, workflow_folders
from hpc.errors import WrongInput
from hpc.run import check_run_id
from hpc.workflows import Parameter, Workflow

_WORKFLOW = "hpc.workflow"
# A workflow's parameter may have the name of an argument of ours.
_PREFIX = "parameter_"


# Without click's own checks: what cannot be read or written is told in our words.
PATH = click.Path(path_type=Path, readable=False)
overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Replace the results that the project has of another input."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


def _checked(_ctx: click.Context, _param: click.Parameter, text: str | None) -> str | None:
    return None if text is None else check_run_id(text)


run_argument = click.argument("run_id", metavar="RUN", callback=_checked)
optional_run_argument = click.argument("run_id", metavar="[RUN]", required=False, callback=_checked)


class WorkflowCommand(click.Command):
    """A command with `--workflow`, and a flag for each parameter of the workflow that it names.

    `without_upload`: leaves out the flags of what an uploaded file fills in.
    """

    def __init__(self, *args: Any, without_upload: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._without_upload = without_upload

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # The flags depend on the workflow, so it is looked for before anything is parsed.
        ctx.meta[_WORKFLOW] = named_workflow(args)
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        workflow = self._workflow(ctx)
        taken = workflow.upload_parameters if self._without_upload else frozenset()
        choices = f"one of: {', '.join(workflow_folders.names())}; default: {workflow_folders.default_name()}"
        choice = click.Option(
            ["--workflow", "workflow_name"],
            metavar="NAME",
            help=f"Workflow to run [{choices}]",
        )
        *own_params, help_option = super().get_params(ctx)
        own = {name for parameter in [*own_params, choice, help_option] for name in parameter.opts}
        flags = [parameter for parameter in workflow.parameters if parameter.flag and parameter.name not in taken]
        if clashes := sorted({str(parameter.flag) for parameter in flags} & own):
            raise WrongInput(
                f"workflow {workflow.name}: found the flags {', '.join(clashes)}; expected others, hpc has these itself"
            )
        return [*own_params, choice, *(_option(parameter) for parameter in flags), help_option]

    def _workflow(self, ctx: click.Context) -> Workflow:
        return workflow_folders.load(chosen_name(ctx.meta.get(_WORKFLOW)))


def chosen_name(named: str | None) -> str:
    """The named workflow, or the default one; raises WrongInput when neither is there."""
    name = named or workflow_folders.default_name()
    if name is None:
        raise WrongInput(
            f"--workflow: found nothing; expected one of: {', '.join(workflow_folders.names()) or '(none)'}"
        )
    return name


def named_workflow(args: list[str]) -> str | None:
    """The value of the last `--workflow` before a `--`; None without one."""
    named = None
    for position, argument in enumerate(args):
        if argument == "--":
            break
        if argument.startswith("--workflow="):
            named = argument.partition("=")[2]
        elif argument == "--workflow" and position + 1 < len(args):
            named = args[position + 1]
    return named


def given_parameters(workflow: Workflow, options: Mapping[str, str | None]) -> dict[str, Any]:
    """What a person gave, by the parameters' names and in their types where it has them."""
    given = {}
    for parameter in workflow.parameters:
        text = options.get(_PREFIX + parameter.name)
        if text is not None:
            given[parameter.name] = parameters.convert(parameter, text)
    return given


def _option(parameter: Parameter) -> click.Option:
    notes = [str(parameter.schema.get("allowed") or "")]
    if examples := parameter.schema.get("examples"):
        notes.append(f"for example {examples[0]}")
    if "default" in parameter.schema:
        notes.append(f"default: {parameter.schema['default']}")
    elif parameter.required:
        notes.append("required")
    description = " ".join(str(parameter.schema.get("description") or parameter.name).split())
    return click.Option(
        [str(parameter.flag), _PREFIX + parameter.name],
        metavar=str(parameter.schema.get("unit") or parameter.type).upper(),
        help=f"{description} [{'; '.join(note for note in notes if note)}]",
    )
