"""Data files of installed packages. The package is not imported: some that hold good data no longer can be."""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from incumbent.base.errors import InvalidInput, NotFound
from incumbent.execution.sources.files import capture_place
from incumbent.execution.sources.intake import Intake, show
from incumbent.execution.sources.listing import Place, is_inside, stat_file
from incumbent.execution.stat_cache import FileStat
from incumbent.pipeline.action import Captured
from incumbent.pipeline.source import SourceSpec


def capture_package_file(intake: Intake, spec: SourceSpec) -> Captured:
    """Capture a data file of an installed package, with the version of its distribution as a fact."""
    place = locate_in_package(spec.location, spec.detail)
    taken = capture_place(intake, place, link=spec.link)
    version = find_package_version(spec.location)
    if version is None:
        return taken
    return Captured(taken.artifact, f"{spec.location} {version}, {taken.version}", {"package": spec.location, "package_version": version})


def sign_package_file(_: Intake, spec: SourceSpec) -> list[FileStat]:
    """Return the stamp of a package's data file."""
    return [stat_file(locate_in_package(spec.location, spec.detail).path)]


def locate_in_package(package: str, path: str) -> Place:
    """Return where a data file of an installed package (by import name, or by distribution name) is, importing nothing of it.

    Raises:
        InvalidInput: The name or path is not legal, or the package is not a folder on disk.
        NotFound: There is no such package, or no such file in it.
    """
    if os.path.isabs(path) or os.pardir in Path(path).parts:
        raise InvalidInput(f"{show(path)} is not a path inside the package {package}")
    folders = list(_package_folders(package))
    if not folders:
        raise NotFound(f"no installed package is called {show(package)}; install it into this environment, or mend the name")
    for folder in folders:
        found = os.path.join(folder, path)
        if os.path.exists(found):
            if not is_inside(os.path.realpath(found), os.path.realpath(folder)):
                raise InvalidInput(f"{show(path)} in the package {package} is a symbolic link that leads out of it")
            return Place(found, folder, os.path.basename(found))
    raise NotFound(f"the package {package} has no file {show(path)} (looked in {', '.join(map(show, folders))})")


def find_package_version(package: str) -> str | None:
    """Return the version of the distribution of this name, or None: import names and distribution names may differ."""
    from importlib import metadata

    try:
        return metadata.version(package)
    except (metadata.PackageNotFoundError, ValueError):
        return None


def _package_folders(package: str) -> Iterator[str]:
    """Yield folders that `package` may mean: where it would be imported from, else where its distribution's files are."""
    if not package.isascii() or not package.replace("-", "_").replace(".", "_").isidentifier():
        raise InvalidInput(f"{show(package)!r} is not the name of a package")
    top, _, rest = package.partition(".")
    try:
        # The name without dots: finding a.b would import a.
        spec = find_spec(top)
    except (ImportError, ValueError):
        spec = None
    if spec is not None and spec.submodule_search_locations is not None:
        for folder in spec.submodule_search_locations:
            yield os.path.join(folder, *rest.split(".")) if rest else folder
    from importlib import metadata  # slow to load, and few projects have such a source

    try:
        yield str(metadata.distribution(package).locate_file(""))
    except (metadata.PackageNotFoundError, ValueError):
        return
