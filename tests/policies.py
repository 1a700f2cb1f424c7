"""Evaluates the IAM policies of a template as AWS would, for the little of IAM that our policies use."""

import fnmatch
import re
from collections.abc import Iterator, Mapping
from typing import Any

REGION = "us-east-1"
ACCOUNT = "123456789012"
_PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::URLSuffix": "amazonaws.com",
}
# ARN of a resource by its type; `{}` is its name, which stands for what CloudFormation would make of the logical id.
_ARNS = {
    "AWS::S3::Bucket": "arn:aws:s3:::{}",
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{{}}",
    "AWS::SQS::Queue": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{{}}",
    "AWS::SNS::Topic": f"arn:aws:sns:{REGION}:{ACCOUNT}:{{}}",
    "AWS::KMS::Key": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{{}}",
    "AWS::Lambda::Function": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{{}}",
    "AWS::StepFunctions::StateMachine": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{{}}",
    "AWS::Batch::JobDefinition": f"arn:aws:batch:{REGION}:{ACCOUNT}:job-definition/{{}}:1",
    "AWS::Batch::JobQueue": f"arn:aws:batch:{REGION}:{ACCOUNT}:job-queue/{{}}",
    "AWS::ECR::Repository": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{{}}",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{{}}:*",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{{}}",
}
_REF_IS_ARN = ("AWS::SNS::Topic", "AWS::StepFunctions::StateMachine", "AWS::Batch::JobDefinition")


class Policies:
    """Answers for a template: may this role do this with that?"""

    def __init__(self, template: Mapping[str, Any]) -> None:
        self._resources = template["Resources"]

    def allows(self, role: str, action: str, resource: str, **condition_keys: str) -> bool:
        """Whether the role or policy (a logical id) may; `condition_keys` such as `prefix="a/"` for `s3:prefix`."""
        keys = {f"s3:{name}": value for name, value in condition_keys.items()}
        matching = [each for each in self.statements(role) if _matches(each, action, resource, keys)]
        assert all(each["Effect"] in ("Allow", "Deny") for each in matching)
        return bool(matching) and all(each["Effect"] == "Allow" for each in matching)

    def statements(self, role: str) -> Iterator[dict[str, Any]]:
        """All statements of the role's policies, resolved; `Action` and `Resource` are lists."""
        for resource in self._resources.values():
            properties = resource.get("Properties", {})
            if resource["Type"] == "AWS::IAM::Policy" and {"Ref": role} in properties["Roles"]:
                yield from map(self._resolved, properties["PolicyDocument"]["Statement"])
        if self._resources[role]["Type"] == "AWS::IAM::ManagedPolicy":
            yield from map(self._resolved, self._resources[role]["Properties"]["PolicyDocument"]["Statement"])
            return
        for inline in self._resources[role]["Properties"].get("Policies", []):
            yield from map(self._resolved, inline["PolicyDocument"]["Statement"])

    def resolve(self, value: Any) -> Any:
        """A value of the template with its functions evaluated, as far as a deployment is not needed."""
        if isinstance(value, list):
            return [self.resolve(each) for each in value]
        if not isinstance(value, dict):
            return value
        functions = {
            "Ref": self._reference,
            "Fn::GetAtt": lambda path: self._attribute(*path),
            "Fn::Join": lambda argument: argument[0].join(self.resolve(argument[1])),
            "Fn::Split": lambda argument: self.resolve(argument[1]).split(argument[0]),
            "Fn::Select": lambda argument: self.resolve(argument[1])[int(argument[0])],
        }
        for name, function in functions.items():
            if name in value:
                return function(value[name])
        return {key: self.resolve(each) for key, each in value.items()}

    def arn(self, name: str) -> str:
        """ARN of a resource by its logical id."""
        return _ARNS[self._resources[name]["Type"]].format(self._physical_name(name))

    def _reference(self, name: str) -> str:
        if name in _PSEUDO:
            return _PSEUDO[name]
        return self.arn(name) if self._resources[name]["Type"] in _REF_IS_ARN else self._physical_name(name)

    def _attribute(self, name: str, attribute: str) -> str:
        return self._physical_name(name) if attribute == "Name" else self.arn(name)

    def _physical_name(self, name: str) -> str:
        properties = self._resources[name].get("Properties", {})
        given = properties.get("RepositoryName") or properties.get("LogGroupName")
        return str(given) if given else name.lower() if "Bucket" in self._resources[name]["Type"] else name

    def _resolved(self, statement: Mapping[str, Any]) -> dict[str, Any]:
        found = self.resolve(dict(statement))
        for key in ("Action", "Resource"):
            found[key] = found[key] if isinstance(found[key], list) else [found[key]]
        return found


def _matches(statement: Mapping[str, Any], action: str, resource: str, keys: Mapping[str, str]) -> bool:
    return (
        any(_like(action.lower(), pattern.lower()) for pattern in statement["Action"])
        and any(_like(resource, pattern) for pattern in statement["Resource"])
        and all(_condition(operator, wanted, keys) for operator, wanted in statement.get("Condition", {}).items())
    )


def _condition(operator: str, wanted: Mapping[str, Any], keys: Mapping[str, str]) -> bool:
    assert operator == "StringLike", f"teach this matcher {operator}"
    return all(any(_like(keys.get(key, ""), pattern) for pattern in patterns) for key, patterns in wanted.items())


def _like(text: str, pattern: str) -> bool:
    """IAM's `*` and `?`; `*` spans '/', and '[' is no class of characters."""
    return re.fullmatch(fnmatch.translate(pattern.replace("[", "[[]")), text, re.DOTALL) is not None
