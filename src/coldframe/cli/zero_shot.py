"""``coldframe zero-shot``: classify by class names alone, or ask anything of images."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from coldframe.cli import common, numbers, shared


def zero_shot(
    *,
    model: str = "pocket",
    fit_: shared.Square = None,
    data: str = "mini:cifar10",
    template: list[str] | None = None,
    classes: str | None = None,
    split: Literal["train", "val", "test", "all"] = "test",
    shots: numbers.Count | None = None,
    probabilities: Literal["auto", "softmax", "sigmoid"] = "auto",
    show: numbers.Shown = 0,
    seed: numbers.Seed = 0,
    out: Path | None = None,
    device: shared.Device = None,
    download: shared.Download = False,
    batch: numbers.Batch = 64,
    on_error: shared.OnError = "raise",
    json: bool = False,
) -> None:
    """Classify images by texts. With your own --classes it answers any question: what is asked is not in the labels.

    Parameters
    ----------
    model:
        A vision-language model, such as open_clip:ViT-B-32/openai; by default the bundled one.
    data:
        A data spec, or a folder of images without labels, for your own --classes.
    template:
        A text with {} for the class, the name of an ensemble (photo, name, clip-7), or a JSON file of texts by class, such as
        {"cat": ["a cat with whiskers", "a purring {}"], "dog": "a barking dog"}. Repeat the option for several texts.
    classes:
        Your own classes separated by commas, or a file of lines; by default the data's own, and then accuracy is measured.
    split:
        Which images; all reads every image as one split. A folder of images without class folders is read as a whole.
    shots:
        Training images per class, for --split train; all by default.
    probabilities:
        softmax over the texts, sigmoid of each text by itself (SigLIP), or auto: a sigmoid for your own --classes where the
        model was trained with one, else a softmax.
    show:
        Draw this many random images with their five most probable classes into --out.
    seed:
        Seed of the random images.
    out:
        Folder for results.json and the figure.
    batch:
        Images in one forward pass.
    json:
        Print JSON.
    """
    from coldframe.backbones import load_backbone
    from coldframe.verbs.zero_shot import ask

    answer = ask(
        data,
        model if fit_ is None else load_backbone(model, device=common.device_name(device), download=download, fit=fit_),
        template=template or None,
        classes=common.class_names(classes),
        split=split,
        shots=shots,
        probabilities=probabilities,
        show=show,
        seed=seed,
        out=out,
        device=common.device_name(device),
        download=download,
        cold=common.cold_pass("fp32", None, batch),
        on_error=on_error,
    )
    common.say_left_out(answer.left_out)
    if json:
        common.print_json(answer.as_dict())
        return
    more = len(answer.texts) - 1
    texts = f"“{answer.texts[0]}” and {more} more text{'' if more == 1 else 's'}"
    common.say(f"{texts} · {answer.n:,} images of {data} ({split})")
    width = max(len(name) for name in answer.shares)
    for name, share in sorted(answer.shares.items(), key=lambda item: -item[1])[:20]:
        common.say(f"  {name:<{width}}  {share:6.1%} of the images")
    how = "softmax over the texts" if answer.probabilities == "softmax" else "sigmoid of each text by itself"
    common.say(f"mean probability of the answer: {answer.confidence:.1%} ({how})")
    if answer.row:
        common.print_row(answer.row, json=False)
    if answer.figure is not None:
        common.say(f"figure: {answer.figure}")
