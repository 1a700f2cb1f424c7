"""How people hear of runs: one topic, encrypted with a key of its own."""

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

# Alarms cannot publish to a topic that is encrypted with the AWS managed key of SNS.
# Source: https://repost.aws/knowledge-center/cloudwatch-configure-alarm-sns
ALARMS = "cloudwatch.amazonaws.com"
KEY_ACTIONS = ("kms:Decrypt", "kms:GenerateDataKey")


class Notifications(Construct):
    """An SNS topic that state machines and alarms of this account may publish to, over TLS only.

    Exposes `topic` and `grant_publish`. Costs while idle: 1 USD a month for the key. Without an address nobody is
    subscribed; with one, its owner gets a mail to confirm.
    """

    def __init__(self, scope: Construct, construct_id: str, *, email_address: str) -> None:
        super().__init__(scope, construct_id)
        self._key = kms.Key(
            self,
            "Key",
            description="Encrypts notifications of the HPC platform",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.topic = sns.Topic(self, "Topic", master_key=self._key, enforce_ssl=True)
        own_account = {"StringEquals": {"aws:SourceAccount": Stack.of(self).account}}
        principals: list[iam.IPrincipal] = [iam.ServicePrincipal(ALARMS)]
        self._key.add_to_resource_policy(
            iam.PolicyStatement(actions=[*KEY_ACTIONS], principals=principals, resources=["*"], conditions=own_account)
        )
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sns:Publish"],
                principals=principals,
                resources=[self.topic.topic_arn],
                conditions=own_account,
            )
        )
        if email_address:
            self.topic.add_subscription(subscriptions.EmailSubscription(email_address))

    def grant_publish(self, role: iam.Role) -> None:
        """Lets the role publish: to the topic, and with its key."""
        role.add_to_policy(iam.PolicyStatement(actions=["sns:Publish"], resources=[self.topic.topic_arn]))
        role.add_to_policy(iam.PolicyStatement(actions=[*KEY_ACTIONS], resources=[self._key.key_arn]))
