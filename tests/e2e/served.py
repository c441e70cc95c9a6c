"""A real server process, for suites that talk to one."""

import os
import signal
import socket
import subprocess
import sys

from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("INCUMBENT_")}


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class ServerProcess:
    """A server that comes back at the same address."""

    def __init__(self, folder, environment=None):
        self.environment = {**CLEAN, **(environment or {})}
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        command = [sys.executable, "-m", "incumbent", "server", "--project", str(self.folder), "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=self.environment)
        assert self.url in self.process.stdout.readline()
        return self

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        self.process.wait(timeout=60)
        self.process.stdout.close()

    def open(self):
        return open_workspace(read_settings(self.folder, {}))
