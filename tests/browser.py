"""Pages in a headless Chromium; without one their tests are skipped."""

import importlib.resources
import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PROBE = """<!doctype html><title>probe</title>
<iframe id="page" src="NAME" style="border:0;width:WIDTHpx;height:HEIGHTpx"></iframe><pre id="found"></pre>
<script>
document.getElementById("page").onload = event => {
  const frame = event.target.contentWindow, page = frame.document;
  const axe = () => new Promise(done => {
    const script = page.createElement("script");
    script.src = "axe.min.js";
    script.onload = () => frame.axe.run().then(found => done([found.passes.length,
      found.violations.map(rule => [rule.id, ...rule.nodes.map(node => node.target.join(" "))])]));
    page.querySelectorAll("details").forEach(part => part.open = true);
    page.head.append(script);
  });
  const probe = async () => { SCRIPT };
  setTimeout(() => probe().catch(error => [0, [String(error)]]).then(found =>
    document.getElementById("found").textContent = JSON.stringify(found)), 3000);
};
</script>"""


def in_browser(test: Any) -> Any:
    return pytest.mark.skipif(BROWSER is None, reason="no Chromium")(pytest.mark.pipeline(test))


def run_browser(folder: Path, *arguments: str) -> str:
    """What a headless browser prints, whose profile is kept in a folder."""
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
    command += [f"--user-data-dir={folder / 'chromium'}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=True).stdout


def probed(path: Path, script: str, width: int = 1280, height: int = 800) -> Any:
    """What a script returns of a page in a frame of this size.

    In the script `page` is the document, `frame` its window, and `axe()` says how many rules of axe-core it keeps, and
    what breaks others: contrast, names, heads of tables, order of headings, on all that can be unfolded.
    """
    rules = importlib.resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    path.with_name("axe.min.js").write_text(rules)
    text = PROBE.replace("NAME", path.name).replace("WIDTH", str(width)).replace("HEIGHT", str(height))
    probe = path.with_name("probe.html")
    probe.write_text(text.replace("SCRIPT", script))
    size = f"--window-size={width + 100},{height + 100}"
    shown = run_browser(path.parent, "--virtual-time-budget=60000", size, "--dump-dom", probe.as_uri())
    (found,) = re.findall(r'<pre id="found">([^<]+)</pre>', shown)
    return json.loads(unescape(found))
