"""The environment of a stage: what reaches it, what does not, and that nothing secret is kept."""

import json
from pathlib import Path

import pytest

from incumbent.base.digest import digest_bytes
from incumbent.base.documents import document_bytes
from incumbent.execution.environment import LocalEnvironment
from incumbent.pipeline.code import CodeClosure


def closure(*imports: str) -> CodeClosure:
    return CodeClosure(digest_bytes(b""), (), frozenset(imports), ())


def install(site: Path, name: str, version: str, files: dict[str, str], requires: tuple[str, ...] = (), record: bool = True) -> None:
    """Lay out an installed distribution as an installer would."""
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = [f"{name}-{version}.dist-info/RECORD,,", f"../../bin/{name},sha256=interpreter-dependent,1"]
    for path, text in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
        lines.append(f"{path},sha256={digest_bytes(text.encode(), 'sha256')[7:]},{len(text)}")
    head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + "".join(f"Requires-Dist: {need}\n" for need in requires)
    (info / "METADATA").write_text(f"{head}\nRequires-Dist: not-a-header\n")
    if record:
        (info / "RECORD").write_text("\n".join(lines) + "\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setattr("sys.path", [str(folder)])
    return folder


def probe(tmp_path: Path) -> LocalEnvironment:
    return LocalEnvironment(tmp_path / "project", "blake3")


def test_distributions_are_found_by_import_name_and_along_requirements_without_extras(site: Path, tmp_path: Path) -> None:
    install(site, "sci_kit", "1.0", {"skl/__init__.py": ""}, ("Num-Py>=1", 'plots; extra == "plots"', 'win; sys_platform == "win32"'))
    install(site, "num_py", "2.0", {"nump.cpython-311-x86_64-linux-gnu.so": "x"}, ("deep.one",))
    install(site, "deep_one", "3", {"deep.py": ""})
    install(site, "plots", "4", {"plots.py": ""})
    found = probe(tmp_path).describe(closure("skl", "json"), (), None).document["distributions"]
    assert isinstance(found, dict)
    assert list(found) == ["deep-one", "num-py", "sci-kit"]
    assert found["sci-kit"][0] == "1.0"  # type: ignore[index]


def test_upgrading_an_unrelated_package_changes_nothing_and_a_reached_one_changes_the_digest(site: Path, tmp_path: Path) -> None:
    install(site, "used", "1", {"used.py": "1"}, ("below",))
    install(site, "below", "1", {"below.py": "1"})
    before = probe(tmp_path).describe(closure("used"), (), None)
    install(site, "other", "9", {"other.py": "1"})
    assert probe(tmp_path).describe(closure("used"), (), None) == before
    (site / "below-1.dist-info/RECORD").write_text("below.py,sha256=changed,1\n")
    assert probe(tmp_path).describe(closure("used"), (), None).digest != before.digest


def test_two_installs_of_one_wheel_have_one_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = set()
    for place, interpreter in (("one", "/a/python"), ("two", "/b/python")):
        folder = tmp_path / place
        install(folder, "used", "1", {"used.py": "1"})
        with (folder / "used-1.dist-info/RECORD").open("a") as record:
            record.write(f"../../bin/used,sha256={digest_bytes(interpreter.encode())[7:]},9\n__pycache__/used.cpython-311.pyc,,\n")
        monkeypatch.setattr("sys.path", [str(folder)])
        digests.add(probe(tmp_path).describe(closure("used"), (), None).digest)
    assert len(digests) == 1


def test_only_native_code_reaches_the_processor_and_the_threads(site: Path, tmp_path: Path) -> None:
    install(site, "plain", "1", {"plain.py": ""})
    install(site, "native", "1", {"native.cpython-311-x86_64-linux-gnu.so": "x"})
    plain = probe(tmp_path)
    assert plain.describe(closure("plain"), (), 1).digest == plain.describe(closure("plain"), (), 2).digest
    assert "hardware" not in plain.describe(closure("plain"), (), 1).document
    one, two = (plain.describe(closure("native"), (), threads) for threads in (1, 2))
    assert one.digest != two.digest
    assert "hardware" in one.document
    assert "cores" not in one.document["threads"]  # type: ignore[operator]


def test_a_declared_variable_counts_by_its_value_which_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = set()
    for value in ("hunter2-secret", "other", None):
        if value is None:
            monkeypatch.delenv("TOKEN")
        else:
            monkeypatch.setenv("TOKEN", value)
        environment = probe(tmp_path).describe(closure(), ("TOKEN",), None)
        assert "hunter2" not in json.dumps(environment.document)
        digests.add(environment.digest)
    assert len(digests) == 3


@pytest.mark.parametrize("name", ["TZ", "LC_ALL", "INCUMBENT_CONTAINER_DIGEST"])
def test_what_changes_plain_python_is_in(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name, raising=False)
    before = probe(tmp_path).describe(closure(), (), None)
    monkeypatch.setenv(name, "Pacific/Auckland")
    assert probe(tmp_path).describe(closure(), (), None).digest != before.digest


def test_blas_variables_count_for_native_code_alone(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, "native", "1", {"native.cpython-311-x86_64-linux-gnu.so": "x"})
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    before = [probe(tmp_path).describe(closure(*names), (), None).digest for names in ((), ("native",))]
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    after = [probe(tmp_path).describe(closure(*names), (), None).digest for names in ((), ("native",))]
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_without_a_record_sizes_and_times_stand_in(site: Path, tmp_path: Path) -> None:
    install(site, "debian", "1", {"debian/__init__.py": "1"}, record=False)
    before = probe(tmp_path).describe(closure("debian"), (), None)
    (site / "debian/__init__.py").write_text("22")
    assert probe(tmp_path).describe(closure("debian"), (), None).digest != before.digest


def test_an_editable_install_is_project_code_inside_the_root_and_counts_by_its_sources_elsewhere(site: Path, tmp_path: Path) -> None:
    for name, root in (("ours", tmp_path / "project"), ("theirs", tmp_path / "sibling")):
        (root / "src" / name).mkdir(parents=True)
        (root / "src" / name / "__init__.py").write_text("1")
        install(site, name, "0", {f"_editable_{name}.pth": str(root / "src")})
        (site / f"{name}-0.dist-info/direct_url.json").write_text(json.dumps({"url": f"file://{root}", "dir_info": {"editable": True}}))
        with (site / f"{name}-0.dist-info/RECORD").open("a") as record:
            record.write(f"{name}-0.dist-info/direct_url.json,sha256=x,1\n")
    before = probe(tmp_path).describe(closure("ours", "theirs"), (), None)
    assert list(before.document["distributions"]) == ["theirs"]  # type: ignore[arg-type]
    (tmp_path / "project/src/ours/__init__.py").write_text("2")
    assert probe(tmp_path).describe(closure("ours", "theirs"), (), None).digest == before.digest
    (tmp_path / "sibling/src/theirs/__init__.py").write_text("2")
    assert probe(tmp_path).describe(closure("ours", "theirs"), (), None).digest != before.digest


def test_a_module_without_a_distribution_counts_by_content_and_its_absence_counts_too(site: Path, tmp_path: Path) -> None:
    digests = [probe(tmp_path).describe(closure("loose"), (), None).digest]
    for text in ("1", "2"):
        (site / "loose.py").write_text(text)
        digests.append(probe(tmp_path).describe(closure("loose"), (), None).digest)
    assert len(set(digests)) == 3


def test_the_digest_is_that_of_the_document_and_the_signature_names_what_it_stands_on(site: Path, tmp_path: Path) -> None:
    install(site, "used", "1", {"used.py": "1"})
    environment = probe(tmp_path)
    found = environment.describe(closure("used"), ("HOME",), None)
    assert found.digest == digest_bytes(document_bytes(found.document))
    signature = environment.signature(closure("used"), ("HOME",))
    assert str(site / "used-1.dist-info/RECORD") in signature.paths
    assert str(site) in signature.paths
    assert "HOME" in signature.variables


def test_the_summary_lists_every_distribution_without_reading_it(site: Path, tmp_path: Path) -> None:
    install(site, "used", "1.5", {"used.py": "1"})
    summary = probe(tmp_path).summary()
    assert summary["distributions"] == {"used": "1.5"}
    assert summary["cores"] >= 1  # type: ignore[operator]
