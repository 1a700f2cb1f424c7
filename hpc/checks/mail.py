"""Cause of mails that never come: an address whose owner has not confirmed it."""

from __future__ import annotations

from dataclasses import dataclass

from hpc.checks.findings import Finding
from hpc.connection import Connection

# In place of an ARN, whatever its letters. Source: https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html
_PENDING = "pendingconfirmation"


@dataclass(frozen=True)
class Subscription:
    """Somebody who is told how runs end, once confirmed."""

    topic_arn: str
    protocol: str
    endpoint: str
    is_pending: bool


def find(subscription: Subscription) -> Finding | None:
    """Why somebody hears nothing."""
    if not subscription.is_pending:
        return None
    return Finding(
        f"{subscription.endpoint} is not confirmed, so it hears of no run; expected its owner to follow the link that "
        "SNS sent (it is good for two days)",
        "follow the link, look among the spam too; to have it sent again: aws sns subscribe --topic-arn "
        f"{subscription.topic_arn} --protocol {subscription.protocol} --notification-endpoint {subscription.endpoint}",
    )


def read_subscriptions(connection: Connection, topic_arn: str) -> list[Subscription]:
    """All of a topic; asks ListSubscriptionsByTopic, and GetSubscriptionAttributes for those with an ARN."""
    sns = connection.client("sns")
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn)
    found = []
    for each in (each for page in pages for each in page["Subscriptions"]):
        is_pending = str(each["SubscriptionArn"]).replace(" ", "").lower() == _PENDING
        if not is_pending:
            attributes = sns.get_subscription_attributes(SubscriptionArn=each["SubscriptionArn"])["Attributes"]
            is_pending = attributes.get("PendingConfirmation") == "true"
        found.append(Subscription(topic_arn, each["Protocol"], each["Endpoint"], is_pending))
    return found
