"""Nothing is unpickled, no archive member leaves its folder, and a name with marks in it escapes nowhere."""

from __future__ import annotations

import ast
import hashlib
import io
import tarfile
from pathlib import Path

import pytest
import yaml

from highways.config import RunConfig, validate
from highways.errors import HighwaysError
from highways.report.render import cell, render

FORBIDDEN = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
LOADERS = {"load", "load_checkpoint", "load_from_checkpoint"}


def modules(folder: Path) -> list[tuple[Path, ast.Module]]:
    return [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in sorted(folder.rglob("*.py"))]


def faults_of(path: Path, tree: ast.Module) -> list[str]:
    """Calls and imports that could unpickle, or run, what is read."""
    found = []
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        found += [f"{path.name}: import {name}" for name in names if name.split(".")[0] in FORBIDDEN]
        if not isinstance(node, ast.Call):
            continue
        called, options = ast.unparse(node.func), {one.arg: ast.unparse(one.value) for one in node.keywords}
        if called.startswith("torch.") and called.split(".")[-1] in LOADERS and options.get("weights_only") != "True":
            found.append(f"{path.name}: {ast.unparse(node)}")
        if options.get("allow_pickle", "False") != "False" or options.get("shell", "False") != "False":
            found.append(f"{path.name}: {ast.unparse(node)}")
        if called in ("eval", "exec", "os.system", "pd.read_pickle", "yaml.load", "yaml.unsafe_load", "yaml.full_load"):
            loader = options.get("Loader", "") + "".join(map(ast.unparse, node.args[1:]))
            if called != "yaml.load" or not ("Safe" in loader or "Strict" in loader):
                found.append(f"{path.name}: {ast.unparse(node)}")
        if called.endswith((".extractall", ".extract", "unpack_archive")):
            found.append(f"{path.name}: {ast.unparse(node)}")
        if called == "trainer.fit" and options.get("weights_only") != "True":
            found.append(f"{path.name}: {ast.unparse(node)}")
    return found


def test_nothing_is_unpickled_or_executed(repository: Path) -> None:
    """Pickles go between a process and the workers that it started, through their pipes, and nowhere else."""
    found = [fault for path, tree in modules(repository / "src") for fault in faults_of(path, tree)]
    assert found == ["engines.py: import pickle"]


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text, Loader=yaml.Loader)",
        "eval(text)",
        "archive.extractall(folder)",
        "subprocess.run(text, shell=True)",
        "trainer.fit(module, ckpt_path=path)",
    ],
)
def test_what_would_unpickle_is_found(line: str) -> None:
    assert faults_of(Path("x.py"), ast.parse(line))


def test_weights_that_would_run_something_are_refused(project: Path, run_config) -> None:
    import pickle

    import torch

    from highways.training.checkpoints import load_weights, weights_path

    class Nasty:
        def __reduce__(self) -> tuple:
            return (Path.touch, (project / "executed",))

    path = weights_path("key")
    path.parent.mkdir(parents=True)
    torch.save({"a": Nasty()}, path)
    with pytest.raises(HighwaysError, match="not readable as weights"):
        load_weights("key", None)
    path.write_bytes(pickle.dumps(Nasty()))
    with pytest.raises(HighwaysError, match="not readable as weights"):
        load_weights("key", None)
    assert not (project / "executed").exists()


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped-from-highways", "a/../../escaped"])
@pytest.mark.parametrize("kind", ["file", "link"])
def test_no_archive_member_leaves_its_folder(project: Path, tmp_path, monkeypatch, name: str, kind: str) -> None:
    """The archive has what was asked for under a harmless name, and what would escape beside it."""
    from highways.data import locate
    from highways.data.sources import sources

    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for member, data in ((name, b"evil"), ("part.bin", b"good")):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            if kind == "link" and member == name:
                info = tarfile.TarInfo("part.bin")
                info.type, info.linkname = tarfile.SYMTYPE, name
                archive.addfile(info)
            else:
                archive.addfile(info, io.BytesIO(data))
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "toy.tar.gz").write_bytes(content.getvalue())
    path = project / "data" / "sources.yaml"
    listed = yaml.safe_load(path.read_text())
    listed["cifar10"] |= {
        "archive": {
            "url": "https://example.org/toy.tar.gz",
            "md5": hashlib.md5(content.getvalue(), usedforsecurity=False).hexdigest(),
        },
        "files": [{"path": "part.bin", "sha256": hashlib.sha256(b"good").hexdigest()}],
    }
    path.write_text(yaml.safe_dump(listed))
    monkeypatch.setenv("HIGHWAYS_DATA_MIRROR", str(mirror))
    sources.__globals__["_read"].cache_clear()
    before = {place for place in tmp_path.rglob("*") if "escaped" in place.name}
    assert locate("cifar10")["part.bin"].read_bytes() == b"good"
    assert {place for place in tmp_path.rglob("*") if "escaped" in place.name} == before
    assert not Path("/tmp/escaped-from-highways").exists()


NAMES = ["../up", "a/b", 'q"uote', "<script>alert(1)</script>", "nul\x00", "esc\x1b[31m", "line\nbreak", "$(id)", "ü"]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_profiles_data_sets_and_records_escape_nowhere(project: Path, call, capsys, name: str) -> None:
    before = {path for path in project.parent.rglob("*") if path.is_file()}
    for command in (["profile", "use"], ["verify", "--profile"], ["tables", "--profile"], ["data", "fetch"]):
        assert call(*command, name) == 1
    assert call("run", name.replace("\x00", "")) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 5, "each is one line"
    assert "\x1b" not in said
    with pytest.raises(HighwaysError) as caught:
        validate(RunConfig, {"data": {"name": name}}, "x")
    assert "\n" not in str(caught.value)
    assert {path for path in project.parent.rglob("*") if path.is_file()} == before


def test_texts_are_escaped_in_html_and_in_tables(project: Path) -> None:
    from dataclasses import replace

    from highways.report.html import write_report
    from highways.report.verdicts import judge_all

    nasty = "<script>alert(\"1\")</script> | x\ny & 'z'"
    judged = judge_all("quick")
    judgements = [replace(one, statement=nasty, criterion=nasty) for one in judged.judgements]
    page = write_report(replace(judged, judgements=judgements)).read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    row = render("table.md.j2", heads=["a"], rows=[[nasty]]).splitlines()[2]
    assert row.replace("\\|", "").count("|") == 2, "it stays one cell"
    assert "<script" not in cell(nasty)
