"""Nothing is unpickled, and a name with marks in it escapes nowhere."""

import ast
import io
import pickle
import re
from pathlib import Path

import pytest
import torch

from highways.config import RunConfig, validate
from highways.errors import HighwaysError
from highways.training.checkpoints import load_weights, weights_path

UNSAFE = re.compile(
    r"^(import|from) (pickle|cPickle|dill|cloudpickle|joblib|shelve|marshal)\b"
    r"|^(eval|exec|os\.system|pd\.read_pickle|yaml\.(unsafe_load|full_load|load\((?!.*Safe))|.*(\.extract(all)?|unpack_archive))\b"
    r"|\b(shell|allow_pickle)=(?!False)"
    r"|^(torch\.(\w+\.)*load\w*|trainer\.fit)\((?!.*weights_only=True)"
)


def faults_of(text: str) -> list[str]:
    """Calls and imports that could unpickle, or run, what is read."""
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call | ast.Import | ast.ImportFrom)]
    return [line for line in map(ast.unparse, nodes) if UNSAFE.search(line)]


def test_nothing_is_unpickled_or_executed(repository: Path) -> None:
    """Pickles go between a process and the workers that it started, through their pipes, and nowhere else."""
    found = {path.name: faults_of(path.read_text()) for path in (repository / "src").rglob("*.py")}
    assert {name: lines for name, lines in found.items() if lines} == {"engines.py": ["import pickle"]}
    for line in (
        *("import pickle", "from joblib import load", "torch.load(path)", "torch.load(path, weights_only=False)"),
        *("np.load(path, allow_pickle=True)", "yaml.load(text, Loader=yaml.Loader)", "eval(text)"),
        *("archive.extractall(folder)", "subprocess.run(text, shell=True)", "trainer.fit(module, ckpt_path=path)"),
    ):
        assert faults_of(line), "what would unpickle is noticed"


def test_weights_that_would_run_something_are_refused(project: Path) -> None:
    class Nasty:
        def __reduce__(self) -> tuple:
            return (Path.touch, (project / "executed",))

    path, saved = weights_path("key"), io.BytesIO()
    path.parent.mkdir(parents=True)
    torch.save({"a": Nasty()}, saved)
    for content in (saved.getvalue(), pickle.dumps(Nasty())):
        path.write_bytes(content)
        with pytest.raises(HighwaysError, match="not readable as weights"):
            load_weights("key", None)
    assert not (project / "executed").exists()


@pytest.mark.parametrize("name", ["../up", "a/b", 'q"uote <script>$(id)', "nul\x00", "esc\x1b[31m", "line\nbreak ü"])
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
