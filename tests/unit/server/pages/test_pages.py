"""Every page over a workspace with everything in it, asked as a browser asks; read with the standard library's HTML parser."""

import math
import re
from html.parser import HTMLParser
from itertools import pairwise
from types import SimpleNamespace

import pytest

from asgi import Client, open_app
from incumbent.base.metric import MetricPoint
from incumbent.bootstrap.models import open_model_host
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.server.pages.render import POLICY
from incumbent.usecases.findings import open_finding
from incumbent.usecases.log_run import add_note, describe_run, log_points, seal_run, start_run
from incumbent.usecases.run_pipeline import run_pipeline
from office import MODEL, go_live, open_office, prepare, register_factor

SCRIPT = "<script>alert(1)</script>\"'&"
TURNED = "safe\u202egnp.exe"
PIPELINE = """
import incumbent as inc

@inc.stage
def numbers(*, count: int = 3) -> list[int]:
    return list(range(count))

@inc.stage
def total(numbers: list[int]) -> int:
    return sum(numbers)

@inc.stage
def doubled(total: int) -> int:
    return 2 * total

pipeline = inc.Pipeline("little", [numbers, total, doubled])
"""
INLINE = {"a", "b", "code", "small", "span", "strong", "time"}
VOID = {"meta", "link", "input", "br", "img", "path", "rect"}


class Page(HTMLParser):
    """What a page has: (tag, attributes) in order, and text by the tag that it stands in. Tags have to close as they opened."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.texts = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        if tag not in INLINE:
            self.texts.append(("", " "))
        self.tags.append((tag, dict(attributes), tuple(self.open)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes), tuple(self.open)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag):
        return [attributes for name, attributes, _ in self.tags if name == tag]

    @property
    def text(self):
        return " ".join("".join(data for _, data in self.texts).split())


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A workspace with a slot that went through two versions, a candidate, a finding, hostile runs and a pipeline."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "project").mkdir()
    (folder / "bundles").mkdir()
    (folder / "project" / "little.py").write_text(PIPELINE)
    ws = open_workspace(read_settings(folder / "project", {"INCUMBENT_KEYS": str(folder / "keys")}))
    host = open_model_host(ws)
    try:
        yield fill(ws, host, folder)
    finally:
        host.close()
        ws.store.close()


def fill(ws, host, folder):
    office = open_office(ws)
    prepare(office, folder / "bundles")
    go_live(office, host, 1, reason="the first")
    register_factor(office["ann"], folder / "bundles", 2.0)
    go_live(office, host, 2, reason="better " + SCRIPT)
    register_factor(office["ann"], folder / "bundles", 2.01)
    open_finding(office["rita"], subject=MODEL, title="watch " + SCRIPT, severity="high", blocks=True)
    run_pipeline(ws, pipeline="little.py:pipeline", executor="inline")
    run = start_run(
        ws,
        began=describe_run(
            ws, experiment=SCRIPT, name="n" * 250, params={SCRIPT: TURNED, "long": "x" * 10_000, "lr": 0.1}, tags={SCRIPT: SCRIPT}
        ),
    )
    values = [math.nan if 400 < step < 420 else 1 / (1 + step) for step in range(1000)]
    points = [
        MetricPoint(name, value, step, ws.clock.now()) for name in ("train/loss", f"{SCRIPT}/loss") for step, value in enumerate(values)
    ]
    log_points(ws, run_id=run.run_id, points=points, writer="w", first=0)
    seal_run(ws, run=run, state="failed", error=SCRIPT)
    add_note(ws, run_id=run.run_id, text=TURNED + SCRIPT)
    other = start_run(ws, began=describe_run(ws, experiment="e", params={"lr": 0.2, SCRIPT: TURNED}))
    client = Client(open_app(ws, single_user="always"), headers={"accept": "text/html"})
    return SimpleNamespace(ws=ws, client=client, run=run.run_id, other=other.run_id, project=folder / "project")


def addresses(full):
    return [
        "/", "/runs", "/runs?q=state+%3D+%27failed%27&columns=params.lr,metrics.train/loss&sort=-started_at", f"/runs/{full.run}",
        f"/runs/{full.run}?scale=log", f"/runs/{full.other}", f"/runs/compare?ids={full.run}&ids={full.other}",
        f"/runs/compare?ids={full.run},{full.other}&all=1&scale=log", "/pipelines", "/pipelines/little", "/pipelines/little?edited=numbers",
        "/models", f"/models/{MODEL}", f"/models/{MODEL}/1", f"/models/{MODEL}/2", f"/models/{MODEL}/3", "/slots/double%2Feu", "/ledger",
        "/ledger?before=5", "/ledger/0", "/ledger/7",
    ]  # fmt: skip


BAD = [
    ("/runs?q=nonsense+%3E", 400),
    ("/runs?sort=nonsense", 400),
    ("/runs?columns=auc", 400),
    ("/runs?after=x", 400),
    ("/runs?after=1-9999999999999999", 200),
    ("/runs/run-none", 404),
    ("/runs/%3Cscript%3Ealert(1)%3C%2Fscript%3E", 404),
    ("/runs/compare", 400),
    ("/runs/compare?ids=run-none1,run-none2", 404),
    ("/pipelines/none", 404),
    ("/pipelines/little?edited=none", 404),
    ("/models/none", 404),
    ("/models/none/1", 404),
    (f"/models/{MODEL}/99", 404),
    (f"/models/{MODEL}/-1", 404),
    (f"/models/{MODEL}/x", 404),
    ("/slots/none", 404),
    ("/slots/double%2Feu?at=yesterday", 400),
    ("/slots/double%2Feu?at=1990-01-01", 404),
    ("/ledger/99999", 404),
    ("/ledger/x", 404),
    ("/ledger?before=x", 400),
    ("/ledger?before=0", 400),
    (f"/ledger/{'9' * 400}", 404),
    (f"/models/{MODEL}/{'9' * 400}", 404),
    (f"/runs?q={'(' * 3000}", 400),
    ("/runs?q=%00", 400),
    (f"/runs?columns={'metrics.a,' * 5}{','.join(f'metrics.m{n}' for n in range(30))}", 400),
]


def open_page(full, address, status=200):
    answer = full.client.get(address)
    assert answer.status == status, answer.text
    return answer, Page(answer.text)


def check(answer, page):
    """What holds of every page, whatever is on it."""
    assert answer.get("content-security-policy") == POLICY
    assert answer.get("content-type") == "text/html; charset=utf-8"
    assert page.all("html") == [{"lang": "en"}]
    assert [above[-1] for tag, _, above in page.tags if tag == "title" and "svg" not in above] == ["head"]
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("nav")) == 1
    assert page.all("script") == [{"src": "/pages.js", "defer": None}]
    assert (
        page.all("link") == [{"rel": "icon", "href": "data:,"}, {"rel": "stylesheet", "href": "/home.css"}] or "/access.css" in answer.text
    )
    assert not [attributes for _, attributes, _ in page.tags for name in attributes if name.startswith("on") or name == "style"]
    assert not re.search(r'(?:href|src|action)="(?!/|#|data:,)', answer.text), "an address of another host"
    ids = [attributes["id"] for _, attributes, _ in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    pointed = [attributes["href"][1:] for attributes in page.all("a") if attributes.get("href", "").startswith("#")]
    pointed += [
        attributes[name] for _, attributes, _ in page.tags for name in ("aria-labelledby", "aria-describedby", "for") if name in attributes
    ]
    assert set(pointed) <= set(ids)
    assert all(attributes.get("scope") in {"row", "col"} for attributes in page.all("th"))
    labelled = {attributes.get("for") for attributes in page.all("label")}
    for _, attributes, above in [one for one in page.tags if one[0] == "input" and one[1].get("type") != "hidden"]:
        assert "label" in above or "aria-label" in attributes or attributes.get("id") in labelled, attributes
    for attributes in page.all("svg"):
        assert attributes.get("aria-hidden") == "true" or attributes["aria-label"]
    levels = [int(tag[1]) for tag, _, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert "\u202e" not in answer.text


def test_every_page_is_whole_has_its_landmarks_labels_and_policy_and_nothing_inline(full):
    titles = {}
    for address in addresses(full):
        answer, page = open_page(full, address)
        check(answer, page)
        titles[address.partition("?")[0]] = next(data for tag, data in page.texts if tag == "title")
    assert len(set(titles.values())) == len(titles), "two pages have one title"


@pytest.mark.parametrize(("address", "status"), BAD, ids=[address[:60] for address, _ in BAD])
def test_an_error_is_a_page_that_says_what_was_asked_and_where_to_go(full, address, status):
    answer, page = open_page(full, address, status)
    check(answer, page)
    if status != 200:
        assert "alert" in [attributes.get("role") for _, attributes, _ in page.tags]
        assert {"/", "/runs"} <= {attributes["href"] for attributes in page.all("a")}
    assert len(answer.body) < 20_000


def test_every_address_that_a_page_links_to_answers(full):
    asked, waiting = set(), [*addresses(full), "/home.css", "/pages.js"]
    while waiting and len(asked) < 150:
        address = waiting.pop(0)
        if address in asked:
            continue
        asked.add(address)
        answer = full.client.get(address)
        assert answer.status == 200, address
        if "text/html" in answer.get("content-type"):
            waiting += [a["href"] for a in Page(answer.text).all("a") if a.get("href", "").startswith("/")]
    assert len(asked) > 60


def test_hostile_names_are_text_on_every_page_and_long_ones_are_cut(full):
    answer, page = open_page(full, f"/runs/{full.run}")
    assert SCRIPT in page.text
    assert "safe⟨U+202E⟩gnp.exe" in page.text
    assert "x" * 120 + "… (9,880 more)" in page.text
    assert "x" * 121 not in answer.text
    answer, page = open_page(full, "/")
    assert "better " + SCRIPT in page.text
    assert "watch " + SCRIPT in page.text


def test_what_is_live_names_who_approved_the_evidence_the_way_back_the_candidates_and_what_blocks(full):
    page = open_page(full, "/")[1]
    for said in (
        "double@2",
        "by olga",
        "vera (validate, entry",
        "omar (approve, entry",
        "; vouched for and key bound by ada)",
        "passed",
        "double@1",
        "double@3",
        "blocks promotion",
    ):
        assert said in page.text, said
    assert [a["value"] for a in page.all("input") if a.get("name") == "column-x"] == ["1.5"]


def test_the_table_of_runs_shows_what_it_was_searched_by_and_the_columns_asked_for(full):
    page = open_page(full, "/runs?q=metrics.%60train%2Floss%60+%3E+0")[1]
    assert "metrics.train/loss" in page.text
    assert full.run in page.text
    assert full.other not in page.text
    page = open_page(full, "/runs?columns=params.lr&sort=params.lr")[1]
    rows = [a["value"] for a in page.all("input") if a.get("name") == "ids"]
    assert rows[:2] == [full.run, full.other], "0.1 before 0.2, then those without"
    assert {"scope": "col", "aria-sort": "ascending", "class": "n"} in page.all("th")


def test_a_run_shows_its_curves_with_gaps_and_both_scales(full):
    page = open_page(full, f"/runs/{full.run}")[1]
    [chart] = [a for a in page.all("svg") if "viewBox" in a or "viewbox" in a if a.get("role") == "img"]
    assert "train/loss, 1000 points" in chart["aria-label"]
    assert "19 not drawn" in page.text
    assert [a for a in page.all("rect") if a.get("class") == "gap"]
    assert "1e-3" in open_page(full, f"/runs/{full.run}?scale=log")[1].text or "0.001" in page.text


def test_a_comparison_marks_what_differs_and_leaves_out_what_does_not(full):
    page = open_page(full, f"/runs/compare?ids={full.run},{full.other}")[1]
    assert "0.1 0.2" in page.text
    assert all(a.get("class") == "differs" for tag, a, above in page.tags if tag == "tr" and "tbody" in above)
    everything = open_page(full, f"/runs/compare?ids={full.run},{full.other}&all=1")[1]
    assert {} in [a for tag, a, above in everything.tags if tag == "tr" and "tbody" in above]


def test_a_pipeline_shows_what_an_edit_would_rerun_and_after_its_code_has_gone_what_ran_last(full):
    page = open_page(full, "/pipelines/little")[1]
    assert "0 would rerun, 0 wait to see, 3 cached" in page.text
    page = open_page(full, "/pipelines/little?edited=total")[1]
    assert "1 would rerun, 1 wait to see, 1 cached" in page.text
    assert "taken as edited" in page.text
    assert "total would rerun first; spared if that gives the same bytes as before" in page.text
    assert [a["class"] for a in page.all("span") if a.get("class", "").startswith("state")] == [
        "state good",
        "state wait run",
        "state wait",
    ]
    boxes = [a["class"] for a in page.all("rect")]
    assert sorted(boxes) == ["box hit", "box run", "box waits"]
    source = full.project / "little.py"
    try:
        source.write_text(PIPELINE.replace("sum(numbers)", "sum(numbers) + 1"))
        assert "code: little.py::total edited" in open_page(full, "/pipelines/little")[1].text
        both = PIPELINE.replace("sum(numbers)", "sum(numbers) + 1").replace("2 * total", "3 * total")
        for text, address, then in (
            (PIPELINE.replace("sum(numbers)", "sum(numbers) + 1"), "/pipelines/little?edited=doubled", "taken as edited"),
            (both, "/pipelines/little", "code: little.py::doubled edited"),
        ):
            source.write_text(text)
            page = open_page(full, address)[1]
            assert f"total would rerun first; then {then}" in page.text
            assert "spared" not in page.text, "what differs itself is not spared by the same bytes above it"
        source.unlink()
        page = open_page(full, "/pipelines/little")[1]
        assert "It cannot be planned now" in page.text
        assert "never run before" in page.text
    finally:
        source.write_text(PIPELINE)


def test_a_slot_can_be_seen_as_it_was_at_any_time_of_its_history(full):
    page = open_page(full, "/slots/double%2Feu")[1]
    times = [a["href"] for a in page.all("a") if "?at=" in a.get("href", "")]
    seen = [open_page(full, address)[1].text for address in times]
    lives = [found and found[1] for text in seen for found in [re.search(r"Was live version (double@\d)", text)]]
    assert lives[0] == "double@2"
    assert "double@1" in lives
    assert "Nothing in Production" in seen[-1]


def test_a_version_shows_evidence_with_intervals_sign_offs_and_its_score(full):
    page = open_page(full, f"/models/{MODEL}/2")[1]
    for said in ("Against double@1", "primary mae", "vera", "omar", "ML Test Score", "Interval"):
        assert said in page.text
    assert re.search(r"-?[\d.e-]+ to (-?[\d.e-]+|∞)", page.text)


def test_the_ledger_is_paged_to_its_first_entry_without_missing_one(full):
    seen, address = [], "/ledger?before=12"
    while address:
        page = open_page(full, address)[1]
        seen += [int(a["href"].rpartition("/")[2]) for a in page.all("a") if re.fullmatch(r"/ledger/\d+", a.get("href", ""))]
        address = next((a["href"] for a in page.all("a") if a.get("rel") == "next"), "")
    assert seen == list(range(11, -1, -1))


def test_an_entry_leads_to_the_one_after_it_until_there_is_none(full):
    listed = [a.get("href", "") for a in open_page(full, "/ledger")[1].all("a")]
    size = max(int(address.rpartition("/")[2]) for address in listed if address.startswith("/ledger/")) + 1
    onward = [[a["href"] for a in open_page(full, f"/ledger/{n}")[1].all("a") if a.get("rel") == "next"] for n in (0, size - 2, size - 1)]
    assert onward == [["/ledger/1"], [f"/ledger/{size - 1}"], []]


@pytest.mark.parametrize("address", ["/", "/runs", "/pipelines", "/models", "/ledger"])
def test_an_empty_page_says_what_to_do_next(tmp_path, address):
    ws = open_workspace(read_settings(tmp_path, {"INCUMBENT_KEYS": str(tmp_path / "keys")}))
    client = Client(open_app(ws))
    answer = client.page(address)
    page = Page(answer.text)
    check(answer, page)
    assert [data for tag, data in page.texts if tag == "code" and data.startswith("incumbent ")] or "incumbent register" in page.text
    client.app.close()
    ws.store.close()
