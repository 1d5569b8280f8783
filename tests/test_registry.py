"""Groups of names, and a method of the user's own from its file: held to the contract of every method, and compared."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from contracts import check_method
from fakes import coloured, tiny_clip
from PIL import Image

from coldframe import registry
from coldframe.backbones import load_backbone
from coldframe.backbones.transformer import transformer_of
from coldframe.cli import main
from coldframe.errors import InputError
from coldframe.methods import method_class
from coldframe.verbs.choose import expanded, methods_for

OWN = f"{Path(__file__).parents[1] / 'examples' / 'my_lora.py'}:MyLora"


def test_it_keeps_the_contract_and_merges(tmp_path: Path) -> None:
    settings = {"last": 1, "epochs": 4, "lr": 0.02, "head": "probe"}
    check_method(
        lambda: method_class(OWN)(tiny_clip(), **settings),
        coloured(36, 0, "train"), coloured(12, 1, "val"), coloured(24, 2, "test"), tmp_path,
    )  # fmt: skip
    method = method_class(OWN)(tiny_clip(), **settings).fit(coloured(24, 0, "train"))
    x = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(method.merged()(x), method(x), rtol=1e-4, atol=1e-4)  # type: ignore[attr-defined]


def test_it_runs_in_compare_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator = np.random.default_rng(0)
    for part, count in (("train", 8), ("test", 4)):
        for name in ("red", "green"):
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(count):
                picture = generator.integers(0, 255, (20, 20, 3), dtype=np.uint8)
                Image.fromarray(picture).save(tmp_path / part / name / f"{number}.png")
    with pytest.raises(SystemExit) as stopped:
        main([
            "compare", "--methods", OWN, "--data", f"folder:{tmp_path}", "--model", "pocket/random", "--seeds", "1",
            "--epochs", "1", "--set", "my-lora.rank=2", "--json",
        ])  # fmt: skip
    assert not stopped.value.code
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["method"] == "my-lora"
    net = transformer_of(load_backbone("pocket", pretrained=False))
    head = 2 * (net.end(torch.zeros(1, net.tokens, net.width)).shape[1] + 1)
    assert row["trainable_parameters"] == 3 * (2 * 2 * net.width + 1) + head  # rank 2, A, B and g in each of three blocks


def test_a_group_stands_for_its_members_and_leaves_out_what_a_model_does_not_allow() -> None:
    names, grouped = expanded(["peft", "lora", "knn"])
    assert names[:2] == ["linear-probe", "lora"] and names[-1] == "knn" and names.count("lora") == 1
    assert "ssf" in grouped and "lora" not in grouped and "knn" not in grouped
    assert all(name in registry.METHODS for members in registry.GROUPS.values() for name in members)
    chosen, skipped = methods_for(["peft"], tiny_clip(), {"lora": {"last": 1}, "dora": {"last": "all"}} | {
        name: {"last": 2} for name in ("lokr", "adaptformer", "adapter", "ssf", "ia3", "bitfit", "ln-tune")
    })  # fmt: skip
    assert len(chosen) == 13 and [note.split()[0] for note in skipped] == ["conv-lora", "bn-tune"]
    with pytest.raises(InputError, match="expected convolutions"):
        methods_for(["peft"], tiny_clip(), {"conv-lora": {"last": 1}})


def test_a_setting_of_a_group_is_one_of_its_members_that_have_it() -> None:
    names = ["linear-probe", "lora", "ssf", "fine-tune"]
    chosen, _ = methods_for(names, tiny_clip(), {"peft": {"lr": "auto", "last": 1}, "ssf": {"last": "all"}})
    _, lora, ssf, other = (method.config() for method in chosen)
    assert (lora["lr"], lora["last"], ssf["lr"], ssf["last"], other["lr"]) == ("auto", 1, "auto", "all", 1e-3)
    with pytest.raises(InputError, match="settings were given for few-shot, which is not among the methods"):
        methods_for(["fine-tune"], tiny_clip(), {"few-shot": {"lr": 1.0}})
