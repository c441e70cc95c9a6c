"""Listen, say where, and serve until told to stop."""

import ipaddress
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

import uvicorn

from incumbent.base.errors import InvalidInput, Unavailable
from incumbent.server.app import App
from incumbent.server.messages import Server
from incumbent.server.patience import PatientProtocol
from incumbent.server.telemetry import Measured
from incumbent.server.tenants import Application, Tenants
from incumbent.server.tracing import Traced
from incumbent.usecases.tracing import Tracing

SHUTDOWN_S = 15


def serve(
    servers: Mapping[str, Server],
    *,
    host: str,
    port: int,
    announce: Callable[[str, Sequence[Server]], None],
    stop_after_s: float | None = None,
    proxy: str = "",
    tracing: Tracing | None = None,
) -> None:
    """Serve until a signal, or for `stop_after_s` seconds; requests under way are answered first.

    Args:
        servers: What the routes of each workspace work with, by the name that the Host header has for it; the only one may be called "".
            Their models are stopped at the end.
        host: An address to listen at.
        port: 0 takes any free one.
        announce: Told the address, and the servers, once it listens.
        stop_after_s: Seconds until it stops by itself; None means never.
        proxy: Address of a proxy whose `X-Forwarded-For` is believed; nobody's is otherwise.
        tracing: Records each request, if traces are on.

    Raises:
        InvalidInput: `host` is no address, or `port` no port.
        Unavailable: The port is taken.
    """
    apps = {name: App(server) for name, server in servers.items()}
    faces = {name: _face(app, tracing) for name, app in apps.items()}
    outermost = faces.get("") or Tenants(faces)
    try:
        with _listen(servers.values(), host, port) as listener:
            config = uvicorn.Config(
                outermost, lifespan="on", log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=SHUTDOWN_S,
                ws="none", proxy_headers=bool(proxy), forwarded_allow_ips=proxy or None, http=PatientProtocol,
            )  # fmt: skip
            running = _Uvicorn(config, list(apps.values()))

            def stop(*_: object) -> None:
                running.should_exit = True

            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, stop)  # uvicorn raises a signal again once it has stopped: this makes that an orderly end
            timer = threading.Timer(stop_after_s or 0, stop)
            timer.daemon = True
            if stop_after_s is not None:
                timer.start()
            shown = f"[{host}]" if ":" in host else host
            announce(f"http://{shown}:{listener.getsockname()[1]}/", list(servers.values()))
            running.run(sockets=[listener])
            timer.cancel()
    finally:
        for app in apps.values():
            app.close()


def _face(app: App, tracing: Tracing | None) -> Application:
    measured = Measured(app, app.server.telemetry, app.server.writer)
    return measured if tracing is None else Traced(measured, tracing)


class _Uvicorn(uvicorn.Server):
    """Ends what never ends before it waits for what is under way; a signal comes to uvicorn alone, and to us once it has stopped."""

    def __init__(self, config: uvicorn.Config, apps: Sequence[App]) -> None:
        super().__init__(config)
        self._apps = apps

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop."""
        for app in self._apps:
            app.end_streams()
        await super().shutdown(sockets)


def _listen(servers: Iterable[Server], host: str, port: int) -> socket.socket:
    name = "127.0.0.1" if host == "localhost" else host
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        raise InvalidInput(f"--host {host!r} is no address to listen at; 127.0.0.1 is this machine alone") from None
    if not address.is_loopback and any(server.door.single_user != "never" for server in servers):
        raise InvalidInput(f"--host {host} is beyond this machine, and this server would let in whoever comes: it does not start")
    if not 0 <= port <= 65535:
        raise InvalidInput(f"--port {port}: a port is 0 (any free one) to 65535")
    # Named as TCP, for asyncio sets TCP_NODELAY only then; without it an answer on a kept connection waits 40 ms for an acknowledgement.
    listener = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((name, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise Unavailable(
            f"cannot listen on {host} port {port}: {error.strerror}; name another with --port, or 0 for any free one"
        ) from None
    return listener
