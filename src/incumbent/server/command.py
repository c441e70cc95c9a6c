"""`incumbent server`: answer from what is live, over HTTP."""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from incumbent.base.errors import InvalidInput, NotFound
from incumbent.bootstrap.carriers import open_carrier
from incumbent.bootstrap.lineage import OFF, open_catalogue
from incumbent.bootstrap.logins import open_passwords, open_provider
from incumbent.bootstrap.models import open_model_host
from incumbent.bootstrap.tracing import open_tracing, recording, trace_carrier, trace_workspace
from incumbent.bootstrap.workspace import find_blobs, open_workspace
from incumbent.config import FOLDER, PLACES, Settings, find_root, read_settings
from incumbent.server.auth.doors import check_proxy, describe_entrance, make_door
from incumbent.server.group import GroupWriter
from incumbent.server.lineage_sender import LineageSender
from incumbent.server.messages import UPLOAD_BYTES_MAX, Server
from incumbent.server.serve import serve
from incumbent.server.tenants import Places, read_workspaces
from incumbent.server.traced_verbs import ContextWriter, traced_verbs
from incumbent.server.webhook_sender import WebhookSender
from incumbent.usecases.lineage_delivery import turn_lineage
from incumbent.usecases.webhook_delivery import begin_delivery
from incumbent.usecases.webhook_ports import Carrier
from incumbent.usecases.workspace import Workspace

EXAMPLES = """
On this machine alone, and while nobody is registered, no log-in is needed. Otherwise people log in at /log-in, and programs send a
token (`incumbent tokens new`). The first start prints a link to set a password with; it works once.

examples:
  incumbent server
  incumbent server --host 0.0.0.0 --public-url https://incumbent.example.com
  incumbent server --workspace https://credit.example.com=/srv/credit --workspace https://fraud.example.com=/srv/fraud
  curl -s http://127.0.0.1:8765/api/v1/slots
  curl -s http://127.0.0.1:8765/v2/models/flights-late%2Fnyc
"""
PORT = 8765


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--project", type=Path, default=None, metavar="FOLDER", help="project to serve (default: that of this folder)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen at (default: this machine alone); beyond loopback it needs --public-url"
    )
    parser.add_argument("--port", type=int, default=PORT, help=f"0 takes any free one (default {PORT})")
    parser.add_argument(
        "--allow-pickle", action="store_true",
        help="serve bundles that are opened by unpickling, too; unpickling can run code that came with them (default: refuse)",
    )  # fmt: skip
    parser.add_argument(
        "--workspace", action="append", default=[], metavar="URL=FOLDER",
        help="serve this folder's workspace at this https address; may be repeated: each has people, tokens and records of its own",
    )  # fmt: skip
    parser.add_argument("--public-url", default="", metavar="URL", help="the https address by which people reach it, through a proxy")
    parser.add_argument(
        "--allowed-host", action="append", default=[], metavar="NAME", help="another name that a Host header may have; may be repeated"
    )
    parser.add_argument(
        "--single-user", action="store_true", help="on loopback: whoever reaches the port acts as you, also where people are registered"
    )
    parser.add_argument(
        "--behind-proxy", default="", metavar="ADDRESS", help="address of the proxy whose word about where requests come from is taken"
    )
    parser.add_argument(
        "--upload-bytes-max", type=int, default=UPLOAD_BYTES_MAX, metavar="BYTES",
        help=f"largest file that a client may send (default {UPLOAD_BYTES_MAX})",
    )  # fmt: skip
    parser.add_argument("--stop-after", type=float, default=None, metavar="SECONDS", help="stop by itself after this time")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    tracing = open_tracing(read_settings(find_root(arguments.project or Path.cwd())))
    with contextlib.ExitStack() as open_ones:
        open_ones.enter_context(recording(tracing))
        open_ones.enter_context(traced_verbs(tracing))
        carrier = trace_carrier(open_carrier(), tracing)
        servers, places = {}, Places()
        for name, (settings, public_url) in _find_workspaces(arguments).items():
            door = make_door(
                host=arguments.host,
                passwords=open_passwords(),
                public_url=public_url,
                allowed_hosts=arguments.allowed_host,
                is_single_user=arguments.single_user,
                provider=open_provider(settings),
            )
            ws = trace_workspace(open_workspace(settings), tracing)
            if sealed := begin_delivery(ws):
                sys.stderr.write(f"webhooks: {sealed} secrets lay in plain text, and are sealed now; older backups still have them\n")
            open_ones.enter_context(WebhookSender(ws, carrier))
            _begin_lineage(ws, settings, carrier, open_ones)
            places.claim(ws.store.identity(), find_blobs(settings), name or str(settings.root))
            servers[name] = Server(
                ws,
                open_model_host(ws, allow_pickle=arguments.allow_pickle),
                door,
                writer=GroupWriter() if tracing is None else ContextWriter(),
                upload_bytes_max=arguments.upload_bytes_max,
            )
        serve(
            servers,
            host=arguments.host,
            port=arguments.port,
            announce=_announce,
            stop_after_s=arguments.stop_after,
            proxy=check_proxy(arguments.behind_proxy),
            tracing=tracing,
        )
    return 0


def _begin_lineage(ws: Workspace, settings: Settings, carrier: Carrier, open_ones: contextlib.ExitStack) -> None:
    """Tell the catalogue from now on. Without an address what was noted stays: another server of this store may be the one that tells."""
    catalogue = open_catalogue(settings)
    if catalogue is not None:
        turn_lineage(ws, on=True)
        open_ones.enter_context(LineageSender(ws, carrier, catalogue))
    elif settings.lineage_url == OFF:
        dropped = turn_lineage(ws, on=False)
        if dropped:
            sys.stderr.write(f"lineage: off; {dropped} events that waited are dropped\n")


def _find_workspaces(arguments: argparse.Namespace) -> dict[str, tuple[Settings, str]]:
    """Return name in the Host header -> (settings, public address); the only workspace of a server answers to every name of its own."""
    if not arguments.workspace:
        settings = read_settings(find_root(arguments.project or Path.cwd()))
        return {"": (settings, arguments.public_url or settings.public_url)}
    if arguments.project or arguments.public_url or arguments.allowed_host or arguments.single_user:
        raise InvalidInput("--workspace names a folder and an address itself: leave the options for one workspace out")
    found: dict[str, tuple[Settings, str]] = {}
    for name, (url, folder) in read_workspaces(arguments.workspace).items():
        if not Path(folder).is_dir():
            raise NotFound(f"--workspace {url}={folder}: there is no folder {folder}")
        settings = read_settings(Path(folder).resolve())
        if {"INCUMBENT_URL", "INCUMBENT_BLOBS"} & {settings.origins["url"], settings.origins["blobs"]}:
            raise InvalidInput(
                "INCUMBENT_URL and INCUMBENT_BLOBS name one store, which all workspaces would share: unset them, and write url and blobs "
                f"into {FOLDER}/{PLACES} of each"
            )
        if any(other.root == settings.root for other, _ in found.values()):
            raise InvalidInput(f"--workspace: {folder} is named twice; each workspace has a folder of its own")
        found[name] = (settings, url)
    return found


def _announce(address: str, servers: Sequence[Server]) -> None:
    lines = [f"answering at {address}"]
    for server in servers:
        lines += [f"{server.door.public_url}: {server.ws.root}"] if len(servers) > 1 else []
        lines += describe_entrance(server, address)
    with contextlib.suppress(BrokenPipeError):  # whoever started us has read the address and listens no more
        sys.stdout.write("\n".join(lines) + "\n")  # at once: a reader of the first line may close the pipe before the second
        sys.stdout.flush()
