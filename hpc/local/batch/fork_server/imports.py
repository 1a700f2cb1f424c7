"""What a server imports ahead of its jobs, and whether they may be its forks."""

import ast
import contextlib
import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

#: Stands for the whole environment among the names of variables.
_ALL = "*"


def import_dependencies(module: str) -> dict[str, str | None]:
    """Runs the import statements of a module's `__main__`, and nothing else of it; then `hpc_job` warms itself.

    Returns the variables that were used meanwhile with what was found: a process with others must not be a fork.
    """
    with _noted_uses() as read:
        spec = importlib.util.find_spec(f"{module}.__main__")
        if spec is None or spec.origin is None:
            raise ImportError(f"no module named {module}.__main__")
        tree = ast.parse(Path(spec.origin).read_bytes())
        tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {"__name__": spec.name, "__package__": module, "__file__": spec.origin, "__spec__": spec}
        exec(compile(tree, spec.origin, "exec"), names)  # noqa: S102 (the job's own imports, as the job would run them)
    if "hpc_job.s3" in sys.modules and importlib.util.find_spec("hpc_job.warm"):
        importlib.import_module("hpc_job.warm").up(os.environ)
    return read


def imported_files() -> list[str]:
    """The modules that come from the jobs' own folder, not from the interpreter's packages."""
    folders = tuple(f"{folder}/" for folder in os.environ.get("PYTHONPATH", "").split(":") if folder)
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    return [file for file in files if file is not None and file.startswith(folders)]


def refusal(read: dict[str, str | None]) -> str | None:
    """Why what was imported cannot be forked; None when it can be."""
    tasks = Path("/proc/self/task")
    if (len(list(tasks.iterdir())) if tasks.is_dir() else threading.active_count()) > 1:
        return "its imports start threads, which a fork does not have"
    if _ALL in read:
        return f"its imports have {read[_ALL]} the whole environment, which is each job's own"
    return None


@contextlib.contextmanager
def _noted_uses() -> Iterator[dict[str, str | None]]:
    """Notes which variables are read, and what was found; changes and going through all of them are noted as `*`."""
    read: dict[str, str | None] = {}
    plain = type(os.environ)

    class Noting(plain):  # type: ignore[valid-type, misc]
        def __getitem__(self, name: str) -> str:
            read[name] = None
            read[name] = found = super().__getitem__(name)
            return cast(str, found)

        def __iter__(self) -> Iterator[str]:
            read[_ALL] = "read"
            return cast(Iterator[str], super().__iter__())

        def __setitem__(self, name: str, value: str) -> None:
            read[_ALL] = "changed"
            super().__setitem__(name, value)

        def __delitem__(self, name: str) -> None:
            read[_ALL] = "changed"
            super().__delitem__(name)

    os.environ.__class__ = Noting
    try:
        yield read
    finally:
        os.environ.__class__ = plain
