"""Write docs/courses/NAME.md and small copies of its pictures from the folder of ``coldframe reproduce NAME``.

``python tools/course_pages.py runs/uva-a1-fast`` takes ``report.md`` of the folder. Pictures become at most 640 pixels wide:
PNG without a palette, or JPEG where a PNG would have over 90 kB and the JPEG has less than half of that (photographs).
"""

from __future__ import annotations

import argparse
import io
import json
import re
import shutil
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "courses"
WIDTH, MOST = 640, 90_000
_PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)]+)\)")


def small(path: Path) -> tuple[str, bytes]:
    """Return the ending and the bytes of a picture made small."""
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    if image.width > WIDTH:
        image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
    found = []
    for kind, options in (("png", {"optimize": True}), ("jpeg", {"quality": 85})):
        out = io.BytesIO()
        image.save(out, kind, **options)  # type: ignore[arg-type]
        found.append(out.getvalue())
    png, jpeg = found
    return (".jpg", jpeg) if len(png) > MOST and 2 * len(jpeg) < len(png) else (".png", png)


def page(folder: Path, out: Path = PAGES) -> Path:
    """Write the page of one run; return it.

    Args:
        folder: of ``coldframe reproduce``; its name in ``results.json`` gives the page's.
        out: where pages go.
    """
    command = json.loads((folder / "results.json").read_text(encoding="utf-8"))["command"]
    name = command.split()[2]
    pictures = out / name
    shutil.rmtree(pictures, ignore_errors=True)
    pictures.mkdir(parents=True)

    def kept(found: re.Match[str]) -> str:
        place = Path(found[2])
        ending, content = small(folder / place)
        goal = pictures / f"{'-'.join((*place.parts[:-1], place.stem)).replace('.', '')}{ending}"
        goal.write_bytes(content)
        return f"![{found[1]}]({name}/{goal.name})"

    text = _PICTURE.sub(kept, (folder / "report.md").read_text(encoding="utf-8"))
    written = out / f"{name}.md"
    written.write_text(text, encoding="utf-8")
    return written


def main() -> None:
    """Write the pages of the folders that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    for folder in parser.parse_args().folders:
        made = page(folder)
        pictures = sorted((PAGES / made.stem).iterdir())
        print(f"{made.relative_to(ROOT)}: {len(pictures)} pictures, {sum(p.stat().st_size for p in pictures) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
