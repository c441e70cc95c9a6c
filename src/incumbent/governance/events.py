"""What an entry of the ledger is called outside: one table from acts to the kinds of events that others may ask to be told of.

The names are a promise to receivers. An act that has none of its own is told as `ledger.entry`.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType

from incumbent.base.errors import InvalidInput

OTHER = "ledger.entry"
_ACTS: Mapping[str, str] = {
    "version.registered": "register",
    "version.evaluated": "evaluate",
    "version.signed": "attest validate approve accept-risk",
    "slot.changed": "propose reject promote supersede roll-back break-glass archive",
    "finding.opened": "open-finding",
    "finding.closed": "close-finding",
    "attempt.refused": "refuse",
    "people.changed": "add-person change-person request-key add-key revoke-key disown-key add-witness revoke-witness",
    "account.changed": "make-token revoke-token make-link use-link change-password end-sessions admit adopt-accounts",
    "webhook.changed": "add-webhook remove-webhook",
    "rules.changed": "set-policy set-schema set-tiers assess-tier register-holdout",
}
EVENT_OF: Mapping[str, str] = MappingProxyType({act: name for name, acts in _ACTS.items() for act in acts.split()})
"""Act -> event."""
EVENTS: tuple[str, ...] = (*_ACTS, OTHER)


def event_of(act: str) -> str:
    """Return the event that an act is told as.

    >>> event_of("promote"), event_of("erase")
    ('slot.changed', 'ledger.entry')
    """
    return EVENT_OF.get(act, OTHER)


def check_events(names: Collection[str]) -> tuple[str, ...]:
    """Return the events that somebody asks for, each once, in the order of the table. None stands for all, also for those to come.

    Raises:
        InvalidInput: There is no such event.

    >>> check_events(["slot.changed", "version.registered", "slot.changed"])
    ('version.registered', 'slot.changed')
    """
    unknown = [name for name in names if name not in EVENTS]
    if unknown:
        raise InvalidInput(f"{unknown[0][:80]!r} is no event; there are: {', '.join(EVENTS)}")
    return tuple(name for name in EVENTS if name in names)
