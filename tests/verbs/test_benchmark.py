"""What models cost: measured on networks small enough for a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import TinyBackbone, tiny_clip
from PIL import Image

from coldframe.backbones import load_backbone
from coldframe.errors import InputError, ModelError
from coldframe.files import write_json
from coldframe.measures import Fitted, Latency, machine
from coldframe.measures.activation_memory import ForwardMemory
from coldframe.methods.zero_shot import ZeroShot
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


def test_top1_of_a_text_tower_is_zero_shots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (16, 16), (0, 128, 0)).save(tmp_path / "a_x.png")
    pixels = torch.tensor([0, 128, 0], dtype=torch.uint8)[None, :, None, None].expand(1, 3, 16, 16)
    backbone = tiny_clip(context_length=77)
    backbone.weights = "pretend"
    names = (*verb.IMAGENET()[:8], "cat", "dog")
    monkeypatch.setattr(verb, "IMAGENET", lambda: names)
    right = int(ZeroShot(backbone, "clip-7").for_classes(names).predict_proba(pixels).argmax())
    settings = Settings(batch=2, memory_batch=2, passes=5, warmup=0, seconds=0, images=tmp_path)
    monkeypatch.setattr(verb, "_load", lambda *_: backbone)
    for index in (right, (right + 1) % 10):
        write_json(tmp_path / "classes.json", {"a": index})
        found = benchmark(["tiny"], settings, machine())
        assert found.rows[0]["images"] == 1 and found.rows[0]["measured_top1"] == float(index == right)
    assert "tiny: measured top-1 is that of zero-shot on 10 class names in 7 templates." in str(found)
    assert verb._names(load_backbone("pocket")) == ()  # it has no word for a tench


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


def timed(**more: Any) -> Latency:
    return Latency(**({"median": 1.23456, "p10": 1.11116, "p90": 2.22222, "n": 5, "batch": 2, "mean": 1.5} | more))


def test_times_are_those_of_each_mode_and_switches_their_mean() -> None:
    plain = timed(switches=2.0, processor=0.98764)
    found = cost.latency_fields({"no_grad": plain, "gradients": timed(median=3.0, switches=3.26)})
    assert found == {
        "latency_ms": 1.2346, "latency_p10_ms": 1.1112, "latency_p90_ms": 2.2222, "latency_mean_ms": 1.5,
        "latency_processor_ms": 0.9876, "gradients_ms": 3.0, "gradients_p10_ms": 1.1112, "gradients_p90_ms": 2.2222,
        "gradients_mean_ms": 1.5, "gradients_processor_ms": None, "switches_per_second": 2.6,
        "interference": plain.interference,
    }  # fmt: skip
    assert cost.latency_fields({"no_grad": timed()})["switches_per_second"] is None


def test_memory_is_said_at_the_batch_that_ran_and_predicted_at_the_one_asked_for() -> None:
    def held(batch: int, **more: Any) -> ForwardMemory:
        usual = {"batch": batch, "held": 10.0 * batch, "resident": None, "peak": None, "way": "allocator"}
        return ForwardMemory(**(usual | more))

    small, larger = held(1), held(4, held=40.004)
    fits = Fitted(64, held(64, held=640.126, resident=1.0, peak=2.0), small, larger)
    found = cost.memory_fields({"gradients": Fitted(64, held(32), small, larger), "no_grad": fits})
    assert found["gradients_memory_batch"] == 32 and found["gradients_held_mib"] == 320.0
    assert found["gradients_predicted_mib"] == pytest.approx(640.08, abs=0.011) and found["no_grad_resident_mib"] == 1.0
    assert (found["no_grad_held_mib"], found["no_grad_peak_mib"], found["gradients_peak_mib"]) == (640.13, 2.0, None)
    assert found["memory_way"] == "allocator" and found["memory_note"] == "memory was measured with gradients on at batch 32"
    assert cost.memory_fields({"gradients": fits, "no_grad": fits})["memory_note"] == ""


def test_half_of_the_free_memory_may_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "available_memory", lambda device: 3 * 2**20)
    assert cost.limit(torch.device("cpu")) == 1.5
    monkeypatch.setattr(cost, "available_memory", lambda device: None)
    assert cost.limit(torch.device("cpu")) is None


def test_each_mode_is_the_one_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, tuple[bool, bool]] = {}

    def latencies(calls: dict[str, Any], make: Any, **words: Any) -> dict[str, Latency]:
        assert words == {"batch": 3, "warmup": 2, "min_seconds": 9.0, "most": 7}
        for name, call in calls.items():
            seen[name] = call(make(3))
        return {}

    def forward(x: torch.Tensor) -> Any:
        return torch.is_grad_enabled(), torch.is_inference_mode_enabled()

    monkeypatch.setattr(cost, "latencies", latencies)
    settings = Settings(warmup=2, seconds=9.0, passes=7)
    cost.mode_latencies(TinyBackbone(), forward, torch.zeros, 3, settings)
    assert seen == {"no_grad": (False, False), "inference_mode": (False, True), "gradients": (True, False)}


def test_names_are_those_of_people_and_a_name_twice_is_the_whole_id(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(verb, "_load", lambda name, settings: name)
    monkeypatch.setattr(verb, "_labels", lambda backbone, settings: said.append(f"looked at {backbone}"))

    def measured(backbone: str, name: str, settings: Settings, say: Callable[[str], None]) -> dict[str, Any]:
        say("done")
        return {"model": name}

    monkeypatch.setattr(verb, "measure", measured)
    two = ["timm:a.x/random", "timm:a.y", "timm:a.x/random", "lite0"]
    rows = benchmark(two, QUICK, {}, say=said.append).rows
    assert [row["label"] for row in rows] == ["timm:a.x/random", "timm:a.y", "lite0"]
    assert said[:4] == ["looked at timm:a.x/random", "looked at timm:a.y", "looked at lite0", "timm:a.x/random: loading"]
    assert said[4] == "timm:a.x/random: done" and len(said) == 9
    assert len(benchmark((), QUICK, {}, say=said.append).rows) == 7 and len(said) == 9 + 14
    benchmark(["lite0"], QUICK, {}, say=said.append)
    assert len(said) == 9 + 14 + 2, "of one model nothing is looked at before"
