"""What every metadata store does with versions, slots and predictions."""

from dataclasses import replace
from datetime import timedelta

import pytest

from contracts.store_values import NOW, make_prediction, make_version
from incumbent.base.errors import Conflict, InvalidInput, NotFound
from incumbent.registry.model import ModelVersion, Placement
from incumbent.usecases.ports import Store
from incumbent.usecases.registry_ports import ModelCount
from ledgers import MemoryKeys, add, append, begin, place


class RegistryContract:
    """Every rule of the ports `Registry` and `Predictions`."""

    def test_versions_are_numbered_from_one_for_each_model(self, store: Store, keys: MemoryKeys) -> None:
        with store.begin() as tx:
            begin(tx, keys)
            first = add(tx, make_version())
            second = add(tx, make_version(created_at=NOW + timedelta(seconds=1), key=None, facts={}))
            other = add(tx, make_version(model="n"))
            assert [first.version, second.version, other.version] == [1, 2, 1]
            assert tx.registry.get_version("m", 1) == first
            assert tx.registry.list_versions("m") == [second, first]
            assert tx.registry.list_versions()[0] == second
            elsewhere = add(tx, make_version(model="n", run_id="run-bbbbbbbb"))
            assert tx.registry.list_versions(run_ids=["run-bbbbbbbb", "run-none", "run-bbbbbbbb"]) == [elsewhere]
            assert tx.registry.list_versions("m", run_ids=["run-aaaaaaaa"]) == [second, first]
            assert tx.registry.list_versions(run_ids=[]) == []
            assert (tx.registry.find_newest("m"), tx.registry.find_newest("n"), tx.registry.find_newest("none")) == (
                second,
                elsewhere,
                None,
            )
            for model, version in (("m", 3), ("none", 1), ("m", 2**62)):
                with pytest.raises(NotFound, match="no version"):
                    tx.registry.get_version(model, version)
        with pytest.raises(Conflict), store.begin() as tx:
            tx.registry.add_version(replace(first, seq=append(tx, "version m@1").seq))

    def test_pages_go_on_where_the_one_before_ended_in_the_order_of_bytes(self, store: Store, keys: MemoryKeys) -> None:
        names = ["B", "Zoe", "a", "b", "ß", "ü", "😀"]
        with store.begin() as tx:
            begin(tx, keys)
            assert (tx.registry_pages.list_models(), tx.registry_pages.list_versions(limit=9)) == ([], [])
            made = [add(tx, make_version(model=name)) for name in reversed(names)]
            made += [add(tx, make_version(model="b", created_at=NOW + timedelta(seconds=place))) for place in (2, 1, 0)]
            counts = [ModelCount(name, 4 if name == "b" else 1, 4 if name == "b" else 1) for name in names]
            assert tx.registry_pages.list_models() == counts
            assert tx.registry_pages.list_models(after="Zoe", limit=2) == counts[2:4]
            assert tx.registry_pages.list_models(after="😀") == []
            whole = sorted(made, key=lambda one: (one.created_at, one.model, one.version), reverse=True)
            for model in (None, "b"):
                asked = [one for one in whole if model in (None, one.model)]
                found, before = list[ModelVersion](), None
                while page := tx.registry_pages.list_versions(limit=2, model=model, before=before):
                    found += page
                    before = (page[-1].created_at, page[-1].model, page[-1].version)
                assert found == asked
            assert tx.registry_pages.list_versions(limit=9, model="none") == []

    def test_a_place_in_a_history_stays_where_it_is(self, store: Store, keys: MemoryKeys) -> None:
        with store.begin() as tx:
            begin(tx, keys)
            for _ in range(4):
                add(tx, make_version())
            assert tx.registry_pages.list_history("s", limit=9) == []
            made = [place(tx, Placement("s", "m", number, "Staging", NOW, "me", "ask")) for number in (1, 2, 3)]
            place(tx, Placement("t", "m", 1, "Staging", NOW, "me", "ask"))
            numbered = [*enumerate(made)][::-1]
            assert tx.registry_pages.list_history("s", limit=9) == numbered
            assert tx.registry_pages.list_history("s", limit=1) == numbered[:1]
            place(tx, Placement("s", "m", 4, "Staging", NOW, "me", "ask"))
            assert tx.registry_pages.list_history("s", limit=9, before=2) == numbered[1:]
            assert tx.registry_pages.list_history("s", limit=1, before=2) == numbered[1:2]
            assert tx.registry_pages.list_history("s", limit=9, before=0) == []
            assert len(tx.registry_pages.list_history("s", limit=9, before=99)) == 4

    def test_a_slot_keeps_its_history(self, store: Store, keys: MemoryKeys) -> None:
        with store.begin() as tx:
            begin(tx, keys)
            for _ in range(2):
                add(tx, make_version())
            assert tx.registry.find_live("s") is None
            staging = place(tx, Placement("s", "m", 1, "Staging", NOW, "me", "ask"))
            one = place(tx, Placement("s", "m", 1, "Production", NOW, "me", "first"))
            elsewhere = place(tx, Placement("t", "m", 1, "Production", NOW, "me", "first"))
            archived = place(tx, replace(one, status="Archived"))
            two = place(tx, Placement("s", "m", 2, "Production", NOW + timedelta(days=1), "you", "better"))
            assert tx.registry.find_live("s") == two
            assert tx.registry.find_live("t") == elsewhere
            assert tx.registry.list_placements("s") == [two, archived, one, staging]
            assert tx.registry.list_slots() == ["s", "t"]
            assert (tx.registry.list_slots(["t", "none", "t"]), tx.registry.list_slots([])) == (["t"], [])
            add(tx, make_version(model="n"))
            other = place(tx, Placement("r", "n", 1, "Production", NOW, "me", "first"))
            assert tx.registry.list_live() == [other, two, elsewhere]
            assert (tx.registry.list_live("m"), tx.registry.list_live("n")) == ([two, elsewhere], [other])
            place(tx, replace(other, status="Archived"))
            assert tx.registry.list_live("n") == []
            place(tx, replace(two, status="Archived"))
            assert tx.registry.find_live("s") is None
            assert len(tx.registry.list_placements()) == 8
            with pytest.raises(NotFound, match="no version 9"):
                place(tx, replace(one, version=9))
            with pytest.raises(InvalidInput, match="is not a status"):
                place(tx, replace(one, status="Live"))  # type: ignore[arg-type]

    def test_the_database_itself_refuses_a_second_version_in_production(self, store: Store, keys: MemoryKeys) -> None:
        with store.begin() as tx:
            begin(tx, keys)
            add(tx, make_version())
            add(tx, make_version())
            place(tx, Placement("s", "m", 1, "Production", NOW, "me", "first"))
        with pytest.raises(Conflict), store.begin() as tx:
            place(tx, Placement("s", "m", 2, "Production", NOW, "me", "at the same time"))
        with store.begin() as tx:
            live = tx.registry.find_live("s")
            assert live is not None
            assert live.version == 1

    def test_predictions_are_stored_once(self, store: Store) -> None:
        with store.begin() as tx:
            tx.predictions.append([make_prediction(), make_prediction(prediction_id="p2", output=None)])
            tx.predictions.append([make_prediction()])
            assert tx.predictions.get("p1") == make_prediction()
            assert tx.predictions.get("p2").output is None
            with pytest.raises(NotFound, match="no prediction 'p3'"):
                tx.predictions.get("p3")
