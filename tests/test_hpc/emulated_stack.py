"""What the tests run against in the place of a deployed platform: a real emulator, Batch service and stack."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from hpc.local.batch import BatchConfig, BatchPorts, BatchService
from hpc.local.front_door import HEALTH_PATH
from hpc.local.loopback import free_port, wait_until_it_answers
from hpc.stack import describe

REGION = "us-east-1"
ATTRIBUTES = ("pk", "sk", "created_at")
JOBS = ("string_split", "string_repeat", "string_reverse", "string_merge")


@contextmanager
def serving_emulator(folder):
    """The address of an emulator, as `python -m ministack.app` starts it."""
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    }
    log_file = folder / "emulator.log"
    command = [sys.executable, "-m", "ministack.app"]
    with log_file.open("w") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        is_up = wait_until_it_answers(url + HEALTH_PATH, within_s=30, has_ended=lambda: process.poll() is not None)
        assert is_up, log_file.read_text()
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def batch_service(connection, folder):
    logs = connection.client("logs")
    logs.create_log_group(logGroupName="/aws/batch/job")
    streams = set()
    for job in JOBS:
        (folder / "images" / job).mkdir(parents=True)

    def write_logs(group, stream, lines):
        if stream not in streams:
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
            streams.add(stream)
        events = [{"timestamp": time_ms, "message": text} for time_ms, text in lines]
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)

    return BatchService(
        BatchConfig(
            vcpus=4,
            memory_mib=1024,
            region=REGION,
            account="000000000000",
            jobs_dir=folder / "images",
            path_prefix=Path(sys.executable).parent,
            scratch_dir=folder / "jobs",
            endpoint_url=connection.endpoint_url,
            kill_grace_s=1.0,
        ),
        BatchPorts(
            credentials_for_role=lambda role_arn, session_name: {},
            log_sink=write_logs,
            on_state_change=lambda detail: None,
        ),
    )


def create_stack(connection):
    """A stack with the outputs of a deployed one: bucket, run table, jobs, a machine whose executions wait an hour."""
    bucket, table = "data-bucket", "run-table"
    connection.client("s3").create_bucket(Bucket=bucket)
    connection.client("s3").create_bucket(Bucket="other-bucket")
    connection.client("dynamodb").create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ATTRIBUTES],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "RunsByTime",
                "KeySchema": [
                    {"AttributeName": "sk", "KeyType": "HASH"},
                    {"AttributeName": "created_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            },
        ],
    )
    states = {"Is_Short": {"Type": "Wait", "Seconds": 3600, "End": True}}
    machine_arn = create_state_machine(connection, "string_processing", states)
    outputs = {
        "S3BucketForAWSBatch": bucket,
        "RunTableName": table,
        "NotificationTopicArn": f"arn:aws:sns:{REGION}:000000000000:topic",
        "StateMachineArns": {"string_processing": machine_arn},
        "JobDefinitionArns": {"string_processing": _job_definitions(connection)},
        "JobQueueArns": _job_queues(connection),
        "RootVolumeGib": "200",
        "AllowedInputs": [
            {"bucket": bucket, "keys": ["uploads/*", "source/*"]},
            {"bucket": "other-bucket", "keys": ["raw/*"]},
        ],
        "AllowedOutputs": [{"bucket": bucket, "keys": ["result/*"]}],
    }
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in outputs.items()}
    template = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {key: {"Value": text} for key, text in texts.items()},
    }
    connection.client("cloudformation").create_stack(StackName=connection.stack_name, TemplateBody=json.dumps(template))
    connection.client("cloudformation").get_waiter("stack_create_complete").wait(
        StackName=connection.stack_name, WaiterConfig={"Delay": 0.1}
    )
    return describe(connection)


def _job_definitions(connection):
    arns = {}
    for job in JOBS:
        for _ in range(2):
            answer = connection.client("batch").register_job_definition(
                jobDefinitionName=f"test-{job}",
                type="container",
                containerProperties={
                    "image": f"registry.example/{job}:latest",
                    "command": ["sh", "-c", "echo started; eval $DO"],
                    "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}],
                },
                timeout={"attemptDurationSeconds": 3600},
            )
            # The stack's output names the first revision; a push has registered another since.
            arns.setdefault(job, answer["jobDefinitionArn"])
    return arns


def _job_queues(connection):
    arns = {}
    environment = connection.client("batch").create_compute_environment(
        computeEnvironmentName="test",
        type="MANAGED",
        computeResources={
            "type": "EC2",
            "minvCpus": 0,
            "maxvCpus": 4,
            "subnets": ["subnet-1"],
            "securityGroupIds": ["sg-1"],
            "instanceTypes": ["r6g"],
            "instanceRole": "role",
        },
    )
    for architecture in ("graviton", "x86"):
        for use in ("first_try", "next_tries"):
            answer = connection.client("batch").create_job_queue(
                jobQueueName=f"{architecture}-{use}",
                priority=1,
                computeEnvironmentOrder=[{"order": 1, "computeEnvironment": environment["computeEnvironmentArn"]}],
            )
            arns.setdefault(architecture, {})[use] = answer["jobQueueArn"]
    return arns


def create_state_machine(connection, name, states):
    answer = connection.client("stepfunctions").create_state_machine(
        name=name,
        definition=json.dumps({"StartAt": next(iter(states)), "States": states}),
        roleArn="arn:aws:iam::000000000000:role/states",
    )
    return answer["stateMachineArn"]
