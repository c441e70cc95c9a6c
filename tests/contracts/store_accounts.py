"""What every metadata store does with accounts, links, tokens, sessions and failed log-ins."""

import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from contracts.store_values import NOW
from incumbent.base.errors import Conflict, InvalidInput
from incumbent.usecases.account_ports import Account, Failures, Journey, Link, Session, Token
from incumbent.usecases.ports import Store
from ledgers import MemoryKeys, begin, put

HOUR = timedelta(hours=1)
TOKEN = Token("token-1", "aa" * 32, "ann", "laptop", ("read", "predict"), NOW, NOW + 24 * HOUR, "ann")
SESSION = Session("bb" * 32, "ann", NOW, NOW, NOW + 24 * HOUR)
JOURNEY = Journey("cc" * 32, "dd" * 32, "nonce", "verifier", "/runs?q=1", NOW + HOUR)


class AccountsContract:
    """Every rule of the ports `Accounts`, `Tokens`, `Sessions` and `Attempts`."""

    def test_an_account_is_set_and_set_again(self, store: Store) -> None:
        with store.begin() as tx:
            assert tx.accounts.find("ann") is None
            tx.accounts.put(Account("bob", "hash-b", NOW))
            tx.accounts.put(Account("ann", "hash-a", NOW))
            tx.accounts.put(Account("ann", "hash-c", NOW + HOUR))
            assert tx.accounts.find("ann") == Account("ann", "hash-c", NOW + HOUR)
            assert tx.accounts.list_all() == [Account("ann", "hash-c", NOW + HOUR), Account("bob", "hash-b", NOW)]

    def test_a_link_is_taken_once_and_a_newer_one_of_the_same_person_replaces_it(self, store: Store) -> None:
        with store.begin() as tx:
            tx.accounts.put_link(Link("11", "ann", NOW))
            tx.accounts.put_link(Link("22", "ann", NOW))
            tx.accounts.put_link(Link("33", "bob", NOW))
            assert tx.accounts.find_link("11") is None
            assert tx.accounts.find_link("22") == Link("22", "ann", NOW)
            assert tx.accounts.take_link("22") == Link("22", "ann", NOW)
            assert tx.accounts.take_link("22") is None
            assert tx.accounts.find_link("33") is not None

    def test_a_token_is_found_by_its_secret_used_and_revoked(self, store: Store) -> None:
        later = replace(TOKEN, token_id="token-2", secret_hash="ee" * 32, person_id="bob", made_at=NOW + HOUR, scope=("read",))
        with store.begin() as tx:
            tx.tokens.add(TOKEN)
            tx.tokens.add(later)
            assert tx.tokens.find(TOKEN.secret_hash) == TOKEN
            assert tx.tokens.find("AA" * 32) is None
            assert tx.tokens.list_all() == [later, TOKEN]
            assert tx.tokens.list_all("ann") == [TOKEN]
            tx.tokens.touch("token-1", NOW + HOUR)
            tx.tokens.revoke("token-1", NOW + 2 * HOUR)
            assert tx.tokens.find(TOKEN.secret_hash) == replace(TOKEN, used_at=NOW + HOUR, revoked_at=NOW + 2 * HOUR)
            assert tx.tokens.find(later.secret_hash) == later

    def test_no_two_tokens_have_one_secret(self, store: Store) -> None:
        with pytest.raises(Conflict), store.begin() as tx:  # noqa: PT012
            tx.tokens.add(TOKEN)
            tx.tokens.add(replace(TOKEN, token_id="token-2"))

    def test_a_session_ends_alone_or_with_all_of_its_person(self, store: Store) -> None:
        others = [replace(SESSION, secret_hash=f"{n:064x}") for n in range(2)]
        with store.begin() as tx:
            for session in (SESSION, *others, replace(SESSION, secret_hash="ff" * 32, person_id="bob")):
                tx.sessions.add(session)
            tx.sessions.touch(SESSION.secret_hash, NOW + HOUR)
            assert tx.sessions.find(SESSION.secret_hash) == replace(SESSION, seen_at=NOW + HOUR)
            assert tx.sessions.end(secret_hash=SESSION.secret_hash) == 1
            assert tx.sessions.end(secret_hash=SESSION.secret_hash) == 0
            assert tx.sessions.end(person_id="ann") == 2
            assert tx.sessions.find("ff" * 32) is not None

    def test_a_state_counts_once(self, store: Store) -> None:
        with store.begin() as tx:
            tx.sessions.add_journey(JOURNEY)
            assert tx.sessions.take_journey("ee") is None
            assert tx.sessions.take_journey(JOURNEY.state_hash) == JOURNEY
            assert tx.sessions.take_journey(JOURNEY.state_hash) is None

    def test_what_is_over_is_removed(self, store: Store) -> None:
        with store.begin() as tx:
            tx.sessions.add(SESSION)
            tx.sessions.add(replace(SESSION, secret_hash="01", expires_at=NOW + HOUR))
            tx.sessions.add(replace(SESSION, secret_hash="02", seen_at=NOW - HOUR))
            tx.sessions.add_journey(JOURNEY)
            tx.accounts.put_link(Link("11", "ann", NOW + HOUR))
            tx.accounts.put_link(Link("22", "bob", NOW + 2 * HOUR))
            tx.sessions.prune(NOW + HOUR, idle_since=NOW - HOUR)
            assert [tx.sessions.find(one) is None for one in (SESSION.secret_hash, "01", "02")] == [False, True, True]
            assert tx.sessions.take_journey(JOURNEY.state_hash) is None
            assert [tx.accounts.find_link(one) is None for one in ("11", "22")] == [True, False]

    def test_failures_are_counted_forgotten_and_pruned(self, store: Store) -> None:
        with store.begin() as tx:
            tx.attempts.put("account:ann", Failures(1, NOW))
            tx.attempts.put("account:ann", Failures(2, NOW + HOUR))
            tx.attempts.put("address:10.0.0.1", Failures(1, NOW))
            assert tx.attempts.find("account:ann") == Failures(2, NOW + HOUR)
            tx.attempts.prune(NOW + HOUR)
            assert tx.attempts.find("address:10.0.0.1") is None
            tx.attempts.forget("account:ann")
            assert tx.attempts.find("account:ann") is None

    def test_failures_that_many_count_at_once_are_all_counted(self, store: Store) -> None:
        def count() -> None:
            for _ in range(5):
                with store.begin(durable=False) as tx:
                    found = tx.attempts.find("account:ann")
                    time.sleep(0.002)
                    tx.attempts.put("account:ann", Failures((found.count if found else 0) + 1, NOW))

        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with store.begin(read_only=True) as tx:
            assert tx.attempts.find("account:ann") == Failures(20, NOW)

    def test_a_change_of_anybody_is_seen_and_of_other_documents_is_not(self, store: Store, keys: MemoryKeys) -> None:
        with store.begin() as tx:
            assert tx.attempts.people_version() == -1
            begin(tx, keys)
            put(tx, "policy", "m", {"kind": "policy"})
            assert tx.attempts.people_version() == -1
            first = put(tx, "person", "ann", {"kind": "person"})
            assert tx.attempts.people_version() == first.seq
            second = put(tx, "person", "ann", {"kind": "person", "n": 2})
            assert tx.attempts.people_version() == second.seq > first.seq

    @pytest.mark.parametrize("hostile", ["a\0b", "half \ud800"])
    def test_text_that_no_database_holds_is_refused(self, store: Store, hostile: str) -> None:
        for change in ({"name": hostile}, {"person_id": hostile}):
            with pytest.raises(InvalidInput, match="cannot be stored"), store.begin() as tx:
                tx.tokens.add(replace(TOKEN, **change))
