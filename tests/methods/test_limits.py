"""Methods at the border of what they take: what is just allowed, just refused, counted before work, and fixed by a seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from fakes import TinyBackbone, split, tiny_classifier, tiny_clip
from torch import nn

from coldframe.cold import ColdPass, Store
from coldframe.errors import InputError, ModelError
from coldframe.methods import answers, deep_prompt, few_shot, knn, method_class, ncm, solvers, stacked, text_prompt, trained
from coldframe.methods import rows as reading
from coldframe.methods.answers import frame, stream, threshold
from coldframe.methods.balance import redrawn
from coldframe.methods.calibrated import HeldOut
from coldframe.methods.heads import Head
from coldframe.methods.prompt_tokens import StoredColumn
from coldframe.methods.run_folder import run_folder
from coldframe.methods.templates import _some

CLIP, PLAIN = tiny_clip(), TinyBackbone(width=12)
TRAIN = split(24)


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> ColdPass:
    return ColdPass(Store(tmp_path_factory.mktemp("store")))


@pytest.mark.parametrize(
    ("name", "allowed", "refused", "words"),
    [
        ("pixel-prompt", {"size": 7}, {"size": 8}, "pad of 1 to 7 pixels"),
        ("pixel-prompt", {"kind": "patch", "size": 16}, {"kind": "patch", "size": 17}, "patch of 1 to 16 pixels"),
        ("pixel-prompt", {"scale": 1.0}, {"scale": 1.01}, "scale above 0 and up to 1"),
        ("deep-prompt", {"layer": 1, "depth": 1}, {"layer": 2}, "layer of 0 to 1"),
        ("deep-prompt", {"layer": 0, "depth": 2}, {"layer": 0, "depth": 3}, "depth of 1 to 2"),
        ("all-blocks", {"penalty": 1.0}, {"penalty": 1.01}, "penalty of 0 to 1"),
        ("attentive-probe", {"queries": 32}, {"queries": 33}, "expected 1 to 32 queries"),
        ("tip-adapter", {"max_alpha": 0.11, "max_beta": 0.11}, {"max_beta": 0.1}, "max_beta above 0"),
        ("lora", {"last": 2}, {"last": 3}, "last to be 1 to 2 blocks"),
        ("ensemble", {"members": "knn,ncm"}, {"members": "knn, ,"}, "two methods or more"),
    ],
)
def test_the_last_value_that_is_allowed(name: str, allowed: dict[str, Any], refused: dict[str, Any], words: str) -> None:
    assert method_class(name)(CLIP, **allowed).name == name
    with pytest.raises(InputError if name != "lora" else ModelError, match=words):
        method_class(name)(CLIP, **refused)


def test_memory_is_counted_for_what_is_large_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int, list[float]]] = []

    def noted(what: str, value: int, needs: Callable[[int], float], **about: object) -> None:
        asked.append((what, value, [needs(1), needs(10)]))

    for module in (trained, deep_prompt, text_prompt):
        monkeypatch.setattr(module, "check_fits", noted)
    many = split(300)
    for size in (256, 257):
        method_class("fine-tune")(PLAIN, layers="block1", batch_size=size).check_data(many, None)
        method_class("deep-prompt")(CLIP, layer=1, tokens=size).check_data(TRAIN, None)
    image = 2 * 4 * (16 * 12 + 12)  # what enters the last block and what leaves it, and their gradients
    token = 10 * 24 * 32 * 4  # ten of each token's vectors in a block, of a batch of 24 images
    assert asked == [("a batch", 257, [image, 10 * image]), ("a number of tokens", 257, [18 * token, 27 * token])]
    method_class("text-prompt")(CLIP, tokens=5).check_data(TRAIN, None)
    vector = 50 * 3 * 32 * 4  # fifty of each position's vectors, of three classes
    assert asked[-1] == ("a number of context vectors", 5, [2 * vector, 11 * vector])


def test_pictures_are_counted_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[float, ...]] = []
    monkeypatch.setattr(answers, "check_batch", lambda *about: asked.append(about))
    pixels = torch.zeros(2, 3, 20, 24)
    assert len(list(stream(lambda x: x, PLAIN.preprocess, pixels, 2, None))) == 1
    assert asked == [(2, 2, 16, 24 * 16 * 16)]
    with pytest.raises(InputError, match="found batch_size=0"):
        next(stream(lambda x: x, PLAIN.preprocess, pixels, 0, None))


def test_bytes_of_runs_beside_each_other_and_the_groups_they_make(cold: ColdPass, monkeypatch: pytest.MonkeyPatch) -> None:
    assert method_class("deep-prompt")(CLIP, tokens=3, layer=0).stack_bytes(5) == 20 * 2 * 5 * (17 + 3) * 32 * 4
    taskres, prompt = method_class("taskres"), method_class("text-prompt")(CLIP, tokens=2)
    assert taskres(CLIP).stack_bytes(5) == 8 * 5 * 24 and prompt.stack_bytes(5) == 200 * 77 * 24 * 4
    prompt.classes = TRAIN.classes
    prompt.begin(TRAIN, cold)
    assert prompt.stack_bytes(5) == 200 * prompt._made.order.numel() * 32 * 4
    groups: list[int] = []
    monkeypatch.setattr(stacked, "_group", lambda runs, *rest: groups.append(len(runs)) or [""] * len(runs))
    each = taskres(CLIP).stack_bytes(24)
    for memory in (2 * each, 2 * each - 1):
        assert stacked.fit_stacked([taskres(CLIP) for _ in range(3)], TRAIN, memory=memory) == [""] * 3
    assert groups == [2, 1, 1, 1, 1]


def test_keys_are_kept_where_they_fit(cold: ColdPass, monkeypatch: pytest.MonkeyPatch) -> None:
    method = method_class("deep-prompt")(CLIP, layer=1)
    sources = method.stored(TRAIN, cold)
    whole = 24 * 2 * 17 * 32 * 4
    for limit, kept in ((whole, 1), (whole - 1, 0)):
        monkeypatch.setattr(deep_prompt, "_KEYS_BYTES", limit)
        assert len(method._keys(sources)) == kept
    assert method_class("deep-prompt")(CLIP, layer=0)._keys(sources) == []


def test_how_many_images_leave_themselves_out(cold: ColdPass, monkeypatch: pytest.MonkeyPatch) -> None:
    two, one = TRAIN.subset([0, 1]), TRAIN.subset([0])
    for name in ("knn", "tip-adapter"):
        method = method_class(name)(CLIP).fit(two, cold=cold)
        found = method.out_of_sample_logits(two, cold)
        assert found is not None and found.shape == (2, 3)
        monkeypatch.setattr(f"coldframe.methods.{name.replace('-', '_')}.MOST_LEFT_OUT", 1)
        assert method.out_of_sample_logits(two, cold) is None
        assert method_class(name)(CLIP).fit(one, cold=cold).out_of_sample_logits(one, cold) is None
    closed = method_class("ncm")(CLIP)
    shots = closed._shots(TRAIN, cold, torch.zeros(0))
    for most, left_out in ((24**2 * 24, True), (24**2 * 24 - 1, False)):
        monkeypatch.setattr(ncm, "MOST", most)
        assert (closed._left_out(shots, [{}]) is not None) == left_out
    for numbers, dtype in ((24 * 24 * 3, torch.float64), (24 * 24 * 3 - 1, torch.float32)):
        monkeypatch.setattr(few_shot, "DOUBLE", numbers)
        assert closed._shots(TRAIN, cold, torch.zeros(0)).x.dtype == dtype


def test_similarities_of_no_image_are_none() -> None:
    assert list(knn._similarities(torch.zeros(0, 3), torch.zeros(0, 3), alone=True)) == []


def test_features_that_are_not_finite_are_counted_over_all_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.ones(7, 2)
    solvers._check_finite(x * 3e38)  # the sum is infinite, and no feature is
    x[3, 0], x[5, 1] = float("nan"), float("inf")
    monkeypatch.setattr(reading, "_PIECE_BYTES", 2 * 4 * 2)
    held = reading.Rows.of([StoredColumn(x)])
    assert [len(piece) for piece in held.pieces()] == [2, 2, 2, 1]
    for features in (x, held):
        with pytest.raises(ModelError, match="found others in 2 of 7 rows, the first in row 3"):
            solvers._check_finite(features)


def test_answers_in_a_table_are_left_out_below_the_least_probability() -> None:
    pytest.importorskip("pandas")
    odds = torch.tensor([[0.5, 0.5], [0.2, 0.8]])
    found = frame(torch.zeros(2, 3, 16, 16), odds, ("a", "b"), 0.8)
    assert found["path"].tolist() == ["picture row 0", "picture row 1"] and found["class"][1] == "b"
    assert found["class"].isna().tolist() == [True, False]
    held = HeldOut(torch.tensor([0.9]), torch.tensor([True]))
    assert threshold(held, 1.0, "knn") == pytest.approx(0.9)
    for wanted in (0.0, 1.01):
        with pytest.raises(InputError, match="wanted precision above 0 and up to 1"):
            threshold(held, wanted, "knn")
    with pytest.raises(InputError, match="found none; fit it again with val"):
        threshold(HeldOut(torch.zeros(0), torch.zeros(0, dtype=torch.bool)), 0.9, "knn")


def test_each_class_has_its_output_where_there_are_just_enough() -> None:
    classifier = tiny_classifier(6)
    names = ("a", "b", "c")
    for sources, kind in ((2, "iterative"), (3, "linear")):
        assert Head("auto", classifier, "{}", sources).kind(names) == kind
    Head("frequency", classifier, "{}", 2).check_classes(names)
    with pytest.raises(InputError, match="7 outputs or more for 7 classes with 1 source each, found 6"):
        Head("identity", classifier, "{}").check_classes([str(k) for k in range(7)])


def test_draws_of_a_seed_are_those_of_earlier_runs() -> None:
    """A run that is repeated with its seed is the run: neither the order of images nor what is drawn may change."""
    labels = torch.tensor([0] * 12 + [1] * 3 + [3] * 5)
    assert redrawn(labels, 2, 3)[:8].tolist() == [13, 3, 3, 12, 14, 4, 12, 19]
    prompt: Any = method_class("pixel-prompt")(CLIP, kind="random-patch", size=4, seed=3)
    assert prompt._places(torch.arange(3), 2, 9) == [(7, 5), (11, 10), (2, 2)]


def test_names_in_a_sentence_are_three_at_most() -> None:
    said = [_some(["a", "b", "c", "d", "e"][:n], "word") for n in (1, 2, 3, 4, 5)]
    assert said == ["word 'a'", "words 'a', 'b'", "words 'a', 'b', 'c'", "words 'a', 'b', 'c' and 1 more",
                    "words 'a', 'b', 'c' and 2 more"]  # fmt: skip


def test_a_folder_of_three_runs_names_all(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).mkdir()
        (tmp_path / name / "adaptation.json").write_text("{}")
    with pytest.raises(InputError, match=r"holds 3 of them .*/a, .*/b, .*/c$"):
        run_folder(tmp_path)


def test_all_rows_or_evenly_many() -> None:
    assert reading.evenly(4, 4).tolist() == [0, 1, 2, 3] and reading.evenly(9, 4).tolist() == [0, 2, 4, 6]
    assert np.array_equal(reading.Rows.of([StoredColumn(torch.zeros(2, 3)), StoredColumn(torch.ones(3, 3))]).take(
        torch.tensor([1, 2, 4])).numpy()[:, 0], [0, 1, 1])  # fmt: skip


def test_only_whole_convolutions_take_low_rank_filters() -> None:
    method = method_class("conv-lora")(tiny_classifier(), last=1)
    whole, grouped = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1, groups=2)
    layers = [("conv", whole), ("conv", grouped), ("linear", whole), ("conv", nn.Linear(4, 4))]
    found = [method._wants(SimpleNamespace(place=place, module=module)) for place, module in layers]
    assert found == [True, False, False, False]
