"""Starts the server as a package of its own, without anything of the platform on the path."""

import importlib.util
import os
import socket
import sys
from pathlib import Path

_NAME = "hpc_fork_server"


def main() -> None:
    """Serves the socket of the first argument, the module of the second, until idle for the seconds of the third."""
    sys.path.pop(0)  # this folder, whose modules jobs might take for theirs
    here = Path(__file__).parent
    spec = importlib.util.spec_from_file_location(_NAME, here / "__init__.py", submodule_search_locations=[str(here)])
    if spec is None or spec.loader is None:
        raise ImportError(f"{here} is no package")
    package = importlib.util.module_from_spec(spec)
    sys.modules[_NAME] = package
    spec.loader.exec_module(package)
    server = importlib.import_module(f"{_NAME}.server")
    os.environ.pop(server.JOB_ID, None)  # it only made room, see ShownVariable
    server.main(socket.socket(fileno=int(sys.argv[1])), sys.argv[2], float(sys.argv[3]))


if __name__ == "__main__":
    main()
