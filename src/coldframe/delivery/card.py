"""The model card of a saved run: what it is, how good, learned from what, on which weights, and how to use it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coldframe.backbones.listing import licence_of
from coldframe.errors import visible
from coldframe.files import formats, is_file
from coldframe.methods.saving import about_of
from coldframe.results.rows import fit_of, groups

_LICENCES = {"apache-2.0", "mit", "bsd-3-clause", "cc-by-nc-4.0", "cc-by-4.0"}
_SHOWN = 50
"""Most class names that a card lists."""


def card(folder: Path, repository: str) -> str:
    """Return the card of a saved run as Markdown with a head of YAML.

    Accuracy has its 95% interval of Wilson over the test images. Of a data set on this disk only the folder's name is told.

    Args:
        folder: of a saved run; results are read from its ``result.json`` where there is one.
        repository: where it will stand, for the commands.
    """
    about = about_of(folder)
    licence = licence_of(about.backbone.name)
    row = fit_of(folder / "result.json").row if is_file(folder / "result.json") else {}
    head = [
        "---", "library_name: coldframe", "pipeline_tag: image-classification",
        f"license: {licence if licence in _LICENCES else 'other'}", "tags:", "- coldframe", f"- {_plain(about.method)}",
        "---", "",
    ]  # fmt: skip
    names = [_plain(name) for name in about.classes]
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    backbone = _plain(about.backbone.name)
    body = [
        f"# {_plain(about.method)} on {backbone}", "",
        f"An image classifier of {len(names):,} classes: the frozen backbone `{backbone}`, adapted by `{_plain(about.method)}` "
        f"with coldframe {_plain(about.coldframe)}. This repository holds what was learned, not the backbone.", "",
        f"Classes: {', '.join(names[:_SHOWN])}{more}.", "",
        "## Results", "", *_results(row), "",
        "## Data", "", *_data(about, row), "",
        "## Settings", "", "```json", json.dumps(about.config, indent=2, default=str, ensure_ascii=False), "```", "",
        "## Backbone and licence", "",
        f"- weights: `{backbone}`, digest `{_plain(about.backbone.digest)}`; loading onto other weights is refused",
        f"- preprocessing: {_plain(json.dumps(about.preprocess))}",
        f"- licence of the weights: {_plain(licence) or 'not stated by their zoo; ask whoever made them'}", "",
        "## How to use", "", "```", f"coldframe pull {repository} --out model", "coldframe predict photo.jpg --run model",
        "coldframe export model --out model.onnx", "```", "",
    ]  # fmt: skip
    return "\n".join(head + body)


def _results(row: Mapping[str, Any]) -> list[str]:
    if row.get("map") is not None and row.get("n"):
        scores = f"mAP {_share(row['map'])}, micro F1 {_share(row.get('micro_f1'))}, macro F1 {_share(row.get('macro_f1'))}"
        return [f"Several labels per image. On {int(row['n']):,} images of {_plain(row.get('split') or 'test')}: {scores}."]
    if row.get("top1") is None or not row.get("n"):
        return ["Not measured."]
    n = int(row["n"])
    found = groups([dict(row)])[0].over_images()
    assert found is not None, "there is a top-1 of n images"
    lines = [
        "| split | images | top-1 | 95% interval (Wilson) | mean per class | ECE |", "| --- | --- | --- | --- | --- | --- |",
        f"| {_plain(row.get('split') or 'test')} | {n:,} | {row['top1']:.1%} | {_share(found.low)} to {_share(found.high)} | "
        f"{_share(row.get('mean_per_class'))} | {_number(row.get('ece'))} |",
    ]  # fmt: skip
    return [*lines, "", f"Seed {row.get('seed')}. One fit: the interval is over images, not over seeds."]


def _data(about: formats.Adaptation, row: Mapping[str, Any]) -> list[str]:
    images = about.choices.get("images")
    counts = f": {images.get('train', 0):,} training and {images.get('val', 0):,} validation images" if images else ""
    return [f"Fitted on {data_name(str(row.get('data') or 'data that was not recorded'))}{counts}."]


def data_name(spec: str) -> str:
    """Return a data spec without the folders above it, which are the writer's own."""
    parts = []
    for part in spec.split("+"):
        kind, colon, rest = part.partition(":")
        here = rest if colon and len(kind) > 1 else part
        name = re.split(r"[/\\]", here.rstrip("/\\"))[-1]
        parts.append(f"{kind}:{name}" if here is rest else name)
    return _plain("+".join(parts))


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _plain(text: str) -> str:
    """Return foreign text as one line without what Markdown or HTML would act on."""
    return re.sub(r"[<>|`\[\]]", "", visible(text))
