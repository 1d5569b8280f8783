"""Small folders of data written from one line each, and what was read of them as lines of text.

``read(root, spec)`` says which image stands in which split with which label, in which order of classes, and how that came
about, or the sentence of the refusal. Tests keep these lines in files named ``drawn``: whatever moves in a reader shows.
"""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from coldframe.data import load_dataset
from coldframe.data.base import Images
from coldframe.errors import ColdframeError

_FOREIGN = re.compile(r"(found (?:damage or )?another(?: format)?) \(.*\)")
"""What another library says of damage, in words that its next version may change."""
_COUNT = re.compile(r"\{(\d+)\.\.(\d+)\}")


def png(number: int) -> bytes:
    """Return the bytes of a small picture, another for each number."""
    held = io.BytesIO()
    Image.new("RGB", (3, 2), (number % 256, number // 256, 7)).save(held, "PNG")
    return held.getvalue()


def expanded(text: str) -> list[str]:
    """Return the paths of a line: ``a/{1..3}.png b.png`` are four."""
    found: list[str] = []
    for word in text.split():
        match = _COUNT.search(word)
        numbers = range(int(match[1]), int(match[2]) + 1) if match else range(1)
        found += [_COUNT.sub(str(number), word) for number in numbers]
    return found


def write(root: Path, images: str, texts: Mapping[str, str | bytes] | None = None) -> None:
    """Write pictures, each another one, folders (paths that end in ``/``) and texts into an empty folder."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    for number, name in enumerate(expanded(images)):
        path = root / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_bytes(png(number))
    for name, text in (texts or {}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def read(root: Path, spec: str, **options: Any) -> list[str]:
    """Return what a spec gives, or why it is refused; the root is written as ``ROOT``."""
    asked = "".join(f" {name}={value!r}" for name, value in options.items())
    lines = [f"{spec.replace('ROOT', '')}{asked}"]
    try:
        data = load_dataset(spec.replace("ROOT", str(root)), **{"several": True} | options)
    except ColdframeError as error:
        said = _FOREIGN.sub(r"\1", str(error).replace(str(root), "ROOT"))
        return [*lines, f"  refused: {said}"]
    for split in data.splits:
        held: dict[str, list[str]] = {}
        for row, label in enumerate(split.labels):
            name = split.images.name(row).replace(f"{root}/", "").replace(str(root), "ROOT")
            group = f" ({split.groups[row]})" if split.groups is not None else ""
            told = data.classes[label] if split.tags is None else "|".join(
                one for one, has in zip(data.classes, split.tags[row], strict=True) if has)  # fmt: skip
            held.setdefault(told, []).append(name + group)
        lines.append(f"  {split.name} of {len(split)}{', ordered' if split.ordered else ''}")
        lines += [f"    {name or 'no label'}: {' '.join(names)}" for name, names in held.items()]
    lines.append(f"  first picture {_picture(next(split for split in data.splits if len(split)).images, root)}")
    lines.append(f"  classes {', '.join(data.classes)}")
    lines.append(f"  origin {data.origin.replace(str(root), 'ROOT')}")
    return lines + [f"  skipped {name.replace(f'{root}/', '')}: {why}" for name, why in data.reasons.items()]


def _picture(images: Images, root: Path) -> str:
    """Return what the first picture looks like, or why it does not open."""
    try:
        opened = images.open(0)
    except ColdframeError as error:
        return _FOREIGN.sub(r"\1", str(error).replace(str(root), "ROOT"))
    return f"{opened.size} {opened.getpixel((0, 0))} {opened.getpixel((1, 0))}, digest of {len(images.digest(0))} letters"
