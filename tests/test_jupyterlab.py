"""JupyterLab as `make lab` opens it: rooted in the checkout, and saving a notebook changes nothing for git and DVC."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import requests
from checkout import git, in_git
from requests.adapters import HTTPAdapter, Retry
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


def test_a_notebook_is_saved_as_it_is_in_git_and_one_elsewhere_whole(project: Path) -> None:
    """Executed and saved it is the same file to the byte; a parameter that was changed is saved."""
    from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager

    config = settings(in_git(project))
    assert Path(config.ServerApp.root_dir) == project
    manager = AsyncLargeFileManager(root_dir=str(project), config=config)

    async def save(name: str, old: str = "\0", new: str = "", folder: str = "notebooks") -> None:
        content = (await manager.get(f"notebooks/{name}.ipynb", content=True))["content"]
        content["metadata"]["language_info"] = {"name": "python", "version": "3.11.2", "mimetype": "text/x-python"}
        for number, cell in enumerate(content["cells"]):
            cell["metadata"]["trusted"] = True
            cell["source"] = cell["source"].replace(old, new)
            if cell["cell_type"] == "code":
                cell["metadata"]["execution"] = {"iopub.execute_input": "2026-01-01T00:00:00Z"}
                cell["execution_count"] = number
                cell["outputs"] = [nbformat.v4.new_output("stream", text="trained\n")]
        await manager.save({"type": "notebook", "format": "json", "content": content}, f"{folder}/{name}.ipynb")

    for path in sorted((project / "notebooks").glob("*.ipynb")):
        asyncio.run(save(path.stem))
    assert git(project, "diff", "--stat") == b""
    asyncio.run(save("01_depth", "depths = [10, 20, 50, 100]", "depths = [5]"))
    assert b"1 insertion(+), 1 deletion(-)" in git(project, "diff", "--stat")
    asyncio.run(save("01_depth", folder="examples"))
    assert "trained" in (project / "examples/01_depth.ipynb").read_text()


@pytest.mark.pipeline
def test_lab_opens_the_first_notebook_and_has_what_its_links_lead_to(repository: Path, tmp_path: Path) -> None:
    env = os.environ | {"JUPYTER_CONFIG_DIR": str(tmp_path), "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path)}
    options = [f"--config={CONFIG}", "--no-browser", "--allow-root", "--ServerApp.port=0", "--IdentityProvider.token=t"]
    command = [sys.executable, "-m", "jupyterlab", *options]
    started = subprocess.Popen(command, cwd=repository, env=env, stderr=subprocess.PIPE, text=True)
    with started as server, requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=Retry(connect=20, backoff_factor=0.1)))  # it says it too soon
        assert server.stderr is not None
        try:
            address = next(found[0] for line in server.stderr if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
            for path in ("lab/tree/notebooks/01_depth.ipynb", "api/contents/src/highways/nn/highway.py"):
                assert session.get(f"{address}/{path}?token=t&content=0", timeout=120).status_code == 200, path
        finally:
            server.terminate()
