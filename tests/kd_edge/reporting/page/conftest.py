"""A real browser."""

import json
import re
import shutil
import subprocess
from html import unescape
from importlib import resources

import pytest

_LOOK = """
addEventListener("load", () => setTimeout(async () => {
  const inside = document.querySelector("iframe").contentWindow;
  const found = await inside.axe.run(inside.document, {iframes: false});
  const serious = found.violations.filter(v => ["serious", "critical"].includes(v.impact));
  const plots = [...inside.document.querySelectorAll(".plot")].filter(plot => plot.querySelector("svg"));
  const seen = document.createElement("pre");
  seen.id = "seen";
  seen.textContent = JSON.stringify({
    drawn: plots.map(plot => plot.id.slice(5)), content_width: inside.document.documentElement.scrollWidth,
    serious: serious.map(v => [v.id, v.nodes.map(node => node.html)])});
  document.body.append(seen);
}, 1500));
"""


@pytest.fixture
def browse(tmp_path):
    """Show a page in Debian's Chromium, in a frame of a width, and return what was seen."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")

    def show(page, width, *, dark=False):
        axe = resources.files("axe_core_python").joinpath("axe.min.js").read_text("utf-8")
        # The script that draws has an end of a body in a string, too.
        before, _, after = page.rpartition("</body>")
        (tmp_path / "page.html").write_text(f"{before}<script>{axe}</script></body>{after}")
        frame = f'<iframe src="page.html" style="width:{width}px;height:900px;border:0"></iframe>'
        (tmp_path / "frame.html").write_text(f"<body>{frame}<script>{_LOOK}</script></body>")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--dump-dom"]
        options += ["--virtual-time-budget=20000", f"--user-data-dir={tmp_path / 'profile'}"]
        options += [f"--blink-settings=preferredColorScheme={0 if dark else 1}", "--window-size=1700,1000"]
        command = [chromium, *options, (tmp_path / "frame.html").as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        return json.loads(unescape(re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)[1]))

    return show
