"""Ages at which objects of the data bucket move on. Imports no CDK, so that settings can use it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ObjectAges:
    """Days after which objects go to Glacier, to Deep Archive and away; the last two kinds only go away."""

    archived: int
    deep_archived: int
    expired: int
    intermediate_expired: int
    access_logs_expired: int
