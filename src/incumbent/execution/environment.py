"""The environment of a stage (the env_e of EQ V7.1): everything outside of its code, data, config and seed that can change its bits.

Only what the stage's imports reach is taken: upgrading a package that it does not use changes nothing, and a stage of pure Python
does not depend on the processor. What belongs in, and what is left out and why, is docs/adr/0003-environment-capture.md.
"""

import importlib.machinery
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from incumbent.base.digest import Algorithm, digest_bytes
from incumbent.base.documents import Document, Json, document_bytes
from incumbent.execution.distributions import Distribution, digest_sources, find_installed
from incumbent.execution.hardware import count_cores, count_memory_bytes, describe_libc, describe_processor
from incumbent.execution.observed import observe_input
from incumbent.execution.worker_variables import NATIVE_VARIABLES, PLAIN_VARIABLES, THREAD_VARIABLES, fixed_variables
from incumbent.pipeline.action import Environment
from incumbent.pipeline.code import CodeClosure

ENVIRONMENT_FORMAT = 1
CONTAINER_VARIABLE = "INCUMBENT_CONTAINER_DIGEST"

_OWN = "incumbent"  # what our own version changes is the format of artifacts and recipes, and these carry it


@dataclass(frozen=True, slots=True)
class EnvironmentSignature:
    """What a description stands on, to be checked again without describing anew.

    Attributes:
        paths: Files and folders; while the status of each stays the same, so do the distributions.
        variables: Environment variable -> digest of its value, "" if it was not set.
        machine: Digest of interpreter, processor and cores.
    """

    paths: tuple[str, ...]
    variables: Mapping[str, str]
    machine: str


@dataclass(frozen=True, slots=True)
class _Reached:
    """What a set of import names reaches."""

    distributions: Mapping[str, list[Json]]
    is_native: bool
    paths: tuple[str, ...]


class LocalEnvironment:
    """The `EnvironmentProbe` port for this interpreter. Installed packages are read once in its life.

    Args:
        root: The project's root: an editable install from inside it is project code, which the code's digest covers.
        algorithm: Of the digests.
        threads: Threads of stages that do not say; None leaves them as the environment has them.
    """

    def __init__(self, root: Path, algorithm: Algorithm, *, threads: int | None = None) -> None:
        self._root = root.resolve()
        self._algorithm = algorithm
        self._threads = threads
        self._installed = find_installed()
        self._by_imports: dict[frozenset[str], _Reached] = {}
        self._described: dict[tuple[frozenset[str], tuple[str, ...], int | None], Environment] = {}

    def describe(self, code: CodeClosure, variables: Sequence[str], threads: int | None) -> Environment:
        """Return the environment of a stage.

        Args:
            code: Its code; `code.imports` says which distributions it reaches.
            variables: Environment variables that it declares; their values go in as digests, since they may be secrets.
            threads: OMP, BLAS and Polars threads that its worker will have; None means the default.
        """
        chosen = self._threads if threads is None else threads
        place = (code.imports, tuple(sorted(variables)), chosen)
        if place not in self._described:
            document = self._describe(self._reach(code.imports), place[1], chosen)
            self._described[place] = Environment(digest_bytes(document_bytes(document), self._algorithm), document)
        return self._described[place]

    def signature(self, code: CodeClosure, variables: Sequence[str]) -> EnvironmentSignature:
        """Return what `describe` stands on, for a check by status alone."""
        reached = self._reach(code.imports)
        names = {*PLAIN_VARIABLES, CONTAINER_VARIABLE, *variables}
        if reached.is_native:
            names |= {*NATIVE_VARIABLES, *THREAD_VARIABLES}
        paths = (*(str(folder) for folder in self._installed.folders), "/etc/localtime", *reached.paths)
        return EnvironmentSignature(paths, {name: self._observe(name) for name in sorted(names)}, self.machine)

    def summary(self) -> Document:
        """Return what is recorded once a run: interpreter, host, cores, memory, every installed distribution and its version."""
        editable = {name: str(found.editable_root) for name, found in self._installed.by_name.items() if found.editable_root is not None}
        return {
            "kind": "environment-summary",
            "format": ENVIRONMENT_FORMAT,
            **self._platform,
            "host": platform.node(),
            "cores": count_cores(),
            "memory_bytes": count_memory_bytes(),
            "processor": describe_processor(),
            "container": os.environ.get(CONTAINER_VARIABLE, ""),
            "distributions": {name: found.version for name, found in self._installed.by_name.items() if name not in editable},
            "editable": {**editable},
        }

    @cached_property
    def machine(self) -> str:
        """Digest of interpreter, platform, processor and cores."""
        document: Document = {**self._platform, "processor": describe_processor(), "cores": count_cores()}
        return digest_bytes(document_bytes(document), self._algorithm)

    @cached_property
    def _platform(self) -> Document:
        return {
            "interpreter": {
                "implementation": sys.implementation.name,
                "version": platform.python_version(),
                "cache_tag": sys.implementation.cache_tag or "",
            },
            "platform": {"system": sys.platform, "machine": platform.machine(), "libc": describe_libc()},
        }

    def _describe(self, reached: _Reached, declared: tuple[str, ...], threads: int | None) -> Document:
        worker = {**os.environ, **fixed_variables(threads)}
        variables = {name: worker.get(name) for name in ("PYTHONHASHSEED", *PLAIN_VARIABLES)}
        variables["TZ"] = variables["TZ"] or _local_zone()
        document: Document = {
            "kind": "environment",
            "format": ENVIRONMENT_FORMAT,
            **self._platform,
            "distributions": {name: list(found) for name, found in reached.distributions.items()},
            "container": os.environ.get(CONTAINER_VARIABLE, ""),
            "declared": {name: self._observe(name) for name in declared},
        }
        if reached.is_native:
            variables |= {name: worker.get(name) for name in NATIVE_VARIABLES}
            counts: dict[str, Json] = {name: worker.get(name) for name in THREAD_VARIABLES}
            if None in counts.values():  # a library whose variable is not set takes one thread a core
                counts["cores"] = count_cores()
            document |= {"hardware": describe_processor(), "threads": counts}
        document["variables"] = {name: value for name, value in variables.items() if value is not None}
        return document

    def _observe(self, name: str) -> str:
        return observe_input(self._root, "env", name, self._algorithm)

    def _reach(self, imports: frozenset[str]) -> _Reached:
        if imports not in self._by_imports:
            self._by_imports[imports] = self._find_reached(imports)
        return self._by_imports[imports]

    def _find_reached(self, imports: frozenset[str]) -> _Reached:
        wanted = [name for name in imports if name not in sys.stdlib_module_names and name != _OWN]
        givers = self._installed.find_givers(wanted)
        reached = self._installed.reach(name for names in givers.values() for name in names if name != _OWN)
        found: dict[str, list[Json]] = {}
        paths: list[str] = []
        for distribution in reached:
            if not self._is_project(distribution) and distribution.name != _OWN:
                found[distribution.name] = [distribution.version, distribution.digest(self._algorithm)]
            paths += [str(path) for name in ("RECORD", "METADATA") if (path := distribution.info / name).exists()]
        paths += [path for name in wanted if not givers[name] for path in _loose_paths(name)]
        loose = {name: self._find_loose(name) for name in wanted if not givers[name]}
        found |= {f"module {name}": ["", digest] for name, digest in loose.items()}
        return _Reached(found, any(distribution.is_native for distribution in reached) or any(loose.values()), tuple(paths))

    def _is_project(self, distribution: Distribution) -> bool:
        root = distribution.editable_root
        return root is not None and root.resolve().is_relative_to(self._root)

    def _find_loose(self, name: str) -> str:
        """Return the digest of a module that lies on the path without a distribution, "" if there is none. Not imported."""
        spec = importlib.machinery.PathFinder.find_spec(name)
        if spec is None:
            return ""
        place = Path(spec.origin) if spec.origin and Path(spec.origin).name != "__init__.py" else None
        roots = [place] if place else [Path(folder) for folder in spec.submodule_search_locations or ()]
        return digest_bytes("".join(digest_sources(root, self._algorithm) for root in roots).encode(), self._algorithm)


def _loose_paths(name: str) -> list[str]:
    """Return the files of a module that lies on the path without a distribution, and its folders."""
    spec = importlib.machinery.PathFinder.find_spec(name)
    if spec is None:
        return []
    found = [spec.origin] if spec.origin else []
    for root in spec.submodule_search_locations or ():
        for folder, _, files in os.walk(root):
            found += [folder, *(os.path.join(folder, file) for file in files if file.endswith(".py"))]
    return found


def _local_zone() -> str:
    """Return the system's time zone by name where it has one: dates without a zone are read in it."""
    try:
        return os.readlink("/etc/localtime").rpartition("zoneinfo/")[2]
    except OSError:  # no link: a copy, or UTC
        return ""
