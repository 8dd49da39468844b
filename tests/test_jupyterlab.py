"""JupyterLab as `make lab` opens it: rooted in the checkout, and saving a notebook changes nothing for git and DVC."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from traitlets.config import Config

pytestmark = pytest.mark.filterwarnings(  # Jupyter's own
    "ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore:Overriding existing pre_save_hook"
)
CONFIG = "notebooks/jupyter_server_config.py"


def settings(root: Path) -> Config:
    """What the configuration file sets."""
    config = Config()
    path = root / CONFIG
    exec(compile(path.read_text(), path, "exec"), {"__file__": str(path), "get_config": lambda: config})
    return config


@pytest.fixture
def checkout(project: Path) -> Path:
    """The project, its notebooks in git."""
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "start"]):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *identity, *command], cwd=project, check=True)
    return project


def changed(folder: Path) -> str:
    return subprocess.run(["git", "diff", "--stat"], cwd=folder, capture_output=True, text=True, check=True).stdout


def test_a_notebook_is_saved_as_it_is_in_git(checkout: Path) -> None:
    """Executed and saved it is the same file to the byte; a parameter that was changed is saved."""
    from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager

    config = settings(checkout)
    assert Path(config.ServerApp.root_dir) == checkout
    manager = AsyncLargeFileManager(root_dir=str(checkout), config=config)

    async def save(name: str, old: str = "", new: str = "") -> None:
        model = await manager.get(f"notebooks/{name}.ipynb", content=True)
        content = model["content"]
        content["metadata"]["language_info"] = {"name": "python", "version": "3.11.2", "mimetype": "text/x-python"}
        for number, cell in enumerate(content["cells"]):
            cell["metadata"]["trusted"] = True
            cell["source"] = cell["source"].replace(old, new) if old else cell["source"]
            if cell["cell_type"] == "code":
                cell["metadata"]["execution"] = {"iopub.execute_input": "2026-01-01T00:00:00Z"}
                cell["execution_count"] = number
                cell["outputs"] = [nbformat.v4.new_output("stream", text="trained\n")]
        await manager.save({"type": "notebook", "format": "json", "content": content}, f"notebooks/{name}.ipynb")

    for path in sorted((checkout / "notebooks").glob("*.ipynb")):
        asyncio.run(save(path.stem))
    assert changed(checkout) == ""
    asyncio.run(save("01_depth", "depths = [10, 20, 50, 100]", "depths = [5]"))
    assert "1 insertion(+), 1 deletion(-)" in changed(checkout)


def test_notebooks_elsewhere_are_saved_whole(checkout: Path) -> None:
    strip = settings(checkout).FileContentsManager.pre_save_hook
    cell = nbformat.v4.new_code_cell("1", outputs=[nbformat.v4.new_output("stream", text="1")], execution_count=1)
    for path, left in (("results/explore/mine.ipynb", 1), ("notebooks/mine.ipynb", 0)):
        model = {"type": "notebook", "content": nbformat.v4.new_notebook(cells=[cell.copy()])}
        strip(model=model, path=path, contents_manager=None)
        assert len(model["content"]["cells"][0]["outputs"]) == left


@pytest.fixture
def lab(repository: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a JupyterLab of the checkout."""
    if shutil.which("chromium") is None:
        pytest.skip("no chromium")
    env = os.environ | {
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "w"),
    }
    options = [f"--config={CONFIG}", "--no-browser", "--allow-root", "--ServerApp.port=0", "--IdentityProvider.token=t"]
    command = [sys.executable, "-m", "jupyterlab", *options]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=repository, env=env, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 120
            while not (found := re.search(r"http://127\.0\.0\.1:\d+", (tmp_path / "log").read_text())):
                assert server.poll() is None, (tmp_path / "log").read_text()
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                time.sleep(0.3)
            yield found[0]
        finally:
            server.terminate()
            server.wait()


@pytest.mark.pipeline
def test_a_browser_opens_the_first_notebook_with_its_links(lab: str, tmp_path: Path) -> None:
    with urllib.request.urlopen(f"{lab}/api/contents/src/highways/nn/highway.py?token=t&content=0") as reply:
        assert reply.status == 200, "what the notebooks link to is below the root"
    options = ["--headless", "--no-sandbox", f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1400,2400"]
    options += ["--timeout=60000", "--virtual-time-budget=60000", "--dump-dom"]
    page = f"{lab}/lab/tree/notebooks/01_depth.ipynb?token=t"
    done = subprocess.run(["chromium", *options, page], capture_output=True, text=True, timeout=300, check=False)
    assert "The layer: the equation, and the code that is it" in done.stdout, done.stderr[-2000:]
    assert "01_depth.ipynb" in done.stdout
