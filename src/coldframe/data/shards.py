"""``wds:PATTERN``: tar shards in the way of webdataset: members of one stem are one sample.

An image ends in ``.jpg``, ``.png``, ``.webp`` ...; its label is the member ``.cls`` (a whole number or a text), ``.txt``, or
the key ``label`` or ``cls`` of ``.json``. ``classes.txt`` or ``classnames.txt`` beside the shards names the numbers, by line.
Braces count shards: ``train-{000..009}.tar``. Splits are told by the beginning of a shard's name. Members are read where they
lie, in any order; nothing is unpacked or unpickled.
"""

from __future__ import annotations

import glob
import json
import os
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

from coldframe.data.base import Dataset, LoadOptions
from coldframe.data.decode import MOST_BYTES
from coldframe.data.folder import SUFFIXES
from coldframe.data.rows import SPLIT_WORDS, Listing, dataset_of
from coldframe.data.stored import Stored
from coldframe.errors import DataError
from coldframe.files import expanded, explained, opened, read_text

MOST_SHARD = 2**42
"""Most bytes of one shard."""
_MOST_LABEL = 2**16
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass(frozen=True, eq=False)
class Members(Stored):
    """Pictures at places in tar files: (file, first byte, bytes, name)."""

    places: tuple[tuple[Path, int, int, str], ...]

    def __len__(self) -> int:
        return len(self.places)

    def bytes(self, index: int) -> bytes:
        """Return the stored bytes of picture ``index``."""
        path, start, size, _ = self.places[index]
        with explained(path, "read"), opened(path, MOST_SHARD) as file:
            file.seek(start)
            return file.read(size)

    def name(self, index: int) -> str:
        path, _, _, name = self.places[index]
        return f"{path}, {name}"


def load(rest: str, options: LoadOptions) -> Dataset:
    """Load ``wds:PATTERN``; see the module.

    Raises:
        DataError: no shard, a damaged one, or a sample without one image and one label.
    """
    paths = _shards(rest)
    places, labels, splits = [], [], []
    for path in paths:
        for place, label in _samples(path):
            places.append(place)
            labels.append(label)
            splits.append(_split(path))
    told = {split for split in splits if split}
    if told and "" in splits:
        odd = next(path for path in paths if not _split(path))
        raise DataError(f"expected train, val or test at the beginning of every shard of {rest}, found {odd.name}; rename it")
    images = Members(tuple(places))
    names = _names(paths[0].parent)
    if names is not None and all(label.isdigit() for label in labels):
        wrong = next((n for n, label in enumerate(labels) if int(label) >= len(names)), None)
        if wrong is not None:
            said = f"expected labels below the {len(names)} names beside {rest}"
            raise DataError(f"{said}, found {labels[wrong]} in {images.name(wrong)}")
        labels = [names[int(label)] for label in labels]
    else:
        names = None
    spec = f"wds:{rest}"
    rows = Listing(spec, images, labels, splits if told else None, names=names, place=images.name)
    rows.labels_in = f"the labels in {rest}"
    return dataset_of(rows, options)


def _shards(pattern: str) -> list[Path]:
    """Return the shards of a pattern, a folder or a file, in order."""
    texts = [str(expanded(pattern))]
    while match := _RANGE.search(texts[0]):
        first, last = match[1], match[2]
        if int(last) - int(first) > 100_000:
            raise DataError(f"expected at most 100,000 shards in {pattern}, found {match[0]}; write a narrower range")
        counted = [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]
        texts = [_RANGE.sub(number, text, count=1) for text in texts for number in counted]
    found: list[Path] = []
    for text in texts:
        path = Path(text)
        if path.is_dir():
            found += sorted(path.glob("*.tar"))
        elif path.exists():
            found.append(path)
        else:
            hits = sorted(Path(hit) for hit in glob.glob(text))  # noqa: PTH207
            if not hits:
                raise DataError(f"expected tar shards at {text}, found none; check the pattern")
            found += hits
    if not found:
        raise DataError(f"expected tar shards at {pattern}, found none; check the pattern")
    return found


def _split(path: Path) -> str:
    word = re.match(r"[a-z]+", path.name.lower())
    split = SPLIT_WORDS.get(word[0], "") if word else ""
    return split or SPLIT_WORDS.get(path.parent.name.lower(), "")


def _names(folder: Path) -> list[str] | None:
    for name in ("classes.txt", "classnames.txt"):
        if (folder / name).is_file():
            return [line.strip() for line in read_text(folder / name).splitlines() if line.strip()]
    return None


Place = tuple[Path, int, int, str]


def _samples(path: Path) -> list[tuple[Place, str]]:
    """Return where the image of each sample lies, and its label."""
    images: dict[str, Place] = {}
    labels: dict[str, str] = {}
    order: dict[str, None] = {}
    with explained(path, "read"), opened(path, MOST_SHARD) as file:
        try:
            with tarfile.open(fileobj=file, mode="r:") as archive:
                for member in archive:
                    if not member.isfile() or os.path.basename(member.name).startswith("."):  # noqa: PTH119
                        continue
                    folder, _, base = member.name.rpartition("/")
                    stem, _, ending = base.partition(".")
                    key, ending = f"{folder}/{stem}", f".{ending.lower()}"
                    if ending in SUFFIXES:
                        if key in images:
                            raise DataError(f"expected one image a sample in {path}, found two of {stem!r}; keep one")
                        if member.size > MOST_BYTES:
                            said = f"expected at most {MOST_BYTES:,} bytes in {member.name} of {path}"
                            raise DataError(f"{said}, found {member.size:,}")
                        images[key] = (path, member.offset_data, member.size, member.name)
                        order[key] = None
                    elif ending in (".cls", ".txt", ".json") and member.size <= _MOST_LABEL:
                        held = archive.extractfile(member)
                        label = _label(held.read() if held else b"", ending)
                        if label is not None and (ending == ".cls" or key not in labels):
                            labels[key] = label
        except (tarfile.TarError, EOFError) as error:
            said = f"cannot read {path}: expected an uncompressed tar file"
            raise DataError(f"{said}, found damage or another format ({error})") from error
    without = next((key for key in order if key not in labels), None)
    if without is not None:
        raise DataError(f"expected a label (.cls, .txt or .json) beside {images[without][3]} of {path}, found none; add it")
    return [(images[key], labels[key]) for key in order]


def _label(content: bytes, ending: str) -> str | None:
    text = content.decode("utf-8", "backslashreplace").strip()
    if ending != ".json":
        return text
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return str(found) if isinstance(found, int | str) else None
    value = next((found[key] for key in ("label", "cls", "class") if key in found), None)
    return str(value) if isinstance(value, int | str) else None
