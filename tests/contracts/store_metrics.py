"""What every metadata store does with metric points, and how it looks for runs."""

import math
from datetime import timedelta

import pytest

from contracts.store_values import NOW, make_run
from incumbent.base.errors import NotFound
from incumbent.base.metric import MetricPoint
from incumbent.tracking.search import parse_query
from incumbent.usecases.ports import Store, Transaction


class MetricsContract:
    """Every rule of the port `Metrics`, and of `RunIndex.search`."""

    def test_points_come_back_in_the_order_in_which_they_were_logged(self, store: Store) -> None:
        values = [0.1, math.nan, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, 0.1]
        points = [MetricPoint("loss", value, 10 - n, NOW + timedelta(microseconds=n % 2)) for n, value in enumerate(values)]
        with store.begin(durable=False) as tx:
            tx.runs.create(make_run())
            tx.metrics.append("run-aaaaaaaa", points[:3], writer="w", first=0)
            tx.metrics.append("run-aaaaaaaa", points[3:], writer="w", first=3)
            found = tx.metrics.history("run-aaaaaaaa", "loss")
            assert [repr(point) for point in found] == [repr(point) for point in points]
            assert tx.metrics.history("run-aaaaaaaa", "none") == []
            with pytest.raises(NotFound):
                tx.metrics.append("run-none", points, writer="w", first=0)

    @pytest.mark.parametrize("count", [1, 150, 2_500])
    def test_a_batch_sent_again_or_in_overlapping_parts_is_stored_once(self, store: Store, count: int) -> None:
        points = [MetricPoint(f"m{n % 3}", float(n), n, NOW) for n in range(count)]
        with store.begin(durable=False) as tx:
            tx.runs.create(make_run())
        for start in (0, 0, count // 2):
            with store.begin(durable=False) as tx:
                tx.metrics.append("run-aaaaaaaa", points[start:], writer="w", first=start)
        with store.begin() as tx:
            for name in {point.name for point in points}:
                assert tx.metrics.history("run-aaaaaaaa", name) == [point for point in points if point.name == name]

    def test_two_writers_number_their_points_each_for_itself(self, store: Store) -> None:
        with store.begin() as tx:
            tx.runs.create(make_run())
            tx.metrics.append("run-aaaaaaaa", [MetricPoint("m", 1.0, 0, NOW)], writer="one", first=0)
            tx.metrics.append("run-aaaaaaaa", [MetricPoint("m", 2.0, 0, NOW)], writer="two", first=0)
            assert [point.value for point in tx.metrics.history("run-aaaaaaaa", "m")] == [1.0, 2.0]

    def test_the_last_point_is_the_one_with_the_highest_step_then_the_latest(self, store: Store) -> None:
        def point(value: float, step: int, second: int = 0) -> MetricPoint:
            return MetricPoint("m", value, step, NOW + timedelta(seconds=second))

        with store.begin() as tx:
            tx.runs.create(make_run())
            tx.runs.create(make_run("run-empty"))
            for n, (logged, expected) in enumerate(
                [
                    (point(1, 5), 1),
                    (point(2, 4, 9), 1),
                    (point(3, 5), 3),
                    (point(4, 5, -1), 3),
                    (point(math.nan, 6), math.nan),
                    (point(6, -1), math.nan),
                ]
            ):
                tx.metrics.append("run-aaaaaaaa", [logged], writer="w", first=n)
                last = tx.metrics.latest(["run-aaaaaaaa"])["run-aaaaaaaa"]["m"]
                assert repr(last.value) == repr(float(expected))
            tx.metrics.append("run-aaaaaaaa", [point(3, 5)], writer="w", first=2)
            assert math.isnan(tx.metrics.latest(["run-aaaaaaaa"])["run-aaaaaaaa"]["m"].value)
            assert tx.metrics.latest(["run-empty", "run-none"]) == {"run-empty": {}, "run-none": {}}

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("", "edcba"),
            ("metrics.auc > 0.8", "cb"),
            ("metrics.auc >= 0.9 and metrics.auc <= 0.95", "c"),
            ("metrics.auc = 0.5", "a"),
            ("metrics.auc != 0.5", "dcb"),
            ("not metrics.auc = 0.5", "edcb"),
            ("metrics.auc < 1000", "cba"),
            ("metrics.auc in (0.5, 0.99)", "ba"),
            ("metrics.auc not in (0.5, 0.99)", "dc"),
            ("metrics.nothing != 1", ""),
            ("not metrics.nothing = 1", "edcba"),
            ("params.depth = 6", "ba"),
            ("params.depth > 5", "dba"),
            ("params.depth = 10", "d"),
            ("params.depth != 6", "dc"),
            ("params.depth = '6'", "ba"),
            ("params.depth = '6.0'", ""),
            ("params.depth in ('6', 'deep')", "cba"),
            ("params.depth < '9'", "dba"),
            ("params.depth = '6' and metrics.auc > 0.8", "b"),
            ("metrics.auc != 0.5 and (params.depth in ('6', '10') and metrics.auc != 1)", "db"),
            ("params.depth in ('6', '10') and not metrics.auc = 0.5", "db"),
            ("params.depth = 'deep' or metrics.auc = 0.5", "ca"),
            ("params.depth in (6, 10)", "dba"),
            ("params.depth not in (6, 10)", "c"),
            ("params.depth like 'd%'", "c"),
            ("params.flag = true", "a"),
            ("params.flag = false", "b"),
            ("params.flag = 1", ""),
            ("params.lr < 1e-3", "b"),
            ("tags.team = 'Ops'", "a"),
            ("tags.team like 'ops%'", "b"),
            ("tags.team like 'Ops'", "a"),
            ("tags.team ilike 'ops%'", "ba"),
            ("tags.team ilike '%ÄRZTE'", "d"),
            ("tags.team like 'a_b'", "c"),
            ("tags.team like '100[%]*?'", "e"),
            ("tags.team != 'Ops'", "edcb"),
            ("tags.team in ('Ops', 'a_b')", "ca"),
            ("state = 'failed'", "c"),
            ("status != 'FAILED'", "edba"),
            ("experiment = 'two'", "e"),
            ("name like 'run%'", "edcba"),
            ("seed = 2", "c"),
            ("seed > 2", "ed"),
            ("started_at >= '2013-03-03T12:00:00.123456'", "edc"),
            ("started_at < '2013-03-02'", "a"),
            ("duration_s > 1.4", "c"),
            ("ended_at > '2000-01-01'", "cb"),
            ("commit = 'c0ffee'", "edcba"),
            ("run_id = 'run-a'", "a"),
            ("metrics.auc > 0.4 and (params.depth = 6 or tags.team = 'a_b') and not state = 'failed'", "ba"),
            ("order by metrics.auc", "acbde"),
            ("order by metrics.auc desc", "bcade"),
            ("order by params.depth", "badce"),
            ("order by params.depth desc, started_at asc", "dabce"),
            ("order by tags.team", "edacb"),
            ("order by ended_at desc", "cbeda"),
            ("order by name", "abcde"),
            ("tags.team = 'x'' OR 1=1; --'", ""),
            ("metrics.`a'; DROP TABLE runs; --` > 1", ""),
        ],
    )
    def test_a_query_finds_these_runs_in_this_order(self, store: Store, query: str, expected: str) -> None:
        with store.begin(durable=False) as tx:
            fill_for_search(tx)
        with store.begin(read_only=True) as tx:
            found = tx.index.search(parse_query(query), limit=100)
            assert "".join(run.run_id[-1] for run in found) == expected
            assert [tx.runs.get(run.run_id) for run in found] == found

    def test_a_param_is_found_by_its_text_also_where_the_number_is_beyond_all_floats(self, store: Store) -> None:
        big = 10**400
        values = {"a": big, "b": str(big), "c": math.inf, "d": "inf", "e": "nan", "f": " 6"}
        with store.begin(durable=False) as tx:
            for n, (name, value) in enumerate(values.items()):
                tx.runs.create(make_run(f"run-{name}", started_at=NOW + timedelta(days=n), params={"p": value}))
        with store.begin(read_only=True) as tx:
            for text, expected in ((str(big), "ba"), ("inf", "d"), ("nan", "e"), (" 6", "f"), ("6", "")):
                found = tx.index.search(parse_query(f"params.p = '{text}'"), limit=100)
                assert "".join(run.run_id[-1] for run in found) == expected, text

    def test_a_search_is_paged(self, store: Store) -> None:
        with store.begin(durable=False) as tx:
            fill_for_search(tx)
            query = parse_query("order by metrics.auc")
            pages = [tx.index.search(query, limit=2, offset=offset) for offset in (0, 2, 4, 6)]
        assert ["".join(run.run_id[-1] for run in page) for page in pages] == ["ac", "bd", "e", ""]

    @pytest.mark.parametrize(
        ("query", "wanted"),
        [
            ("order by metrics.m", "ihdcbafegkj"),
            ("order by metrics.m desc", "fedcbahigkj"),
            ("order by metrics.m desc, params.p", "fecbdahigjk"),
            ("params.p = 1 order by metrics.m desc", "fecbigj"),
            ("metrics.m > 1 order by metrics.m, params.p desc", "dacbfe"),
            ("name != 'x' and not (seed = 1 or seed = 4) order by metrics.m desc", "fdcahigkj"),
        ],
    )
    def test_a_page_by_a_metric_is_a_part_of_the_whole_wherever_it_begins(self, store: Store, query: str, wanted: str) -> None:
        """Runs a to k, each newer than the one before; of equal metrics the newest comes first."""
        values = [2, 2, 2, 2, math.inf, math.inf, math.nan, -1, -math.inf, None, None]
        with store.begin(durable=False) as tx:
            for n, (name, value) in enumerate(zip("abcdefghijk", values, strict=True)):
                run = make_run(f"run-{name}", seed=n, started_at=NOW + timedelta(days=n), params={"p": 2 if name in "adhk" else 1})
                tx.runs.create(run)
                tx.metrics.append(run.run_id, [MetricPoint("other", n, 0, NOW)], writer="w", first=0)
                if value is not None:
                    tx.metrics.append(run.run_id, [MetricPoint("m", value, 0, NOW)], writer="w", first=1)
        asked = parse_query(query)
        with store.begin(read_only=True) as tx:
            for limit in (1, 2, 3, 7, 20):
                for offset in range(12):
                    found = tx.index.search(asked, limit=limit, offset=offset)
                    assert "".join(run.run_id[-1] for run in found) == wanted[offset : offset + limit]


def fill_for_search(tx: Transaction) -> None:
    """Five runs a to e, a day apart, e the newest. What each query finds in them was worked out by hand."""
    rows: list[tuple[str, float | None, dict[str, object], dict[str, str], str, float | None]] = [
        ("a", 0.5, {"depth": 6, "flag": True, "lr": 0.1}, {"team": "Ops"}, "running", None),
        ("b", 0.99, {"depth": "6", "flag": False, "lr": 1e-4}, {"team": "ops two"}, "finished", 1.0),
        ("c", 0.9, {"depth": "deep"}, {"team": "a_b"}, "failed", 1.5),
        ("d", math.nan, {"depth": 10}, {"team": "Die Ärzte"}, "running", None),
        ("e", None, {}, {"team": "100[%]*?"}, "running", None),
    ]
    for n, (name, auc, params, tags, state, duration_s) in enumerate(rows):
        started_at = NOW + timedelta(days=n)
        run = make_run(
            f"run-{name}",
            name=f"run {name}",
            experiment="two" if name == "e" else "one",
            seed=n,
            started_at=started_at,
            ended_at=None if duration_s is None else started_at + timedelta(seconds=duration_s),
            state=state,
            params=params,
            tags=tags,
        )
        tx.runs.create(run)
        if auc is not None:
            tx.metrics.append(run.run_id, [MetricPoint("auc", 0.1, 0, NOW), MetricPoint("auc", auc, 1, NOW)], writer="w", first=0)
