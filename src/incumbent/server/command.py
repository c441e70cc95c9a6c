"""`incumbent server`: answer from what is live, over HTTP, on loopback."""

import argparse
import sys
from pathlib import Path

from incumbent.bootstrap.models import open_model_host
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import find_root, read_settings
from incumbent.server.messages import Server
from incumbent.server.serve import serve

EXAMPLES = """
examples:
  incumbent server
  curl -s http://127.0.0.1:8765/api/v1/slots
  curl -s http://127.0.0.1:8765/v2/models/flights-late%2Fnyc
"""
PORT = 8765


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--project", type=Path, default=None, metavar="FOLDER", help="project to serve (default: that of this folder)")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address: there is no log-in in this release")
    parser.add_argument("--port", type=int, default=PORT, help=f"0 takes any free one (default {PORT})")
    parser.add_argument("--stop-after", type=float, default=None, metavar="SECONDS", help="stop by itself after this time")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    ws = open_workspace(read_settings(find_root(arguments.project or Path.cwd())))
    serve(
        Server(ws, open_model_host(ws)),
        host=arguments.host,
        port=arguments.port,
        announce=_announce,
        stop_after_s=arguments.stop_after,
    )
    return 0


def _announce(address: str) -> None:
    sys.stdout.write(f"answering at {address}\n")
    sys.stdout.flush()
