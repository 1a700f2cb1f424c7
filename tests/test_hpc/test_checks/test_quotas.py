"""Quotas of the account, from answers in the shape of Service Quotas: the emulator has none."""

from hpc.checks import quotas
from hpc.checks.findings import UNKNOWN, Finding, lines_of
from hpc.checks.quotas import Quota, read_quotas


def answer(code, value):
    quota = {
        "ServiceCode": "ec2",
        "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
        "QuotaCode": code,
        "Value": value,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }
    return {"Quota": quota}


def asked(code):
    return {"ServiceCode": "ec2", "QuotaCode": code}


def test_a_quota_below_what_the_environments_may_ask_for():
    assert quotas.find(Quota("L-1216C47A", "on-demand", 64, 64, 4)) is None
    assert quotas.find(Quota("L-34B43A08", "Spot", 32, 192, 4)) == Finding(
        "The account's quota L-34B43A08 is 32 Spot vCPUs at once; expected the 192 that the compute environments may "
        "ask for, jobs beyond that wait",
        "aws service-quotas request-service-quota-increase --service-code ec2 --quota-code L-34B43A08 "
        "--desired-value 192, or lower the settings gravitonMaxVcpus and x86MaxVcpus",
    )
    assert "a job of 8 vCPUs never starts" in quotas.find(Quota("L-34B43A08", "Spot", 5, 192, 8)).sentence


def test_both_quotas_are_held_against_the_environments_under_them(aws, answers, environment):
    service = answers("service-quotas")
    service.add_response("get_service_quota", answer("L-1216C47A", 5.0), asked("L-1216C47A"))
    service.add_response("get_service_quota", answer("L-34B43A08", 1000.0), asked("L-34B43A08"))
    environments = [
        environment(),
        environment(name="x86", max_vcpus=100, instance_types=("r5",)),
        environment(name="a", kind="EC2", max_vcpus=64),
        # Not of the standard families, or not running anything: under other quotas, or under none.
        environment(name="b", kind="EC2", max_vcpus=640, instance_types=("x2gd",)),
        environment(name="c", kind="EC2", max_vcpus=640, state="DISABLED"),
    ]
    assert list(read_quotas(aws, environments, 4)) == [
        Quota("L-1216C47A", "on-demand", 5, 64, 4),
        Quota("L-34B43A08", "Spot", 1000, 292, 4),
    ]


def test_an_account_that_never_changed_it_has_the_default(aws, answers, environment):
    service = answers("service-quotas")
    service.add_client_error("get_service_quota", "NoSuchResourceException", "no", 400)
    service.add_response("get_aws_default_service_quota", answer("L-34B43A08", 5.0), asked("L-34B43A08"))
    (found,) = read_quotas(aws, [environment()], 4)
    assert found.allowed_vcpus == 5


def test_who_may_not_ask_is_told_so(aws, answers, environment):
    message = "User: arn:aws:iam::123456789012:user/a is not authorized"
    answers("service-quotas").add_client_error("get_service_quota", "AccessDeniedException", message, 400)
    (line,) = lines_of("Quotas", lambda: map(quotas.find, read_quotas(aws, [environment()], 4)), well="well")
    assert (line.status, line.sentence, line.fix) == (
        UNKNOWN,
        f"could not be checked: GetServiceQuota answered AccessDeniedException: {message}",
        "ask for the permission to call GetServiceQuota",
    )
