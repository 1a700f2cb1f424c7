"""The platform's one account: its owner, the sessions of roles, and the scope of calls from threads of ours."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import time
from typing import Any

from ministack import app
from ministack.core import responses
from ministack.services import iam, sts

from hpc.local.hooks.replacing import replace

OWNER = "owner"
# Temporary credentials of a job outlive the longest job timeout a workflow may set by some minutes.
JOB_SESSION_S = 14 * 24 * 3600
EVICTION_PERIOD_S = 60.0


def install(access_key_id: str, secret_access_key: str) -> None:
    """The account's one user, with the key in `platform.json`; made after kept state is loaded, which may be of old."""
    _register_one_session_at_a_time()
    load = app._load_persisted_state

    def load_then_make() -> None:
        load()
        iam._create_user({"UserName": OWNER})
        everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}  # the owner of a laptop's own account
        policy = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
        iam._put_user_policy({"UserName": OWNER, "PolicyName": "Everything", "PolicyDocument": policy})
        iam._access_keys[access_key_id] = {
            "UserName": OWNER,
            "AccessKeyId": access_key_id,
            "SecretAccessKey": secret_access_key,
            "Status": "Active",
            "CreateDate": iam._now(),
        }

    replace(app, "_load_persisted_state", load_then_make)


def _register_one_session_at_a_time() -> None:
    """ministack looks for expired sessions whenever one is added, and breaks when another thread adds one meanwhile."""
    register, evict = sts.register_session, sts._evict_expired_sessions
    lock = threading.Lock()
    evicted_at = time.monotonic()

    def evict_now_and_then() -> None:
        nonlocal evicted_at
        if time.monotonic() - evicted_at > EVICTION_PERIOD_S:
            evict()
            evicted_at = time.monotonic()

    def register_alone(access_key: str, session: dict[str, Any]) -> None:
        with lock:
            register(access_key, session)

    replace(sts, "_evict_expired_sessions", evict_now_and_then)
    replace(sts, "register_session", register_alone)


def enter(account: str, region: str) -> None:
    """Makes the calling thread's (or task's) calls into the emulator those of an account and region."""
    responses.set_request_account_id(account)
    responses.set_request_region(region)


def role_credentials(role_arn: str, session_name: str) -> dict[str, str]:
    """AWS_* variables of a session under a role, as Batch gives them to a container."""
    account, role = role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]
    access_key = "ASIA" + hashlib.sha256(secrets.token_bytes(16)).hexdigest()[:16].upper()
    secret, token = secrets.token_urlsafe(30), secrets.token_urlsafe(60)
    session: dict[str, Any] = {
        "Arn": f"arn:aws:sts::{account}:assumed-role/{role}/{session_name[:64]}",
        "UserId": f"{role}:{session_name[:64]}",
        "SecretAccessKey": secret,
        "SessionToken": token,
        "Expiration": time.time() + JOB_SESSION_S,
    }
    sts.register_session(access_key, session)
    return {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}
