"""`incumbent webhooks`: addresses that are told of what happens here."""

import argparse
import sys

from incumbent.bootstrap.carriers import open_carrier
from incumbent.cli.command import print_json
from incumbent.cli.here import show_time
from incumbent.cli.table import print_table
from incumbent.cli.terminal import say
from incumbent.cli.verbs import run_verb, set_verbs
from incumbent.governance.events import EVENTS
from incumbent.usecases.webhook_delivery import DELIVERIES_KEPT
from incumbent.usecases.webhook_ports import Webhook
from incumbent.usecases.webhooks import (
    DELIVERIES_SHOWN,
    add_webhook,
    list_deliveries,
    list_webhooks,
    probe_webhook,
    remove_webhook,
    resume_webhook,
)
from incumbent.usecases.workspace import Workspace

EXAMPLES = f"""
A webhook is told of the ledger's entries in their order, each at least once, while `incumbent server` runs. Messages are CloudEvents,
signed as Standard Webhooks says; the secret is shown once. Events: {", ".join(EVENTS[:5])},
{", ".join(EVENTS[5:])}.

examples:
  incumbent webhooks add https://hooks.example.com/incumbent --events slot.changed --events finding.opened
  incumbent webhooks test webhook-06f1d0v2hq4n8c3k5e7z
  incumbent webhooks ls
  incumbent webhooks deliveries webhook-06f1d0v2hq4n8c3k5e7z
  incumbent webhooks resume webhook-06f1d0v2hq4n8c3k5e7z
  incumbent webhooks remove webhook-06f1d0v2hq4n8c3k5e7z
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    verbs = parser.add_subparsers(metavar="add|ls|deliveries|test|resume|remove", required=True)
    add = verbs.add_parser("add", help="tell an address of what happens from now on, and show its secret, once")
    add.add_argument("url", metavar="URL", help="where messages go")
    add.add_argument("--events", action="append", default=[], metavar="EVENT", help="which; may be repeated (default: all)")
    add.add_argument("--allow-private", action="store_true", help="it may lead to this machine, or into a private network")
    add.add_argument("--allow-http", action="store_true", help="it may go without TLS")
    ls = verbs.add_parser("ls", help="list webhooks, and how far each was told")
    deliveries = verbs.add_parser("deliveries", help="what became of its messages, newest first")
    deliveries.add_argument("--limit", type=int, default=DELIVERIES_SHOWN, help=f"how many (default {DELIVERIES_SHOWN})")
    test = verbs.add_parser("test", help="send a message that only asks whether messages arrive; exits with 1 if it does not")
    resume = verbs.add_parser("resume", help="let one go on at once, a dead one too, from where it is")
    resume.add_argument("--skip", action="store_true", help="without the entry that it is at")
    remove = verbs.add_parser("remove", help="tell it nothing any more")
    for named in (deliveries, test, resume, remove):
        named.add_argument("webhook", metavar="ID", help="its id, webhook-…")
    set_verbs(((add, _add), (ls, _ls), (deliveries, _deliveries), (test, _test), (resume, _resume), (remove, _remove)))


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    return run_verb(arguments)


def _add(ws: Workspace, arguments: argparse.Namespace) -> int:
    made = add_webhook(
        ws, url=arguments.url, events=arguments.events, may_be_private=arguments.allow_private, may_be_http=arguments.allow_http
    )
    if arguments.json:
        print_json({**made.webhook.to_json(), "secret": made.secret})
        return 0
    say(made.secret, flush=True)  # before what goes to stderr, where both go to one place
    say(f"{made.webhook.webhook_id} is told of {_events(made.webhook)}; the secret is not shown again", file=sys.stderr)
    return 0


def _ls(ws: Workspace, arguments: argparse.Namespace) -> int:
    found = list_webhooks(ws)
    if arguments.json:
        print_json({"webhooks": [webhook.to_json() for webhook in found]})
    elif not found:
        say("no webhook yet; `incumbent webhooks add URL` adds one")
    else:
        rows = [[one.webhook_id, one.url, _events(one), str(one.cursor), _state(one)] for one in found]
        print_table(["id", "URL", "events", "next entry", "state"], rows)
    return 0


def _deliveries(ws: Workspace, arguments: argparse.Namespace) -> int:
    found = list_deliveries(ws, arguments.webhook, limit=min(max(arguments.limit, 1), DELIVERIES_KEPT))
    if arguments.json:
        print_json({"deliveries": [delivery.to_json() for delivery in found]})
    elif not found:
        say("nothing was sent yet; messages go out while `incumbent server` runs")
    else:
        rows = [[str(one.number), show_time(one.at), str(one.entry), one.event, str(one.status or ""), one.detail] for one in found]
        print_table(["no.", "at", "entry", "event", "answer", "what went wrong"], rows)
    return 0


def _test(ws: Workspace, arguments: argparse.Namespace) -> int:
    sent = probe_webhook(ws, carrier=open_carrier(), webhook=arguments.webhook)
    arrived = 200 <= sent.status < 300
    if arguments.json:
        print_json(sent.to_json())
    elif arrived:
        say(f"it arrived: {sent.status}")
    else:
        say(f"it did not arrive: {sent.detail or sent.status}", file=sys.stderr)
    return 0 if arrived else 1


def _resume(ws: Workspace, arguments: argparse.Namespace) -> int:
    return _tell(arguments, resume_webhook(ws, webhook=arguments.webhook, skip=arguments.skip), "goes on with entry {cursor}")


def _remove(ws: Workspace, arguments: argparse.Namespace) -> int:
    return _tell(arguments, remove_webhook(ws, webhook=arguments.webhook), "is told nothing any more")


def _tell(arguments: argparse.Namespace, webhook: Webhook, what: str) -> int:
    if arguments.json:
        print_json(webhook.to_json())
    else:
        say(f"{webhook.webhook_id} {what.format(cursor=webhook.cursor)}")
    return 0


def _events(webhook: Webhook) -> str:
    return ", ".join(webhook.events) or "every entry"


def _state(webhook: Webhook) -> str:
    if webhook.state == "dead":
        return f"dead after {webhook.failures} failures; `incumbent webhooks resume` lets it go on"
    return f"failed {webhook.failures} times, again at {show_time(webhook.next_at)}" if webhook.failures else "active"
