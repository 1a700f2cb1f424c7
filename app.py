"""The CDK app: cdk.json's context, then settings, then stacks."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from aws_cdk import App, Environment, Validations
from cdk_nag import AwsSolutionsChecks

from hpc_constructs.batch_capacity import least_vcpus
from hpc_constructs.function_asset import FunctionAssetError
from hpc_constructs.key_patterns import narrowed
from hpc_constructs.project import ROOT
from hpc_constructs.settings.fields import SettingsError
from hpc_constructs.workflow_checks import WorkflowFolderError
from hpc_constructs.workflow_folder import read_workflow_folders
from hpc_constructs.workflow_parts import WorkflowFolder, largest_job_vcpus
from settings import Settings
from stacks.production import ProductionStack
from stacks.web_application import WebApplicationStack


def create_app(
    *, context: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None, outdir: str | None = None
) -> App:
    """The app with its stacks, not yet synthesized.

    cdk.json's context is loaded here, so that tests, `python app.py` and the command line have the same feature
    flags; `context` adds to it, and what the command line passes wins. `environment` defaults to this process's.
    Raises `SettingsError`, `WorkflowFolderError` or `FunctionAssetError`, with one line for the person who deploys.
    """
    from_file = json.loads((ROOT / "cdk.json").read_text("utf-8"))["context"]
    app = App(context={**from_file, **(context or {})}, outdir=outdir)
    settings = Settings.load(context=app.node.get_all_context(), environment=environment)
    workflows = read_workflow_folders(
        ROOT / settings.workflows_directory,
        schema=ROOT / "workflows" / "schema.json",
        functions=ROOT / settings.lambda_directory,
    )
    check_settings_against_workflows(settings, workflows)
    Validations.of(app).add_plugins(AwsSolutionsChecks(verbose=True))
    # A Region without an account: zones stay tokens, so that nothing is looked up and no credentials are needed.
    place = Environment(region=settings.region)
    user = settings.user_name
    production = ProductionStack(app, f"Production-{user}", settings=settings, workflows=workflows, env=place)
    WebApplicationStack(
        app, f"WebApplication-{user}", settings=settings, production=production, workflows=workflows, env=place
    )
    return app


def check_settings_against_workflows(settings: Settings, workflows: tuple[WorkflowFolder, ...]) -> None:
    """Raises `SettingsError` for a setting with which a workflow could not run."""
    largest_job = largest_job_vcpus(workflows)
    least = least_vcpus(largest_job=largest_job, spot=settings.spot)
    for architecture in settings.architectures:
        if architecture.max_vcpus < least:
            name = f"{architecture.name}MaxVcpus"
            room = f"at least {least}: room for the largest job ({largest_job} vCPUs)"
            allowed = f"{room} on Spot and on-demand each" if settings.spot else room
            raise SettingsError(
                name, found=f"is {architecture.max_vcpus}", allowed=allowed, example=f"-c {name}={least}"
            )
    written = [access.keys for workflow in workflows for access in workflow.accesses if access.puts]
    for other in settings.output_buckets:
        if not narrowed(written, other.keys):
            found = f"has keys for {other.bucket} that no workflow writes ({', '.join(other.keys)})"
            folders = sorted({f"{keys.split('*')[0]}*" for keys in written})
            example = f"-c outputBuckets='{other.bucket}:{folders[0]}'"
            raise SettingsError(
                "outputBuckets", found=found, allowed=f"keys under {', '.join(folders)}", example=example
            )


def main() -> None:
    """Synthesizes the app. Exits with one line on stderr when a setting, a workflow folder or a function is bad."""
    try:
        app = create_app()
    except (SettingsError, WorkflowFolderError, FunctionAssetError) as error:
        sys.exit(str(error))
    app.synth()


if __name__ == "__main__":
    main()
