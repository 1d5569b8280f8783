"""``coldframe inspect features|filters|disagreements``: look inside a model, and at where two models differ."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from coldframe.cli import common, numbers, shared

app = App(name="inspect", help="Look inside a model, and at where two saved runs differ.")

Flag = Annotated[bool, Parameter(negative="")]


@app.command
def features(
    *images: str,
    model: str | None = None,
    layers: list[str] | None = None,
    maps: numbers.Top = 5,
    channels: numbers.Places | None = None,
    out: Path = Path("runs/features"),
    device: shared.Device = None,
    download: Flag = False,
    on_error: shared.OnErrorBefore = "raise",
    most_images: numbers.Count = 10_000,
    json: Flag = False,
) -> None:
    """Draw feature maps of image files; of vision transformers also token norms, attention head by head, and rollout.

    Args:
        images: Files, folders (searched below) and globs.
        model: A model id; by default lite0.
        layers: Names of layers separated by commas: cuts (block3: what enters block 3) or modules (blocks.2.0.conv_pw);
            by default an early, a middle and a late cut.
        maps: Maps per layer: those that vary most over their pixels.
        channels: Numbers of maps, in place of the most varied; repeat the option.
        out: Folder of the figures and results.json.
        download: Fetch what is not on this machine; without it no network is used.
        most_images: Files that are taken, at most; more are refused before any work.
        json: Print results.json to stdout.
    """
    from coldframe.errors import InputError
    from coldframe.registry import CLASSIFIER
    from coldframe.verbs import inspect as verb

    if not images:
        raise InputError("expected at least one image, found none; name files, folders or globs after 'inspect features'")
    found = verb.features(
        model or CLASSIFIER, images, layers=common.names(layers), maps=maps, channels=channels, out=out,
        device=common.device_name(device), download=download, on_error=on_error,
        seen=common.seen, most=most_images,
    )  # fmt: skip
    common.say_left_out(found.get("left_out", {}))
    if json:
        common.print_json(found)
        return
    for row in found["images"]:
        common.say(row["file"])
        for layer in row["layers"]:
            c, h, w = layer["shape"]
            common.say(f"  {layer['layer']}: maps {', '.join(map(str, layer['channels']))} of {c}, {h} x {w}")
        common.say(f"  attention: {row['attention']}")
        common.say("  " + "  ".join(str(out / name) for name in row["figures"] if name.endswith(".png")))


@app.command
def filters(
    *, model: str | None = None, out: Path = Path("runs/filters"), device: shared.Device = None, download: Flag = False,
    json: Flag = False,
) -> None:
    """Draw the filters of the first convolution as one RGB picture: H' = H / (2 (max|H| + eps)) + 1/2, filter by filter.

    Args:
        model: A model id; by default lite0.
        out: Folder of the pictures and results.json.
        download: Fetch what is not on this machine; without it no network is used.
        json: Print results.json to stdout.
    """
    from coldframe.registry import CLASSIFIER
    from coldframe.verbs import inspect as verb

    found = verb.filters(model or CLASSIFIER, out=out, device=common.device_name(device), download=download)
    if json:
        common.print_json(found)
        return
    n, _, h, w = found["shape"]
    common.say(f"{found['model']}: {n} filters of {h} x {w} in {found['layer']}: {out / 'filters.png'}")


@app.command
def disagreements(
    a: Path,
    b: Path,
    *,
    own: shared.Own = None,
    data: str | None = None,
    split: Literal["train", "val", "test"] = "test",
    seed: numbers.Seed | None = None,
    classes: str | None = None,
    most: numbers.Top = 48,
    out: Path = Path("runs/disagreements"),
    device: shared.Device = None,
    download: Flag = False,
    batch: shared.Frozen = 64,
    on_error: shared.OnErrorBefore = "raise",
    json: Flag = False,
) -> None:
    """Show the images that one of two saved runs gets right and the other wrong, and test whether the runs differ.

    Args:
        a: Folder of a saved run.
        b: Folder of another, on the same classes.
        data: A data spec; by default that of run A.
        split: Which images.
        seed: Seed of the splits that the data does not fix; by default that of run A.
        classes: Class names separated by commas, or a file of lines, in place of the data's own.
        most: Pictures of each kind, the most decided first.
        out: Folder of the page, the pictures and results.json.
        download: Fetch what is not on this machine; without it no network is used.
        json: Print results.json to stdout.
    """
    from coldframe.verbs.disagreements import runs

    common.run_own(own)
    found = runs(
        a, b, data=data, split=split, seed=seed, classes=common.class_names(classes), most=most, out=out,
        device=common.device_name(device), download=download, cold=common.cold_pass("fp32", None, batch),
        on_error=on_error,
    )  # fmt: skip
    common.say_left_out(found.get("left_out", {}))
    if json:
        common.print_json(found)
        return
    for line in found["sentences"]:
        common.say(line)
    common.say(f"page: {out / 'report.html'}")
