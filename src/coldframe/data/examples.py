"""A picture of each class as a file, to look at or to try a model on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from coldframe.data.base import Dataset
from coldframe.data.own_png import as_png
from coldframe.files import write_bytes


def examples(data: Dataset, folder: Path) -> list[Path]:
    """Write the first test picture of each class as ``CLASS.png`` into a folder; return the files in the order of classes.

    Classes without a test picture are left out.
    """
    written = []
    for label, name in enumerate(data.classes):
        found = np.flatnonzero(data.test.labels == label)
        if found.size:
            plain = "".join(c if c.isalnum() or c in "-_ " else "-" for c in name).strip() or str(label)
            path = folder / f"{plain[:80]}.png"
            path = path if path not in written else folder / f"{plain[:80]}-{label}.png"
            write_bytes(path, as_png(data.test.images.open(int(found[0]))))
            written.append(path)
    return written
