"""What every metadata store does with the ledger, and what the database itself refuses whoever asks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from contracts.store_values import make_version
from incumbent.base.errors import Conflict, Corrupt, IncumbentError, InvalidInput, NotFound, Refused
from incumbent.ledger.entry import Actor, Draft, ObjectRef, commit, format_time, parse_entry
from incumbent.ledger.merkle import EMPTY_ROOT, leaf_hash, node_hash
from incumbent.ledger.note import checkpoint_body, key_text, signature_line
from incumbent.registry.model import Placement
from incumbent.storage.cells import to_micros
from incumbent.usecases.ports import Store
from ledgers import AT, LOG, MemoryKeys, append, begin, put


def root_of(bodies: list[bytes]) -> bytes:
    """The Merkle tree hash as RFC 9162 §2.1.1 defines it, recursively."""
    if not bodies:
        return EMPTY_ROOT
    if len(bodies) == 1:
        return leaf_hash(bodies[0])
    split = 1 << (len(bodies) - 1).bit_length() - 1
    return node_hash(root_of(bodies[:split]), root_of(bodies[split:]))


def raw(store: Store, sql: str, values: tuple[object, ...] = ()) -> int:
    """Run a statement as somebody with access to the database would."""
    with store._database.begin(durable=True, read_only=False) as session:  # type: ignore[attr-defined]
        return session.run(sql, values)


@contextmanager
def unguarded(store: Store, table: str) -> Iterator[None]:
    """Take the triggers of a table away, as its owner can."""
    with store._database.begin(durable=True, read_only=False) as session:  # type: ignore[attr-defined]
        if session.dialect == "postgresql":
            session.run(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            kept = []
        else:
            kept = session.all("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (table,))
            for name, _ in kept:
                session.run(f"DROP TRIGGER {name}")
    yield
    with store._database.begin(durable=True, read_only=False) as session:  # type: ignore[attr-defined]
        for _, made in kept:
            session.run(made)
        if session.dialect == "postgresql":
            session.run(f"ALTER TABLE {table} ENABLE TRIGGER USER")


class LedgerContract:
    """Every rule of the ports `Ledger`, `Checkpoints`, `Payloads` and `Records`."""

    def test_entries_are_numbered_and_kept_byte_for_byte(self, store: Store, keys: MemoryKeys) -> None:
        with store.begin() as tx:
            first = begin(tx, keys)
            second = append(tx, "version m@1", reason="because ü", refs={"bundle": "blake3:00"}, at=AT + timedelta(seconds=1))
            assert (first.seq, second.seq, second.log, second.tenant) == (0, 1, LOG, "default")
        with store.begin(read_only=True) as tx:
            assert list(tx.ledger.read()) == [first.body, second.body]
            assert list(tx.ledger.read(1, 2)) == [second.body]
            assert list(tx.ledger.read(2)) == []
            assert tx.ledger.get(1) == second == parse_entry(second.body)
            assert (tx.ledger.size(), tx.ledger.find(object_name="version m@1"), tx.ledger.find(act="begin")) == (2, [second], [first])
            assert tx.ledger.find(object_name="version m@1", act="begin") == []
            assert [entry.seq for entry in tx.ledger.find()] == [1, 0]
            assert [entry.seq for before in (0, 1, 2, 9) for entry in tx.ledger.find(before=before)] == [0, 1, 0, 1, 0]
            assert tx.ledger.find(object_name="version m@1", before=1) == []
            with pytest.raises(NotFound, match="no entry 2"):
                tx.ledger.get(2)

    @pytest.mark.parametrize("page", [1, 3, 1000])
    def test_the_stored_ledger_is_read_page_by_page_and_is_the_same_by_any_page(
        self, store: Store, keys: MemoryKeys, monkeypatch: pytest.MonkeyPatch, page: int
    ) -> None:
        monkeypatch.setattr("incumbent.storage.sql_ledger._READ_ROWS", page)
        with store.begin() as tx:
            entries = [begin(tx, keys), *(append(tx, f"note {number}") for number in range(4))]
        with store.begin() as tx:
            entries += [append(tx, "note a b"), append(tx)]
            tx.checkpoints.cosign(5, "— w line")
        with store.begin(read_only=True) as tx:
            rows = tx.ledger_rows
            stored = [row for part in rows.read_entries() for row in part]
            assert stored == [(e.seq, e.draft.act, e.draft.object.name, to_micros(e.at), e.body) for e in entries]
            assert list(tx.ledger.read()) == [entry.body for entry in entries]
            assert list(tx.ledger.read(2, 6)) == [entry.body for entry in entries[2:6]]
            found = [row for part in rows.read_checkpoints() for row in part]
            kept = tx.checkpoints.list_all()
            assert found == [(known.size, to_micros(known.at), known.note, bool(known.cosignatures)) for known in kept]
            assert [(size, cosigned) for size, _, _, cosigned in found] == [(5, True), (7, False)]
            leaves = [leaf_hash(entry.body) for entry in entries]
            # Leaves 3 to 6 complete, of the nodes above, that of 2 and 3, that of 4 and 5, and that of the first four.
            assert rows.read_nodes(3, 7) == {
                0: list(enumerate(leaves))[3:],
                1: [(1, node_hash(*leaves[2:4])), (2, node_hash(*leaves[4:6]))],
                2: [(0, root_of([entry.body for entry in entries[:4]]))],
            }
            assert rows.read_nodes(7, 7) == {}
            assert rows.count_nodes() == 7 + 3 + 1

    def test_each_transaction_ends_with_a_signed_checkpoint_over_all_entries(self, store: Store, keys: MemoryKeys) -> None:
        with store.begin() as tx:
            begin(tx, keys)
        for count in (1, 3, 7):
            with store.begin() as tx:
                for _ in range(count):
                    append(tx)
        public = keys.find("ledger")
        assert public is not None
        with store.begin(read_only=True) as tx:
            bodies = list(tx.ledger.read())
            assert [checkpoint.size for checkpoint in tx.checkpoints.list_all()] == [1, 2, 5, 12]
            for checkpoint in tx.checkpoints.list_all():
                body = checkpoint_body(LOG, checkpoint.size, root_of(bodies[: checkpoint.size]))
                assert checkpoint.note.startswith(body.decode() + "\n")
                signature = keys.sign(public, body)  # Ed25519 signatures are deterministic
                Ed25519PublicKey.from_public_bytes(public).verify(signature, body)
                assert checkpoint.note == body.decode() + "\n" + signature_line(LOG, public, signature)
            newest = tx.checkpoints.find()
            assert newest is not None
            assert newest == tx.checkpoints.find(12)
            assert tx.checkpoints.find(3) is None
            assert tx.ledger.get_node(0, 11) == leaf_hash(bodies[11])
            assert tx.ledger.get_node(2, 1) == root_of(bodies[4:8])
            with pytest.raises(Corrupt, match="no node 3/1"):
                tx.ledger.get_node(3, 1)

    def test_what_is_undone_leaves_no_entry(self, store: Store, keys: MemoryKeys) -> None:
        with store.begin() as tx:
            begin(tx, keys)
        with pytest.raises(ZeroDivisionError), store.begin() as tx:  # noqa: PT012
            append(tx)
            raise ZeroDivisionError
        with store.begin() as tx:
            assert tx.ledger.size() == 1
            assert append(tx).seq == 1

    def test_a_ledger_begins_once_and_first(self, store: Store, keys: MemoryKeys) -> None:
        with pytest.raises(Refused, match="begins with the act 'begin'"), store.begin() as tx:
            append(tx)
        with store.begin() as tx:
            begin(tx, keys)
        with pytest.raises(Refused, match="once"), store.begin() as tx:
            begin(tx, keys)

    def test_without_the_key_nothing_is_recorded(self, store: Store, keys: MemoryKeys) -> None:
        draft = Draft("begin", ObjectRef("ledger", LOG), Actor("me"), after=key_text(bytes([7]) * 32))
        with pytest.raises(NotFound, match="not on this machine"), store.begin() as tx:
            tx.ledger.append(draft, AT)
        with store.begin(read_only=True) as tx:
            assert tx.ledger.size() == 0

    def test_a_clock_that_runs_backwards_records_nothing_and_a_small_step_back_takes_the_time_before(
        self, store: Store, keys: MemoryKeys
    ) -> None:
        with store.begin() as tx:
            begin(tx, keys)
            assert append(tx, at=AT - timedelta(seconds=1)).at == AT
        with pytest.raises(Refused, match="the clock says 2013-03-01T11:59:00"), store.begin() as tx:
            append(tx, at=AT - timedelta(minutes=1))
        with store.begin() as tx:
            assert tx.ledger.size() == 2

    def test_an_entry_that_may_lag_takes_the_time_before_it_and_says_what_its_clock_said(self, store: Store, keys: MemoryKeys) -> None:
        with store.begin() as tx:
            begin(tx, keys)
            draft = Draft("note", ObjectRef("version", "m@1"), Actor("me"), refs={"cause": "0"})
            asked = []
            entry = tx.ledger.append(draft, AT - timedelta(days=3), may_lag=lambda last: asked.append(last.seq) is None)
            assert (entry.at, entry.draft.refs) == (AT, {"cause": "0", "clock": format_time(AT - timedelta(days=3))})
            on_time = tx.ledger.append(draft, AT + timedelta(days=3), may_lag=lambda last: asked.append(last.seq) is None)
            assert (on_time.draft.refs, asked) == ({"cause": "0"}, [0])

    def test_after_a_rotation_both_keys_sign_once_and_then_the_new_one_alone(self, store: Store, keys: MemoryKeys) -> None:
        with store.begin() as tx:
            begin(tx, keys)
        old, new = keys.find("ledger"), keys.make("ledger-2")
        assert old is not None
        with store.begin() as tx:
            append(tx, f"ledger {LOG}", act="rotate-key", before=key_text(old), after=key_text(new))
        with store.begin() as tx:
            append(tx)
        with store.begin(read_only=True) as tx:
            notes = [checkpoint.note for checkpoint in tx.checkpoints.list_all()]
            bodies = list(tx.ledger.read())
        for size, signers in ((1, [old]), (2, [old, new]), (3, [new])):
            body = checkpoint_body(LOG, size, root_of(bodies[:size]))
            lines = "".join(signature_line(LOG, public, keys.sign(public, body)) for public in signers)
            assert notes[size - 1] == body.decode() + "\n" + lines

    @pytest.mark.parametrize(
        "table", ["ledger_entries", "ledger_nodes", "ledger_checkpoints", "ledger_cosignatures", "records", "ledger_payloads"]
    )
    @pytest.mark.parametrize("verb", ["UPDATE", "DELETE", "TRUNCATE"])
    def test_the_database_itself_refuses_to_change_what_was_written(self, store: Store, keys: MemoryKeys, table: str, verb: str) -> None:
        with store.begin() as tx:
            begin(tx, keys)
            put(tx, "policy", "m", {"kind": "policy"})
            tx.payloads.keep(b"Ann Lee", bytes(32))
        with store.begin() as tx:
            tx.checkpoints.cosign(2, "a line")
        column = {"ledger_entries": "act", "ledger_nodes": "hash", "ledger_checkpoints": "note", "ledger_cosignatures": "line"}.get(table)
        statements = {"UPDATE": f"UPDATE {table} SET {column or 'body'} = 'x'", "DELETE": f"DELETE FROM {table}"}
        statement = statements.get(verb, f"TRUNCATE {table} CASCADE")
        with pytest.raises(IncumbentError) as refused:
            raw(store, statement)
        dialect = store._database.dialect  # type: ignore[attr-defined]
        if not (dialect == "sqlite" and verb == "TRUNCATE"):  # which SQLite does not know
            assert isinstance(refused.value, Refused), refused.value
        with store.begin(read_only=True) as tx:
            assert (tx.ledger.size(), len(tx.records.list_history())) == (2, 1)

    @pytest.mark.parametrize("seq", ["NULL", "0", "1", "7", "-1"])
    def test_no_row_of_the_registry_comes_to_be_without_an_entry_of_its_own(self, store: Store, keys: MemoryKeys, seq: str) -> None:
        with store.begin() as tx:
            begin(tx, keys)
            number = tx.registry.take_number("m")
            entry = append(tx, f"version m@{number}")
            tx.registry.add_version(make_version(version=number, seq=entry.seq))
        place = (
            "INSERT INTO placements (slot, model, version, status, since_at, actor, reason, is_current, ledger_seq) "
            f"VALUES ('s', 'm', 1, 'Production', 0, 'x', 'x', 1, {seq})"
        )
        record = f"INSERT INTO records (kind, record_id, seq, subject, digest, body) VALUES ('policy', 'm', {seq}, '', 'x', 'x')"
        copy = (
            "INSERT INTO model_versions (model, version, bundle, run_id, key, manifest, created_at, actor, facts, ledger_seq) "
            f"SELECT model, 2, bundle, run_id, key, manifest, created_at, actor, facts, {seq} FROM model_versions"
        )
        for statement in (place, copy, record):
            with pytest.raises((Refused, InvalidInput, Conflict)):
                raw(store, statement)
        with store.begin(read_only=True) as tx:
            assert (tx.registry.find_live("s"), len(tx.registry.list_versions()), tx.records.list_history()) == (None, 1, [])

    def test_an_entry_about_another_thing_is_not_an_entry_of_its_own(self, store: Store, keys: MemoryKeys) -> None:
        with store.begin() as tx:
            begin(tx, keys)
            tx.registry.take_number("m")
            tx.registry.add_version(make_version(version=1, seq=append(tx, "version m@1").seq))
        for name in ("placement s m@2", "placement t m@1", "version m@1"):
            with pytest.raises(Refused, match="without a ledger entry about it"), store.begin() as tx:
                tx.registry.place(Placement("s", "m", 1, "Staging", AT, "me", "", append(tx, name).seq))

    def test_nobody_can_take_a_version_off_the_air_without_an_entry(self, store: Store, keys: MemoryKeys) -> None:
        with store.begin() as tx:
            begin(tx, keys)
            tx.registry.take_number("m")
            tx.registry.add_version(make_version(version=1, seq=append(tx, "version m@1").seq))
            tx.registry.place(Placement("s", "m", 1, "Production", AT, "me", "", append(tx, "placement s m@1").seq))
        with pytest.raises(Refused, match="without a ledger entry"):
            raw(store, "UPDATE placements SET is_current = 0")
        with store.begin(read_only=True) as tx:
            assert tx.registry.find_live("s") is not None

    def test_a_number_cannot_be_left_out_or_taken_twice_in_the_log(self, store: Store, keys: MemoryKeys) -> None:
        with store.begin() as tx:
            begin(tx, keys)
        for seq in (0, 2, 99):
            with pytest.raises((Refused, Conflict)):
                raw(store, f"INSERT INTO ledger_entries (seq, at, act, object, body) VALUES ({seq}, 0, 'note', 'note x', 'x')")
        for size in (0, 1, 2):
            with pytest.raises((Refused, Conflict)):
                raw(store, f"INSERT INTO ledger_checkpoints (size, at, note) VALUES ({size}, 0, 'x')")

    def test_a_text_is_found_by_its_commitment_and_erased_only_with_an_entry(self, store: Store, keys: MemoryKeys) -> None:
        with store.begin() as tx:
            begin(tx, keys)
            commitment = tx.payloads.keep(b"Ann Lee", b"s" * 32)
            assert commitment == commit(b"Ann Lee", b"s" * 32)
            assert tx.payloads.keep(b"Ann Lee", b"s" * 32) == commitment
        with store.begin(read_only=True) as tx:
            assert tx.payloads.find(commitment).text == b"Ann Lee"
            assert [payload.salt for payload in tx.payloads.list_all()] == [b"s" * 32]
        with pytest.raises(Refused, match="only in a transaction that records so"), store.begin() as tx:
            tx.payloads.erase(commitment)
        with store.begin() as tx:
            append(tx, f"payload {commitment}", act="erase")
            tx.payloads.erase(commitment)
        with store.begin() as tx:
            assert tx.payloads.find(commitment).text is None
            with pytest.raises(NotFound, match="no text is kept"):
                tx.payloads.erase(commitment)

    def test_the_newest_document_of_an_id_holds_and_the_older_ones_stay(self, store: Store, keys: MemoryKeys) -> None:
        with store.begin() as tx:
            begin(tx, keys)
            first = put(tx, "policy", "m", {"margin": "0.1"})
            other = put(tx, "policy", "n", {})
            second = put(tx, "policy", "m", {"margin": "0.2"})
            put(tx, "tier", "m", {"tier": 2})
        with store.begin(read_only=True) as tx:
            assert tx.records.find("policy", "m") == second
            assert tx.records.find("policy", "z") is None
            assert tx.records.list_all("policy") == [other, second]
            assert tx.records.list_all("policy", subject="m") == [second]
            assert tx.records.list_history("policy", "m") == [first, second]
            assert len(tx.records.list_history()) == 4
        with pytest.raises((Refused, Conflict)), store.begin() as tx:
            tx.records.put(replace(first, body={"margin": "9"}))

    def test_a_document_is_about_what_it_says_and_not_what_stands_beside_it(self, store: Store, keys: MemoryKeys) -> None:
        with store.begin() as tx:
            begin(tx, keys)
            put(tx, "finding", "f-1", {"subject": "m"})
            put(tx, "finding", "f-2", {"subject": "n"})
            with pytest.raises(InvalidInput, match="no kind of governed document"):
                put(tx, "rumour", "r", {})
        with store.begin(read_only=True) as tx:
            assert [record.record_id for record in tx.records.list_all("finding", subject="m")] == ["f-1"]
        with unguarded(store, "records"):
            raw(store, "UPDATE records SET subject = 'n' WHERE record_id = 'f-1'")
        with store.begin(read_only=True) as tx:
            for read in (
                lambda: tx.records.find("finding", "f-1"),
                lambda: tx.records.list_all("finding"),
                lambda: tx.records.list_all("finding", subject="n"),
            ):
                with pytest.raises(Corrupt, match=r"f-1 \(entry 1\) stands under subject 'n', and its document is about 'm'"):
                    read()
            whole, damaged = tx.records.read_all()
            assert [record.record_id for record in whole] == ["f-2"]
            assert [name for name, _ in damaged] == ["finding f-1"]

    def test_cosignatures_stand_beside_the_checkpoint(self, store: Store, keys: MemoryKeys) -> None:
        with store.begin() as tx:
            begin(tx, keys)
        with store.begin() as tx:
            tx.checkpoints.cosign(1, "one")
            tx.checkpoints.cosign(1, "one")
            tx.checkpoints.cosign(1, "another")
        with store.begin(read_only=True) as tx:
            newest = tx.checkpoints.find()
            assert newest is not None
            assert newest.cosignatures == ("another", "one")
            assert tx.checkpoints.list_all() == [newest]
        with pytest.raises(Refused), store.begin() as tx:
            tx.checkpoints.cosign(5, "of nothing")
