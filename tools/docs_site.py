"""The documentation site around ``zensical``: pages gathered before it builds, links checked after it.

``python tools/docs_site.py gather`` puts into build/docs the pages of docs/, with links that lead out of it bent to pages of
the site, and pages that are generated: both references (command line and Python), notebooks, speed, changes, examples. ``python
tools/docs_site.py check`` follows every link, picture and anchor of build/site. ``make docs`` runs both around the build.
"""

from __future__ import annotations

import argparse
import importlib
import re
import shutil
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import jupytext

ROOT = Path(__file__).resolve().parents[1]
PAGES, SITE, SOURCE = (ROOT / "build" / name for name in ("docs", "site", "source"))
ELSEWHERE = {"bench/RESULTS.md": "speed.md", "CHANGELOG.md": "changelog.md", "README.md": "index.md"}
"""Files outside docs/ that become pages, and as which."""
ROOMS = (
    "methods", "data", "backbones", "cold", "measures", "attacks", "inspection", "training", "report",
    "foundations.mlp", "foundations.batch_norm", "foundations.convnet", "foundations.graphs", "foundations.generative",
)  # fmt: skip
"""Packages whose public names have a page of the reference each."""
_ROLE = re.compile(r":(?:class|meth|func|mod|data|attr):`~?([^`]+)`")
_LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)\s]*)?\))")


def gather(out: Path = PAGES) -> None:
    """Write every page of the site as Markdown."""
    if out.exists():
        shutil.rmtree(out)
    shutil.copytree(ROOT / "docs", out)
    for source, page in ELSEWHERE.items():
        if page != "index.md":
            shutil.copy(ROOT / source, out / page)
            _bend(out / page, out, (ROOT / source).parent)
    (out / "reference").mkdir()
    for example in sorted((ROOT / "examples").glob("*.py")):
        (out / "examples").mkdir(exist_ok=True)
        text = f"# {example.name}\n\n```python\n{example.read_text(encoding='utf-8')}```\n"
        (out / "examples" / f"{example.stem}.md").write_text(text, encoding="utf-8")
    for source_page in (ROOT / "docs").rglob("*.md"):
        _bend(out / source_page.relative_to(ROOT / "docs"), out, source_page.parent)
    for notebook in sorted((ROOT / "notebooks").glob("*.py")):
        (out / "notebooks").mkdir(exist_ok=True)
        (out / "notebooks" / f"{notebook.stem}.md").write_text(notebook_page(notebook), encoding="utf-8")
        shutil.copy(notebook.with_suffix(".ipynb"), out / "notebooks")
    copy_source()
    (out / "reference" / "cli.md").write_text(command_line_page(), encoding="utf-8")
    for name, text in python_pages():
        (out / "reference" / name).write_text(text, encoding="utf-8")


def _bend(page: Path, out: Path, was: Path) -> None:
    """Let the links of a page, which were written for where it ``was``, lead to pages of the site."""

    def bent(found: re.Match[str]) -> str:
        target = found[2]
        if re.match(r"[a-z]+:", target):
            return found[0]
        place = (was / target).resolve()
        if not place.is_relative_to(ROOT):
            return found[0]
        inside = place.relative_to(ROOT).as_posix()
        if inside in ELSEWHERE:
            goal = out / ELSEWHERE[inside]
        elif inside.startswith("examples/"):
            goal = out / "examples" / f"{place.stem}.md"
        elif inside.startswith("notebooks/"):
            goal = out / "notebooks" / f"{place.stem}.md"
        elif inside.startswith("docs/"):
            goal = out / inside.removeprefix("docs/")
        else:
            return found[0]
        ups = "../" * len(page.parent.relative_to(out).parts)
        return f"{found[1]}{ups}{goal.relative_to(out).as_posix()}{found[3]}"

    page.write_text(_LINK.sub(bent, page.read_text(encoding="utf-8")), encoding="utf-8")


def copy_source(out: Path = SOURCE) -> None:
    """Copy the package as the reference reads it: without roles of Sphinx, and with examples that it knows as such."""
    if out.exists():
        shutil.rmtree(out)
    for path in (ROOT / "src").rglob("*.py"):
        place = out / path.relative_to(ROOT / "src")
        place.parent.mkdir(parents=True, exist_ok=True)
        text = _ROLE.sub(r"`\1`", path.read_text(encoding="utf-8"))
        place.write_text(re.sub(r"^( *)Example:$", r"\1Examples:", text, flags=re.MULTILINE), encoding="utf-8")


def notebook_page(path: Path) -> str:
    """Return a notebook as a page: its texts and its code, with a link to the file that Jupyter opens."""
    cells = jupytext.read(path).cells
    parts = [cell.source if cell.cell_type == "markdown" else f"```python\n{cell.source}\n```" for cell in cells]
    parts.insert(1, f"[Download this page as a notebook]({path.stem}.ipynb)")
    return "\n\n".join(parts) + "\n"


def command_line_page() -> str:
    """Return the reference of the command line, as the parser itself describes it; then each method of ``fit``."""
    from coldframe import registry
    from coldframe.cli.fit import method_app
    from coldframe.cli.guard import command_line

    parts = [str(command_line().generate_docs(output_format="markdown", recursive=True))]
    parts.append("## The methods of `coldframe fit`\n")
    for name in registry.METHODS:
        text = str(method_app(name).generate_docs(output_format="markdown", recursive=False))
        parts.append(re.sub(r"^(#+)", r"##\1", text, flags=re.MULTILINE))
    text = "\n\n".join(parts).replace("# coldframe\n", "# Command line\n", 1)
    return re.sub(r"^## Table of Contents\n.*?(?=^\*\*Commands)", "", text, flags=re.MULTILINE | re.DOTALL) + "\n"


def python_pages() -> Iterator[tuple[str, str]]:
    """Yield (file name, text) of the reference of Python: the face of the package, then each room."""
    from coldframe.registry import METHODS

    face = importlib.import_module("coldframe")
    names = [name for name in face.__all__ if not name.startswith("__")]
    rooms = [(room, importlib.import_module(f"coldframe.{room}")) for room in ROOMS]
    lines = ["# Python", "", "`import coldframe` loads nothing heavy; each name is imported when it is asked for.", ""]
    lines += [f"- [`coldframe.{room}`]({_file(room)}): {_first(module.__doc__)}" for room, module in rooms]
    lines += ["", "## The face", ""]
    lines += [f"::: {_origin(face, name)}\n" for name in names]
    yield "python.md", "\n".join(lines)
    for room, module in rooms:
        public = [_origin(module, name) for name in module.__all__ if not name.startswith("__")]
        if room == "methods":
            public += [place.replace(":", ".") for place in METHODS.values()]
        head = [f"# coldframe.{room}", "", (module.__doc__ or "").strip(), ""]
        yield _file(room), "\n".join([*head, *(f"::: {name}\n" for name in public)])


def _file(room: str) -> str:
    return room.replace(".", "-").replace("_", "-") + ".md"


def _first(text: str | None) -> str:
    return (text or "").strip().split("\n\n")[0].replace("\n", " ")


def _origin(module: object, name: str) -> str:
    """Return where a public name is written; a value that does not know is named by the package that offers it."""
    value = getattr(module, name)
    home, own = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    return f"{home}.{own}" if home and own and str(home).startswith("coldframe") else f"{module.__name__}.{name}"  # type: ignore[attr-defined]


class _Page(HTMLParser):
    """The anchors that a page has, and what it links to."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.anchors.update(value for key in ("id", "name") if (value := told.get(key)))
        self.links += [value for key in ("href", "src") if (value := told.get(key))]


def broken(site: Path = SITE) -> list[str]:
    """Return ``page: link`` for every link, picture and anchor inside the site that leads nowhere."""
    pages: dict[Path, _Page] = {}
    for path in site.rglob("*.html"):
        pages[path.resolve()] = page = _Page()
        page.feed(path.read_text(encoding="utf-8"))
    found = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or path.name == "404.html":
                continue
            goal = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            goal = goal / "index.html" if goal.is_dir() else goal
            anchor = unquote(parts.fragment)
            lost = not goal.exists() or (anchor and goal in pages and anchor not in pages[goal].anchors)
            if lost and anchor != "__top":
                found.append(f"{path.relative_to(site.resolve())}: {link}")
    return found


def main() -> None:
    """Gather the pages, or check the built site."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("gather", "check"))
    if parser.parse_args().step == "gather":
        gather()
        return
    lost = broken()
    print("\n".join(lost) or "every link of the site leads somewhere")
    sys.exit(bool(lost))


if __name__ == "__main__":
    main()
