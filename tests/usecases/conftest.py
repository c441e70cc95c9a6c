"""Workspaces that several files begin from, made once: each test gets a copy of its own."""

import pytest

from office import PEOPLE, as_actor, make_evaluated, make_prepared, open_copy


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory):
    """The folder of a workspace with a version of Ann's and evidence that nobody has signed."""
    folder = tmp_path_factory.mktemp("evaluated")
    make_evaluated(folder)
    return folder


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """The same, before anybody evaluated."""
    folder = tmp_path_factory.mktemp("prepared")
    make_prepared(folder)
    return folder


@pytest.fixture
def evaluated_ws(evaluated, tmp_path):
    ws = open_copy(evaluated, tmp_path)
    yield ws
    ws.store.close()


@pytest.fixture
def evaluated_office(evaluated_ws):
    return {name: as_actor(evaluated_ws, name) for name in PEOPLE}


@pytest.fixture
def prepared_office(prepared, tmp_path):
    ws = open_copy(prepared, tmp_path)
    yield {name: as_actor(ws, name) for name in PEOPLE}
    ws.store.close()
