"""What it costs to know who asks: CPU microseconds a request, by token, by session and in single-user mode.

    python bench/admission.py

Limit: an empty read transaction on the same store, which whoever looks anything up has to pay. Goal: 60 µs by token, a tenth of the 0.6 ms
that a whole `log-metric` may take. The register has 100 people; the median of 5 rounds of 2,000.
"""

import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from measure import describe_machine

from asgi import Client, open_app
from incumbent.server.messages import Request
from incumbent.usecases.people import add_person
from incumbent.usecases.tokens import new_token
from logins import open_empty, set_password

ROUNDS, CALLS = 5, 2_000


def cpu_us(call):
    taken = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(CALLS):
            call()
        taken.append((time.process_time() - begun) / CALLS * 1e6)
    return statistics.median(taken)


def main():
    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        alone = open_app(open_empty(Path(other)))
        ws = replace(open_empty(Path(folder)), actor="ann")
        add_person(ws, person="ann", name="Ann", roles=["admin"])
        for number in range(99):
            add_person(ws, person=f"dev-{number}", name="", roles=["developer"])
        app, dev = open_app(ws), replace(ws, actor="dev-7")
        token = new_token(dev, name="bench").secret
        set_password(ws, "dev-7")
        browser = Client(app)
        browser.log_in("dev-7")

        def empty():
            with ws.store.begin(read_only=True):
                pass

        def ask(guard, headers):
            request = Request("GET", {}, "", headers)
            return lambda: guard.admit("read", request, "/api/v1/slots")

        limit = cpu_us(empty)
        print(f"limit: an empty read transaction  {limit:.0f} us")
        for name, call, goal in (
            ("by token", ask(app._guard, {"authorization": f"Bearer {token}"}), 60),
            ("by session", ask(app._guard, {"cookie": browser.headers["cookie"]}), 60),
            ("single-user mode", ask(alone._guard, {}), 60),
        ):
            taken = cpu_us(call)
            print(f"{name:<18} {taken:.0f} us ({taken / limit:.1f} x limit), goal {goal}: {'met' if taken <= goal else 'missed'}")
        for opened in (app, alone):
            opened.close()
            opened.server.ws.store.close()


if __name__ == "__main__":
    main()
