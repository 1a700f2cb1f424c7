"""How gunicorn serves the page; `PORT`, `BIND_HOST`, `WEB_WORKERS` and `WEB_THREADS` come from the environment."""

import os
from pathlib import Path

wsgi_app = "web_application.wsgi:make()"
# Once, before the workers: a wrong setting ends the start, where workers would be started again for ever.
preload_app = True
bind = f"{os.environ.get('BIND_HOST', '0.0.0.0')}:{os.environ.get('PORT', '8080')}"  # noqa: S104 -- a container's port
workers = int(os.environ.get("WEB_WORKERS", "2"))
# A request waits for the API most of its time.
worker_class = "gthread"
threads = int(os.environ.get("WEB_THREADS", "8"))
# The page's longest request sends a file on to S3.
timeout = 150
graceful_timeout = 25
# Longer than the load balancer's 60 s, so that it never uses a connection that is just being closed.
keepalive = 75
# Workers show by a file that they live: in memory, where the root file system is read-only.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 -- the kernel's shared memory
accesslog = "-"
access_log_format = '%(h)s "%(m)s %(U)s %(H)s" %(s)s %(B)s %(M)sms'
# Whether a person came by HTTPS is for TRUSTED_PROXIES to say, not for whoever sends such a header.
secure_scheme_headers: dict[str, str] = {}
forwarded_allow_ips = ""
# Nobody asks it, and it would write into a home folder.
control_socket_disable = True
