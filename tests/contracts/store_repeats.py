"""What every metadata store does with requests that may be sent again."""

from dataclasses import replace
from datetime import timedelta

from contracts.store_values import NOW
from incumbent.usecases.ports import Store
from incumbent.usecases.repeat_ports import Repeatable

ASKED = Repeatable("ann", "key-1", "blake3:00", NOW, "host/boot/1/1", 0, {}, b"")
DONE = replace(ASKED, status=201, headers={"content-type": "application/json"}, body=b'{"a":"\xc3\xa9"}\x00')


class RepeatsContract:
    """Every rule of the port `Repeats`."""

    def test_a_request_is_begun_once_and_comes_back_with_its_answer(self, store: Store) -> None:
        with store.begin() as tx:
            assert tx.repeats.find("ann", "key-1") is None
            assert tx.repeats.begin(ASKED)
        with store.begin() as tx:
            assert not tx.repeats.begin(replace(ASKED, request="blake3:11"))
            assert tx.repeats.find("ann", "key-1") == ASKED
            tx.repeats.finish(DONE)
            assert tx.repeats.begin(replace(ASKED, caller="bob"))
        with store.begin(read_only=True) as tx:
            assert tx.repeats.find("ann", "key-1") == DONE
            assert tx.repeats.find("bob", "key-1") == replace(ASKED, caller="bob")

    def test_what_is_forgotten_or_old_may_be_begun_anew(self, store: Store) -> None:
        with store.begin() as tx:
            tx.repeats.begin(ASKED)
            tx.repeats.begin(replace(ASKED, key="key-2", begun_at=NOW + timedelta(seconds=1)))
            tx.repeats.prune(NOW + timedelta(seconds=1))
            assert (tx.repeats.find("ann", "key-1"), tx.repeats.find("ann", "key-2") is None) == (None, False)
            tx.repeats.forget("ann", "key-2")
            assert tx.repeats.begin(replace(ASKED, key="key-2"))
