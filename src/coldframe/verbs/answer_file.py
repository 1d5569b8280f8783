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
from coldframe.evaluation.classifiers import classifier, in_set, set_limit, thresholds_of
from coldframe.methods import load
from coldframe.methods.answers import Progress, stream
from coldframe.methods.run_folder import means_run

Row = tuple[str | float | None, ...]
"""The cells of a picture, one a column; None where the answer is not sure enough."""
Write = Callable[[Sequence[Row]], None]
COLUMNS = ("path", "class", "probability")
SET = "set"
"""The column of classes one of which is the true one in a wanted share of cases, with bars between."""
SEVERAL = ("path", "labels", "probabilities")
"""Columns where pictures have several labels: those that a picture is given, with bars between, and their probabilities."""


@contextlib.contextmanager
def writing(path: Path, columns: Sequence[str] = COLUMNS) -> Iterator[Write]:
    """Open a file of answers by its ending; it is whole in the end, or absent.

    Raises:
        InputError: the name ends otherwise.
    """
    if path.suffix not in WRITERS:
        raise InputError(f"expected a file name ending in {', '.join(WRITERS)}, found {path.name!r}")
    with files.replacing(path) as temporary, WRITERS[path.suffix](temporary, columns) as write:
        yield write


@contextlib.contextmanager
def _csv(path: Path, columns: Sequence[str]) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(columns)

        def text(cell: str | float | None) -> str:
            return f"{cell:.6f}" if isinstance(cell, float) else cell or ""

        yield lambda rows: lines.writerows([*map(text, row)] for row in rows)


@contextlib.contextmanager
def _json_lines(path: Path, columns: Sequence[str]) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file:

        def write(rows: Sequence[Row]) -> None:
            file.writelines(json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) + "\n" for row in rows)

        yield write


@contextlib.contextmanager
def _parquet(path: Path, columns: Sequence[str]) -> Iterator[Write]:
    schema = pa.schema([(name, pa.float32() if name == "probability" else pa.string()) for name in columns])
    with pq.ParquetWriter(path, schema) as file:

        def write(rows: Sequence[Row]) -> None:
            names, *others = zip(*rows, strict=True)
            paths = [files.encoded(str(name)).decode() for name in names]
            file.write_table(pa.table([paths, *others], schema=schema))

        yield write


WRITERS = {".csv": _csv, ".jsonl": _json_lines, ".parquet": _parquet}
"""Ending of a file of answers -> what writes it."""


def answer_file(
    source: str | Path | Backbone,
    places: Sequence[str | Path],
    path: str | Path,
    *,
    abstain: float | None = None,
    conformal: float | None = None,
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
        conformal: wanted share of pictures whose true class is in their ``set``, a further column; none when None.
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
    least, several = 0.0, thresholds_of(source)
    if several and (abstain is not None or conformal is not None):
        raise InputError("expected a run of one label per image for --abstain and --conformal, found several; leave them out")
    limit = None if conformal is None else set_limit(source, conformal, device=device, download=download)
    if abstain is not None:
        if isinstance(source, Backbone) or not means_run(source):
            raise InputError("expected a saved run with --abstain, found a model; name one with --run")
        least = load(source, device=device, download=download).threshold(abstain)
    call, names, backbone = classifier(source, device=device, download=download)
    found, skipped = readable(find_files(places, most=MOST, most_entries=MOST, seen=seen), on_error)
    if left is not None:
        left |= skipped
    done = silent = 0
    columns = SEVERAL if several else COLUMNS if limit is None else (*COLUMNS, SET)
    with writing(path, columns) as write:
        for odds in stream(call, backbone.preprocess, Files(tuple(found)), batch_size, progress):
            if several:
                part = found[done : done + len(odds)]
                write([(str(file), *_given(names, row, several)) for file, row in zip(part, odds.tolist(), strict=True)])
                done += len(odds)
                continue
            best, taken = (column.tolist() for column in odds.max(-1))
            part = found[done : done + len(best)]
            rows: list[Row] = [
                (str(f), names[k] if p >= least else None, p) for f, k, p in zip(part, taken, best, strict=True)
            ]
            if limit is not None:
                held = ["|".join(names[k] for k in in_set(row, limit)) for row in odds]
                rows = [(*row, text) for row, text in zip(rows, held, strict=True)]
            write(rows)
            done += len(best)
            silent += sum(p < least for p in best)
    return done, silent, least


def _given(names: Sequence[str], odds: Sequence[float], least: Sequence[float]) -> tuple[str, str]:
    """Return the labels that a picture is given, the most probable first, and their probabilities."""
    chosen = sorted((-value, name) for name, value, at in zip(names, odds, least, strict=True) if value >= at)
    return "|".join(name for _, name in chosen), "|".join(f"{-value:.6f}" for value, _ in chosen)
