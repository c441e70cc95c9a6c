"""Thousands of random histories of two models in two slots: whatever is tried, cut off or done by two at once, the guard holds.

A second opinion (guarded_book.py) says beforehand whether a promotion or roll-back may succeed, and after every step it reads the new
entries: at most one Production a slot, none without a gate that passed and a quorum that held at that very moment.
"""

import pytest
from hypothesis import Phase

from simulation.guarded_histories import run_machine


@pytest.mark.slow
@pytest.mark.timeout(14_400)
def test_no_history_puts_a_version_into_production_without_gate_and_quorum(machine, is_slow):
    if is_slow:
        run_machine(machine, 3_000, 30)
    else:
        run_machine(machine, 60, 25, derandomize=True, phases=[Phase.generate])
    done, refused = ({key.partition(":")[0] for key in machine.counts if key.endswith(end)} for end in (": done", ": Refused"))
    assert {"register", "propose", "evaluate", "sign", "promote", "archive"} <= done & refused, machine.counts
    assert {"roll-back", "break-glass"} & done, f"no history went back: {machine.counts}"
    assert any(" against " in key and key.endswith(": Conflict") for key in machine.counts), f"no two met: {machine.counts}"
    assert any(key.endswith("PowerCut") for key in machine.counts), machine.counts
