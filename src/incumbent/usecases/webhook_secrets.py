"""The secrets of webhooks: sealed in the store, and bound to the address that they are for.

A secret that is put beside another webhook, or whose webhook is given another address, opens no more: a change of the database alone
makes nobody a receiver of signed messages.
"""

from collections.abc import Sequence
from dataclasses import replace

from incumbent.usecases.ports import Transaction
from incumbent.usecases.webhook_messages import SECRET_PREFIX
from incumbent.usecases.webhook_ports import Webhook
from incumbent.usecases.workspace import Workspace


def seal_secret(ws: Workspace, webhook: Webhook, secret: str) -> Webhook:
    """Return the webhook with a secret, sealed. Raises Unavailable where no key can be made."""
    return replace(webhook, sealed=ws.secrets.seal(secret, _purpose(webhook)))


def unseal_secret(ws: Workspace, webhook: Webhook) -> str:
    """Return what its messages are signed with.

    Raises:
        Corrupt: It was not sealed for this webhook and its address.
        Refused: The key that it was sealed by is not on this machine.
    """
    return ws.secrets.unseal(webhook.sealed, _purpose(webhook))


def find_plain(tx: Transaction) -> Sequence[Webhook]:
    """Return those whose secret an earlier version has left in plain text."""
    return [known for known in tx.webhooks.list_all() if known.sealed.startswith(SECRET_PREFIX)]


def seal_old_secrets(ws: Workspace, tx: Transaction) -> int:
    """Seal those that an earlier version has left in plain text; return how many."""
    old = find_plain(tx)
    for webhook in old:
        tx.webhooks.reseal(webhook.webhook_id, seal_secret(ws, webhook, webhook.sealed).sealed)
    return len(old)


def _purpose(webhook: Webhook) -> str:
    return f"webhook {webhook.webhook_id} to {webhook.url}"
