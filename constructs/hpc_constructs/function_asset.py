"""The code of a function that uses modules of the command line: all that it imports, gathered into one folder.

A Lambda asset ships alone, and the function should not have a second copy of the logic. So the modules are copied when
the app is synthesized: exactly those that are imported, which makes the imports the one place to look at.
"""

import ast
import importlib.util
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

# What Lambda's runtime has by itself.
PROVIDED = frozenset({*sys.stdlib_module_names, "boto3", "botocore"})
# Libraries in nothing but Python, which run wherever they are copied to.
PURE = frozenset({"fastjsonschema"})


class FunctionAssetError(Exception):
    """A function imports what it would not have in Lambda."""


def gather(function: Path, *, packages: Path, into: Path) -> None:
    """Copies a function's folder, the modules of packages in `packages` that it imports, and libraries in pure Python.

    Raises `FunctionAssetError` for an import that would fail in Lambda, naming the file that has it.
    """
    open_files = sorted(function.glob("*.py"))
    own = {file.stem for file in open_files}
    for file in open_files:
        shutil.copy(file, into / file.name)
    seen: set[Path] = set()
    while open_files:
        file = open_files.pop()
        for module in _imports(file):
            top = module.partition(".")[0]
            if top in PROVIDED or (file.parent == function and top in own):
                continue
            if top in PURE:
                _copy_library(top, into)
            elif (packages / top).is_dir():
                found = [path for path in _files_of(module, packages) if path not in seen]
                seen.update(found)
                open_files += [path for path in found if path.suffix == ".py"]
                for path in found:
                    _copy(path, packages, into)
            else:
                raise FunctionAssetError(
                    f"{file}: imports {module}; expected the standard library, boto3, {', '.join(sorted(PURE))} or "
                    "what imports only these"
                )


def _imports(file: Path) -> Iterator[str]:
    """Full names of what a file imports, wherever in it; for `from a import b` both `a` and `a.b`."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _files_of(module: str, packages: Path) -> Iterator[Path]:
    """The file of a module with the data of its name, and those of the packages that it is in.

    `a.b` may be no module but a name in `a`.
    """
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        path = packages.joinpath(*parts[:count])
        found = (path / "__init__.py", path.with_suffix(".py"), path.with_suffix(".json"))
        yield from (file for file in found if file.is_file())


def _copy(file: Path, packages: Path, into: Path) -> None:
    target = into / file.relative_to(packages)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, target)


def _copy_library(name: str, into: Path) -> None:
    if (into / name).exists():
        return
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise FunctionAssetError(f"{name} is not installed; set the project up: make setup")
    folder = Path(next(iter(found.submodule_search_locations)))
    if binary := sorted(file.name for file in folder.rglob("*") if file.suffix in {".so", ".pyd", ".dylib"}):
        raise FunctionAssetError(f"{name} is not pure Python: found {', '.join(binary)}")
    shutil.copytree(folder, into / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "py.typed"))
