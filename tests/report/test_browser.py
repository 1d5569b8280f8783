"""The page in a real browser: a click on a heading sorts, a click on a confusion shows its pictures."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from coldframe import compare
from coldframe.report import save_report

SCRIPT = """<script>
addEventListener("load", () => {
  const table = document.querySelector("table.sortable"), said = [];
  const first = () => [...table.tBodies[0].rows].map(row => row.cells[0].textContent.trim()).join("|");
  const head = [...table.tHead.rows[0].cells].findIndex(cell => cell.textContent.trim().startsWith("top-1"));
  for (let i = 0; i < 2; i++) {
    table.tHead.rows[0].cells[head].querySelector("button").click();
    said.push(table.tHead.rows[0].cells[head].ariaSort + ":" + first());
  }
  const cell = document.querySelector("table.confusion button"), figures = [...document.querySelectorAll("#wrong figure")];
  cell.click();
  const shown = figures.filter(figure => !figure.hidden);
  said.push(shown.length > 0 && shown.length < figures.length);
  said.push(shown.every(f => f.dataset.true === cell.dataset.true && f.dataset.predicted === cell.dataset.predicted));
  cell.click();
  said.push(figures.every(figure => !figure.hidden));
  document.body.innerHTML = "<pre id=said>" + said.join("\\n") + "</pre>";
});
</script>"""


@pytest.mark.slow
def test_sorting_and_clicking_on_a_confusion(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium on this machine: the page's script was not run")
    table = compare(["zero-shot", "knn"], "mini:caltech7", shots=5, seeds=1, latency=False)
    page = tmp_path / "report.html"
    save_report(table, tmp_path)
    page.write_text(page.read_text().replace("</body>", SCRIPT + "</body>"))
    words = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
             "--virtual-time-budget=5000", "--dump-dom", page.as_uri()]  # fmt: skip
    run = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    said = run.stdout.partition('<pre id="said">')[2].partition("</pre>")[0].split("\n")
    best_first = [group.label for group in sorted(table.groups(), key=lambda group: -(group.mean("top1") or 0))]
    names = [line.partition(":") for line in said[:2]]
    assert [kind for kind, _, _ in names] == ["descending", "ascending"]
    assert [line.split("|") for _, _, line in names] == [best_first, best_first[::-1]]
    assert said[2:] == ["true"] * 3
