"""What every metadata store does. A subclass says which one, by the fixture `url`; `store` is opened on it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from contracts.store_accounts import AccountsContract
from contracts.store_ledger import LedgerContract
from contracts.store_lineage import LineageContract
from contracts.store_metrics import MetricsContract
from contracts.store_registry import RegistryContract
from contracts.store_repeats import RepeatsContract
from contracts.store_runs import RunsContract
from contracts.store_tracked import TrackedContract
from contracts.store_values import NOW, artifact, digest, digest_of, make_action, make_run
from contracts.store_webhooks import WebhooksContract
from incumbent.base.digest import Digest
from incumbent.base.errors import Conflict, Corrupt, InvalidInput, NotFound
from incumbent.base.metric import MetricPoint
from incumbent.storage.cells import artifacts_to_json
from incumbent.storage.sql_store import open_sql_store
from incumbent.tracking.run import Run, StageRun
from incumbent.tracking.search import parse_query
from incumbent.usecases.ports import Store
from ledgers import MemoryKeys

HOSTILE_TEXTS = ["", "'; DROP TABLE runs; --", '"', "%", "_", "?", "%s", "\\", "ünï 🛫", "a" * 10_000, "\n\t", "null", "NaN"]


class StoreContract(
    RunsContract, MetricsContract, TrackedContract, RegistryContract, LedgerContract, AccountsContract, WebhooksContract, RepeatsContract,
    LineageContract,
):  # fmt: skip
    """Every rule of the port `Store`."""

    @pytest.fixture
    def keys(self) -> MemoryKeys:
        return MemoryKeys()

    @pytest.fixture
    def store(self, url: str, keys: MemoryKeys) -> Iterator[Store]:
        store = open_sql_store(url, algorithm="blake3", keys=keys)
        yield store
        store.close()

    # transactions

    @pytest.mark.parametrize("durable", [True, False])
    def test_a_transaction_is_all_or_nothing(self, store: Store, durable: bool) -> None:
        with pytest.raises(ZeroDivisionError), store.begin(durable=durable) as tx:  # noqa: PT012
            tx.runs.create(make_run())
            tx.documents.put([{"a": 1}])
            raise ZeroDivisionError
        with store.begin(durable=durable) as tx:
            assert list(tx.documents.list_digests()) == []
            assert tx.index.search(parse_query(""), limit=10) == []
            tx.runs.create(make_run())
        with store.begin() as tx:
            assert tx.runs.get("run-aaaaaaaa") == make_run()

    def test_after_a_failed_statement_nothing_of_the_transaction_is_kept_even_if_the_caller_goes_on(self, store: Store) -> None:
        with pytest.raises(Conflict, match="a statement of this transaction failed"), store.begin() as tx:  # noqa: PT012
            tx.documents.put([{"a": 1}])
            with pytest.raises(InvalidInput):
                tx.runs.create(make_run(seed=2**70))
        with store.begin() as tx:
            assert list(tx.documents.list_digests()) == []

    def test_a_read_only_transaction_sees_one_moment_and_writes_nothing(self, store: Store) -> None:
        with store.begin() as tx:
            tx.runs.create(make_run())
        with store.begin(read_only=True) as tx:
            assert tx.runs.get("run-aaaaaaaa") == make_run()
        from incumbent.base.errors import IncumbentError

        with pytest.raises(IncumbentError, match="(?i)read.?only"), store.begin(read_only=True) as tx:
            tx.documents.put([{"a": 1}])
        with store.begin() as tx:
            assert list(tx.documents.list_digests()) == []

    def test_a_sound_store_has_nothing_to_report(self, store: Store) -> None:
        with store.begin() as tx:
            tx.runs.create(make_run())
        assert store.check() == []

    def test_what_was_committed_is_there_after_reopening(self, store: Store, url: str) -> None:
        if url == "sqlite://":
            pytest.skip("memory ends with the store")
        with store.begin() as tx:
            tx.runs.create(make_run())
        store.close()
        again = open_sql_store(url, algorithm="blake3")
        with again.begin() as tx:
            assert tx.runs.get("run-aaaaaaaa") == make_run()
        again.close()

    def test_a_workspace_keeps_the_digest_algorithm_it_began_with(self, store: Store, url: str) -> None:
        if url == "sqlite://":
            pytest.skip("memory ends with the store")
        with pytest.raises(InvalidInput, match="was made with digest algorithm 'blake3', not 'sha256'"):
            open_sql_store(url, algorithm="sha256")

    # documents

    def test_documents_are_named_by_the_digest_of_their_bytes(self, store: Store) -> None:
        documents = [{"b": 1, "a": [None, 1.5, "ü"]}, {}, {"a": [None, 1.5, "ü"], "b": 1}]
        with store.begin() as tx:
            digests = tx.documents.put(documents)
            assert digests == [digest_of(document) for document in documents]
            assert digests[0] == digests[2]
            assert [tx.documents.get(found) for found in digests] == documents
            assert sorted(tx.documents.list_digests()) == sorted(set(digests))
            tx.documents.delete([digests[0], digest("absent")])
            assert list(tx.documents.list_digests()) == [digests[1]]
            with pytest.raises(NotFound, match=f"no document {digests[0]}"):
                tx.documents.get(digests[0])
            with pytest.raises(InvalidInput, match="is not a digest"):
                tx.documents.get(Digest("../x"))

    def test_only_documents_put_before_a_time_are_listed_and_putting_again_renews(self, store: Store) -> None:
        hour = timedelta(hours=1)
        with store.begin() as tx:
            [found] = tx.documents.put([{"a": 1}])
            assert list(tx.documents.list_digests(before=datetime.now(UTC) - hour)) == []
            assert list(tx.documents.list_digests(before=datetime.now(UTC) + hour)) == [found]
            between = datetime.now(UTC)
            tx.documents.put([{"a": 1}])
            assert list(tx.documents.list_digests(before=between)) == []
            tx.documents.delete([found], before=between)
            assert list(tx.documents.list_digests()) == [found]
            tx.documents.delete([found], before=datetime.now(UTC) + hour)
            assert list(tx.documents.list_digests()) == []

    # actions and claims

    def test_an_action_comes_back_as_it_was_recorded(self, store: Store) -> None:
        action, recipe = make_action()
        bare, bare_recipe = make_action("other", outputs={}, metrics=(), undeclared=(), log=None)
        with store.begin() as tx:
            tx.actions.record(action, recipe)
            tx.actions.record(bare, bare_recipe)
            assert tx.actions.find([action.key, digest("absent"), bare.key, action.key]) == {action.key: action, bare.key: bare}
            assert tx.documents.get(action.key) == recipe
            assert sorted(tx.actions.list_all(), key=lambda found: found.stage) == [bare, action]

    def test_a_thousand_keys_are_found_at_once(self, store: Store) -> None:
        made = [make_action(f"stage {n}", f"output {n}") for n in range(1_200)]
        with store.begin(durable=False) as tx:
            for action, recipe in made:
                tx.actions.record(action, recipe)
            assert tx.actions.find([action.key for action, _ in made]) == {action.key: action for action, _ in made}

    def test_a_recipe_that_is_not_the_keys_is_refused(self, store: Store) -> None:
        action, recipe = make_action()
        with pytest.raises(InvalidInput, match="so it is not its recipe"), store.begin() as tx:
            tx.actions.record(action, {**recipe, "seed": 8})

    def test_a_second_action_under_a_key_replaces_the_first(self, store: Store) -> None:
        first, recipe = make_action(output="old")
        second = replace(first, outputs={"model": artifact("new")}, log=None)
        with store.begin() as tx:
            tx.actions.record(first, recipe)
            tx.actions.record(second, recipe)
            assert tx.actions.find([first.key]) == {first.key: second}
            assert tx.actions.forget_output(digest("old")) == []
            assert tx.actions.forget_output(digest("new")) == [second]
            assert tx.actions.find([first.key]) == {}

    def test_a_lost_output_or_log_makes_its_actions_unknown_and_no_other(self, store: Store) -> None:
        shared = artifact("shared")
        one, one_recipe = make_action("one", outputs={"a": shared, "b": shared})
        two, two_recipe = make_action("two", outputs={"a": shared}, log=None)
        three, three_recipe = make_action("three", "three")
        with store.begin() as tx:
            for action, recipe in ((one, one_recipe), (two, two_recipe), (three, three_recipe)):
                tx.actions.record(action, recipe)
            assert {action.stage for action in tx.actions.forget_output(shared.digest)} == {"one", "two"}
            assert list(tx.actions.list_all()) == [three]
            assert three.log is not None
            assert tx.actions.forget_output(three.log) == [three]
            tx.actions.record(three, three_recipe)
            tx.actions.forget([three.key, digest("absent")])
            assert (list(tx.actions.list_all()), tx.documents.get(three.key)) == ([], three_recipe)

    def test_a_claim_is_held_by_one_until_released_or_expired(self, store: Store) -> None:
        key, later = digest("key"), NOW + timedelta(seconds=10)
        with store.begin() as tx:
            assert tx.actions.claim(key, "one", NOW, 10) is None
            assert tx.actions.claim(key, "one", NOW, 10) is None
            assert tx.actions.claim(key, "two", NOW, 10) == "one"
            assert tx.actions.claim(key, "two", later - timedelta(microseconds=1), 10) == "one"
            tx.actions.renew("one", later, 10)
            assert tx.actions.claim(key, "two", later, 10) == "one"
            assert tx.actions.claim(key, "two", later + timedelta(seconds=10), 10) is None
            assert tx.actions.claim(key, "one", later + timedelta(seconds=10), 10) == "two"
            tx.actions.release("one", key)
            tx.actions.release("one")
            assert tx.actions.claim(key, "one", later + timedelta(seconds=11), 10) == "two"
            tx.actions.claim(digest("second"), "two", later, 10)
            tx.actions.release("two", key)
            assert tx.actions.claim(key, "one", later, 10) is None
            assert tx.actions.claim(digest("second"), "one", later, 10) == "two"
            tx.actions.release("two")
            assert tx.actions.claim(digest("second"), "one", later, 10) is None

    # what should not be there

    @pytest.mark.parametrize("text", HOSTILE_TEXTS)
    def test_any_text_is_kept_as_it_is(self, store: Store, text: str) -> None:
        run = make_run(
            name=text, tags={text[:500]: text}, params={text[:500]: text}, facts={text: text}, experiment=text[:500], pipeline=text[:500]
        )
        with store.begin() as tx:
            tx.runs.create(run)
            tx.runs.record_stage(run.run_id, StageRun(text[:500], None, "failed", None, why=text))
            tx.metrics.append(run.run_id, [MetricPoint(text[:500], 1.0, 0, NOW)], writer=text[:500], first=0)
            assert tx.runs.get(run.run_id) == run
            assert tx.runs.list_stages(run.run_id)[0].why == text
            assert tx.metrics.history(run.run_id, text[:500])[0].value == 1.0

    @pytest.mark.parametrize(
        "run",
        [
            make_run(name="a\0b"),
            make_run(tags={"a": "\ud800"}),
            make_run(params={"\0": 1}),
            make_run(started_at=datetime(2013, 1, 1)),  # noqa: DTZ001
            make_run(facts={"x": object()}),
            make_run(seed=2**63),
        ],
    )
    def test_what_cannot_be_stored_is_refused_before_anything_is(self, store: Store, run: Run) -> None:
        with pytest.raises(InvalidInput), store.begin() as tx:
            tx.runs.create(run)
        with store.begin() as tx:
            assert tx.index.search(parse_query(""), limit=1) == []

    def test_a_damaged_document_or_cell_is_corrupt_not_a_traceback(self, store: Store) -> None:
        action, recipe = make_action()
        with store.begin() as tx:
            tx.actions.record(action, recipe)
            tx.runs.create(make_run())
        with store._database.begin(durable=True, read_only=False) as session:  # type: ignore[attr-defined]
            session.run("UPDATE documents SET body = ?", (b'{"kind":"other"}',))
            session.run("UPDATE actions SET outputs = '{'")
            session.run("UPDATE runs SET facts = '[]'")
        with store.begin() as tx:
            with pytest.raises(Corrupt, match="is not what was written"):
                tx.documents.get(action.key)
            assert tx.actions.find([action.key]) == {}, "a cache may forget, and must not mislead"
            with pytest.raises(Corrupt, match="where a JSON object belongs"):
                tx.runs.get("run-aaaaaaaa")

    def test_an_edited_cache_entry_is_a_miss_and_told(self, store: Store) -> None:
        action, recipe = make_action()
        with store.begin() as tx:
            tx.actions.record(action, recipe)
        other = artifacts_to_json({name: artifact("another", found.codec) for name, found in action.outputs.items()})
        with store._database.begin(durable=True, read_only=False) as session:  # type: ignore[attr-defined]
            session.run("UPDATE actions SET outputs = ?", (other,))
        with store.begin() as tx:
            assert tx.actions.find([action.key]) == {}
            assert list(tx.actions.list_all()) == []
        assert [words for words in store.check() if str(action.key) in words and "is not what was written" in words]
        with store.begin() as tx:
            tx.actions.record(action, recipe)
            assert tx.actions.find([action.key]) == {action.key: action}
