"""What is written together: each gets its own answer or its own error, and what went wrong with one is nobody else's."""

import asyncio
import threading

import pytest

from incumbent.base.errors import InvalidInput, Unavailable
from incumbent.server.group import GROUP_MAX, GroupWriter, Write
from incumbent.tracking.search import Query
from tracked import open_tracked


@pytest.fixture
def ws(tmp_path):
    ws = open_tracked(tmp_path)
    yield ws
    ws.store.close()


@pytest.fixture
def writer():
    writer = GroupWriter()
    yield writer
    writer.close()


class Sizes:
    """A watcher."""

    def __init__(self):
        self.groups, self.waits = [], []

    def note_group(self, size):
        self.groups.append(size)

    def note_wait(self, seconds):
        self.waits.append(seconds)


def add(ws, name):
    return Write(lambda tx: tx.experiments.create(name, {}, ws.clock.now()), lambda number: (name, number))


def names(ws):
    with ws.store.begin(read_only=True) as tx:
        assert tx.index.search(Query(), limit=9) == []
        return sorted(one.name for one in tx.experiments.list_all())


def write_all(writer, ws, begins):
    """Hand over everything while the writer is held up, so that it is one group; return answers and errors."""

    async def go():
        is_held, let_go = threading.Event(), threading.Event()

        def hold():
            is_held.set()
            let_go.wait(10)
            return add(ws, "first")

        first = asyncio.create_task(writer.write_begun(ws.store, hold))
        await asyncio.to_thread(is_held.wait, 10)
        rest = [asyncio.create_task(writer.write_begun(ws.store, begin)) for begin in begins]
        await asyncio.sleep(0)
        let_go.set()
        return await asyncio.gather(first, *rest, return_exceptions=True)

    return asyncio.run(go())


def test_each_of_a_group_gets_what_its_own_work_came_to(writer, ws):
    writer.watcher = Sizes()
    found = write_all(writer, ws, [lambda n=n: add(ws, f"e{n}") for n in range(GROUP_MAX + 3)])
    assert [name for name, _ in found] == ["first", *(f"e{n}" for n in range(GROUP_MAX + 3))]
    assert len({number for _, number in found}) == GROUP_MAX + 4
    assert writer.watcher.groups == [1, GROUP_MAX, 3]
    assert len(writer.watcher.waits) == GROUP_MAX + 4


def test_what_fails_before_in_or_after_its_work_fails_alone(writer, ws):
    def refuse():
        raise InvalidInput("before")

    def fail_in(tx):
        tx.experiments.create("undone", {}, ws.clock.now())
        raise InvalidInput("in")

    def fail_after(_):
        raise InvalidInput("after")

    late = Write(lambda tx: tx.experiments.create("kept", {}, ws.clock.now()), fail_after)
    found = write_all(writer, ws, [refuse, lambda: add(ws, "a"), lambda: Write(fail_in, str), lambda: late, lambda: add(ws, "b")])
    assert [str(one) if isinstance(one, Exception) else one[0] for one in found] == ["first", "before", "a", "in", "after", "b"]
    assert names(ws) == ["a", "b", "first", "kept"]


def test_a_thread_and_a_coroutine_write_through_the_same_writer(writer, ws):
    with pytest.raises(ZeroDivisionError):
        writer.write(ws.store, lambda tx: 1 // 0)
    assert writer.write(ws.store, lambda tx: tx.experiments.create("x", {}, ws.clock.now())) > 0
    assert asyncio.run(writer.write_begun(ws.store, lambda: add(ws, "y")))[0] == "y"
    assert names(ws) == ["x", "y"]


def test_whoever_stops_waiting_holds_nobody_up(writer, ws):
    async def go():
        let_go = threading.Event()
        given_up = asyncio.create_task(writer.write_begun(ws.store, lambda: let_go.wait(10) and add(ws, "a")))
        await asyncio.sleep(0)
        given_up.cancel()
        let_go.set()
        return await writer.write_begun(ws.store, lambda: add(ws, "b"))

    assert asyncio.run(go())[0] == "b"
    assert names(ws) == ["a", "b"]


def test_a_closed_writer_has_finished_what_it_took_and_takes_no_more(writer, ws):
    asyncio.run(writer.write_begun(ws.store, lambda: add(ws, "a")))
    writer.close()
    for write in (lambda: writer.write(ws.store, lambda tx: None), lambda: asyncio.run(writer.write_begun(ws.store, lambda: add(ws, "b")))):
        with pytest.raises(Unavailable, match="is stopping"):
            write()
    assert names(ws) == ["a"]
