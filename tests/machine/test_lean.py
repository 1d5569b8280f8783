"""What a verb must not import, and that what was put off is there when it is asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

HEAVY = ("torch._dynamo", "torch._inductor", "sympy", "matplotlib", "open_clip", "sklearn", "pandas", "pyarrow", "onnx")
RUN = """
import sys
from coldframe.cli import main
try:
    main(sys.argv[2:])
except SystemExit as stopped:
    assert not stopped.code
print("imported:", *(name for name in sys.argv[1].split(",") if name in sys.modules))
"""


def imported(names: tuple[str, ...], *words: str) -> list[str]:
    command = [sys.executable, "-c", RUN, ",".join(names), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()[1:]


def test_predict_imports_what_it_uses(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), (200, 40, 40)).save(tmp_path / "red.png")
    assert imported((*HEAVY, "torch"), "predict", str(tmp_path / "red.png")) == ["torch"]


@pytest.mark.parametrize("words", [("--help",), ("predict", "--help"), ("models", "--help")])
def test_help_imports_no_torch(words: tuple[str, ...]) -> None:
    assert imported((*HEAVY, "torch", "torchvision", "timm", "numpy"), *words) == []


def python(program: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_the_question_that_is_put_off_is_answered_by_the_compiler_itself() -> None:
    program = """
import sys
import coldframe.backbones, torch, torchvision
from torchvision.ops import roi_align
print("torch._dynamo" in sys.modules, "torch._dynamo.utils" in sys.modules)
x = torch.arange(32.0).reshape(1, 2, 4, 4)
pooled = roi_align(x, torch.tensor([[0.0, 0.0, 0.0, 3.0, 3.0]]), 2, aligned=False)
asked = roi_align.__globals__["is_compile_supported"]("cpu")
import torch._dynamo.utils as utils
print(asked == utils.is_compile_supported("cpu"), utils.__spec__ is not None, tuple(pooled.shape) == (1, 2, 2, 2))
"""
    assert python(program) == ["False", "False", "True", "True", "True"]


def test_timms_functions_stay_out_of_graphs_once_there_is_a_compiler() -> None:
    program = """
import sys
import coldframe.backbones, timm, torch
from timm.models.naflexvit import NaFlexRopeIterator
import timm.layers
print("torch._dynamo" in sys.modules, timm.layers.disable_compiler is torch.compiler.disable)
from coldframe.machine.lean import _disabled
seen = []
def call(x):
    seen.append(torch.compiler.is_compiling())
    return x + 1
kept = _disabled(call)
print(float(kept(torch.zeros(()))))
compiled = torch.compile(lambda x: kept(x * 2) * 3, backend="eager")
print(float(compiled(torch.ones(()))), any(seen))
"""
    assert python(program) == ["False", "True", "1.0", "9.0", "False"]
