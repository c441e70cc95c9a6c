"""What every metadata store does with versions, slots and predictions."""

from dataclasses import replace
from datetime import timedelta

import pytest

from contracts.store_values import NOW, make_prediction, make_version
from incumbent.base.errors import Conflict, NotFound
from incumbent.registry.model import Placement
from incumbent.usecases.ports import Store


class RegistryContract:
    """Every rule of the ports `Registry` and `Predictions`."""

    def test_versions_are_numbered_from_one_whatever_number_was_given(self, store: Store) -> None:
        with store.begin() as tx:
            first = tx.registry.add_version(make_version(version=99))
            second = tx.registry.add_version(make_version(created_at=NOW + timedelta(seconds=1), key=None, facts={}))
            other = tx.registry.add_version(make_version(model="n"))
            assert [first.version, second.version, other.version] == [1, 2, 1]
            assert tx.registry.get_version("m", 1) == make_version(version=1)
            assert tx.registry.list_versions("m") == [second, first]
            assert tx.registry.list_versions()[0] == second
            for model, version in (("m", 3), ("none", 1), ("m", 2**62)):
                with pytest.raises(NotFound, match="no version"):
                    tx.registry.get_version(model, version)

    def test_a_slot_has_one_version_in_production_and_keeps_its_history(self, store: Store) -> None:
        with store.begin() as tx:
            for _ in range(2):
                tx.registry.add_version(make_version())
            assert tx.registry.find_live("s") is None
            one = Placement("s", "m", 1, "Production", NOW, "me", "first")
            two = Placement("s", "m", 2, "Production", NOW + timedelta(days=1), "you", "better")
            tx.registry.place(replace(one, status="Staging"))
            tx.registry.place(one)
            tx.registry.place(replace(one, slot="t"))
            tx.registry.place(two)
            assert tx.registry.find_live("s") == two
            assert tx.registry.find_live("t") == replace(one, slot="t")
            archived = replace(one, status="Archived", since_at=two.since_at, actor="you", reason="replaced by m version 2")
            assert tx.registry.list_placements("s") == [two, archived, one, replace(one, status="Staging")]
            tx.registry.place(one)
            assert tx.registry.find_live("s") == one
            tx.registry.place(replace(one, status="Archived"))
            assert tx.registry.find_live("s") is None
            assert len(tx.registry.list_placements()) == 8
            with pytest.raises(NotFound, match="no version 9"):
                tx.registry.place(replace(one, version=9))

    def test_the_database_itself_refuses_a_second_version_in_production(self, store: Store) -> None:
        with store.begin() as tx:
            tx.registry.add_version(make_version())
            tx.registry.add_version(make_version())
            tx.registry.place(Placement("s", "m", 1, "Production", NOW, "me", "first"))
        with pytest.raises(Conflict), store._database.begin(durable=True, read_only=False) as session:  # type: ignore[attr-defined]
            session.run(
                "INSERT INTO placements (slot, model, version, status, since_at, actor, reason, is_current) "
                "VALUES ('s', 'm', 2, 'Production', 0, 'x', 'x', 1)"
            )

    def test_predictions_are_stored_once(self, store: Store) -> None:
        with store.begin() as tx:
            tx.predictions.append([make_prediction(), make_prediction(prediction_id="p2", output=None)])
            tx.predictions.append([make_prediction()])
            assert tx.predictions.get("p1") == make_prediction()
            assert tx.predictions.get("p2").output is None
            with pytest.raises(NotFound, match="no prediction 'p3'"):
                tx.predictions.get("p3")
