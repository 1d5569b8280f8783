"""Small data sets of pictures with several labels each, in every layout. A picture is bright in the channels of its labels."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from layouts import CLASSES
from PIL import Image

TAGS: list[tuple[int, ...]] = [(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2), ()] * 6
"""Labels of each picture; its number stands in the green value of its first pixel."""


def picture(number: int) -> Image.Image:
    noise = np.random.default_rng(number).integers(0, 110, (16, 16, 3))
    pixels = (noise + 120 * np.isin(range(3), TAGS[number])).astype(np.uint8)
    pixels[0, 0] = 0, number, 0
    return Image.fromarray(pixels)


def number_of(image: Image.Image) -> int:
    """Return the number of a picture."""
    return int(image.getpixel((0, 0))[1])  # type: ignore[index]


def save(path: Path, number: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(number).save(path, "PNG")
    return path


def stored(number: int) -> bytes:
    held = io.BytesIO()
    picture(number).save(held, "PNG")
    return held.getvalue()


def names(row: tuple[int, ...]) -> list[str]:
    return [CLASSES[k] for k in row]


def table(path: Path, cells: list[object], head: tuple[str, ...] = ("file", "tags")) -> Path:
    files = [save(path.parent / f"i{number}.png", number).name for number in range(len(TAGS))]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *([name, *cell] for name, cell in zip(files, cells, strict=True))])
    return path


def in_bars(folder: Path) -> str:
    return f"csv:{table(folder / 'a.csv', [['|'.join(names(row))] for row in TAGS])}?label=tags"


def in_lists(folder: Path) -> str:
    return f"csv:{table(folder / 'a.csv', [[str(names(row))] for row in TAGS])}"


def by_spaces(folder: Path) -> str:
    return f"csv:{table(folder / 'a.csv', [[' '.join(names(row))] for row in TAGS])}?separator=space"


def by_semicolons(folder: Path) -> str:
    return f"csv:{table(folder / 'a.csv', [['; '.join(names(row))] for row in TAGS])}?label=tags&targets=several"


def in_columns(folder: Path) -> str:
    return f"csv:{table(folder / 'a.csv', [[int(k in row) for k in range(3)] for row in TAGS], ('file', *CLASSES))}"


def in_named_columns(folder: Path) -> str:
    cells = [[7, *(int(k in row) for k in range(3))] for row in TAGS]
    return f"csv:{table(folder / 'a.csv', cells, ('file', 'age', *CLASSES))}?label=cat,dog,hen"


def in_metadata(folder: Path) -> str:
    rows = []
    for number, row in enumerate(TAGS):
        rows.append({"file_name": save(folder / f"i{number}.png", number).name, "labels": names(row)})
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return f"folder:{folder}"


def from_roboflow(folder: Path) -> str:
    cells = [[int(k in row) for k in range(3)] for row in TAGS]
    for split, chosen in (("train", range(14, 42)), ("valid", range(7)), ("test", range(7, 14))):
        lines = [f"filename, {', '.join(CLASSES)}"]
        for number in chosen:
            save(folder / split / f"i{number}.png", number)
            lines.append(f"i{number}.png, {', '.join(map(str, cells[number]))}")
        (folder / split / "_classes.csv").write_text("\n".join(lines))
    return f"folder:{folder}"


def in_several_folders(folder: Path) -> str:
    """Pictures without a label lie in no folder."""
    for number, row in enumerate(TAGS):
        for k in row:
            save(folder / CLASSES[k] / f"i{number}.png", number)
    return f"folder:{folder}?targets=several"


def in_parquet(folder: Path) -> str:
    held = {"image": [stored(number) for number in range(len(TAGS))], "tags": [names(row) for row in TAGS]}
    pq.write_table(pa.table(held), folder / "train.parquet")
    return f"parquet:{folder}?label=tags"


def in_parquet_columns(folder: Path) -> str:
    flags = {CLASSES[k]: [int(k in row) for row in TAGS] for k in range(3)}
    pq.write_table(pa.table({"image": [stored(n) for n in range(len(TAGS))], **flags}), folder / "train.parquet")
    return f"parquet:{folder}?label=cat,dog,hen"


LAYOUTS: tuple[Callable[[Path], str], ...] = (
    in_bars, in_lists, by_spaces, by_semicolons, in_columns, in_named_columns, in_metadata, from_roboflow, in_parquet,
    in_parquet_columns,
)  # fmt: skip
