#!/usr/bin/env python3
"""Makes `.venv/` and `node_modules/`: everything the project needs, Node included. `make setup` runs it.

Only the standard library, and syntax that an old Python can read, so that an old Python gets a sentence instead of a
traceback. Without make, run it by hand: `python3 hpc/setup_environment.py`, then `.venv/bin/hpc run ...`.
"""

import hashlib
import os
import subprocess
import sys

REQUIRED = (3, 11)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOCKS = ("requirements.txt", "requirements-dev.txt", "constraints.txt", "package-lock.json", "pyproject.toml")


def main():
    complain_about_old_python()
    stamp_file = os.path.join(ROOT, ".venv", "setup.sha256")
    stamp = digest_of_locks()
    if os.path.isfile(stamp_file) and read(stamp_file) == stamp:
        return
    venv = os.path.join(ROOT, ".venv")
    if not os.path.isfile(os.path.join(venv, "bin", "python")):
        say("Making .venv")
        run(
            [sys.executable, "-m", "venv", "--clear", venv],
            "install the venv module (Debian: apt-get install python3-venv)",
        )
    say("Installing Python packages (a few minutes on the first time, most of it downloads)")
    python = os.path.join(venv, "bin", "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    network = "look at the message above; this step needs the Python package index"
    run([*pip, "-r", "requirements-dev.txt", "-c", "constraints.txt"], network)
    run([*pip, "--no-deps", "--no-build-isolation", "-e", "."], network)
    say("Installing the CDK command line")
    node = os.path.join(venv, "bin")
    run(
        [os.path.join(node, "npm"), "ci", "--no-audit", "--no-fund", "--loglevel=error", "--no-update-notifier"],
        "look at the message above; this step needs the npm registry",
        PATH=node + os.pathsep + os.environ.get("PATH", ""),
    )
    with open(stamp_file, "w") as file:
        file.write(stamp)
    say("Ready: .venv/bin/hpc")


def complain_about_old_python():
    if sys.version_info < REQUIRED:
        sys.exit(
            "Python %d.%d was found (%s), 3.11 or newer is needed. Install one and name it: make %s PYTHON=python3.13"
            % (sys.version_info[0], sys.version_info[1], sys.executable, os.environ.get("MAKE_GOAL") or "setup")
        )


def digest_of_locks():
    digest = hashlib.sha256(sys.version.encode())
    for name in LOCKS:
        digest.update(read(os.path.join(ROOT, name)).encode())
    return digest.hexdigest()


def read(path):
    with open(path) as file:
        return file.read()


def run(command, advice, **environment):
    ended = subprocess.call(command, cwd=ROOT, env=dict(os.environ, **environment))
    if ended != 0:
        sys.exit("Set-up stopped: `%s` ended with %d; %s." % (" ".join(command), ended, advice))


def say(text):
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
