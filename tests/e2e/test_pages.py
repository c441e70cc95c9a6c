"""The pages in a real browser, against a real server: headless Chromium reads them, at the width of a telephone too."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request

import pytest

from bundles import make_run, put_live, write_bundle
from incumbent.base.metric import MetricPoint
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases.log_run import describe_run, log_points, seal_run, start_run
from incumbent.usecases.register import register

SCRIPT = "<script>document.title='taken'</script><img src=x onerror=document.title='taken'>"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no browser on PATH: install chromium to test the pages in one (on Debian: apt-get install chromium)")
    return found


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Yield (address, run id) of a server with a live slot and a run whose names are an attack."""
    folder = tmp_path_factory.mktemp("project")
    ws = open_workspace(read_settings(folder, {"INCUMBENT_KEYS": str(folder / "keys")}))
    register(ws, model="double", run=make_run(ws, write_bundle(folder / "bundle")), artifact="model")
    put_live(ws, model="double", version=1, slot="double/eu", reason=SCRIPT)
    run = start_run(ws, began=describe_run(ws, experiment=SCRIPT, name="w" * 250, params={SCRIPT: "v" * 10_000, "wide": "x" * 100}))
    log_points(ws, run_id=run.run_id, points=[MetricPoint("loss", 1 / (1 + n), n, ws.clock.now()) for n in range(500)], writer="w", first=0)
    seal_run(ws, run=run, state="finished")
    ws.store.close()
    command = [sys.executable, "-m", "incumbent", "server", "--project", str(folder), "--port", "0", "--single-user"]
    environment = {**os.environ, "INCUMBENT_KEYS": str(folder / "keys")}
    with (folder / "stderr.txt").open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
        yield process.stdout.readline().split()[-1].rstrip("/"), run.run_id
        process.terminate()
        process.wait(20)
        process.stdout.close()


def browse(browser, folder, address, *more):
    """Return the page as the browser has it after its scripts ran, and all that it complained of."""
    command = [browser, *FLAGS, f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr", "--v=0", *more, "--dump-dom", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, complaints


PLACES = (
    "/", "/runs", "/runs/{run}", "/runs/{run}?scale=log", "/pipelines", "/models", "/models/double/1", "/slots/double%2Feu", "/ledger",
    "/ledger/0", "/runs/none",
)  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_a_browser_reads_the_page_without_a_complaint_and_runs_nothing_that_a_name_says(browser, served, tmp_path, place):
    address, run = served
    html, complaints = browse(browser, tmp_path, address + place.format(run=run))
    assert complaints == [] or place == "/runs/none", complaints  # a browser says of a 404 that it is one
    title = re.search(r"<title>(.*?)</title>", html)[1]
    assert title.endswith("· Incumbent")
    assert "<script>document" not in html
    assert html.count("<script") == 1
    assert 'id="content"' in html


@pytest.mark.parametrize("place", ["/", "/runs", "/runs/{run}", "/models/double/1", "/slots/double%2Feu", "/ledger"])
def test_at_360_pixels_nothing_but_a_table_of_its_own_has_to_be_moved_sideways(browser, served, tmp_path, place):
    """A page of another origin may not read ours, so a copy is measured, with the sheet put in."""
    address, run = served
    html, _ = browse(browser, tmp_path, address + place.format(run=run))
    found = re.findall(r'<link rel="stylesheet" href="([^"]+)"', html)
    sheets = "".join(urllib.request.urlopen(address + path, timeout=10).read().decode() for path in found)
    inner = re.sub(r"<link[^>]*>|<script[^>]*></script>", "", html).replace("</head>", f"<style>{sheets}</style></head>")
    (tmp_path / "inner.html").write_text(inner, "utf-8")
    measure = (
        "const d = document.querySelector('iframe').contentDocument.documentElement;"
        "document.body.dataset.found = JSON.stringify([d.clientWidth, d.scrollWidth]);"
    )
    frame = '<iframe src="inner.html" width="360" height="800" style="border:0"></iframe>'
    (tmp_path / "outer.html").write_text(f"<!doctype html><body>{frame}<script>onload = () => {{ {measure} }}</script></body>")
    seen, _ = browse(browser, tmp_path, (tmp_path / "outer.html").as_uri(), "--allow-file-access-from-files")
    width, needed = json.loads(re.search(r'data-found="([^"]+)"', seen)[1])
    assert width == 360
    assert needed <= 360


def test_a_screenshot_in_the_dark_is_darker_than_one_in_the_light(browser, served, tmp_path):
    import struct
    import zlib

    def brightness(scheme):
        shot = tmp_path / f"{scheme}.png"
        browse(browser, tmp_path, served[0] + "/ledger", f"--blink-settings=preferredColorScheme={scheme}", "--window-size=400,400",
               f"--screenshot={shot}")  # fmt: skip
        data = shot.read_bytes()
        at, packed, channels = 8, b"", 0
        while at < len(data):
            (length,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
            if kind == b"IHDR":
                channels = {2: 3, 6: 4}[data[at + 17]]
            packed += data[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
            at += length + 12
        assert channels
        return zlib.decompress(packed)[1]  # the first sample of the first line: no filter changes that one

    assert brightness(0) < 128 < brightness(1)
