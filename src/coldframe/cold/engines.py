"""What runs the frozen part: PyTorch as it is, or an engine that has read the network once and arranged it for this machine.

    run = tried("onnxruntime", backbone, ["block3", "features"], root, first)   # exported once, then found under root
    run(pixels)                                                                 # uint8 [b, 3, S, S] -> {"block3": ..., ...}

Engines other than ``eager`` change the order of sums, so their activations differ in the last digits. Before one is used it is
held against eager PyTorch on the first images, and what it stores has a key of its own.
"""

from __future__ import annotations

import importlib.util
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from coldframe import files
from coldframe.backbones.base import Backbone
from coldframe.errors import InputError, ModelError, nearest
from coldframe.machine.spreading import spread
from coldframe.types import PIXELS, digest_of

Engine = Literal["eager", "folded", "onnxruntime", "compile", "auto"]
Run = Callable[[Tensor], dict[str, Tensor]]
"""uint8 images [b, 3, S, S] -> the activation at every cut, [b, *shape]."""
TOLERANCE = 1e-4
"""Largest difference to eager PyTorch, as a share of the largest activation of the same image and cut."""
TRIED = 8
"""Images that an engine is tried on before a pass."""
_CPU_PIECE = 8
"""Images that a CPU runs at a time: of 64, lite0 takes 2.5 times as long an image, in caches missed and pages faulted."""
_OPSET = 18
_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def piece(backbone: Backbone) -> int:
    """Return how many images run at a time."""
    return _CPU_PIECE if backbone.device.type == "cpu" else 1 << 30


def tapped(backbone: Backbone, pixels: Tensor, cuts: Sequence[str], run: Run | None = None) -> dict[str, Tensor]:
    """Return the activations of uint8 images [B, 3, S, S] at each cut; at ``pixels`` the images. A CPU runs pieces.

    Args:
        backbone: the network.
        pixels: images.
        cuts: names.
        run: an engine opened for these cuts or more; eager PyTorch when None.
    """
    deeper = [cut for cut in cuts if cut != PIXELS]
    pieces = torch.split(pixels, piece(backbone)) if deeper else ()
    parts = spread(run or (lambda part: backbone.taps(backbone.normalise(part), deeper)), pieces)
    return {cut: torch.cat([part[cut] for part in parts]) for cut in deeper} | {PIXELS: pixels}


def chosen(engine: str, backbone: Backbone) -> tuple[Engine, str]:
    """Return the engine that will be tried, and a sentence where it is not the one asked for.

    ``auto`` is, on a CPU in float32, onnxruntime where it is installed, else folded where there is something to fold; eager
    PyTorch otherwise.

    Raises:
        InputError: an unknown engine.
    """
    for name in get_args(Engine):
        if engine == name == "auto":
            asked = [each for each in ("onnxruntime", "folded") if not _unable(each, backbone)]
            return (asked[0], "") if asked else ("eager", "")  # type: ignore[return-value]
        if engine == name:
            why = _unable(name, backbone)
            return ("eager", f"{backbone.name} runs in eager PyTorch, not {name}: {why}") if why else (name, "")
    raise InputError(f"unknown engine {engine!r}{nearest(str(engine), get_args(Engine))}")


def _unable(engine: str, backbone: Backbone) -> str:
    cpu, single = backbone.device.type == "cpu", backbone.dtype == torch.float32
    if engine == "onnxruntime":
        missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
        if missing:
            return f"the package {missing[0]} is not installed; install it with: pip install 'coldframe[export]'"
    if engine in ("onnxruntime", "folded") and not (cpu and single):
        return f"expected float32 on a CPU, found {str(backbone.dtype).removeprefix('torch.')} on {backbone.device.type}"
    if engine == "folded" and not any(isinstance(module, _BatchNorm) for module in backbone.module.modules()):
        return "it has no batch normalisation"
    return ""


def marked(engine: Engine) -> str:
    """Return what an engine adds to the key of all that it computes: its name and version; nothing for eager PyTorch."""
    if engine in ("eager", "auto"):
        return ""
    package = "onnxruntime" if engine == "onnxruntime" else "torch"
    try:
        return f"-{engine}-{version(package)}"
    except PackageNotFoundError:
        return f"-{engine}"


def precision_of(backbone: Backbone) -> str:
    """Return the precision of the forward: TensorFloat-32 is not float32, whatever the tensors say."""
    name = str(backbone.dtype).removeprefix("torch.")
    reduced = torch.get_float32_matmul_precision() != "highest"
    if backbone.device.type == "cuda":
        reduced = reduced or torch.backends.cudnn.allow_tf32
    return f"{name}-reduced" if reduced and backbone.dtype == torch.float32 else name


def tried(engine: Engine, backbone: Backbone, cuts: Sequence[str], root: Path, pixels: Tensor) -> Run:
    """Return what runs a network from uint8 images to some cuts, once it agrees with eager PyTorch on a few images.

    The difference of an image at a cut is max |found - expected| / max |expected|; it may be ``TOLERANCE``.

    Args:
        engine: not ``"auto"`` and not ``"eager"``; see :func:`chosen`.
        backbone: the network.
        cuts: names; ``pixels`` needs no engine.
        root: folder where exported networks are kept.
        pixels: uint8 images [b, 3, S, S], at most as many as run at a time.

    Raises:
        ModelError: the engine cannot take this network, or does not agree.
    """
    deeper = sorted({cut for cut in cuts if cut != PIXELS}, key=backbone.index)
    makers = {"onnxruntime": _onnxruntime, "compile": _compiled, "folded": _folded}
    try:
        with _quiet():
            run = makers[engine](backbone, deeper, root)
            wrong = _differs(run, backbone, deeper, pixels)
    except (ModelError, OSError):
        raise
    except Exception as error:  # exporters and compilers raise whatever their passes raise
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ModelError(f"{engine} cannot take this network ({reason})") from error
    if wrong:
        raise ModelError(wrong)
    return run


@torch.inference_mode()
def _differs(run: Run, backbone: Backbone, cuts: Sequence[str], pixels: Tensor) -> str:
    """Return how an engine differs from eager PyTorch by more than it may, in words, or nothing."""
    expected, found = tapped(backbone, pixels, cuts), tapped(backbone, pixels, cuts, run)
    for cut in cuts:
        if found[cut].shape != expected[cut].shape:
            return f"at {cut} it gives the shape {list(found[cut].shape)} in place of {list(expected[cut].shape)}"
        x, y = expected[cut].float().flatten(1), found[cut].float().flatten(1)  # [b, numbers]
        share = ((y - x).abs().amax(1) / x.abs().amax(1).clamp_min(torch.finfo(torch.float32).tiny)).max()
        if not bool(share <= TOLERANCE):  # NaN is no pass
            return f"at {cut} it differs by {float(share):.0e} of the largest activation, more than {TOLERANCE:.0e}"
    return ""


class _Taps(nn.Module):
    """Images -> a tuple of activations: normalised floats, or uint8 that it normalises itself."""

    def __init__(self, backbone: Backbone, cuts: Sequence[str], normalise: bool) -> None:
        super().__init__()
        self.network = backbone.module
        self._backbone, self._cuts, self._normalise = backbone, list(cuts), normalise

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        found = self._backbone.taps(self._backbone.normalise(x) if self._normalise else x, self._cuts)
        return tuple(found[cut] for cut in self._cuts)


def _onnxruntime(backbone: Backbone, cuts: Sequence[str], root: Path) -> Run:
    import onnxruntime

    # The class stands for what the stages are, as in the key of the store.
    own = [type(backbone).__module__, type(backbone).__qualname__, backbone.digest, backbone.preprocess.as_dict()]
    path = root / f"{digest_of([*own, list(cuts), _OPSET, version('torch'), version('onnxscript')])}.onnx"
    if not path.is_file():
        _export(backbone, cuts, path)
    options = onnxruntime.SessionOptions()
    # One thread a piece: the pieces are what is spread over the threads.
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = 1, 1, 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(pixels: Tensor) -> dict[str, Tensor]:
        found = session.run(None, {"pixels": pixels.contiguous().numpy()})
        return {cut: torch.from_numpy(array) for cut, array in zip(cuts, found, strict=True)}

    return run


def _export(backbone: Backbone, cuts: Sequence[str], path: Path) -> None:
    side = backbone.preprocess.size
    example = torch.zeros(2, 3, side, side, dtype=torch.uint8)
    # Out of inference mode: its tensors cannot be traced.
    with torch.inference_mode(False), torch.no_grad():
        program: Any = torch.onnx.export(
            _Taps(backbone, cuts, True).eval(), (example,), dynamo=True, input_names=["pixels"],
            output_names=[f"at_{number}" for number in range(len(cuts))], opset_version=_OPSET, verbose=False,
            external_data=False, dynamic_shapes=({0: torch.export.Dim("images", min=1, max=1 << 16)},),
        )  # fmt: skip
    model = program.model_proto
    for thing in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        thing.ClearField("metadata_props")  # traces of the stack, with paths of this machine
        thing.ClearField("doc_string")
    files.write_bytes(path, model.SerializeToString())


def _compiled(backbone: Backbone, cuts: Sequence[str], root: Path) -> Run:
    import torch._inductor.config as config

    cpu = backbone.device.type == "cpu"
    network = torch.compile(_Taps(backbone, cuts, False).eval(), dynamic=False if cpu else None)
    settings = {"freezing": True, "cpp.threads": 1} if cpu else {"freezing": True}

    def run(pixels: Tensor) -> dict[str, Tensor]:
        # A CPU always runs whole pieces, so that one graph serves all.
        short = _CPU_PIECE - len(pixels) if cpu else 0
        x = backbone.normalise(pixels)
        x = torch.cat([x, x.new_zeros(short, *x.shape[1:])]) if short else x
        with torch.inference_mode(False), torch.no_grad(), config.patch(settings):
            found = network(x.clone())
        return {cut: value[: len(pixels)] for cut, value in zip(cuts, found, strict=True)}

    with torch.no_grad():
        run(torch.zeros(1, 3, backbone.preprocess.size, backbone.preprocess.size, dtype=torch.uint8))
    return run


def _folded(backbone: Backbone, cuts: Sequence[str], root: Path) -> Run:
    other = backbone.folded()
    if other is backbone:
        raise ModelError(f"{backbone.name} has no batch normalisation that can be folded")
    return lambda pixels: other.taps(other.normalise(pixels), cuts)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what exporters and compilers say of themselves."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "torch.utils.cpp_extension")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
