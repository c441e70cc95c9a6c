"""The documents are true: their commands are run and give what is printed, their links lead somewhere, their reference is the code's.

In a document, a block whose info string ends in `file=NAME` is a file that the reader writes, and a `console` block is what the
reader types behind `$ ` and sees below. In what is seen, `…` stands for text that differs each time; alone on a line, for any lines.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Command:
    """A line that the reader types, and the lines that must appear."""

    text: str
    seen: list[str]


def blocks_of(page):
    return [(found[1].strip(), found[2]) for found in BLOCK.finditer(page.read_text())]


def commands_of(block):
    commands = []
    for line in block.splitlines():
        if line.startswith("$ "):
            commands.append(Command(line[2:], []))
        else:
            commands[-1].seen.append(line)
    return commands


def pattern_of(seen):
    """Return the regular expression for the lines that a document shows."""
    parts = []
    for line in seen:
        if line.strip() == "…":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(".*?".join(re.escape(piece) for piece in line.rstrip().split("…")) + r"[ ]*\n")
    return re.compile("".join(parts))


def with_console(pages):
    return [page for page in pages if any(info.startswith("console") for info, _ in blocks_of(page))]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", with_console(PAGES), ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_tells_the_reader_to_type_prints_what_it_shows(page, tmp_path):
    names = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "100"}
    names["XDG_CONFIG_HOME"] = str(tmp_path / ".config")  # where keys of people go
    environment = {k: v for k, v in os.environ.items() if not k.startswith("INCUMBENT_")} | names
    for info, block in blocks_of(page):
        target = re.search(r"\bfile=(\S+)", info)
        if target:
            (tmp_path / target[1]).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / target[1]).write_text(block)
        elif info == "console":
            for command in commands_of(block):
                done = subprocess.run(
                    ["bash", "-c", f"exec 2>&1; {command.text}"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
                )
                shown = "\n".join(command.seen)
                assert pattern_of(command.seen).fullmatch(done.stdout), f"$ {command.text}\n{done.stdout}\n--- the page shows\n{shown}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_inside_the_repository_leads_somewhere(page):
    prose = BLOCK.sub("", page.read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if "://" in target or target.startswith("#"):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve()
        assert found.exists(), f"{page.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", found.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{page.name} links to {target}"


def test_every_page_of_the_documentation_can_be_reached_from_its_index():
    reached, waiting = set(), [ROOT / "docs" / "index.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        links = re.findall(r"\]\(([^)#\s]+\.md)", page.read_text())
        waiting += [(page.parent / link).resolve() for link in links if "://" not in link]
    assert set((ROOT / "docs").rglob("*.md")) - {ROOT / "docs" / "adr" / "0000-template.md"} <= reached


def test_the_reference_pages_are_those_that_the_code_gives():
    done = subprocess.run([sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_page_of_settings_names_each_setting_that_is_read_and_no_other():
    page = (ROOT / "docs" / "reference" / "settings.md").read_text()
    code = "".join(path.read_text() for path in (ROOT / "src" / "incumbent").rglob("*.py"))
    assert set(re.findall(r"`(INCUMBENT_\w+)`", page)) == set(re.findall(r"INCUMBENT_[A-Z_]*[A-Z]\b", code))
    config = (ROOT / "src" / "incumbent" / "config.py").read_text()
    for name, places in (("_KEYS", r"^\| `(\w+)`"), ("_PLACE_KEYS", r"^(\w+) = ")):
        keys = re.search(rf"^{name} = \{{(.+?)\}}", config, re.DOTALL | re.MULTILINE)
        assert set(re.findall(places, page, re.MULTILINE)) == set(re.findall(r"\"(\w+)\"", keys[1]))


def test_the_readme_fits_on_a_screen_and_its_two_commands_are_the_two_scripts():
    text = (ROOT / "README.md").read_text()
    assert text.count("\n") <= 75
    assert re.findall(r"^\./(\w+)", "".join(block for info, block in blocks_of(ROOT / "README.md") if info == "sh"), re.MULTILINE) == [
        "demo",
        "test",
    ]


def test_the_matcher_takes_what_it_should_and_nothing_else():
    assert pattern_of(["a … c", "…", "end"]).fullmatch("a b c\n1\n2\nend\n")
    assert not pattern_of(["a … c"]).fullmatch("a b d\n")
    assert not pattern_of([]).fullmatch("something\n")
