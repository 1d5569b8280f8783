"""A saved head meets data whose classes stand in another order, are fewer, more, or spelt otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import TinyBackbone, coloured, tiny_clip
from PIL import Image

from coldframe.cold import ColdPass, Store
from coldframe.data import load_dataset
from coldframe.data.base import Dataset, Split
from coldframe.data.names import by_wordnet, chosen_names
from coldframe.errors import DataError, InputError
from coldframe.evaluation.by_name import _shown, bound, folded, matched
from coldframe.methods.linear_probe import LinearProbe
from coldframe.methods.zero_shot import ZeroShot
from coldframe.verbs.evaluate import measure_run
from coldframe.verbs.zero_shot import ask

TRAIN, TEST = coloured(30, 0, "train"), coloured(21, 2, "test")


@pytest.fixture
def probe(tmp_path: Path) -> LinearProbe:
    return LinearProbe(TinyBackbone(width=8), l2=1e-3).fit(TRAIN, cold=ColdPass(Store(tmp_path / "s")))


def reordered(split: Split, names: tuple[str, ...], order: list[int]) -> Split:
    """Return the split with class ``order[k]`` of its own at place k, under the names given."""
    back = np.argsort(order)
    return replace(split, labels=back[split.labels].astype(np.int64), classes=names)


def test_another_order_and_spelling_is_no_fault(probe: LinearProbe) -> None:
    other = reordered(TEST, ("3_Blue", "red", "2-GREEN"), [2, 0, 1])
    method, found, notes = bound(probe, other)
    assert method is probe and found.classes == probe.classes and (found.labels == TEST.labels).all()
    assert notes == ["classes are bound by name: the data has them in another order"]
    data = Dataset("d", TRAIN, TEST, other)
    cold = ColdPass(Store())
    plain = measure_run(probe, Dataset("d", TRAIN, TEST, TEST), cold=cold).row["top1"]
    done = measure_run(probe, data, cold=cold)
    assert done.row["top1"] == plain and done.lines == notes and bound(probe, TEST) == (probe, TEST, [])


def test_new_and_absent_classes_are_told_and_scored_among_the_known(probe: LinearProbe) -> None:
    other = replace(TEST, classes=("green", "red", "zebra"))
    _, found, notes = bound(probe, other)
    assert len(found) == 14 and set(found.labels.tolist()) == {0, 1}
    assert "1 classes that were not learned (zebra): their 7 images are left out" in notes
    assert "1 learned classes have no images here (blue)" in notes
    with pytest.raises(InputError, match=r"found none \(red, green, blue learned, a, b, c in the data\)"):
        bound(probe, replace(TEST, classes=("a", "b", "c")))
    only = TEST.subset(np.flatnonzero(TEST.labels == 2))
    with pytest.raises(InputError, match="images of a class that linear-probe learned"):
        bound(probe, replace(only, classes=("green", "red", "zebra")))


def test_a_method_that_scores_texts_takes_the_names_of_the_data() -> None:
    zero = ZeroShot(tiny_clip()).for_classes(("red", "green"))
    method, split, notes = bound(zero, TEST)
    assert method.classes == TEST.classes and split is TEST and "scored among the 3 class names" in notes[0]


def test_names_that_two_classes_share_are_not_guessed() -> None:
    assert matched(["2-door car", "4-door car"], ["door car", "4_door car"]) == [None, None]
    assert matched(["a b", "A-B"], ["a b", "A_B"]) == [0, None] and folded("n01440764_tench") == "tench"


def test_wordnet_ids_and_indices_become_names(tmp_path: Path) -> None:
    assert by_wordnet(["n01440764", "n02123045"]) == ("tench", "tabby")
    assert by_wordnet(["n01440764", "cat"]) is None and by_wordnet(["n99999999"]) is None
    numbers = by_wordnet([str(number) for number in range(1000)])
    assert numbers is not None and numbers[0] == "tench" and len(set(numbers)) == 1000
    assert by_wordnet([str(number) for number in range(10)]) is None
    for name in ("n01440764", "n02123045"):
        (tmp_path / name).mkdir()
        for number in range(5):
            Image.new("RGB", (9, 9), (number, 0, 0)).save(tmp_path / name / f"{number}.png")
    data = load_dataset(f"folder:{tmp_path}")
    assert data.classes == ("tench", "tabby") and "n01440764: tench" in data.origin


def test_a_class_file_is_bound_by_key_or_by_natural_order(tmp_path: Path) -> None:
    raw = ["c1", "c10", "c2"]
    for name, text in (
        ("a.json", '{"c2": "two", "c1": "one", "c10": "ten"}'), ("a.csv", "c2,two\nc10,ten\nc1,one\n"),
        ("a.txt", "one\ntwo\nten\n"), ("b.tsv", "c2\ttwo\nc1\tone\nc10\tten\n"),
    ):  # fmt: skip
        (tmp_path / name).write_text(text)
        assert chosen_names(raw, tmp_path / name) == ("one", "ten", "two"), name
    assert chosen_names(["dog", "cat", "10"], ["a", "b", "c"]) == ("a", "b", "c")  # no order by letters: the labels' own
    (tmp_path / "a.json").write_text('{"c2": "two"}')
    with pytest.raises(DataError, match="none for 'c1'"):
        chosen_names(raw, tmp_path / "a.json")


def test_no_split_is_forced_where_nothing_is_learned(tmp_path: Path) -> None:
    for name, n in (("train/red", 3), ("test/red", 1), ("test/green", 1), ("test/blue", 2)):
        (tmp_path / "d" / name).mkdir(parents=True)
        for number in range(n):
            Image.new("RGB", (9, 9), (200, number, 0)).save(tmp_path / "d" / name / f"{number}.png")
    with pytest.raises(DataError):
        load_dataset(f"folder:{tmp_path / 'd'}")
    whole = load_dataset(f"folder:{tmp_path / 'd'}", whole=True)
    assert len(whole.test) == 7 and not len(whole.train) and whole.classes == ("blue", "green", "red")
    assert len(load_dataset(f"folder:{tmp_path / 'd' / 'test'}", whole=True).test) == 4
    flat = tmp_path / "flat"
    flat.mkdir()
    Image.new("RGB", (9, 9)).save(flat / "a.png")
    answer = ask(f"folder:{flat}", tiny_clip(), classes=["red", "green"])
    assert answer.n == 1 and not answer.row and sum(answer.shares.values()) == pytest.approx(1)
    with pytest.raises(InputError, match="--classes for images without labels"):
        ask(f"folder:{flat}", tiny_clip())
    assert ask(f"folder:{tmp_path / 'd'}", tiny_clip(), split="all").n == 7


def test_five_names_are_shown() -> None:
    assert [_shown("abcdefg"[:n]) for n in (5, 6, 7)] == [
        "a, b, c, d, e", "a, b, c, d, e and 1 more", "a, b, c, d, e and 2 more",
    ]  # fmt: skip
