"""What to do about an undeclared input, in words: what was read, where, why that matters, and the cure."""

from incumbent.execution.observed import ALL_VARIABLES

_COPIED = (
    "and what it takes from the copy cannot be told (a copy for a process that it starts does not count): "
    "read what it needs by name, os.environ['NAME'], and add @stage(env=('NAME',))"
)
_AFTER = ", or let it widen the key (policy warn)."


def advise(stage: str, kind: str, name: str, where: str) -> str:
    """Return the words about something that a stage read while it ran.

    Args:
        stage: Its name.
        kind: As in `Undeclared`.
        name: As in `Undeclared`.
        where: `path:line`, or "".
    """
    place = _place(where)
    if (kind, name) == ("env", ALL_VARIABLES):
        return f"stage {stage!r} copied all environment variables{place}, {_COPIED}{_AFTER}"
    if kind == "env":
        words = f"stage {stage!r} read the environment variable {name}{place} without declaring it"
        return f"{words}: add @stage(env=({name!r},)){_AFTER}"
    if name.endswith(".py"):
        return (
            f"stage {stage!r} loaded {name}{place} while it ran, and that file is no part of its code's digest: "
            f"import it by name at the head of the file{_AFTER}"
        )
    return (
        f"stage {stage!r} {_verb(name)} {name}{place}, which it does not declare, so a change there would go unseen: "
        f"make it a source, {_source(name)}, and take it as a parameter{_AFTER}"
    )


def advise_import(stage: str, kind: str, name: str, where: str) -> str:
    """Return the words about something that the code of a stage read when it was imported; arguments as in `advise`."""
    head, place = f"stage {stage!r} uses code that", _place(where)
    if (kind, name) == ("env", ALL_VARIABLES):
        return f"{head} copied all environment variables while it was imported{place}, {_COPIED}{_AFTER}"
    if kind == "env":
        return (
            f"{head} read the environment variable {name} while it was imported{place}, and the stage does not declare it: "
            f"add @stage(env=({name!r},)), or read it in a stage that does{_AFTER}"
        )
    if name.endswith(".py"):
        return (
            f"{head} loaded {name} while it was imported{place}, and that file is no part of the stage's code's digest: "
            f"import it by name at the head of the file{_AFTER}"
        )
    return (
        f"{head} {_verb(name)} {name} while it was imported{place}, and the key does not hold that, so a change there would go unseen: "
        f"make it a source, {_source(name)}, take it as a parameter, and read it in the stage{_AFTER}"
    )


def _place(where: str) -> str:
    return f" ({where})" if where else ""


def _verb(name: str) -> str:
    return "listed" if name.endswith("/") else "read"


def _source(name: str) -> str:
    return f"incumbent.source.folder({name.rstrip('/')!r})" if name.endswith("/") else f"incumbent.source.file({name!r})"
