"""Deploys the stacks of a user into the emulator with the real CDK CLI, as `cdk bootstrap` and `cdk deploy` do on AWS.

Nothing is done when nothing changed: a digest over everything that the templates are made of is kept beside the
platform's state and compared with the stack that the emulator really has.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from hpc.local.coverage import not_run, template_types, uncovered

# What a template is made of; the jobs' code is not: processes run it from the working tree.
_SOURCES = (
    "app.py",
    "settings.py",
    "cdk.json",
    "requirements.txt",
    "package-lock.json",
    "stacks",
    "constructs",
    "workflows",
    "lambda",
    "hpc/*.py",  # the API's function has copies of some, and of those below
    "hpc/checks",
    "hpc/cost",
)
_SKIPPED = ("__pycache__", ".egg-info")
_COMPLETE = ("CREATE_COMPLETE", "UPDATE_COMPLETE")


class DeployError(Exception):
    """The CDK CLI failed; the message ends with its last lines and names the log."""


@dataclass(frozen=True)
class DeployTarget:
    """Where to deploy: the project, the emulator's endpoint and key, and the stack."""

    project_root: Path
    state_dir: Path
    endpoint_url: str
    region: str
    account: str
    access_key_id: str
    secret_access_key: str
    user_name: str

    @property
    def stack_name(self) -> str:
        return f"Production-{self.user_name}"

    @property
    def stack_names(self) -> tuple[str, ...]:
        """All stacks, in the order in which they are deployed."""
        return (self.stack_name, f"WebApplication-{self.user_name}")

    @property
    def assembly(self) -> Path:
        """The synthesized cloud assembly (`cdk.out`)."""
        return self.state_dir / "cdk.out"

    @property
    def log_file(self) -> Path:
        return self.state_dir / "logs" / "deploy.log"

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint_url,
            region_name=self.region,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            config=Config(proxies={}),  # no proxy of the person's knows this machine's loopback
        )


def deploy(target: DeployTarget, *, say: Callable[[str], None]) -> bool:
    """Brings the stacks up to date; False when it already was. Raises DeployError."""
    digest_file = target.state_dir / "deployed.sha256"
    digest = source_digest(target.project_root, cdk_settings(os.environ))
    known = digest_file.read_text().strip() if digest_file.is_file() else ""
    if known == digest and all(_stack_status(target, name) in _COMPLETE for name in target.stack_names):
        return False
    digest_file.unlink(missing_ok=True)
    say("Synthesizing the templates (cdk synth)")
    _cdk(target, "synth", "--quiet", "--app", f"{sys.executable} app.py", "--output", str(target.assembly))
    _check_coverage(target, say)
    if _stack_status(target, "CDKToolkit") not in _COMPLETE:
        say("Preparing the account for the CDK (cdk bootstrap)")
        _cdk(target, "bootstrap", f"aws://{target.account}/{target.region}", "--app", str(target.assembly))
    say(f"Deploying {' and '.join(target.stack_names)} (cdk deploy)")
    _cdk(
        target,
        "deploy",
        *target.stack_names,
        *("--app", str(target.assembly)),
        *("--require-approval", "never"),
        *("--progress", "events"),
    )
    digest_file.write_text(digest + "\n")
    return True


def source_digest(project_root: Path, settings: Mapping[str, str]) -> str:
    """SHA-256 over names and bytes of everything that the templates are made of, and the settings given."""
    digest = hashlib.sha256(json.dumps(sorted(settings.items())).encode())
    for path in source_files(project_root):
        digest.update(str(path.relative_to(project_root)).encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def source_files(project_root: Path) -> Iterator[Path]:
    """What the templates are made of, in an order that stays."""
    for name in _SOURCES:
        files = sorted(found for path in project_root.glob(name) for found in (path, *path.rglob("*")))
        yield from (file for file in files if file.is_file() and not any(skip in str(file) for skip in _SKIPPED))


def cdk_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The deploy settings in an environment: the names that settings.py reads."""
    return {
        name: value
        for name, value in environment.items()
        if name in ("UserName", "EmailAddress", "Region") or name.startswith("HPC_CDK_")
    }


def _check_coverage(target: DeployTarget, say: Callable[[str], None]) -> None:
    templates = [target.assembly / f"{name}.template.json" for name in target.stack_names]
    types = set[str]().union(*map(template_types, templates))
    unknown = uncovered(types)
    if unknown:
        raise DeployError(
            f"the laptop platform does not know {', '.join(unknown)}: decide in hpc/local/coverage.py whether each is "
            "run, only recorded or ignored here"
        )
    say(f"On the laptop these are recorded, not run: {', '.join(kind[5:] for kind in not_run(types))}")


def _stack_status(target: DeployTarget, stack: str) -> str:
    client = target.client("cloudformation")
    try:
        status: str = client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
    except client.exceptions.ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":  # AWS's answer for a stack that does not exist
            return ""
        raise
    return status


def _cdk(target: DeployTarget, *arguments: str) -> None:
    scripts = Path(sys.executable).parent
    if not (target.project_root / "node_modules" / "aws-cdk").is_dir():
        raise DeployError("the CDK command line is not installed (no node_modules/aws-cdk); set it up: make setup")
    command = [
        str(scripts / "node"),
        str(target.project_root / "node_modules" / "aws-cdk" / "bin" / "cdk"),
        *arguments,
        "--no-notices",
        "--no-color",
        "--ci",
    ]
    target.log_file.parent.mkdir(parents=True, exist_ok=True)
    with target.log_file.open("a") as log:
        log.write(f"$ cdk {' '.join(arguments)}\n")
        log.flush()
        offset = log.tell()
        ended = subprocess.run(
            command,
            cwd=target.project_root,
            env=_cdk_environment(target, scripts),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if ended.returncode != 0:
        with target.log_file.open() as log:
            log.seek(offset)
            tail = "".join(log.readlines()[-15:])
        raise DeployError(f"`cdk {arguments[0]}` failed; the whole output is in {target.log_file}:\n{tail}")


def _cdk_environment(target: DeployTarget, scripts: Path) -> dict[str, str]:
    """The CLI's environment: ours for AWS, so that no profile or proxy of the person's reaches a real account."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    return {
        **kept,
        **cdk_settings(os.environ),
        "UserName": target.user_name,
        "Region": target.region,
        "PATH": f"{scripts}:/usr/local/bin:/usr/bin:/bin",
        "JSII_NODE": str(scripts / "node"),
        "AWS_ENDPOINT_URL": target.endpoint_url,
        "AWS_REGION": target.region,
        "AWS_DEFAULT_REGION": target.region,
        "AWS_ACCESS_KEY_ID": target.access_key_id,
        "AWS_SECRET_ACCESS_KEY": target.secret_access_key,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_HOME": str(target.state_dir / "cdk-home"),
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
