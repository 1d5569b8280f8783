"""Answers to any number of pictures, written to one file while they come: CSV, JSON lines or Parquet."""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from coldframe import files
from coldframe.backbones.base import Backbone
from coldframe.data.anything import MOST
from coldframe.data.base import OnError
from coldframe.data.folder import Files
from coldframe.data.places import Seen, find_files, readable
from coldframe.errors import InputError
from coldframe.evaluation.classifiers import classifier
from coldframe.methods import load
from coldframe.methods.answers import Progress, stream
from coldframe.methods.run_folder import means_run

Row = tuple[str, str | None, float]
"""Path, class or None where the answer is not sure enough, probability."""
Write = Callable[[Sequence[Row]], None]
COLUMNS = ("path", "class", "probability")


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Write]:
    """Open a file of answers by its ending; it is whole in the end, or absent.

    Raises:
        InputError: the name ends otherwise.
    """
    if path.suffix not in WRITERS:
        raise InputError(f"expected a file name ending in {', '.join(WRITERS)}, found {path.name!r}")
    with files.replacing(path) as temporary, WRITERS[path.suffix](temporary) as write:
        yield write


@contextlib.contextmanager
def _csv(path: Path) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(COLUMNS)
        yield lambda rows: lines.writerows([name, answer or "", f"{odds:.6f}"] for name, answer, odds in rows)


@contextlib.contextmanager
def _json_lines(path: Path) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file:

        def write(rows: Sequence[Row]) -> None:
            file.writelines(json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=False) + "\n" for row in rows)

        yield write


@contextlib.contextmanager
def _parquet(path: Path) -> Iterator[Write]:
    schema = pa.schema([("path", pa.string()), ("class", pa.string()), ("probability", pa.float32())])
    with pq.ParquetWriter(path, schema) as file:

        def write(rows: Sequence[Row]) -> None:
            columns = list(zip(*rows, strict=True))
            names = [files.encoded(name).decode() for name in columns[0]]
            file.write_table(pa.table([names, columns[1], columns[2]], schema=schema))

        yield write


WRITERS = {".csv": _csv, ".jsonl": _json_lines, ".parquet": _parquet}
"""Ending of a file of answers -> what writes it."""


def answer_file(
    source: str | Path | Backbone,
    places: Sequence[str | Path],
    path: str | Path,
    *,
    abstain: float | None = None,
    device: str = "cpu",
    batch_size: int = 64,
    download: bool = False,
    on_error: OnError = "raise",
    left: dict[str, str] | None = None,
    seen: Seen | None = None,
    progress: Progress | None = None,
) -> tuple[int, int, float]:
    """Write path, class and probability of every picture; memory holds a few batches, whatever their number.

    Args:
        source: folder of a saved run or of a comparison, model id or backbone.
        places: files, folders and globs.
        path: ``.csv``, ``.jsonl`` or ``.parquet``.
        abstain: wanted share of right answers among those given; what is less sure than the threshold chosen on the run's
            validation images for it has no class. None answers always.
        device: where to run.
        batch_size: B.
        download: whether weights may be fetched.
        on_error: what to do with files that do not decode, which are looked for before any work.
        left: gets the files that were left out, each with a few words why.
        seen: called while places are searched.
        progress: called with (pictures done, pictures in all).

    Returns:
        Pictures, those that got no class, and the threshold.

    Raises:
        InputError: ``abstain`` without a run, or one that its validation images do not reach.
    """
    path = Path(path)
    if path.suffix not in WRITERS:
        raise InputError(f"expected a file name ending in {', '.join(WRITERS)}, found {path.name!r}")
    least = 0.0
    if abstain is not None:
        if isinstance(source, Backbone) or not means_run(source):
            raise InputError("expected a saved run with --abstain, found a model; name one with --run")
        least = load(source, device=device, download=download).threshold(abstain)
    found, skipped = readable(find_files(places, most=MOST, most_entries=MOST, seen=seen), on_error)
    if left is not None:
        left |= skipped
    call, names, backbone = classifier(source, device=device, download=download)
    done = silent = 0
    with writing(path) as write:
        for odds in stream(call, backbone.preprocess, Files(tuple(found)), batch_size, progress):
            best, taken = (column.tolist() for column in odds.max(-1))
            part = found[done : done + len(best)]
            write([(str(f), names[k] if p >= least else None, p) for f, k, p in zip(part, taken, best, strict=True)])
            done += len(best)
            silent += sum(p < least for p in best)
    return done, silent, least
