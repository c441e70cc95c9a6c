"""The environment of a process as it was given to it, whatever the code in it has set since."""

import os

from incumbent.base.digest import Algorithm
from incumbent.execution.observed import digest_variables


class GivenVariables:
    """Tells the variables that came from outside from those that the watched code set: only the former are inputs."""

    def __init__(self) -> None:
        self._before_import: dict[str, str | None] = {}
        self._before: dict[str, str | None] = {}

    def begin_import(self) -> None:
        """Forget what was set: modules are imported next, and what these set, all attempts find."""
        self._before_import, self._before = {}, {}

    def begin_attempt(self) -> None:
        """Forget what an earlier attempt in this process set: for this one it came from outside."""
        self._before = {}

    def note_change(self, name: str, before: str | None, *, is_import: bool) -> None:
        """Take note that code sets a variable, or removes it, which was `before`."""
        (self._before_import if is_import else self._before).setdefault(name, before)

    def __contains__(self, name: str) -> bool:
        """Say whether the variable is as it was given."""
        return name not in self._before and name not in self._before_import

    def digest(self, algorithm: Algorithm) -> str:
        """Return the digest of all variables as they were given."""
        given: dict[str, str | None] = {**os.environ, **self._before, **self._before_import}
        return digest_variables({name: value for name, value in given.items() if value is not None}, algorithm)
