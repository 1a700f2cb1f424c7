"""Starts, finds and ends the laptop platform of a state directory (`.hpc/` in the project, or `$HPC_STATE_DIR`)."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from hpc.local.configuration import ACCOUNT, PlatformConfig, write_private
from hpc.local.deploy import DeployError, DeployTarget, deploy
from hpc.local.emulator import CDK_OBJECTS_DIR
from hpc.local.front_door import HEALTH_PATH
from hpc.local.loopback import answers, is_free
from hpc.local.object_store import remove_sockets
from hpc.local.supervisor import LAST_WORDS_FILE, LOCK_FILE, LONGEST_END_S, end_orphans
from hpc.local.web import WEB_FILE, WebConfig, wait_until_it_answers

PROJECT_ROOT = Path(__file__).resolve().parents[2]
DEFAULT_PORT = 4566
CONFIG_FILE = "platform-config.json"
STATE_FILE = "platform.json"
# There from a start of the platform until it has continued what the one before left; outlives an interrupted `hpc up`.
RUNS_TO_CONTINUE_FILE = "runs-to-continue"
START_TIMEOUT_S = 60
# Some time more than the platform may take to end its processes one after the other.
STOP_TIMEOUT_S = LONGEST_END_S + 15


class PlatformError(Exception):
    """The platform cannot be started or reached; `exit_code` is 2 (wrong usage) or 3 (cannot be reached)."""

    def __init__(self, message: str, *, exit_code: int = 3) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class PlatformState:
    """A running platform, as written to `platform.json`; `web_url` is None where no web application is served."""

    pid: int
    endpoint_url: str
    web_url: str | None
    data_dir: str
    region: str
    stack_name: str
    access_key_id: str
    secret_access_key: str = field(repr=False)


def state_dir() -> Path:
    """Where the platform keeps everything: `$HPC_STATE_DIR`, else `.hpc/` in the project."""
    return Path(os.environ.get("HPC_STATE_DIR") or PROJECT_ROOT / ".hpc").absolute()


def running() -> PlatformState | None:
    """The platform of this state directory if it is up and answers, else None."""
    directory = state_dir()
    if not _is_locked(directory / LOCK_FILE):
        return None
    try:
        state = PlatformState(**json.loads((directory / STATE_FILE).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return state if _answers(state.endpoint_url) else None


def find() -> PlatformState | None:
    """The platform of this state directory, None when none runs.

    Waits for one that does not answer yet: it starts, or has just lost a part that is started again. Raises
    PlatformError when it goes on not to answer.
    """
    return running() or _running_or_starting(state_dir())


def last_words() -> str | None:
    """Why the last platform of this state directory ended by itself; None when it did not."""
    file = state_dir() / LAST_WORDS_FILE
    return file.read_text() if file.is_file() else None


def up(
    *,
    port: int | None = None,
    say: Callable[[str], None],
    continue_runs: Callable[[PlatformState, Callable[[str], None]], None],
    api_url: Callable[[PlatformState], str | None] = lambda _state: None,
) -> PlatformState:
    """Starts the platform if it is not up, and deploys what changed; raises PlatformError.

    `continue_runs` is called once a start, when the platform is deployed: the one before may have left runs. `api_url`
    says where the deployed API answers; without one no page is served.
    """
    directory = state_dir()
    _make_directory(directory)
    with _only_one_at_a_time(directory / "up.lock", say):
        state = _running_or_starting(directory)
        if state and port and state.endpoint_url != f"http://127.0.0.1:{port}":
            raise PlatformError(
                f"the platform already runs at {state.endpoint_url}, not on port {port}; "
                "use it as it is, or end it first: hpc down",
                exit_code=2,
            )
        if state is None:
            state = _start(directory, port, say)
        if _deploy(directory, state, say):
            say(f"The platform is up at {state.endpoint_url}")
        state = _serve_page(directory, state, api_url(state), say)
        if (directory / RUNS_TO_CONTINUE_FILE).exists():
            continue_runs(state, say)
            (directory / RUNS_TO_CONTINUE_FILE).unlink()
        return state


def down(*, say: Callable[[str], None]) -> bool:
    """Ends the platform, keeping its data; False when none was running."""
    directory = state_dir()
    if not _is_locked(directory / LOCK_FILE):
        return False
    pid = _pid_of_lock(directory / LOCK_FILE)
    say(f"Ending the platform (process {pid}) and the jobs that it runs")
    with contextlib.suppress(ProcessLookupError):  # it has ended by itself meanwhile
        os.kill(pid, signal.SIGTERM)
    if not _wait(lambda: not _is_locked(directory / LOCK_FILE), STOP_TIMEOUT_S):
        raise PlatformError(f"process {pid} did not end within {STOP_TIMEOUT_S} s; look at it, or kill it")
    (directory / STATE_FILE).unlink(missing_ok=True)
    return True


def purge(*, say: Callable[[str], None]) -> None:
    """Deletes everything that platforms have kept in the state directory; raises PlatformError while one runs."""
    directory = state_dir()
    if _is_locked(directory / LOCK_FILE):
        raise PlatformError("a platform is running; end it first: hpc down")
    if not directory.is_dir():
        say(f"Nothing is there to delete: {directory}")
        return
    if not (directory / CONFIG_FILE).is_file():
        raise PlatformError(
            f"{directory} holds no platform ({CONFIG_FILE} is missing), so it is left alone; delete it by hand",
            exit_code=2,
        )
    end_orphans(directory)
    with contextlib.suppress(ValueError):  # a damaged file names no ports
        remove_sockets(PlatformConfig.load(directory / CONFIG_FILE).store)
    shutil.rmtree(directory)
    say(f"Deleted {directory}")


def _make_directory(directory: Path) -> None:
    try:
        for path in (directory, directory / "logs", directory / "tmp", directory / "jobs"):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        directory.chmod(0o700)  # whoever made it: keys lie in it
    except OSError as error:
        raise PlatformError(
            f"the state directory {directory} cannot be made: {error.strerror}; "
            "set HPC_STATE_DIR to a folder that you may write",
            exit_code=2,
        ) from error


def _start(directory: Path, port: int | None, say: Callable[[str], None]) -> PlatformState:
    config_file = directory / CONFIG_FILE
    config = _configuration(directory, config_file, port)
    if not is_free(config.port):
        raise PlatformError(
            f"port {config.port} of 127.0.0.1 is taken by another program; choose a free one: hpc up --port "
            f"{config.port + 1}",
            exit_code=2,
        )
    config.save(config_file)
    page = WebConfig.load(directory)
    if page and not is_free(page.port):  # another program has taken it meanwhile
        (directory / WEB_FILE).unlink()
    (directory / RUNS_TO_CONTINUE_FILE).touch()
    _refuse_broken_state(directory / "emulator")
    if not (directory / "emulator" / "cloudformation.json").is_file():
        # What the CDK uploads for a deployment that was never saved; the next deployment uploads it again.
        shutil.rmtree(directory / CDK_OBJECTS_DIR, ignore_errors=True)
    for leftover in (directory / "tmp").iterdir():
        shutil.rmtree(leftover, ignore_errors=True)
    log_file = directory / "logs" / "platform.log"
    say(f"Starting the platform at {config.endpoint_url}")
    with log_file.open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "hpc.local.supervisor", str(config_file)],
            cwd=directory,
            env=_platform_environment(directory),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    # Written at once: whoever comes next finds the process although this one is interrupted.
    state = PlatformState(
        pid=process.pid,
        endpoint_url=config.endpoint_url,
        web_url=None,
        data_dir=str(directory),
        region=config.region,
        stack_name=f"Production-{_user_name()}",
        access_key_id=config.access_key_id,
        secret_access_key=config.secret_access_key,
    )
    write_private(directory / STATE_FILE, json.dumps(asdict(state)))
    if not _wait(lambda: process.poll() is not None or _answers(config.endpoint_url), START_TIMEOUT_S):
        process.terminate()
        raise PlatformError(f"the platform did not answer within {START_TIMEOUT_S} s; its log: {log_file}")
    if process.poll() is not None:
        tail = "".join(log_file.read_text().splitlines(keepends=True)[-15:])
        raise PlatformError(f"the platform ended at once; the end of its log {log_file}:\n{tail}")
    return state


def _refuse_broken_state(saved: Path) -> None:
    """The emulator would start without what it cannot read, and overwrite it at its end."""
    for file in sorted(saved.glob("*.json")):
        try:
            json.loads(file.read_bytes())
        except ValueError as error:
            raise PlatformError(
                f"the saved state {file} is damaged: {error}; put a copy of it back, or move {saved.parent} away to "
                "begin anew (its s3 folder holds the objects)"
            ) from error


def _configuration(directory: Path, config_file: Path, port: int | None) -> PlatformConfig:
    try:
        last = PlatformConfig.load(config_file) if config_file.is_file() else None
    except ValueError as error:
        raise PlatformError(
            f"{config_file} cannot be read: {error}; delete it, and the platform makes a new one", exit_code=2
        ) from error
    config = PlatformConfig.make(
        state_dir=directory,
        project_root=PROJECT_ROOT,
        port=port or (last.port if last else DEFAULT_PORT),
        region=os.environ.get("Region") or "us-east-1",  # noqa: SIM112 -- the setting's name
        last=last,
    )
    if last and last.store.ports != config.store.ports:  # this is the last time that anybody knows these ports
        remove_sockets(last.store)
    return config


def _platform_environment(directory: Path) -> dict[str, str]:
    """A clean environment: Lambda workers inherit it, and they must see nothing of the person's shell."""
    return {
        "HOME": str(directory / "tmp"),
        "HPC_STATE_DIR": str(directory),
        "LANG": "C.UTF-8",
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(directory / "tmp"),
    }


def _deploy(directory: Path, state: PlatformState, say: Callable[[str], None]) -> bool:
    target = DeployTarget(
        project_root=PROJECT_ROOT,
        state_dir=directory,
        endpoint_url=state.endpoint_url,
        region=state.region,
        account=ACCOUNT,
        access_key_id=state.access_key_id,
        secret_access_key=state.secret_access_key,
        user_name=state.stack_name.removeprefix("Production-"),
    )
    try:
        deployed = deploy(target, say=say)
    except DeployError as error:
        raise PlatformError(str(error)) from error
    if deployed:
        os.kill(state.pid, signal.SIGUSR1)  # a crash from now on does not cost the deployment
    return deployed


def _serve_page(
    directory: Path, state: PlatformState, api_endpoint: str | None, say: Callable[[str], None]
) -> PlatformState:
    """Lets the supervisor serve the page of this API, and gives the state with its address."""
    if api_endpoint is None:
        (directory / WEB_FILE).unlink(missing_ok=True)
        web_url = None
    else:
        last = WebConfig.load(directory)
        told = WebConfig.make(
            api_endpoint=api_endpoint,
            region=state.region,
            access_key_id=state.access_key_id,
            secret_access_key=state.secret_access_key,
            last=last,
        )
        if told != last:
            told.save(directory)
        web_url = told.url
        if not wait_until_it_answers(told.url):
            say(f"The page does not answer at {told.url}; the end of {directory / 'logs' / 'platform.log'} tells why")
    if web_url != state.web_url:
        state = replace(state, web_url=web_url)
        write_private(directory / STATE_FILE, json.dumps(asdict(state)))
    return state


def _user_name() -> str:
    """`UserName` names the stack on AWS; a laptop has one user and needs none."""
    return (os.environ.get("UserName") or "local").lower()  # noqa: SIM112 -- the setting's name


def _answers(endpoint_url: str) -> bool:
    return answers(endpoint_url + HEALTH_PATH)


def _is_locked(path: Path) -> bool:
    try:
        with path.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    except OSError as error:
        raise PlatformError(
            f"the state directory {path.parent} cannot be read: {error.strerror}; "
            "set HPC_STATE_DIR to a folder of your own",
            exit_code=2,
        ) from error
    return False


def _pid_of_lock(path: Path) -> int:
    try:
        return int(path.read_text())
    except ValueError as error:
        raise PlatformError(f"a platform starts in {path.parent} just now; try again in a second") from error


def _running_or_starting(directory: Path) -> PlatformState | None:
    """The running platform; waits for one that is starting (its `hpc up` was interrupted)."""
    lock = directory / LOCK_FILE
    _wait(lambda: running() is not None or not _is_locked(lock), START_TIMEOUT_S)
    state = running()
    if state is None and _is_locked(lock):
        raise PlatformError(
            f"process {_pid_of_lock(lock)} holds {directory} but does not answer, or {directory}/platform.json is "
            "damaged; end it: hpc down"
        )
    return state


@contextmanager
def _only_one_at_a_time(path: Path, say: Callable[[str], None]) -> Iterator[None]:
    try:
        file = path.open("w")
    except OSError as error:
        raise PlatformError(
            f"{path} cannot be written: {error.strerror}; set HPC_STATE_DIR to a folder that you may write",
            exit_code=2,
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another `hpc up` is at work; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _wait(condition: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()
