"""What every metadata store does with beginnings and ends of runs that a catalogue is to be told of."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from contracts.store_values import NOW, make_run, seal
from incumbent.usecases.ports import Store, Transaction

AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)


def take_all(tx: Transaction) -> list[tuple[str, str]]:
    found = []
    while (due := tx.lineage.find_first()) is not None:
        assert (due.failures, due.next_at) == (0, AT_ONCE)
        assert tx.lineage.remove(due)
        found.append((due.run_id, due.kind))
    return found


class LineageContract:
    """Every rule of the port `Lineage`."""

    def test_nothing_is_noted_until_it_is_turned_on_nor_after_it_is_off(self, store: Store) -> None:
        with store.begin() as tx:
            tx.runs.create(make_run())
            seal(tx, make_run())
            assert (tx.lineage.find_first(), tx.lineage.count()) == (None, 0)
            tx.lineage.turn(on=True)
            tx.lineage.turn(on=True)
            tx.runs.create(make_run("run-bbbbbbbb"))
            assert tx.lineage.count() == 1
            tx.lineage.turn(on=False)
            assert tx.lineage.count() == 0
            seal(tx, make_run("run-bbbbbbbb"))
            assert tx.lineage.count() == 0

    def test_each_beginning_and_end_is_noted_once_in_its_order(self, store: Store) -> None:
        with store.begin() as tx:
            tx.lineage.turn(on=True)
        with store.begin() as tx:
            tx.runs.create(make_run())
            tx.runs.create(make_run("run-bbbbbbbb"))
            tx.runs.update(make_run(tags={"team": "other"}))
            seal(tx, make_run("run-bbbbbbbb"))
        with store.begin() as tx:
            seal(tx, make_run())
            tx.runs.create(make_run("run-cccccccc", state="failed", ended_at=NOW + timedelta(seconds=1)))
            assert tx.lineage.count() == 6
            assert take_all(tx) == [
                ("run-aaaaaaaa", "START"), ("run-bbbbbbbb", "START"), ("run-bbbbbbbb", "END"), ("run-aaaaaaaa", "END"),
                ("run-cccccccc", "START"), ("run-cccccccc", "END"),
            ]  # fmt: skip

    def test_what_a_transaction_did_not_do_is_not_noted(self, store: Store) -> None:
        with store.begin() as tx:
            tx.lineage.turn(on=True)
        try:
            with store.begin() as tx:
                tx.runs.create(make_run())
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
        with store.begin() as tx:
            assert tx.lineage.count() == 0

    def test_one_is_put_off_and_removed_only_from_where_it_is(self, store: Store) -> None:
        with store.begin() as tx:
            tx.lineage.turn(on=True)
            tx.runs.create(make_run())
            due = tx.lineage.find_first()
            assert due is not None
            later = replace(due, failures=1, next_at=NOW)
            assert not tx.lineage.put_off(later, due)
            assert tx.lineage.put_off(due, later)
            assert tx.lineage.find_first() == later
            assert not tx.lineage.remove(due)
            assert not tx.lineage.put_off(due, later)
            assert tx.lineage.remove(later)
            assert not tx.lineage.put_off(later, due)
