"""What an unmodified MLflow client sends for its own variables is what the server lets in."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from asgi import Client, open_app
from incumbent.usecases.tokens import new_token
from logins import as_person, open_people

ASK = "import mlflow; mlflow.MlflowClient().search_experiments(max_results=1)"


class Recorder(BaseHTTPRequestHandler):
    """Notes the header and answers as MLflow's server does when it finds nothing."""

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.heard.append(self.headers.get("authorization"))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("way", ["token", "user and password"])
def test_mlflows_own_variables_carry_a_token(tmp_path, way):
    ws = open_people(tmp_path)
    secret = new_token(as_person(ws, "dev"), name="mlflow").secret
    server = HTTPServer(("127.0.0.1", 0), Recorder)
    server.heard = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    named = {"MLFLOW_TRACKING_TOKEN": secret} if way == "token" else {"MLFLOW_TRACKING_USERNAME": "dev", "MLFLOW_TRACKING_PASSWORD": secret}
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("INCUMBENT_", "MLFLOW_"))}
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env={**environment, **named, "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{server.server_port}", "NO_PROXY": "127.0.0.1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    server.shutdown()
    server.server_close()
    assert done.returncode == 0, done.stderr
    [header] = set(server.heard)
    assert header.split()[0] == ("Bearer" if way == "token" else "Basic")
    app = open_app(ws)
    assert Client(app, {"authorization": header}).get("/api/v1/slots").status == 200
    app.close()
    ws.store.close()
