"""What a webhook is sent: an entry of the ledger as a CloudEvent, signed as Standard Webhooks says.

CloudEvents 1.0, structured content mode: one JSON document. Standard Webhooks 1.0: the headers webhook-id, webhook-timestamp and
webhook-signature, the last being "v1," and the HMAC-SHA256 of "id.timestamp.body" in base64. An entry has the same id however
often it is sent, so that a receiver can tell a second time from a second event.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime

from incumbent.base.documents import Document, Json, document_bytes
from incumbent.base.errors import InvalidInput
from incumbent.governance.events import event_of
from incumbent.ledger.entry import Entry, format_time

MEDIA_TYPE = "application/cloudevents+json; charset=utf-8"
TYPE_PREFIX = "incumbent."
TEST = "webhook.test"
SECRET_PREFIX = "whsec_"  # noqa: S105  (what every secret begins with, as the standard has it)
_UNFIT = re.compile(r"[^A-Za-z0-9_-]", re.ASCII)


def make_secret(chance: bytes) -> str:
    """Return a secret of 24 to 64 bytes of chance, spelled as the standard has it."""
    return SECRET_PREFIX + base64.b64encode(chance).decode("ascii")


def entry_event(entry: Entry) -> Document:
    """Return an entry as a CloudEvent. Its `data` is what the entry says, without signatures and without what can be erased."""
    draft = entry.draft
    data: dict[str, Json] = {
        "entry": entry.seq,
        "act": draft.act,
        "object": {"kind": draft.object.kind, "id": draft.object.object_id, "digest": draft.object.digest},
        "actor": {"id": draft.actor.actor_id, "kind": draft.actor.kind},
        "from": draft.before,
        "to": draft.after,
        "reason": draft.reason,
        "refs": dict(draft.refs),
    }
    return _event(entry.log, str(entry.seq), name=event_of(draft.act), subject=draft.object.name, at=entry.at, data=data)


def probe_event(log: str, name: str, at: datetime) -> Document:
    """Return the event that only asks whether messages arrive."""
    return _event(log, name, name=TEST, subject=name, at=at, data={"message": "this only asks whether messages arrive"})


def _event(log: str, number: str, *, name: str, subject: str, at: datetime, data: dict[str, Json]) -> Document:
    return {
        "specversion": "1.0",
        "id": f"{_UNFIT.sub('-', log)}-{number}",
        "source": f"urn:incumbent:{_UNFIT.sub('-', log)}",
        "type": TYPE_PREFIX + name,
        "subject": subject,
        "time": format_time(at),
        "datacontenttype": "application/json",
        "data": data,
    }


def sign_message(event: Document, secret: str, at: datetime) -> tuple[Mapping[str, str], bytes]:
    """Return headers and body of a message. Raises InvalidInput when the secret is none."""
    body, name, seconds = document_bytes(event), str(event["id"]), int(at.timestamp())
    headers = {
        "content-type": MEDIA_TYPE,
        "user-agent": "incumbent",
        "webhook-id": name,
        "webhook-timestamp": str(seconds),
        "webhook-signature": sign_body(body, secret, name=name, seconds=seconds),
    }
    return headers, body


def sign_body(body: bytes, secret: str, *, name: str, seconds: int) -> str:
    """Return the signature of a body under an id, at a time in seconds since 1970.

    Raises:
        InvalidInput: The secret is none.

    >>> sign_body(b"{}", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", name="msg-1", seconds=0)[:3]
    'v1,'
    """
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput("the webhook's secret is not whsec_ and base64; remove the webhook and add it again") from None
    digest = hmac.new(key, f"{name}.{seconds}.".encode("ascii") + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode("ascii")
