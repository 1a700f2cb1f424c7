"""Who may do what with which objects: the accesses of a workflow.yaml as IAM statements on the buckets in use."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3

from hpc_constructs.acknowledgments import acknowledge_wildcards
from hpc_constructs.key_patterns import BucketKeys, ObjectAccess, narrowed

_REASON = (
    "The '*' stands for project, run and file, which are known only when a run starts; "
    "the pattern is limited to the folders that workflow.yaml declares for this role"
)
_ACTIONS = {
    "gets": ("s3:GetObject",),
    "puts": ("s3:PutObject", "s3:AbortMultipartUpload"),
    "tagged": ("s3:PutObjectTagging",),
    "deletes": ("s3:DeleteObject",),
}


@dataclass(frozen=True)
class ObjectStores:
    """The buckets that runs use: the data bucket, and others that the deployer opened for input or for output."""

    data: s3.IBucket
    inputs: tuple[BucketKeys, ...]
    outputs: tuple[BucketKeys, ...]

    def grant(self, role: iam.Role | iam.ManagedPolicy, accesses: Iterable[ObjectAccess]) -> None:
        """Gives the role, or those to whom the policy is attached, what `accesses` declare, and nothing more."""
        add = role.grant_principal.add_to_principal_policy
        declared = tuple(accesses)
        for flag, actions in _ACTIONS.items():
            chosen = [access for access in declared if getattr(access, flag)]
            objects = [f"{arn}/{keys}" for access in chosen for arn, keys in self._reach(role, access)]
            if objects:
                add(iam.PolicyStatement(actions=[*actions], resources=[*dict.fromkeys(objects)]))
                acknowledge_wildcards(role, objects, reason=_REASON)
        listed: dict[str, list[str]] = {}
        for access in declared:
            for arn, keys in self._reach(role, access) if access.lists else ():
                listed.setdefault(arn, []).append(keys)
        for arn, prefixes in listed.items():
            condition = {"StringLike": {"s3:prefix": prefixes}}
            add(iam.PolicyStatement(actions=["s3:ListBucket"], resources=[arn], conditions=condition))

    def allowed_inputs(self, accesses: Iterable[ObjectAccess]) -> list[dict[str, object]]:
        """Where inputs may lie, as `[{"bucket": ..., "keys": [...]}]`, the data bucket first."""
        return self._allowed("input", self.inputs, accesses)

    def allowed_outputs(self, accesses: Iterable[ObjectAccess]) -> list[dict[str, object]]:
        """Where results may be written, in the same form."""
        return self._allowed("output", self.outputs, accesses)

    def _allowed(
        self, bucket: str, others: tuple[BucketKeys, ...], accesses: Iterable[ObjectAccess]
    ) -> list[dict[str, object]]:
        folders = [f"{access.keys.split('*')[0]}*" for access in accesses if access.bucket == bucket]
        allowed: list[dict[str, object]] = [{"bucket": self.data.bucket_name, "keys": [*dict.fromkeys(folders)]}]
        return allowed + [{"bucket": other.bucket, "keys": [*other.keys]} for other in others]

    def _reach(self, role: iam.Role | iam.ManagedPolicy, access: ObjectAccess) -> Iterator[tuple[str, str]]:
        """ARN of each bucket that the access reaches, with a pattern of keys in it.

        A run lays out its results the same way in every bucket, so the keys of an output bucket narrow the declared
        ones; inputs lie anywhere, so the keys of an input bucket stand for the declared ones.
        """
        yield self.data.bucket_arn, access.keys
        for other in self.inputs if access.bucket == "input" else self.outputs:
            arn = Stack.of(role).format_arn(service="s3", region="", account="", resource=other.bucket)
            for keys in other.keys if access.bucket == "input" else narrowed([access.keys], other.keys):
                yield arn, keys
