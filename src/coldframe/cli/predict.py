"""``coldframe predict``: top-k classes of image files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from coldframe.cli import common, numbers, shared
from coldframe.types import Fit

if TYPE_CHECKING:
    from coldframe.backbones.base import Backbone


def predict(
    *images: str,
    model: str | None = None,
    run: Path | None = None,
    fit_: Annotated[Fit | None, Parameter(name="--fit")] = None,
    top: numbers.Top = 3,
    own: shared.Own = None,
    device: shared.Device = None,
    download: shared.DownloadWeights = False,
    out: Path | None = None,
    abstain: numbers.Fraction | None = None,
    conformal: numbers.Fraction | None = None,
    batch: numbers.Batch = 64,
    figure: Path | None = None,
    format_: Annotated[Literal["table", "json", "csv"], Parameter(name="--format")] = "table",
    on_error: shared.OnErrorBefore = "raise",
    most_images: numbers.Count = 10_000,
    json: bool = False,
) -> None:
    """Predict image files with a pretrained model's own classifier or with a saved run.

    Parameters
    ----------
    images:
        Files, folders (searched below) and globs.
    model:
        A model id with a classifier; lite0 when neither a model nor a run is given.
    run:
        Folder of a saved adaptation, in place of a model; the folder of a comparison stands for the method in its best/.
    fit_:
        How pictures become square: crop the centre, squash both sides, pad with black, or as-is for pictures of the model's
        size; by default the model's own way. For --model; a run keeps the way that it learned with.
    top:
        Classes per file.
    out:
        Write path, class and probability of every picture, of any number, to this .csv, .jsonl or .parquet file.
    abstain:
        Wanted share of right answers among those given, such as 0.95: pictures that are less sure than the threshold chosen for
        it on the run's validation images get no class. For --out.
    conformal:
        Print beside each picture a set of classes that holds the true one in this share of cases, such as 0.9, as far as
        pictures are like the run's validation images; with --out a further column, with bars between the classes.
    batch:
        Images in one forward pass, for --out.
    figure:
        Draw the pictures with their classes into this PNG, and an SVG beside it.
    format_:
        How to print.
    most_images:
        Files that are taken, at most; more are refused before any work.
    json:
        The same as --format json.
    """
    from coldframe.backbones import load_backbone
    from coldframe.errors import InputError
    from coldframe.registry import CLASSIFIER
    from coldframe.verbs.predict import MOST_DRAWN, draw
    from coldframe.verbs.predict import predict as run_predict

    common.run_own(own)
    if not images:
        raise InputError("expected at least one image file, folder or glob, found none; name some after 'coldframe predict'")
    if run is not None and model is not None:
        raise InputError("expected --model or --run, found both; give one")
    if abstain is not None and out is None:
        raise InputError("expected --out beside --abstain, found none; name a .csv, .jsonl or .parquet file")
    if run is not None and fit_ is not None:
        raise InputError("expected --run or --fit, found both; a run takes pictures as it learned them")
    source: str | Path | Backbone = run or model or CLASSIFIER
    if fit_ is not None:
        source = load_backbone(model or CLASSIFIER, device=common.device_name(device), download=download, fit=fit_)
    skipped: dict[str, str] = {}
    if out is not None:
        from coldframe.verbs.answer_file import answer_file

        done, silent, least = answer_file(
            source, images, out, abstain=abstain, conformal=conformal, device=common.device_name(device), batch_size=batch,
            download=download, on_error=on_error, left=skipped, seen=common.seen, progress=common.predicted,
        )  # fmt: skip
        common.say_left_out(skipped)
        unsure = f", {silent:,} of them less sure than {least:.3f} and without a class" if abstain is not None else ""
        common.say(f"{out}: {done:,} pictures{unsure}")
        return
    found = run_predict(
        source, images, top=top, device=common.device_name(device), on_error=on_error, left=skipped,
        seen=common.seen, most=most_images, download=download, conformal=conformal,
    )  # fmt: skip
    common.say_left_out(skipped)
    drawn = draw(found, figure)[0] if figure is not None else None
    if json or format_ == "json":
        rows = [
            {"file": p.file, "top": [{"class": c, "probability": q} for c, q in zip(p.classes, p.probabilities, strict=True)]}
            | ({} if p.set is None else {"set": list(p.set)})
            | ({} if p.labels is None else {"labels": list(p.labels)})
            for p in found
        ]
        common.print_json(rows)
    elif format_ == "csv":
        import csv
        import sys

        writer = csv.writer(sys.stdout)
        more = ["labels"] if found and found[0].labels is not None else []
        writer.writerow(["file", "rank", "class", "probability", *more])
        for p in found:
            for rank, (name, probability) in enumerate(zip(p.classes, p.probabilities, strict=True), 1):
                labels = [] if p.labels is None else ["|".join(p.labels)]
                writer.writerow([p.file, rank, name, f"{probability:.6f}", *labels])
    else:
        for p in found:
            common.say(p.file)
            width = max(len(name) for name in p.classes)
            for name, probability in zip(p.classes, p.probabilities, strict=True):
                common.say(f"  {name:<{width}}  {probability:6.1%}  {'█' * round(probability * 30)}")
            if p.labels is not None:
                common.say(f"  labels: {', '.join(p.labels) or 'none'}")
            if p.set is not None:
                common.say(f"  one of {len(p.set)}: {', '.join(p.set)}" if len(p.set) > 1 else f"  {p.set[0]} alone")
        if drawn is not None:
            left = f" (the first {MOST_DRAWN} of {len(found)} pictures)" if len(found) > MOST_DRAWN else ""
            common.say(f"figure: {drawn}{left}")
