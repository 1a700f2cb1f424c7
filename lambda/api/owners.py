"""Whose a run is, and who may end it, continue it or fetch its results."""

import re
from collections.abc import Collection

from deployment import Deployment
from problems import Problem, of_fields
from request import Request

from hpc.errors import Refusal
from hpc.run import Run

# Who submits through a page that knows no sign-in.
SHARED = "shared"
_OWNER = re.compile(r"[!-~]{1,256}")
_ASSUMED = re.compile(r"arn:(?P<partition>[a-z-]+):sts::(?P<account>[0-9]{12}):assumed-role/(?P<role>[^/]+)/.+")
_ROLE = re.compile(r"arn:(?P<partition>[a-z-]+):iam::(?P<account>[0-9]{12}):role/(?:.+/)?(?P<role>[^/]+)")


def is_session_of(caller: str, role_arn: str) -> bool:
    """Whether a principal is a session of a role; the ARN of a session leaves the role's path out."""
    session, role = _ASSUMED.fullmatch(caller), _ROLE.fullmatch(role_arn)
    return session is not None and role is not None and session.groupdict() == role.groupdict()


def owner_of(caller: str, header: str | None, *, trusted_roles: Collection[str]) -> str:
    """The owner of what a caller does: the caller, or whom one of the trusted roles names in `X-Hpc-Owner`.

    Others may send the header, too; it is not looked at. Raises Problem when a trusted role names nobody that can be.
    """
    if not any(is_session_of(caller, role) for role in trusted_roles):
        return caller
    if header is None:
        return SHARED
    if not _OWNER.fullmatch(header):
        expected = "1 to 256 visible ASCII characters"
        raise of_fields(400, [Refusal("X-Hpc-Owner", f"found {header[:60]!r}; expected {expected}")])
    return header


def own_run(deployment: Deployment, request: Request, owner: str) -> Run:
    """The run that a call names, if the caller may decide over it; raises NotFound, or what `check_owner` does."""
    run = deployment.runs.get(request.path["run_id"])
    check_owner(run, owner=owner, caller=request.caller, admins=deployment.environment.admins)
    return run


def check_owner(run: Run, *, owner: str, caller: str, admins: Collection[str]) -> None:
    """Raises Problem unless the run is the owner's, or the owner (or a role that the caller is in) is an admin."""
    is_admin = owner in admins or (owner == caller and any(is_session_of(caller, admin) for admin in admins))
    if run.owner != owner and not is_admin:
        whose = run.owner or "nobody's: an execution was started by hand"
        raise Problem(403, f"run {run.run_id}: found it owned by {whose}; expected {owner}, or an admin as the caller")
