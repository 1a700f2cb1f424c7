"""What the laptop does with each resource type of the templates; a type that is not listed stops `hpc up` by name.

`hpc up` prints what is not run, docs/emulator-versus-aws.md says what that means, and a test holds both to this table
and the table to the synthesized templates.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any


class Coverage(StrEnum):
    """How far a resource is there on the laptop."""

    RUNS = "runs"
    RECORDED = "recorded only"
    IGNORED = "ignored"


RESOURCE_TYPES: dict[str, Coverage] = {
    "AWS::ApiGateway::Account": Coverage.RECORDED,
    "AWS::ApiGateway::Deployment": Coverage.RUNS,
    "AWS::ApiGateway::GatewayResponse": Coverage.RUNS,
    "AWS::ApiGateway::Method": Coverage.RUNS,
    "AWS::ApiGateway::Model": Coverage.RUNS,
    "AWS::ApiGateway::RequestValidator": Coverage.RUNS,
    "AWS::ApiGateway::Resource": Coverage.RUNS,
    "AWS::ApiGateway::RestApi": Coverage.RUNS,
    "AWS::ApiGateway::Stage": Coverage.RUNS,
    "AWS::ApplicationAutoScaling::ScalableTarget": Coverage.RECORDED,
    "AWS::ApplicationAutoScaling::ScalingPolicy": Coverage.RECORDED,
    "AWS::Batch::ComputeEnvironment": Coverage.RECORDED,
    "AWS::Batch::JobDefinition": Coverage.RUNS,
    "AWS::Batch::JobQueue": Coverage.RUNS,
    "AWS::CDK::Metadata": Coverage.IGNORED,
    "AWS::DynamoDB::Table": Coverage.RUNS,
    "AWS::EC2::EIP": Coverage.RECORDED,
    "AWS::EC2::FlowLog": Coverage.RECORDED,
    "AWS::EC2::InternetGateway": Coverage.RECORDED,
    "AWS::EC2::LaunchTemplate": Coverage.RECORDED,
    "AWS::EC2::NatGateway": Coverage.RECORDED,
    "AWS::EC2::Route": Coverage.RECORDED,
    "AWS::EC2::RouteTable": Coverage.RECORDED,
    "AWS::EC2::SecurityGroup": Coverage.RECORDED,
    "AWS::EC2::SecurityGroupEgress": Coverage.RECORDED,
    "AWS::EC2::SecurityGroupIngress": Coverage.RECORDED,
    "AWS::EC2::Subnet": Coverage.RECORDED,
    "AWS::EC2::SubnetRouteTableAssociation": Coverage.RECORDED,
    "AWS::EC2::VPC": Coverage.RECORDED,
    "AWS::EC2::VPCEndpoint": Coverage.RECORDED,
    "AWS::EC2::VPCGatewayAttachment": Coverage.RECORDED,
    "AWS::ECR::Repository": Coverage.RECORDED,
    "AWS::ECS::Cluster": Coverage.RECORDED,
    "AWS::ECS::Service": Coverage.RECORDED,
    "AWS::ECS::TaskDefinition": Coverage.RECORDED,
    "AWS::ElasticLoadBalancingV2::Listener": Coverage.RECORDED,
    "AWS::ElasticLoadBalancingV2::ListenerRule": Coverage.RECORDED,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": Coverage.RECORDED,
    "AWS::ElasticLoadBalancingV2::TargetGroup": Coverage.RECORDED,
    "AWS::Events::Rule": Coverage.RUNS,
    "AWS::IAM::InstanceProfile": Coverage.RECORDED,
    "AWS::IAM::ManagedPolicy": Coverage.RUNS,
    "AWS::IAM::Policy": Coverage.RUNS,
    "AWS::IAM::Role": Coverage.RUNS,
    "AWS::KMS::Key": Coverage.RECORDED,
    "AWS::Lambda::EventSourceMapping": Coverage.RUNS,
    "AWS::Lambda::Function": Coverage.RUNS,
    "AWS::Lambda::Permission": Coverage.RECORDED,
    "AWS::Logs::LogGroup": Coverage.RUNS,
    "AWS::S3::Bucket": Coverage.RUNS,
    "AWS::S3::BucketPolicy": Coverage.RUNS,
    "AWS::SNS::Subscription": Coverage.RECORDED,
    "AWS::SNS::Topic": Coverage.RUNS,
    "AWS::SNS::TopicPolicy": Coverage.RECORDED,
    "AWS::SQS::Queue": Coverage.RUNS,
    "AWS::SQS::QueuePolicy": Coverage.RUNS,
    "AWS::SecretsManager::Secret": Coverage.RUNS,
    "AWS::StepFunctions::StateMachine": Coverage.RUNS,
}


def uncovered(types: Iterable[str]) -> list[str]:
    """Types that nobody decided about, sorted."""
    return sorted(set(types) - set(RESOURCE_TYPES))


def not_run(types: Iterable[str]) -> list[str]:
    """Types of these that are accepted but do nothing here, sorted."""
    return sorted(kind for kind in set(types) if RESOURCE_TYPES.get(kind, Coverage.RUNS) is not Coverage.RUNS)


def template_types(template_file: Path) -> set[str]:
    """The resource types of a synthesized template."""
    template: dict[str, Any] = json.loads(template_file.read_text())
    return {resource["Type"] for resource in template["Resources"].values()}
