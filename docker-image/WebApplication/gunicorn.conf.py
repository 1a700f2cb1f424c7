"""How gunicorn serves the page; `PORT`, `BIND_HOST`, `WEB_WORKERS` and `WEB_THREADS` come from the environment."""

import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gunicorn.glogging import Logger

from web_application.config import Server, WrongSetting

# All printable ASCII but space, `"`, `\` and `%`, by which a line could be made to look like another one or like two.
_AS_IT_IS = "!#$&'()*+,/:;<=>?@[]^`{|}"


class AccessLog(Logger):
    """gunicorn's log, its texts percent-encoded: an address comes decoded from the server, line ends and all."""

    def atoms(self, resp: Any, req: Any, environ: Any, request_time: Any) -> dict[str, Any]:
        """What `access_log_format` may name; texts are latin-1, as WSGI has them."""
        found = super().atoms(resp, req, environ, request_time)
        return {name: _quoted(value) if isinstance(value, str) else value for name, value in found.items()}


def _quoted(text: str) -> str:
    return quote(text, safe=_AS_IT_IS, encoding="latin-1", errors="replace")


try:
    server = Server.from_environment(os.environ)
except WrongSetting as error:
    sys.exit(f"The page cannot start. {error}")

wsgi_app = "web_application.wsgi:make()"
# Once, before the workers: a wrong setting ends the start, where workers would be started again for ever.
preload_app = True
bind = f"{server.bind_host}:{server.port}"
workers = server.workers
# A request waits for the API most of its time.
worker_class = "gthread"
threads = server.threads
# Less than the 35 s that the task is given before it is killed.
graceful_timeout = 25
# Longer than the load balancer's 60 s, so that it never uses a connection that is just being closed.
keepalive = 75
# Workers show by a file that they live: in memory, where the root file system is read-only.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 -- the kernel's shared memory
accesslog = "-"
access_log_format = '%(h)s "%(m)s %(U)s %(H)s" %(s)s %(B)s %(M)sms'
logger_class = AccessLog
# Whether a person came by HTTPS is for TRUSTED_PROXIES to say, not for whoever sends such a header.
secure_scheme_headers: dict[str, str] = {}
forwarded_allow_ips = ""
# Nobody asks it, and it would write into a home folder.
control_socket_disable = True
