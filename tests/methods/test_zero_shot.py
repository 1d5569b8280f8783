"""Zero-shot: open_clip's own logits, templates averaged as unit vectors, questions that the labels know nothing of."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from fakes import coloured, split
from matplotlib.figure import Figure
from open_clip.model import CLIP
from PIL import Image
from torch.nn import functional

from coldframe.backbones import load_backbone
from coldframe.backbones.checkpoint import drawn
from coldframe.backbones.open_clip import OpenClipBackbone, adapt
from coldframe.cli import main
from coldframe.cold import ColdPass, Store
from coldframe.data.base import Dataset
from coldframe.data.decode import load_pixels
from coldframe.errors import FileError, InputError, TextWarning
from coldframe.files import write_json
from coldframe.methods import load, method_class, templates
from coldframe.methods.fine_tune import FineTune
from coldframe.methods.zero_shot import ZeroShot
from coldframe.types import Preprocess
from coldframe.verbs import zero_shot as verb

VISION: dict[str, Any] = {"image_size": 32, "layers": 2, "width": 32, "patch_size": 8, "head_width": 16}
TEXT: dict[str, Any] = {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2}


@pytest.fixture
def clip() -> OpenClipBackbone:
    net: Any = drawn(lambda: CLIP(24, VISION, TEXT, quick_gelu=True))
    pixels = Preprocess(32, 32, (0.5, 0.5, 0.5), (0.3, 0.3, 0.3))
    return adapt("tiny", net.eval(), open_clip.SimpleTokenizer(context_length=12), pixels)


def test_logits_are_open_clips_own(clip: OpenClipBackbone, tmp_path: Path) -> None:
    test = split(6)
    method = ZeroShot(clip, "a photo of a {}").fit(test)
    found = method.logits(test, cold=ColdPass(Store(tmp_path)))
    pixels = clip.normalise(torch.from_numpy(load_pixels(test.images, range(6), clip.preprocess)))
    tokens = open_clip.SimpleTokenizer(context_length=12)([f"a photo of a {name}" for name in test.classes])
    with torch.no_grad():
        expected = clip.module.get_logits(pixels, tokens)[0]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)
    assert method.trainable_parameters == 0 and method.stored_bytes == 0


def test_a_model_trained_with_a_sigmoid_offers_it_and_names_both(
    clip: OpenClipBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net: Any = drawn(lambda: CLIP(24, VISION, TEXT, init_logit_bias=-3.0))
    judge = adapt("judge", net.eval(), open_clip.SimpleTokenizer(context_length=12), clip.preprocess)
    test, cold = split(6, name="test"), ColdPass(Store(tmp_path))
    monkeypatch.setattr(verb, "load_dataset", lambda spec, **_: Dataset(spec, test, test, test))
    method = ZeroShot(judge, "a photo of a {}").fit(test)
    pixels = judge.normalise(torch.from_numpy(load_pixels(test.images, range(6), judge.preprocess)))
    tokens = open_clip.SimpleTokenizer(context_length=12)([f"a photo of a {name}" for name in test.classes])
    with torch.no_grad():
        expected = net.get_logits(pixels, tokens)[0]  # with the bias of -3
    assert judge.logit_bias == -3.0 and judge.sigmoid and not clip.sigmoid
    torch.testing.assert_close(method.judged(test, cold=cold), expected.sigmoid(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(method.judged(test, "softmax", cold=cold), expected.softmax(-1), rtol=1e-5, atol=1e-5)
    own = verb.ask("x", judge, classes=["red", "green"], cold=cold)
    one = verb.ask("x", judge, classes=["red"], cold=cold)
    assert own.as_dict()["probabilities"] == "sigmoid" and one.confidence < 1
    assert verb.ask("x", judge, cold=cold).probabilities == "softmax"
    assert verb.ask("x", clip, classes=["red", "green"], cold=cold).probabilities == "softmax"
    with pytest.raises(InputError, match="found tiny, which was trained with a softmax"):
        verb.ask("x", clip, classes=["red", "green"], probabilities="sigmoid", cold=cold)


def test_texts_that_a_model_cannot_read_are_named(clip: OpenClipBackbone) -> None:
    exact = "one two three four five six seven eight nine ten"
    templates.class_embeddings(clip, [exact], ["{}"])
    found = "found a longer one for the class 'one two .* eleven' .and 1 more.: 'one two"
    with pytest.raises(InputError, match=rf"expected texts of at most 12 tokens for tiny, {found}"):
        templates.class_embeddings(clip, ["dog", exact + " eleven", exact + " eleven and the rest of it" * 9], ["{}"])
    assert "only in part" in ZeroShot.unfit(clip, [exact]) and not ZeroShot.unfit(clip, ["dog", "cat"])
    pocket = load_backbone("pocket")
    assert pocket.text is not None and pocket.text.unknown_words("a zebra")
    templates.class_embeddings(pocket, ["cat", "dog"], templates.PHOTO)
    with pytest.warns(TextWarning, match="pocket was not trained with the word 'zebra': .* chance"):
        templates.class_embeddings(pocket, ["cat", "zebra"], templates.PHOTO)


def test_texts_by_class_from_a_file(clip: OpenClipBackbone, tmp_path: Path) -> None:
    file = write_json(tmp_path / "prompts.json", {"dog": ["a {} barks", "the tail of it"], "Cat-Fish": "a {c} in the sea"})
    method = ZeroShot(clip, str(file)).for_classes(["cat_fish", "dog"])
    texts = ["a cat fish in the sea", "a dog barks", "the tail of it"]
    unit = functional.normalize(clip.text.encode(clip.text.tokenize(texts)), dim=-1)  # type: ignore[union-attr]
    expected = torch.stack([unit[0], functional.normalize(unit[1] + unit[2], dim=-1)])
    torch.testing.assert_close(method.embeddings, expected.detach())
    file.unlink()  # the method holds the texts, not the place of the file
    assert torch.equal(ZeroShot(clip, method.template).for_classes(["cat_fish", "dog"]).embeddings, method.embeddings)
    assert method.choices["texts"] == texts[:1]
    with pytest.raises(InputError, match=r"texts for the class 'cod' in the prompts, found none; known: cat fish, dog"):
        method.for_classes(["dog", "cod"])
    data = coloured(4, 0, "train")
    for name in ("ridge", "taskres", "deep-prompt", "zero-shot"):  # before an image is read
        with pytest.raises(InputError, match="expected texts for the class 'red' and 2 more in the prompts"):
            method_class(name)(clip, template=method.template).check_data(data, None)
    with pytest.raises(InputError, match=r"found a longer one for the class 'dog': 'bark bark"):
        ZeroShot(clip, str(write_json(file, {"dog": ["short", "bark " * 20]}))).for_classes(["dog"])
    with pytest.raises(InputError, match=r"expected texts for every class of the prompts, found none for 'dog'"):
        ZeroShot(clip, str(write_json(file, {"dog": []})))
    with pytest.raises(FileError, match=r"cannot use .*prompts.json: expected text or a list.*, found a whole number"):
        ZeroShot(clip, str(write_json(file, {"dog": 3})))


def test_the_command_line_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    test = split(4, name="test")
    monkeypatch.setattr(verb, "load_dataset", lambda spec, **_: Dataset(spec, test, test, test))
    with warnings.catch_warnings(), pytest.raises(SystemExit) as stopped:
        warnings.simplefilter("default", TextWarning)
        main(["zero-shot", "--classes", "cat,zebra"])
    assert not stopped.value.code
    said = capsys.readouterr()
    assert said.err.count("coldframe: note: pocket was not trained with the word 'zebra'") == 1
    assert "(softmax over the texts)" in said.out


def test_ensembles_average_unit_vectors(clip: OpenClipBackbone) -> None:
    names = ["dog", "cat_fish"]
    both = templates.class_embeddings(clip, names, ["a {c}", "the {}"])
    parts = [templates.class_embeddings(clip, names, [text]) for text in ("a {}", "the {}")]
    torch.testing.assert_close(both, functional.normalize(parts[0] + parts[1], dim=-1))
    assert templates.fill("a {}.", "cat_fish") == "a cat fish."
    assert len(templates.resolve("clip-7")) == 7


def test_saved_and_loaded(clip: OpenClipBackbone, tmp_path: Path) -> None:
    cold = ColdPass(Store(tmp_path / "store"))
    method = ZeroShot(clip).fit(split(6))
    again = load(method.save(tmp_path / "run"), clip)
    torch.testing.assert_close(again.logits(split(6), cold=cold), method.logits(split(6), cold=cold), rtol=0, atol=0)


def test_a_head_that_starts_from_texts_is_zero_shot(clip: OpenClipBackbone, tmp_path: Path) -> None:
    cold, data = ColdPass(Store(tmp_path)), split(9)
    head = FineTune(clip, layers="head", head="text", epochs=1, lr=1e-12, weight_decay=0.0).fit(data, cold=cold)
    zero = ZeroShot(clip).fit(data)
    torch.testing.assert_close(head.logits(data, cold=cold), zero.logits(data, cold=cold), rtol=1e-4, atol=1e-4)


def test_any_question(clip: OpenClipBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test = split(12, name="test")
    monkeypatch.setattr(verb, "load_dataset", lambda spec, **_: Dataset(spec, test, test, test))
    question = "This is an image mostly coloured {}"
    cold = ColdPass(Store(tmp_path / "store"))
    answer = verb.ask("x", clip, template=[question], classes=["red", "green"], show=8, out=tmp_path, cold=cold)
    assert answer.texts == ["This is an image mostly coloured red", "This is an image mostly coloured green"]
    assert sum(answer.shares.values()) == pytest.approx(1) and not answer.row
    assert answer.figure is not None and answer.figure.stat().st_size > 10_000
    assert json.loads((tmp_path / "results.json").read_text())["n"] == 12
    own = verb.ask("x", clip, cold=cold)
    assert own.row["n"] == 12 and np.isfinite(own.row["ece"])
    with pytest.raises(InputError, match="--out DIR"):
        verb.ask("x", clip, show=8)


class Judged(ZeroShot):
    """Zero-shot whose answers are written out: five images among three classes."""

    ODDS = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3], [0.7, 0.2, 0.1], [0.2, 0.2, 0.6], [0.9, 0.05, 0.05]])

    def judged(self, *words: Any, **more: Any) -> torch.Tensor:
        return self.ODDS


def test_shares_are_of_the_first_answers_and_random_images_are_drawn_with_them(
    clip: OpenClipBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test, asked, drawn = split(5, name="test"), list[dict[str, Any]](), list[Any]()
    monkeypatch.setattr(verb, "load_dataset", lambda spec, **words: asked.append(words) or Dataset(spec, test, test, test))
    monkeypatch.setattr(verb, "ZeroShot", Judged)
    figure = Figure(figsize=(1, 1))
    place = "coldframe.report.figures.predictions.prediction_figure"
    monkeypatch.setattr(place, lambda *words, **more: drawn.append((words, more)) or figure)
    answer = verb.ask("x", clip, classes=["a", "b", "c"], show=3, seed=4, out=tmp_path, template=["t {}"])
    assert answer.shares == {"a": pytest.approx(0.6), "b": pytest.approx(0.2), "c": pytest.approx(0.2)} and answer.n == 5
    assert answer.confidence == pytest.approx((0.5 + 0.6 + 0.7 + 0.6 + 0.9) / 5) and answer.texts == ["t a", "t b", "t c"]
    rows = np.random.default_rng(4).permutation(5)[:3]
    (pictures, tops, titles), more = drawn[0]
    for picture, row in zip(pictures, rows, strict=True):
        assert np.array_equal(picture, np.asarray(test.images.open(int(row))))
    for top, row in zip(tops, rows, strict=True):
        best = Judged.ODDS[row].sort(descending=True)
        assert [name for name, _ in top] == ["abc"[k] for k in best.indices] and len(top) == 3
    assert titles == [test.classes[test.labels[row]] for row in rows] and more["heading"] == "“t …”"
    assert answer.figure == tmp_path / "predictions.png"
    with Image.open(answer.figure) as picture:
        assert picture.size == (160, 160)
    assert asked[0]["whole"] is False and "left_out" not in answer.as_dict() and "row" not in answer.as_dict()
    whole = verb.ask("x", clip, split="all", classes=["a", "b", "c"])
    assert asked[1]["whole"] is True and whole.n == 15 and whole.figure is None
    assert verb.ask("x", clip, show=1, out=tmp_path).row["n"] == 5
    assert drawn[1][0][2][0].startswith("true: class ") and json.loads((tmp_path / "results.json").read_text())["row"]["n"] == 5


def test_images_without_labels_need_classes(clip: OpenClipBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        Image.new("RGB", (40, 40), (9 * number, 0, 0)).save(tmp_path / f"{number}.png")
    with pytest.raises(InputError, match="expected --classes for images without labels in"):
        verb.ask(str(tmp_path), clip)
    monkeypatch.setattr(verb, "ZeroShot", Judged)
    answer = verb.ask(str(tmp_path), clip, classes=["a", "b", "c"])
    assert answer.n == 5 and not answer.row
