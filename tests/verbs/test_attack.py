"""From files to results: what is written, and what is refused before anything is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from drawn import unchanged
from fakes import TinyBackbone, split
from PIL import Image
from torch import Tensor

from coldframe.attacks import Adversarial, Survival
from coldframe.cold import ColdPass, Store
from coldframe.data.decode import load_pixels
from coldframe.data.folder import Files
from coldframe.data.own_png import is_fitted
from coldframe.errors import DataError, InputError
from coldframe.evaluation.classifiers import logits_of, own_classifier
from coldframe.files import read_json
from coldframe.methods.linear_probe import LinearProbe
from coldframe.verbs import attack as verb
from coldframe.verbs import attack_results as results
from coldframe.verbs.predict import predict


class Headed(TinyBackbone):
    """The tiny network with a classifier of three classes."""

    def __init__(self) -> None:
        super().__init__()
        self.classes = ("ash", "beech", "cedar")
        self.matrix = 4 * torch.randn(6, 3, generator=torch.Generator().manual_seed(1))

    def head(self, features: Tensor) -> Tensor:
        return features @ self.matrix


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Return three pictures of noise."""
    generator = np.random.default_rng(0)
    found = [tmp_path / f"{name}.png" for name in ("one", "two", "three")]
    for file in found:
        Image.fromarray(generator.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(file)
    return found


def others(files: list[Path]) -> list[str]:
    """Return for each file the name of a class that it is not."""
    done = verb.attack_files(Headed(), files, verb.usual(1 / 255, steps=1))
    return [done.classes[(int(label) + 1) % 3] for label in done.labels]


def test_pieces_on_two_threads_give_the_same_bits(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "PIECE", 1)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(verb.attack_files(Headed(), files, verb.usual(8 / 255, steps=3, robust=True)))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0].found.images, found[1].found.images)
    assert torch.equal(found[0].odds[1], found[1].odds[1])


def test_what_is_written_is_what_was_found(files: list[Path], tmp_path: Path) -> None:
    backbone = Headed()
    done = verb.attack_files(backbone, files, verb.usual(24 / 255), others(files))
    written = results.write(done, tmp_path / "out", {"eps": "24/255"})
    assert {path.name for path in written} == {path.name for path in (tmp_path / "out").iterdir()}
    content = read_json(tmp_path / "out" / "results.json")
    assert content["settings"] == {"eps": "24/255"} and len(content["images"]) == 3
    assert any(row["fooled"] for row in content["images"])
    model = own_classifier(backbone)[0]
    for i, row in enumerate(content["images"]):
        picture = torch.from_numpy(np.array(Image.open(tmp_path / "out" / f"adversarial_{i:02}_{files[i].stem}.png")))
        image = picture.permute(2, 0, 1)[None].float() / 255
        odds = model(image).softmax(-1)[0]
        assert backbone.classes[int(odds.argmax())] == row["adversarial_class"]
        assert float(odds.max()) == pytest.approx(row["adversarial_probability"], abs=1e-5)
        assert row["fooled"] == (row["adversarial_class"] == row["target"] and row["adversarial_probability"] >= 0.95)
        assert row["largest_change_of_255"] <= 24 and row["class"] != row["target"]
        assert list(row["survival"]) == ["unchanged", "mirrored", "80% crop", "30 degrees", "grey", "uint8", "JPEG"]
    with Image.open(tmp_path / "out" / "examples.png") as figure:
        assert figure.height > figure.width > 600


def test_the_noise_is_drawn_around_grey_as_strong_as_the_figure_says(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[list[Tensor], list[str]]] = []
    sheet = results._sheet
    monkeypatch.setattr(results, "_sheet", lambda pictures, titles, *more: drawn.append((pictures, titles)) or sheet(
        pictures, titles, *more))  # fmt: skip
    done = verb.attack_files(Headed(), files[:1], verb.usual(24 / 255), others(files)[:1])
    results.write(done, tmp_path / "out", {})
    monkeypatch.setattr(results, "SHOWN", 2)
    every = verb.attack_files(Headed(), files, verb.usual(1 / 255, steps=1))
    written = results.write(every, tmp_path / "all", {})
    assert len(drawn[2][0]) == 2 * 3 and sum(path.name.startswith("adversarial_") for path in written) == 3
    (clean, noise, _), titles = drawn[0]
    largest = float((done.found.images - done.images).abs().max())
    assert torch.equal(clean, done.images[0].permute(1, 2, 0))
    assert float((noise - 0.5).abs().max()) == pytest.approx(0.5) and float(noise.min()) >= 0
    assert titles[1] == f"noise, {0.5 / largest:.0f} times as strong"


def test_one_target_stands_for_all_and_numbers_for_names(files: list[Path]) -> None:
    first = others(files)[0]
    number = str(Headed().classes.index(first))
    by_name, by_number = (
        verb.attack_files(Headed(), files[:1], verb.usual(9 / 255, robust=True, steps=2), [text]) for text in (first, number)
    )
    assert torch.equal(by_name.found.images, by_number.found.images) and by_name.found.steps.tolist() == [2]


def test_pieces_are_put_together_again(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = verb.attack_files(Headed(), files, verb.usual(9 / 255))
    monkeypatch.setattr(verb, "PIECE", 2)
    pieces = verb.attack_files(Headed(), files, verb.usual(9 / 255))
    assert results.rows(whole) == results.rows(pieces)


@pytest.mark.parametrize(("targets", "words"), [
    (["3"], "expected a class from 0 to 2, found 3"), (["-1"], "found -1"), (["beach"], "did you mean 'beech'"),
    (["ash", "ash"], "one for each of the 3 images, found 2"),
])  # fmt: skip
def test_targets(files: list[Path], targets: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        verb.attack_files(Headed(), files, verb.usual(0.1), targets)


def test_the_true_class_as_target(files: list[Path]) -> None:
    done = verb.attack_files(Headed(), files[:1], verb.usual(1 / 255, steps=1))
    with pytest.raises(InputError, match=r"other than the true class.*one\.png"):
        verb.attack_files(Headed(), files[:1], verb.usual(0.1), [str(int(done.labels[0]))])


def test_three_by_three_pixels(tmp_path: Path) -> None:
    Image.new("RGB", (3, 3)).save(tmp_path / "small.png")
    with pytest.raises(DataError, match=r"at least 8 x 8 pixels, found 3 x 3 in .*small\.png"):
        verb.attack_files(Headed(), [tmp_path / "small.png"], verb.usual(0.1))


def test_a_model_without_classifier(files: list[Path]) -> None:
    with pytest.raises(InputError, match="no classifier of its own"):
        verb.attack_files(TinyBackbone(), files, verb.usual(0.1))


def test_a_fitted_method_is_attacked_with_the_classes_it_learned(files: list[Path], tmp_path: Path) -> None:
    probe = LinearProbe(TinyBackbone(), l2=0.001).fit(split(12), cold=ColdPass(Store(tmp_path)))
    done = verb.attack_files(probe, files, verb.usual(24 / 255))
    assert done.classes == ("class 0", "class 1", "class 2") and done.found.fooled.any()
    with torch.no_grad():
        assert torch.equal(logits_of(probe)(done.found.images).argmax(-1), done.odds[0])
    targets = [done.classes[(int(label) + 1) % 3] for label in done.labels]
    rows = results.rows(verb.attack_files(probe, files, verb.usual(60 / 255), targets))
    assert [row["target"] for row in rows] == targets and any(row["fooled"] for row in rows)


@pytest.mark.parametrize("mode", ["crop", "squash"])
def test_what_is_written_is_read_back_as_what_it_is(files: list[Path], tmp_path: Path, mode: Literal["crop", "squash"]) -> None:
    """The adversarial file still fools, to the bit: it is the model's input and is not resized and cropped once more."""
    net = Headed()
    net.preprocess = replace(net.preprocess, resize=20, mode=mode)  # a crop that would take a second bite
    done = verb.attack_files(net, files, verb.usual(16 / 255))
    results.write(done, tmp_path / "out", {})
    made = sorted((tmp_path / "out").glob("adversarial_*.png"))
    pixels = load_pixels(Files(tuple(made)), range(3), net.preprocess)
    assert np.array_equal(pixels, done.found.uint8.numpy())
    again = predict(net, made, top=1)
    assert [one.classes[0] for one in again] == [row["adversarial_class"] for row in results.rows(done)]
    told = [row["adversarial_probability"] for row in results.rows(done)]
    assert [one.probabilities[0] for one in again] == pytest.approx(told, abs=1e-5)
    # The same pixels in an unmarked file are an ordinary picture, and so is a marked one that another program has cropped.
    with Image.open(made[0]) as picture:
        plain, cropped = tmp_path / "plain.png", picture.crop((0, 0, 12, 12))
        picture.save(plain)
        assert not is_fitted(cropped)
    if mode == "crop":
        assert not np.array_equal(load_pixels(Files((plain,)), [0], net.preprocess)[0], pixels[0])


def test_the_usual_attack_asks_for_confidence_only_where_it_is_not_averaged() -> None:
    plain, robust = verb.usual(8 / 255), verb.usual(8 / 255, robust=True)
    assert plain.confidence == verb.CONFIDENCE > 0 and robust.confidence == 0
    assert not plain.transforms and robust.transforms


def test_the_sheets_are_drawn_as_they_were_and_titles_say_what_became_of_each(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grey = [torch.full((4, 4, 3), value) for value in (0.25, 0.5, 1.5)]
    unchanged(__file__, "attack_sheet", results._sheet(grey, ["one", "two\nlines", "three"], 2, 1.5, ["#112233"] * 3))
    unchanged(__file__, "attack_plain_sheet", results._sheet(grey[:1], ["one"], 3, 2.3))
    drawn: list[tuple[list[str], int, float, list[str]]] = []
    sheet = results._sheet
    monkeypatch.setattr(results, "_sheet", lambda pictures, titles, columns, size, colours=(): drawn.append(
        (titles, columns, size, list(colours))) or sheet(pictures, titles, columns, size, colours))  # fmt: skip
    monkeypatch.setattr(results, "as_png", lambda figure, dpi: b"PNG")
    done = verb.attack_files(Headed(), files[:1], verb.usual("24/255", steps=8))
    results.write(done, tmp_path / "out", {})
    (row,) = results.rows(done)
    examples, changes = drawn
    assert examples[0][0] == f"{row['class']} {row['probability']:.1%}" and examples[1:] == (3, 2.3, [])
    assert examples[0][2] == f"{row['adversarial_class']} {row['adversarial_probability']:.1%}"
    assert (len(changes[0]), *changes[1:3]) == (7, 7, 2.0)
    for title, colour, (name, seen) in zip(changes[0], changes[3], row["survival"].items(), strict=True):
        verdict, after, clean = title.split("\n")
        assert verdict == f"{name}: {'fools' if seen['survived'] else 'fails'}"
        assert colour == ("#009E73" if seen["survived"] else "#D55E00")
        assert after == f"{seen['class']} {seen['probability']:.0%}"
        assert clean == f"(clean: {seen['clean_class']} {seen['clean_probability']:.0%})"
    assert verb.usual(0.5).eps == 0.5 and verb.usual("0.25").eps == 0.25
    assert [verb.class_index(text, ("a", "b")) for text in ("0", "1", "b")] == [0, 1, 1]
    with pytest.raises(InputError, match="expected a class from 0 to 1, found 2"):
        verb.class_index("2", ("a", "b"))


def given(count: int, targets: bool = False) -> verb.Attacked:
    """Return what an attack could have found of grey pictures: every change and probability is written out."""
    clean = torch.full((count, 3, 8, 8), 0.5)
    changed = clean.clone()
    changed[:, 0, 0, 0] += 3 / 255
    changed[:, 1, 2, 3] -= 4 / 255
    ones = torch.ones(count, dtype=torch.int64)
    found = Adversarial(changed, ones.bool(), 2 * ones, 0.25 * ones, 7 * ones)
    seen = [
        Survival("unchanged", changed, 2 * ones, 0.875 * ones, 0.125 * ones, ones.bool(), 0 * ones, 0.75 * ones),
        Survival("grey", changed, 0 * ones, 0.5 * ones, 0.0625 * ones, ~ones.bool(), ones, 0.25 * ones),
    ]
    files = tuple(Path(f"d/{i}.png") for i in range(count))
    wanted = 2 * ones if targets else None
    odds = 2 * ones, 0.8750001 * ones
    names = ("ash", "beech", "cedar")
    return verb.Attacked(files, names, clean, ones, 0.6 * ones, wanted, found, odds, tuple(seen), {"x": "y"})


@pytest.mark.parametrize("targets", [True, False])
def test_a_row_says_what_became_of_a_picture(targets: bool) -> None:
    (row,) = results.rows(given(1, targets))
    wanted = "target_probability" if targets else "true_probability"
    unchanged = {"class": "cedar", "probability": 0.875, wanted: 0.125, "survived": True}
    grey = {"class": "ash", "probability": 0.5, wanted: 0.0625, "survived": False}
    assert row == {
        "file": str(Path("d/0.png")), "class": "beech", "probability": 0.6, "target": "cedar" if targets else None,
        "fooled": True, "adversarial_class": "cedar", "adversarial_probability": 0.875, "steps": 7, "largest_change_of_255": 4,
        "l2": round(5 / 255, 4), "survival": {
            "unchanged": unchanged | {"clean_class": "ash", "clean_probability": 0.75},
            "grey": grey | {"clean_class": "beech", "clean_probability": 0.25},
        },
    }  # fmt: skip


def test_figures_hold_24_pictures_and_the_folder_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sheets: list[tuple[Any, ...]] = []
    drawn: list[int] = []
    monkeypatch.setattr(results, "_sheet", lambda *words: sheets.append(words))
    monkeypatch.setattr(results, "as_png", lambda figure, dpi: drawn.append(dpi) or b"PNG")
    written = results.write(given(25), tmp_path, {"a": 1})
    assert [path.name for path in written[:2]] == ["adversarial_00_0.png", "adversarial_01_1.png"] and len(written) == 28
    (examples, titles, columns, size), (after, after_titles, wide, small, colours) = sheets
    assert (len(examples), columns, size) == (72, 3, 2.3) and (len(after), wide, small, len(colours)) == (48, 2, 2.0, 48)
    assert titles[:3] == ["beech 60.0%", "noise, 32 times as strong", "cedar 87.5%"] and drawn == [120, 100]
    assert after_titles[:2] == ["unchanged: fools\ncedar 88%\n(clean: ash 75%)", "grey: fails\nash 50%\n(clean: beech 25%)"]
    assert examples[1][2, 3].tolist() == pytest.approx([0.5, 0.0, 0.5]) and examples[1][0, 0, 0] == pytest.approx(0.5 + 3 / 8)
    assert read_json(tmp_path / "results.json")["left_out"] == {"x": "y"}
    one = given(1)
    same = replace(one, found=replace(one.found, images=one.images))
    results.write(same, tmp_path / "same", {})
    assert sheets[2][1][1] == "noise, 128 times as strong", "of a change below a step the factor stays finite"


def test_pictures_need_eight_pixels_and_as_many_targets_as_there_are(files: list[Path], tmp_path: Path) -> None:
    Image.new("RGB", (8, 30)).save(tmp_path / "least.png")
    Image.new("RGB", (30, 7)).save(tmp_path / "less.png")
    assert verb.pictures([tmp_path / "least.png"])[0] == (tmp_path / "least.png",)
    with pytest.raises(DataError, match=r"at least 8 x 8 pixels, found 30 x 7 in"):
        verb.pictures([tmp_path / "less.png"])
    for count in (0, 1, 3):
        assert len(verb.pictures(files, ["ash"] * count)[0]) == 3
    done = verb.prepared(own_opened(), tuple(files), ["cedar" if label != "cedar" else "ash" for label in answers(files)])
    assert done.images.shape == (3, 3, 16, 16) and done.targets is not None and len(done.targets) == 3


def own_opened() -> Any:
    backbone = Headed()
    model, names = own_classifier(backbone)
    return model, names, backbone


def answers(files: list[Path]) -> list[str]:
    done = verb.prepared(own_opened(), tuple(files))
    assert done.targets is None and float(done.images.max()) <= 1.0 and float(done.images.min()) >= 0.0
    pixels = torch.from_numpy(load_pixels(Files(tuple(files)), [0, 1, 2], Headed().preprocess)).float() / 255
    assert torch.equal(done.images, pixels)
    return [done.names[int(label)] for label in done.labels]


def test_long_names_above_pictures_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[list[str]] = []
    monkeypatch.setattr(results, "_sheet", lambda pictures, words, *more: titles.append(words))
    monkeypatch.setattr(results, "as_png", lambda figure, dpi: b"PNG")
    results.write(replace(given(1), classes=("a" * 40, "b" * 40, "c" * 40)), tmp_path, {})
    (first, _, last), (after, _) = titles
    assert [len(title.split(" ")[0]) for title in (first, last)] == [28, 28]
    _, now, before = after.split("\n")
    assert len(now.split(" ")[0]) == 18 and len(before.split(" ")[1]) == 16
