"""A server in the background: started in a session of its own, found again, stopped."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from incumbent.base.errors import Unavailable

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
_NOTE = Path(".incumbent") / "server.json"
_LOG = "server.log"


@dataclass(frozen=True, slots=True)
class BackgroundServer:
    """One that answers."""

    address: str
    pid: int
    log: Path


def start_server(project: Path, *, ports: tuple[int, ...], stop_after_s: int, environment: Mapping[str, str]) -> BackgroundServer:
    """Start `incumbent server` on the first of `ports` that is free (0: any), and return once it listens.

    Raises:
        Unavailable: It does not come up; the message has the last line of its log.
    """
    failure: Unavailable | None = None
    for port in ports:
        try:
            return _start_on(project, port, stop_after_s, environment)
        except Unavailable as error:
            failure = error
    raise failure or Unavailable("no port was named for the server")


def _start_on(project: Path, port: int, stop_after_s: int, environment: Mapping[str, str]) -> BackgroundServer:
    log = project / _LOG
    options = ["--single-user", "--port", str(port), "--stop-after", str(stop_after_s)]
    command = [sys.executable, "-m", "incumbent", *_arguments(project), *options]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=project, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=output, start_new_session=True
        )
    assert process.stdout is not None
    with process.stdout, selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        line = process.stdout.readline().decode() if selector.select(START_TIMEOUT_S) else ""
    if not line.strip():
        process.kill()
        process.wait()
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise Unavailable(f"the server did not come up: {said[-1] if said else f'no word within {START_TIMEOUT_S:g} s'}")
    process.returncode = 0  # it lives on without us, and Popen must not warn about that
    found = BackgroundServer(line.strip().rpartition(" ")[2], process.pid, log)
    (project / _NOTE).write_text(json.dumps({"pid": found.pid, "address": found.address}), encoding="utf-8")
    return found


def stop_server(project: Path) -> bool:
    """Stop the server that an earlier `start_server` left for this project, and return whether there was one.

    Its number is only trusted while the process under it is still that server: numbers are used again.
    """
    try:
        pid = json.loads((project / _NOTE).read_text(encoding="utf-8"))["pid"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if not isinstance(pid, int) or pid <= 1 or not _is_ours(pid, project):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    give_up_at = time.monotonic() + STOP_TIMEOUT_S
    while _is_ours(pid, project) and time.monotonic() < give_up_at:
        time.sleep(0.05)
    return True


def _is_ours(pid: int, project: Path) -> bool:
    shown = subprocess.run(["ps", "-ww", "-o", "stat=,args=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout.strip()
    return " ".join(_arguments(project)) in shown and not shown.startswith("Z")


def _arguments(project: Path) -> list[str]:
    return ["server", "--project", str(project)]
