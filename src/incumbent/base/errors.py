"""Error classes: each says who must act. Messages say what was asked, what stands in the way, what to do next."""


class IncumbentError(Exception):
    """Base of every error that Incumbent raises on purpose."""


class InvalidInput(IncumbentError):
    """The caller gave something that cannot be used: mend the input."""


class NotFound(IncumbentError):
    """The named thing does not exist here."""


class Refused(IncumbentError):
    """The rules forbid it, or a stage did not finish: the request was understood and not carried out."""


class Conflict(IncumbentError):
    """Somebody else got there first: look again, then try again."""


class Corrupt(IncumbentError):
    """Stored bytes are not what was written: call someone; nothing that rests on them can be trusted."""


class Unavailable(IncumbentError):
    """A resource outside of us is missing or full (disk, server, network): mend it and run again; nothing was lost."""


class Busy(Unavailable):
    """As many wait already as may: ask again after a moment; nothing was begun."""
