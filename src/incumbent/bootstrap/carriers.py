"""Makes what carries messages out of here."""

from incumbent.execution.webhook_carrier import HttpCarrier
from incumbent.usecases.webhook_ports import Carrier


def open_carrier() -> Carrier:
    """Return what posts over HTTP."""
    return HttpCarrier()
