"""A store that was imported is served to MLflow's clients, and imported from there once more: what arrives is what left."""

import subprocess
import sys

from mlflow_store import FIT, LOGGED, bring, copy_store, numbers, open_new, reasons

COLON = "notes/at 12:30.txt"
"""A name that MLflow takes and our own routes do not."""


def test_an_imported_store_can_be_imported_from_our_own_server(tmp_path):
    first, second = open_new(tmp_path / "first"), open_new(tmp_path / "second")
    bring(first, copy_store(tmp_path / "store"))
    command = [sys.executable, "-m", "incumbent", "server", "--project", str(tmp_path / "first"), "--port", "0"]
    with (tmp_path / "stderr.txt").open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        address = process.stdout.readline().split()[-1].rstrip("/")
        report = bring(second, address)
    finally:
        process.terminate()
        assert process.wait(20) == 0
        process.stdout.close()
    assert report.differences == []
    assert report.checked_points == (616, 616)
    assert numbers(report, "runs") == (7, 7, 0, 0)
    assert numbers(report, "versions") == (2, 2, 0, 0)
    assert (numbers(report, "files"), COLON in reasons(report)) == ((8, 7, 0, 1), True)
    with first.store.begin(read_only=True) as old, second.store.begin(read_only=True) as new:
        assert old.runs.get(FIT).params == new.runs.get(FIT).params
        assert old.logged_models.list_files(LOGGED) == new.logged_models.list_files(LOGGED)
        bundles = [{version.version: version.bundle.digest for version in tx.registry.list_versions("churn")} for tx in (old, new)]
    assert bundles[0] == bundles[1]
    assert bundles[0].keys() == {1, 3}
    first.store.close()
    second.store.close()
