"""``coldframe export``: a saved run as one file that is served without coldframe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from coldframe.cli import common, numbers, shared


def export(
    run: Path,
    /,
    *,
    out: Path,
    to: Literal["onnx", "torchscript", "torch-export", "safetensors"] = "onnx",
    takes: Annotated[Literal["uint8", "float"], Parameter(name="--input")] = "uint8",
    own: shared.Own = None,
    opset: numbers.Count | None = None,
    fp16: bool = False,
    check: list[str] | None = None,
    tolerance: numbers.Seconds | None = None,
    download: bool = False,
    json: bool = False,
) -> None:
    """Write a saved run as one file from pixels to probabilities, for any number of images.

    Normalisation, network, prompts, texts and head are inside. Resizing and cropping are not: how images become pixels, the
    class names, the licence of the weights and the digest of the backbone stand in the file's metadata. The file is opened by
    what will serve it (onnxruntime for ONNX) and compared with coldframe on photographs; one that does not agree is not
    written. safetensors holds weights without a graph: those of the backbone, and what the method learned.

    Parameters
    ----------
    run:
        Folder of a saved run, or of a comparison that holds best.
    out:
        The file to write, such as model.onnx.
    to:
        Its format.
    takes:
        What goes in: uint8 is [batch, S, S, 3] with 0 .. 255, float is [batch, 3, S, S] with 0 .. 1.
    opset:
        Operator set of ONNX, 18 to 23; by default 18.
    fp16:
        Let the network compute in half precision: half the size. What the method learned beside it stays fp32.
    check:
        Photographs to compare on: a file, a folder or a glob, may be repeated; by default bundled ones.
    tolerance:
        Most that a probability may differ from coldframe's; by default 0.00001, 0.02 with --fp16.
    download:
        Fetch the backbone's weights where they are not on this machine.
    json:
        Print JSON, with the metadata.
    """
    from coldframe.verbs.export import export as run_export

    common.run_own(own)
    done = run_export(
        run, out, to=to, takes=takes, opset=opset, fp16=fp16, check=check or (), tolerance=tolerance, download=download
    )
    if json:
        common.print_json(done.as_dict())
        return
    told = done.metadata
    common.say(f"{done.path}: {done.to}, {done.bytes / 1e6:,.1f} MB, {told['precision']}")
    common.say(f"  in   {told['input']}")
    common.say(f"  out  {told['output']}")
    common.say(f"  {told['method']} on {told['backbone']}, licence of the weights: {told['licence']}")
    limit = f"at most {done.tolerance:g}"
    common.say(f"  largest difference from coldframe: {done.difference:.1e} ({limit}) on {done.images} photographs")
