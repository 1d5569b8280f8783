"""What is wrong with a data set: planted faults are found, a sound one has none, the cleaned list is read again."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from drawn import same_text
from fakes import Pictures, pictures
from PIL import Image

from coldframe.cli import main
from coldframe.data import load_dataset
from coldframe.data.base import Dataset, Split
from coldframe.data.folder import Files
from coldframe.errors import DataError
from coldframe.verbs import check as verb
from coldframe.verbs.check import Checked, Fault, check
from coldframe.verbs.check_files import _cleaned, write
from coldframe.verbs.looking import Looked, look


def draw(path: Path, seed: int) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    """Return splits of two classes: one copy across splits, one in train, one picture with two labels, one blank, one tiny."""
    root = tmp_path / "data"
    for number in range(40):
        split = "train" if number < 24 else "val" if number < 32 else "test"
        draw(root / split / ("cat" if number % 2 else "dog") / f"{number:02}.png", number)
    draw(root / "test" / "cat" / "copy.png", 1)
    draw(root / "train" / "dog" / "again.png", 2)
    draw(root / "train" / "dog" / "other.png", 3)
    Image.new("RGB", (40, 48), (9, 9, 9)).save(root / "val" / "cat" / "blank.png")
    tiny = np.random.default_rng(99).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    Image.fromarray(tiny).save(root / "train" / "cat" / "tiny.png")
    near = draw(root / "train" / "cat" / "near.png", 38).astype(int)
    moved = np.clip(near + np.random.default_rng(5).integers(-4, 5, near.shape), 0, 255).astype(np.uint8)
    Image.fromarray(moved).save(root / "train" / "cat" / "near.png")
    return root


def test_planted_faults_are_found_and_the_cleaned_list_is_read(
    faulty: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["check", f"folder:{faulty}", "--model", "none", "--out", str(out), "--fix", str(tmp_path / "clean.csv")]
    with pytest.raises(SystemExit) as stopped:
        main(words)
    said = capsys.readouterr().out
    assert stopped.value.code == 0
    assert "1 of 9 test images repeat one outside test pixel by pixel, 1 nearly" in said
    assert "1 picture has two labels" in said
    with (out / "issues.csv").open() as file:
        listed = list(csv.DictReader(file))
    rows = {(Path(row["image"]).name, row["issue"]) for row in listed}
    assert all(not Path(row["image"]).is_absolute() and str(out) not in row["says"] for row in listed)
    assert {("copy.png", "same pixels"), ("again.png", "same pixels"), ("blank.png", "blank"), ("tiny.png", "tiny")} <= rows
    assert {kind for _, kind in rows} == {"same pixels", "two labels", "nearly the same, two labels", "blank", "tiny"}
    results = json.loads((out / "results.json").read_text())
    assert results["counts"]["same pixels"] == 2
    issues = (out / "issues.csv").read_text()
    same_text(__file__, "check_planted", "\n".join([issues, *results["lines"], ""]).replace("\r", ""))
    assert "copy.png" in (out / "report.html").read_text()
    cleaned = load_dataset(f"csv:{tmp_path / 'clean.csv'}")
    assert "official train and val and test" in cleaned.origin
    names = {Path(s.images.name(n)).name for s in (cleaned.train, cleaned.val, cleaned.test) for n in range(len(s))}
    assert len(names) == 46 - 5
    assert "copy.png" in names and not names & {"01.png", "03.png", "other.png", "blank.png"}


def test_doubtful_labels_are_those_that_were_changed(tmp_path: Path) -> None:
    pytest.importorskip("cleanlab")
    for number in range(60):
        pixels = np.random.default_rng(number).integers(0, 90, (32, 32, 3), dtype=np.uint8)
        pixels[..., number % 2] += 150
        path = tmp_path / ("green" if (number % 2) ^ (number in (4, 30)) else "red") / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
    found = check(load_dataset(f"folder:{tmp_path}"), model="pocket")
    worst = [Path(found.images.name(fault.row)).stem for fault in found.of("label")[:2]]
    assert set(worst) == {"4", "30"}
    for fault in found.of("label"):
        name = found.data.classes[found.labels[fault.row]]
        assert f"not {name} " in fault.says and not fault.says.startswith(f"looks like {name} ")
    assert any("border's colours alone" in line and "a shortcut" in line for line in found.lines)


def test_a_sound_data_set_has_no_faults(tmp_path: Path) -> None:
    for number in range(20):
        draw(tmp_path / ("cat" if number % 2 else "dog") / f"{number}.png", number)
    assert check(load_dataset(f"folder:{tmp_path}"), model=None).faults == []


def test_groups_on_both_sides_outliers_and_copies_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("cleanlab")
    for number in range(60):
        pixels = np.random.default_rng(number).integers(0, 60, (32, 32, 3), dtype=np.uint8)
        pixels[..., number % 2] += 150
        split = "train" if number < 40 else "val" if number < 48 else "test"
        patient = f"patient{number % 6}" if number != 59 else "patient9"
        path = tmp_path / "d" / split / ("red" if number % 2 == 0 else "green") / f"{patient}_slice{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    ring = np.zeros((32, 32, 3), dtype=np.uint8)
    ring[4:28:4] = (255, 255, 0)
    Image.fromarray(ring).save(tmp_path / "d" / "train" / "red" / "odd_1.png")
    first = next((tmp_path / "d" / "train" / "red").glob("patient0_*"))
    (tmp_path / "d" / "test" / "red" / "again_7.png").write_bytes(first.read_bytes())
    pool = tmp_path / "pool"
    pool.mkdir()
    for number, colour in enumerate(((180, 30, 30), (30, 180, 30), (105, 105, 30))):
        Image.new("RGB", (32, 32), colour).save(pool / f"{number}.png")
    words = ["check", f"folder:{tmp_path / 'd'}", "--out", str(tmp_path / "out"), "--unlabelled", str(pool), "--next", "2"]
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--device", "cpu"])
    said = capsys.readouterr().out
    assert not stopped.value.code, said
    assert "6 stems of names are in test and outside it, such as 'patient" in said and "?group={group}_*" in said
    assert "1 of 13 test images are copies of training images" in said and "without them" in said
    with (tmp_path / "out" / "issues.csv").open() as file:
        rows = {(Path(row["image"]).name, row["issue"]) for row in csv.DictReader(file)}
    assert ("odd_1.png", "outlier") in rows
    assert len((tmp_path / "out" / "label-next.csv").read_text().splitlines()) == 3
    assert "to label next, of 3 pictures" in said
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--model", "none"])
    assert stopped.value.code == 2 and "to label next" in capsys.readouterr().err


def test_the_cleaned_list_holds_names_of_any_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(24):
        draw(tmp_path / "data" / ("cat" if number % 2 else "dog") / f"{number:02}.png", number)
    odd = tmp_path / "data" / "cat" / "\udcff\udcfe.png"
    (tmp_path / "data" / "cat" / "01.png").rename(odd)
    clean = tmp_path / "clean.csv"
    with pytest.raises(SystemExit):
        main(["check", f"folder:{tmp_path / 'data'}", "--model", "none", "--out", str(tmp_path / "out"), "--fix", str(clean)])
    capsys.readouterr()
    data = load_dataset(f"csv:{clean}")
    names = {split.images.name(row) for split in data.splits for row in range(len(split))}
    assert str(odd) in names and len(names) == 24


CLASSES = ("cat", "dog")


def checked(labels: list[int], splits: list[str] | None = None, images: Any = None) -> Checked:
    """Return a data set of pictures of noise, of which nothing has been found yet."""
    held = pictures(len(labels)) if images is None else images
    own = np.array(labels, dtype=np.int64)
    parts = [Split(name, held, own, CLASSES) for name in ("train", "val", "test")]
    return Checked(Dataset("here", *parts, "made here"), held, own, splits or ["train"] * len(labels))


def looked(n: int, **known: Any) -> Looked:
    """Return what a look at n pictures gives: noise, all different, 40 x 30 pixels, unless something else is said."""
    copies = np.random.default_rng(0).integers(0, 256, (n, 16, 16, 3), dtype=np.uint8)
    usual: dict[str, Any] = {"copies": copies, "digests": [str(i) for i in range(n)], "borders": np.zeros((n, 6))}
    usual["spread"] = known.get("copies", copies).reshape(n, -1).std(1)
    return Looked(**(usual | {"sizes": np.array([[40, 30]] * n)} | known))


def test_a_look_gives_digests_of_pixels_sizes_and_the_mean_and_spread_of_the_border() -> None:
    framed = np.zeros((16, 16, 3), np.uint8)
    framed[1:-1, 1:-1] = 77
    framed[0], framed[-1, :, 1] = (10, 20, 30), 60
    wide = np.full((32, 48, 3), 9, np.uint8)
    seen = look(Pictures([framed, wide, framed.copy(), framed.reshape(8, 32, 3)]))
    assert seen.digests[0] == seen.digests[2] and len(set(seen.digests)) == 3
    assert seen.sizes.tolist() == [[16, 16], [48, 32], [16, 16], [32, 8]]
    assert (seen.copies[0] == framed).all() and (seen.copies[1] == 9).all()
    edge = np.concatenate([framed[0], framed[-1], framed[1:-1, 0], framed[1:-1, -1]]).astype(float)
    assert seen.spread[0] == pytest.approx(framed.std()) and seen.spread[1] == 0
    assert len(edge) == 60 and seen.borders[0] == pytest.approx([*edge.mean(0), *edge.std(0)])


def test_repeats_are_told_by_pixels_by_likeness_by_split_and_by_label() -> None:
    n = 9
    seen = looked(n)
    seen.digests[1] = seen.digests[6] = "0"
    seen.digests[3] = "2"
    for row, other in ((1, 0), (6, 0), (3, 2), (4, 0), (5, 2)):
        seen.copies[row] = seen.copies[other]
    seen.copies[4, :4] ^= 31
    seen.copies[5, :4] ^= 31
    found = checked([0, 0, 1, 1, 0, 1, 1, 0, 1], ["train", "train", "val", "test", "test", "test", "test", "test", "val"])
    verb._repeats(found, seen)
    faults = [f"{f.row} {f.kind} {f.score:.3f} {f.says} ({f.other})" for f in found.faults]
    same_text(__file__, "check_repeats", "\n".join([*found.lines, *faults, ""]))
    assert found.lines == [
        "2 of 5 test images repeat one outside test pixel by pixel, 2 nearly: an accuracy counts them",
        "images that repeat another of their own split: 1 pixel by pixel, 2 nearly", "1 picture has two labels",
    ]  # fmt: skip
    alone = checked([0, 1], ["train", "test"])
    verb._repeats(alone, looked(2))
    assert alone.lines == alone.faults == []


def test_blank_tiny_and_turned_pictures_at_their_limits() -> None:
    n = 24
    seen = looked(n)
    for row, high in ((0, 108), (1, 106)):  # standard deviations of 4 and 3
        seen.copies[row], seen.copies[row, :8] = 100, high
        seen.spread[row] = (high - 100) / 2
    seen.copies[2], seen.spread[2] = 100, 60.0  # fine texture, of which a small copy shows nothing
    seen.sizes = np.array([[80, 40]] * 21 + [[11, 10], [9, 10], [12, 9]])
    found = checked([0] * n)
    verb._odd(found, seen)
    told = [(f.row, f.kind, f.score, f.says) for f in found.faults]
    assert told == [
        (1, "blank", pytest.approx(1 - 3 / 255), "pixels differ by 3.0 of 255"),
        (22, "tiny", pytest.approx(0.1), "9 x 10 pixels"), (23, "tiny", pytest.approx(0.1), "12 x 9 pixels"),
        (22, "turned", 0.5, "upright, where nearly all others are not"),
    ]  # fmt: skip
    assert found.lines == ["1 image is blank", "2 images are tiny", "1 image is turned"]
    for wide, upright, lying in ((20, 1, 1), (19, 1, 0), (1, 20, 1), (1, 19, 0), (0, 9, 0), (40, 2, 2)):
        found = checked([0] * (wide + upright))
        verb._odd(found, looked(wide + upright, sizes=np.array([[50, 40]] * wide + [[40, 50]] * upright)))
        assert len(found.of("turned")) == lying
        assert all(("lying" if upright > wide else "upright") in f.says for f in found.faults)


@pytest.mark.parametrize(
    ("cats", "dogs", "said"),
    [(10, 2, "'cat' has 10 training images, 'dog' 2"), (9, 2, ""), (0, 5, "'dog' has 5 training images, 'cat' 0"), (0, 4, "")],
)
def test_classes_are_unequal_from_five_times_on(cats: int, dogs: int, said: str) -> None:
    found = checked([0] * cats + [1] * dogs)
    verb._balance(found)
    assert found.lines == ([f"classes are unequal: {said}"] if said else [])


def test_a_shortcut_names_more_than_half_of_what_the_largest_class_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    found, asked = checked([0, 0, 0, 1, 1]), list[Any]()
    borders = np.arange(30.0).reshape(5, 6)
    for right in (0.8, 0.81):
        monkeypatch.setattr(verb, "neighbour_accuracy", lambda x, y, right=right: asked.append(x) or right)
        verb._shortcut(found, looked(5, borders=borders))
    said = "border's colours alone name {} of 5 images (largest class 60.0%)"
    assert found.lines == [
        f"the {said.format('80.0%')}", f"the {said.format('81.0%')}: a shortcut that a model will find",
    ]  # fmt: skip
    monkeypatch.setattr(verb, "_MOST_SHORTCUT", 3)
    verb._shortcut(found, looked(5, sizes=np.array([[40, 30], [1, 1], [60, 30], [1, 1], [90, 30]])))
    assert asked[-1].tolist() == [[40, 30, pytest.approx(4 / 3)], [60, 30, 2], [90, 30, 3]]
    assert found.lines[-1].startswith("the size alone names 81.0% of 3 images (largest class 66.7%)")


def test_stems_and_minutes_on_both_sides_are_counted_by_their_test_images(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["a_1", "a_2", "b_1", "b_2", "b_3", "c_1", "d_1", "e_1"]

    class Held:
        def __len__(self) -> int:
            return len(names)

        def name(self, row: int) -> str:
            return f"{names[row]}.png"

    held = Held()
    splits = ["train", "test", "val", "test", "test", "train", "train", "test"]
    found = checked([0] * 8, splits, held)
    monkeypatch.setattr(verb, "taken", lambda name: "camera 12:00" if name[0] in "bcde" else "")
    verb._leaks(found)
    assert found.lines == [
        "2 stems of names are in test and outside it, such as 'b' (3 test images in all): "
        "if a stem is one patient, plate or video, give ?group={group}_*",
    ]  # fmt: skip
    assert [(f.row, f.kind, f.score, f.says) for f in found.faults] == [
        (row, "group on both sides", 0.5, f"names: {names[row][0]}") for row in (1, 3, 4)
    ]
    monkeypatch.setattr(verb, "stem_of", lambda name: "")
    monkeypatch.setattr(verb, "taken", lambda name: {"a_1": "x 1", "a_2": "x 1"}.get(name[:3], f"y {name}"))
    found = checked([0] * 8, splits, held)
    verb._leaks(found)
    assert found.lines[0].startswith("1 minutes of one camera are in test and outside it, such as 'x 1' (1 test images in all)")
    found.data = replace(found.data, train=replace(found.data.train, groups=np.zeros(8, dtype=np.int64)))
    found.faults.clear()
    verb._leaks(found)
    assert not found.faults


def test_doubted_labels_are_those_of_the_lowest_probability_with_another_class_first(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cleanlab")
    labels = [0, 1] * 10
    odds = torch.tensor([[0.9, 0.1], [0.1, 0.9]] * 10)
    odds[4], odds[7] = torch.tensor([0.05, 0.95]), torch.tensor([0.93, 0.07])

    class Told:
        def __init__(self, backbone: Any, **settings: Any) -> None:
            assert settings == {"prior": "none", "choose": "loo"}

        def fit(self, whole: Any, cold: Any) -> Any:
            return SimpleNamespace(out_of_sample=odds.log())

    monkeypatch.setattr(verb, "Ridge", Told)
    monkeypatch.setattr("coldframe.backbones.load_backbone", lambda name, device: SimpleNamespace(name=name))
    found = checked(labels)
    _, whole = verb._labels(found, "pocket", "cpu", None)  # type: ignore[arg-type]
    assert (whole.name, len(whole.labels)) == ("train", 20)
    assert [(f.row, f.kind, f.score, f.says) for f in found.faults] == [
        (4, "label", pytest.approx(0.95), "looks like dog (95%), not cat (5%)"),
        (7, "label", pytest.approx(0.93), "looks like cat (93%), not dog (7%)"),
    ]
    assert found.lines == [
        "2 labels are doubtful by confident learning on left-out probabilities of pocket, which names 90.0% of the images: "
        "the weaker the model, the more are falsely doubted"
    ]


def test_copies_are_said_where_some_test_images_are_none_and_what_to_label_next_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Probe:
        def __init__(self, backbone: Any, **settings: Any) -> None: ...
        def fit(self, *parts: Any, cold: Any) -> Any:
            return self

        def predict(self, split: Any, cold: Any) -> Any:
            return torch.tensor([0, 0, 0, 0])

        def predict_proba(self, split: Any, cold: Any) -> Any:
            assert len(split) == 5 and split.labels.tolist() == [0] * 5
            return "odds"

    monkeypatch.setattr(verb, "Ridge", Probe)
    monkeypatch.setattr(verb, "_unit", lambda backbone, split, cold: len(split))
    monkeypatch.setattr(verb, "outliers", lambda x: [(2, 0.75), (0, 0.5)])
    monkeypatch.setattr(verb, "to_label", lambda *given: [4, 0, 3, 1] if given == ("odds", 5, 4, 4) else [])
    named: Any = SimpleNamespace(name="pocket")
    said = []
    for copies in ([True, False, False, False], [True] * 4, [False] * 4):
        found = checked([0, 0, 1, 1])
        monkeypatch.setattr(verb, "copied", lambda data, backbone, cold, copies=copies: np.array(copies))
        verb._model(found, named, found.data.train, None, [], 20)  # type: ignore[arg-type]
        said.append(found.lines)
        assert [(f.row, f.score, f.kind) for f in found.faults] == [(2, 0.75, "outlier"), (0, 0.5, "outlier")]
    assert [len(lines) for lines in said] == [2, 1, 1]
    assert said[0][0] == "2 images are unlike all others by the features of pocket" and "1 of 4 test images" in said[0][1]
    found = checked([0, 0, 1, 1])
    verb._model(found, named, found.data.train, None, [Path(f"d/{i}.png") for i in range(5)], 4)  # type: ignore[arg-type]
    assert found.next == [str(Path(f"d/{i}.png")) for i in (4, 0, 3, 1)]
    assert found.lines[-1] == "to label next, of 5 pictures: 4.png, 0.png, 3.png ..."


def test_of_a_pair_the_one_outside_test_leaves_the_cleaned_list(tmp_path: Path) -> None:
    files = []
    for number in range(8):
        draw(tmp_path / f"{number}.png", number)
        files.append(tmp_path / f"{number}.png")
    splits = ["train", "train", "val", "test", "test", "test", "train", "test"]
    found = checked([0, 0, 0, 0, 0, 0, 1, 1], splits, Files(tuple(files)))
    pairs = ((1, 0), (3, 2), (5, 4), (0, 7))  # a repeat and what it repeats
    found.faults = [Fault(row, "same pixels", 1.0, "", other) for row, other in pairs]
    kept = [Path(line["image"]).stem for line in csv.DictReader(_cleaned(found).splitlines())]
    assert kept == ["3", "4", "6", "7"]
    found.faults = [Fault(row, "blank", 1.0, "") for row in range(8)]
    with pytest.raises(DataError, match="expected pictures to keep in here, found none"):
        _cleaned(found)


def test_the_page_shows_twelve_of_a_finding_and_the_other_of_a_pair(tmp_path: Path) -> None:
    for count, pair, shown in ((12, -1, 12), (13, -1, 12), (12, 0, 24)):
        found = checked([0] * 13)
        found.faults = [Fault(row, "blank", row / 20, "says", pair) for row in range(count)]
        assert write(found, tmp_path, "coldframe check")["counts"] == {"blank": count}
        page = (tmp_path / "report.html").read_text()
        assert page.count("data:image/png") == shown and page.count("the other") == (12 if pair == 0 else 0)
        assert ("issues.csv has all" in page) == (count > 12), "only a finding with more pictures points to the list"
    lines = (tmp_path / "issues.csv").read_text().splitlines()
    assert lines[1].endswith("cat,blank,0.5500,says") and lines[-1].endswith("blank,0.0000,says")
