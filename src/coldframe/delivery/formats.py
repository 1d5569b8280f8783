"""The formats of a delivered network: each writes one file, and opens it again with what will serve it."""

from __future__ import annotations

import importlib.util
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from coldframe.delivery.about import EXTRA
from coldframe.delivery.half import keep_transpositions
from coldframe.delivery.servable import Servable, quiet
from coldframe.errors import InputError, MissingPackage, ModelError
from coldframe.files import read_safetensors, write_safetensors
from coldframe.methods.base import CALIBRATION, Method

Format = Literal["onnx", "torchscript", "torch-export", "safetensors"]
Served = Callable[[Tensor], Tensor]
"""Pixels as the file takes them -> probabilities [B, K]."""
ENDINGS: dict[str, str] = {"onnx": ".onnx", "torchscript": ".pt", "torch-export": ".pt2", "safetensors": ".safetensors"}
OLDEST, NEWEST = 18, 23
"""Operator sets of ONNX that are offered: torch writes 18 by itself; scatter and layer normalisation need 17 and more."""
LARGEST = 2**31 - 2**24
"""Most bytes of one ONNX file: a protocol buffer ends at 2 GB."""
PACKAGES = ("onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True)
class Kind:
    """One format.

    Args:
        write: writes the network with its metadata to a path.
        open: returns what serves the file.
    """

    write: Callable[[Path, Servable, Mapping[str, str], int], object]
    open: Callable[[Path, Servable], Served]


def check(to: str, opset: int | None) -> None:
    """Refuse, before any work, a format that is unknown, an operator set out of range, and packages that are not installed.

    Raises:
        InputError: an unknown format, or an operator set for a format without any.
        MissingPackage: ONNX needs the extra ``export``.
    """
    if to not in get_args(Format):
        raise InputError(f"expected a format of {', '.join(get_args(Format))}, found {to!r}")
    if opset is not None and to != "onnx":
        raise InputError(f"expected opset for onnx alone, found it for {to}; leave it out")
    if opset is not None and not OLDEST <= opset <= NEWEST:
        raise InputError(f"expected an opset of {OLDEST} to {NEWEST}, found {opset}")
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None] if to == "onnx" else []
    if missing:
        said = f"expected the package {missing[0]} for ONNX files, found none; install it with: pip install 'coldframe[export]'"
        raise MissingPackage(said)


def _write_onnx(path: Path, network: Servable, about: Mapping[str, str], opset: int) -> None:
    import onnx

    graph = network.graph()
    size = sum(t.numel() * t.element_size() for t in (*graph.state_dict.values(), *graph.constants.values()))
    if size > LARGEST:
        found = f"expected at most {LARGEST:,} bytes of weights for one ONNX file, found {size:,}"
        raise ModelError(f"{found}; take --fp16, or --to torch-export")
    with torch.no_grad(), quiet():
        try:
            program: Any = torch.onnx.export(
                graph, dynamo=True, input_names=["pixels"], output_names=["probabilities"], opset_version=opset, verbose=False,
                external_data=False,
            )  # fmt: skip
            model = program.model_proto
        except Exception as error:  # onnxscript raises whatever its passes raise
            raise ModelError(network.cannot("ONNX", error)) from error
    found = next(one.version for one in model.opset_import if one.domain in ("", "ai.onnx"))
    if found != opset:
        raise ModelError(f"expected a graph of opset {opset}, found one of {found}; leave --opset out, or take {found}")
    whole = model.graph
    for thing in (*whole.node, *whole.value_info, *whole.input, *whole.output, *whole.initializer):
        thing.ClearField("metadata_props")  # traces of the stack, with paths of this machine
        thing.ClearField("doc_string")
    del model.metadata_props[:]
    for name, value in about.items():
        model.metadata_props.add(key=name, value=value)
    model.producer_name, model.producer_version = "coldframe", about["coldframe"]
    if about["precision"] == "fp16":
        keep_transpositions(model)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _open_onnx(path: Path, network: Servable) -> Served:
    session = onnx_session(path)
    return lambda pixels: torch.from_numpy(session.run(None, {"pixels": pixels.cpu().numpy()})[0])


def onnx_session(path: Path, threads: int = 1) -> Any:
    """Return onnxruntime's session of a file, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _write_script(path: Path, network: Servable, about: Mapping[str, str], opset: int) -> None:
    module = network.script()
    whole = io.BytesIO()
    with quiet():
        torch.jit.save(module, whole, _extra_files={EXTRA: json.dumps(dict(about), ensure_ascii=False)})
    with zipfile.ZipFile(whole) as archive, zipfile.ZipFile(path, "w") as file:
        for name in archive.namelist():
            if not name.endswith(".debug_pkl"):  # it holds paths of this machine
                file.writestr(name, archive.read(name))


def _open_script(path: Path, network: Servable) -> Served:
    with quiet():
        module: Served = torch.jit.load(str(path))  # type: ignore[no-untyped-call]
    return module


def _write_graph(path: Path, network: Servable, about: Mapping[str, str], opset: int) -> None:
    graph = network.graph()
    with quiet(), path.open("wb") as file:
        torch.export.save(graph, file, extra_files={EXTRA: json.dumps(dict(about), ensure_ascii=False)})


def _open_graph(path: Path, network: Servable) -> Served:
    with quiet(), path.open("rb") as file:
        return torch.export.load(file).module()


def _write_weights(path: Path, network: Servable, about: Mapping[str, str], opset: int) -> None:
    method = network.method
    tensors = {f"backbone.{name}": value for name, value in method.backbone.module.state_dict().items()}
    tensors |= {f"learned.{name}": value for name, value in method.state().items()}
    # safetensors holds no two names of one memory: tied weights are written twice
    write_safetensors(path, {name: value.detach().clone() for name, value in tensors.items()}, about)


def _open_weights(path: Path, network: Servable) -> Served:
    tensors, told = read_safetensors(path)
    backbone = network.method.backbone.clone()
    with torch.no_grad():
        for value in backbone.module.state_dict().values():
            value.zero_()
    held = {name.removeprefix("backbone."): value for name, value in tensors.items() if name.startswith("backbone.")}
    backbone.module.load_state_dict(held)
    method: Method = type(network.method)(backbone, **network.method.config())
    learned = {name.removeprefix("learned."): value for name, value in tensors.items() if name.startswith("learned.")}
    method.restore(network.method.classes, learned, path)
    method.choices[CALIBRATION] = {"temperature": float(told["temperature"])}
    return Servable(method, network.takes)


KINDS: dict[str, Kind] = {
    "onnx": Kind(_write_onnx, _open_onnx),
    "torchscript": Kind(_write_script, _open_script),
    "torch-export": Kind(_write_graph, _open_graph),
    "safetensors": Kind(_write_weights, _open_weights),
}

