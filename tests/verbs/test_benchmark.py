"""What models cost: measured on networks small enough for a test."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fakes import TinyBackbone
from PIL import Image

from coldframe.errors import InputError, ModelError
from coldframe.files import write_json
from coldframe.measures import machine
from coldframe.verbs import benchmark as verb
from coldframe.verbs import cost
from coldframe.verbs.benchmark import DEFAULTS, PROBES, Settings, benchmark, label, measure

QUICK = Settings(batch=2, memory_batch=4, passes=5, warmup=1, seconds=0)
SMALL = "timm:test_vit"


def test_the_founding_seven() -> None:
    assert list(DEFAULTS.values()) == [
        "VGG11", "VGG11-BN", "ResNet18", "DenseNet121", "MobileNetV3-Small", "ViT-B/32", "ViT-S/8",
    ]  # fmt: skip
    assert set(PROBES) <= set(DEFAULTS) and PROBES["timm:vit_small_patch8_224.dino"]["top1"] == 0.797


def test_a_row_holds_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    row = measure(TinyBackbone(layers=3), "tiny:0", QUICK, said.append)
    assert [line.partition(",")[0] for line in said] == ["operations", "memory", "memory", "latency", "done"]
    assert row["parameters"] == sum(p.numel() for p in TinyBackbone(layers=3).module.parameters())
    assert (row["batch"], row["passes"], row["top1"], row["measured_top1"]) == (2, 5, None, None)
    for mode in ("latency", "inference_mode", "gradients"):
        assert 0 < row[f"{mode}_p10_ms"] <= row[f"{mode}_ms"] <= row[f"{mode}_p90_ms"]
    assert row["gradients_memory_batch"] == row["no_grad_memory_batch"] == 4 == row["memory_batch"]
    # tokens [16, 6]: the convolution of 3 x 4 x 4 into 6, three layers of 6 x 6
    assert row["gmacs"] == round(16 * 6 * (48 + 3 * 6) / 1e9, 4)
    monkeypatch.setattr(cost, "available_memory", lambda device: 1)
    least = measure(TinyBackbone(), "tiny:0", QUICK)
    assert (least["batch"], least["gradients_memory_batch"], least["no_grad_memory_batch"]) == (1, 1, 1)
    assert least["memory_note"] == "memory was measured with gradients on at batch 1 and under no_grad at batch 1"


def test_gradients_cost_memory_although_the_backbone_comes_frozen() -> None:
    backbone = TinyBackbone()
    assert not any(p.requires_grad for p in backbone.module.parameters())
    row = measure(backbone, "tiny:0", QUICK)
    assert row["gradients_held_mib"] > 5 * max(row["no_grad_held_mib"], 0.001)


def test_models_without_weights_run_with_random_ones_and_keep_published_figures() -> None:
    kept: list[int] = []
    models = ["torchvision:mobilenet_v3_small", f"{SMALL}/random"]
    found = benchmark(models, QUICK, machine(), keep=lambda so_far: kept.append(len(so_far.rows)))
    first, second = found.rows
    assert kept == [1, 2]
    assert first["label"] == "MobileNetV3-Small" and first["top1"] == pytest.approx(0.677, abs=1e-3)
    if first["weights"] == "random":
        assert "not these weights" in first["top1_source"] and "run with random weights" in " ".join(found.notes())
    assert first["gmacs"] == pytest.approx(0.0565, abs=1e-3) and second["weights"] == "random"
    assert second["top1"] is None and found.settings["batch"] == 2


def test_models_of_one_name_are_told_apart() -> None:
    found = benchmark([f"{SMALL}/random", f"{SMALL}.r160_in1k/random"], QUICK, machine())
    assert [row["label"] for row in found.rows] == [f"{SMALL}/random", f"{SMALL}.r160_in1k/random"]


def test_labels() -> None:
    assert label("torchvision:vit_b_32/IMAGENET1K_V1") == "vit_b_32" and label("torchvision:vit_b_32/random") == "ViT-B/32"
    assert label("lite0") == "lite0" and label("open_clip:ViT-B-32/openai") == "ViT-B-32"
    assert label("timm:vit_small_patch8_224.dino/random") == "ViT-S/8"


def test_a_text_tower_is_not_counted() -> None:
    backbone = TinyBackbone()
    images = backbone.parameter_count
    backbone.net.add_module("text", torch.nn.Linear(1000, 1000))
    assert measure(backbone, "tiny:0", QUICK)["parameters"] == images + 1_001_000
    backbone.text = verb  # type: ignore[assignment]  # anything that is not None
    assert measure(backbone, "tiny:0", QUICK)["parameters"] == images


def test_precision_and_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    run = verb.Backbone.run

    def spy(self: verb.Backbone, x: torch.Tensor, *names: str) -> torch.Tensor:
        seen.append(x)
        return run(self, x, *names)

    monkeypatch.setattr(verb.Backbone, "run", spy)
    settings = Settings(precision="bf16", channels_last=True, batch=2, memory_batch=2, passes=5, warmup=0, seconds=0)
    (row,) = benchmark([f"{SMALL}/random"], settings, machine()).rows
    assert (row["precision"], row["channels_last"], row["compiled"]) == ("bf16", True, False)
    assert all(x.dtype == torch.bfloat16 and x.is_contiguous(memory_format=torch.channels_last) for x in seen)


def test_top1_is_measured_on_labelled_images(tmp_path: Path) -> None:
    for number in range(3):
        Image.effect_noise((40, 40), 60 + number).convert("RGB").save(tmp_path / f"a{number}_x.png")
    write_json(tmp_path / "classes.json", {f"a{number}": [number, ""] for number in range(3)})
    backbone = verb._load(f"{SMALL}/random", QUICK)
    backbone.weights = "pretend"
    settings = Settings(batch=2, memory_batch=2, passes=5, warmup=0, seconds=0, images=tmp_path)
    row = measure(backbone, SMALL, settings)
    assert row["images"] == 3 and 0 <= row["measured_top1"] <= 1
    backbone.weights = "random"
    assert measure(backbone, SMALL, settings)["measured_top1"] is None


@pytest.mark.shared_data
@pytest.mark.slow
def test_lite0_reaches_its_accuracy(shared_data: Path) -> None:
    settings = Settings(batch=1, memory_batch=1, passes=5, warmup=0, seconds=0, images=shared_data / "imagenet-sample")
    (row,) = benchmark(["lite0"], settings, machine()).rows
    assert row["images"] == 500 and row["measured_top1"] >= 0.87 and row["top1"] == 0.7485


def test_refusals(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for wrong in ({"batch": 0}, {"memory_batch": 0}, {"passes": 0}):
        with pytest.raises(InputError, match="1 or more, found 0"):
            Settings(**wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="found nothing at"):
        Settings(images=tmp_path / "absent")
    monkeypatch.setattr(verb, "measure", lambda *rest: pytest.fail("a later name is wrong"))
    with pytest.raises(ModelError, match="did you mean 'resnet18'"):
        benchmark([f"{SMALL}/random", "torchvision:resnet81"], QUICK, machine())


def test_a_network_that_cannot_be_compiled_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(call: object, **settings: object) -> object:
        def compiled(x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("no\ncompiler")

        return compiled

    monkeypatch.setattr(torch, "compile", refuse)
    with pytest.raises(ModelError, match=r"cannot compile tiny:0 \(no compiler\); leave --compile out"):
        measure(TinyBackbone(), "tiny:0", Settings(batch=2, memory_batch=2, passes=5, compiled=True))
