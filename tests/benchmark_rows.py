"""Rows of a benchmark, as a run writes them, for tests of what is drawn and said."""

from __future__ import annotations

from typing import Any

from coldframe.report.benchmark import Benchmark

SETTINGS = {"precision": "fp32", "channels_last": False, "compiled": False, "batch": 8, "passes": 20, "memory_batch": 64}
MACHINE = {"device": "cpu", "cpu": "A processor", "threads": 1, "torch": "2.15"}


def row(label: str, ms: float, top1: float | None, parameters: float, mib: float = 1000.0, **others: Any) -> dict[str, Any]:
    """Return a row with the usual relations between its numbers."""
    times = {
        f"{mode}_{name}": ms * factor * part
        for mode, factor in (("latency", 1.0), ("inference_mode", 0.99), ("gradients", 1.1))
        for name, part in (("ms", 1.0), ("p10_ms", 0.97), ("p90_ms", 1.05), ("mean_ms", 1.01), ("processor_ms", 0.96))
    }
    memory = {
        f"{mode}_{name}": value
        for mode, held in (("gradients", mib), ("no_grad", 0.244))
        for name, value in (("memory_batch", 64), ("held_mib", held), ("predicted_mib", held), ("resident_mib", held + 1),
                            ("peak_mib", held * 1.1))
    }  # fmt: skip
    return {
        "model": f"zoo:{label}", "label": label, "weights": "random", "parameters": int(parameters), "gmacs": 1.5,
        "uncounted": "", "top1": top1, "top1_source": "the makers" if top1 else "", "top1_of_probe": False,
        "precision": "fp32", "channels_last": False, "compiled": False, "batch": 8, "passes": 20, **times,
        "switches_per_second": 1.0, "interference": "", "memory_batch": 64, **memory, "memory_way": "saved tensors",
        "memory_note": "", "measured_top1": None, "measured_by": "", "images": None, **others,
    }  # fmt: skip


def seven() -> Benchmark:
    """Return rows like those of the founding exercise: two models of the same size and speed among them."""
    rows = [
        row("VGG11", 221, 0.690, 132.86e6, 2979),
        row("VGG11-BN", 224, 0.704, 132.87e6, 4792),
        row("ResNet18", 55, 0.698, 11.7e6, 1354),
        row("DenseNet121", 112, 0.744, 8e6, 7957),
        row("MobileNetV3-Small", 4.3, 0.677, 2.5e6, 987),
        row("ViT-B/32", 116, 0.759, 88.2e6, 1858),
        row("ViT-S/8", 615, 0.797, 21.7e6, 3584, top1_of_probe=True, top1_source="a probe", gradients_memory_batch=16,
            gradients_predicted_mib=14337.0, memory_note="memory was measured with gradients on at batch 16"),
    ]  # fmt: skip
    return Benchmark(dict(SETTINGS), dict(MACHINE), "coldframe benchmark", rows)
