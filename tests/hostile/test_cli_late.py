"""What can be refused is refused before work, and work that is finished is never thrown away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli_walk import outcome
from fakes import TinyBackbone, coloured, tiny_clip
from layouts import two_classes as folder

from coldframe.cold import ColdPass, Store
from coldframe.data.base import Dataset
from coldframe.errors import InputError, TrainingError
from coldframe.methods import Method, method_class
from coldframe.methods.fine_tune import FineTune
from coldframe.methods.knn import NearestNeighbours
from coldframe.methods.linear_probe import LinearProbe
from coldframe.methods.pixel_prompt import PixelPrompt
from coldframe.methods.text_prompt import TextPrompt
from coldframe.methods.tip_adapter import TipAdapter
from coldframe.verbs.choose import check_data, methods_for_all
from coldframe.verbs.compare import compare
from coldframe.verbs.fit import fit_one
from coldframe.verbs.watch import Watch

DATA = Dataset("colours", coloured(30, 0, "train"), coloured(12, 1, "val"), coloured(21, 2, "test"), "made here")


def run(methods: list[Any], models: list[Any], tmp_path: Path, **more: Any) -> Any:
    return compare(methods, DATA, model=models, cold=ColdPass(Store(tmp_path)), latency=False, **more)


def test_a_method_that_one_model_does_not_allow_is_left_out_there_with_a_note(tmp_path: Path) -> None:
    blind, seeing = TinyBackbone(width=8), tiny_clip()
    table = run(["zero-shot", "linear-probe"], [seeing, blind], tmp_path, seeds=1)
    assert [(row["method"], row["model"]) for row in table.rows] == [
        ("zero-shot", seeing.name), ("linear-probe", seeing.name), ("linear-probe", blind.name)
    ]  # fmt: skip
    assert any("zero-shot left out" in note and blind.name in note for note in table.notes)
    assert not (tmp_path / "nothing").exists()


def test_a_model_that_allows_none_of_them_is_named_and_the_others_stand(tmp_path: Path) -> None:
    blind, seeing = TinyBackbone(width=8), tiny_clip()
    table = run(["zero-shot"], [blind, seeing], tmp_path, seeds=1)
    assert [row["model"] for row in table.rows] == [seeing.name] and any(blind.name in note for note in table.notes)


def test_what_no_model_allows_is_refused_before_an_image_is_read(tmp_path: Path) -> None:
    first, second = TinyBackbone(width=8), TinyBackbone(width=4)
    for methods, says in ((["knn", "zero-shot"], "has no text tower"), (["knn", "text-prompt"], "has no text tower")):
        with pytest.raises(InputError, match=says):
            run(methods, [first, second], tmp_path)
        with pytest.raises(InputError, match=says):
            run(methods, [first], tmp_path)
    with pytest.raises(InputError, match="expected a setting of knn"):
        run(["knn"], [first, second], tmp_path, options={"knn": {"kk": 3}})
    assert first.embedded == second.embedded == 0


def test_settings_of_a_method_reach_the_models_that_allow_it() -> None:
    blind, seeing = TinyBackbone(width=8), tiny_clip()
    options = {"zero-shot": {"template": "{}"}, "knn": {"k": 2}}
    (first, _), (second, left) = methods_for_all(["zero-shot", "knn"], [seeing, blind], options)
    assert [(method.name, method.config()) for method in (first[0], second[0])] == [
        ("zero-shot", {"template": "{}"}), ("knn", second[0].config())
    ] and second[0].config()["k"] == 2 and len(left) == 1  # fmt: skip
    with pytest.raises(InputError, match="tip-adapter"):
        methods_for_all(["zero-shot", "knn"], [seeing, blind], {"tip-adapter": {}})


def test_a_fit_that_breaks_loses_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit, seen = LinearProbe._fit, []

    def breaks(self: LinearProbe, *arguments: Any, **named: Any) -> None:
        seen.append(self)
        if len(seen) == 2:
            raise TrainingError("the loss of step 3 is not a number; lower the learning rate")
        fit(self, *arguments, **named)

    monkeypatch.setattr(LinearProbe, "_fit", breaks)
    net, watch = TinyBackbone(width=8), Watch()
    table = run([LinearProbe(net), NearestNeighbours(net)], [net], tmp_path, seeds=3, watch=watch, out=tmp_path / "out")
    assert [(row["method"], row["seed"]) for row in table.rows] == [("linear-probe", 0), ("knn", 0), ("knn", 1), ("knn", 2)]
    assert len(watch.failures) == 1 and "linear-probe on" in watch.failures[0] and "seed 1" in watch.failures[0]
    assert watch.failures[0] in table.notes
    table.save(tmp_path / "report.html")
    assert len(list((tmp_path / "out" / "fits").iterdir())) >= 4


def test_where_every_fit_breaks_the_first_reason_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(self: LinearProbe, *arguments: Any, **named: Any) -> None:
        raise TrainingError("the loss of step 3 is not a number")

    monkeypatch.setattr(LinearProbe, "_fit", breaks)
    net = TinyBackbone(width=8)
    with pytest.raises(TrainingError, match="step 3"):
        run([LinearProbe(net)], [net], tmp_path, seeds=2)


def test_the_last_data_set_is_looked_at_before_the_first_is_worked_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = ("--out", str(tmp_path / "out"), "--device", "cpu")
    words = ("--data", "mini:cifar10", "--data", f"folder:{tmp_path / 'absent'}", *out)
    for verb in (("compare", "--methods", "knn", "--seeds", "1"), ("sweep", "knn", "--seeds", "1")):
        code, error = outcome(capsys, (*verb, *words))
        assert code == 2 and "absent" in error.splitlines()[-1] and not (tmp_path / "out").exists()


def test_unlabelled_images_are_refused_before_a_benchmark(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, error = outcome(capsys, ("benchmark", "lite0", "--images", str(tmp_path / "empty"), "--out", str(tmp_path / "out")))
    assert code == 2 and "expected image files at" in error and "latency" not in error and not (tmp_path / "out").exists()


EMPTY = Dataset("no validation", DATA.train, DATA.val.subset(range(0)), DATA.test, "made here")


def late(net: TinyBackbone) -> list[tuple[Method, Dataset, str]]:
    """Return methods whose settings do not suit the data, the data, and what is said."""
    seeing = tiny_clip()
    net.classes = ("one", "two")
    return [
        (PixelPrompt(net, mapping="identity", size=2), DATA, "3 outputs or more for 3 classes with 1 source each, found 2"),
        (PixelPrompt(net, mapping="iterative", sources=2, size=2), DATA, "6 outputs or more for 3 classes with 2 sources"),
        (PixelPrompt(net, mapping="frequency", size=2), DATA, "choose the mapping full or linear"),
        (NearestNeighbours(net, choose="val"), EMPTY, "expected validation images to choose k on"),
        (TipAdapter(seeing, choose="val"), EMPTY, "expected validation images to choose"),
        (method_class("ridge")(net, choose="val"), EMPTY, "expected validation images to choose"),
        (method_class("ssf")(seeing, wise="auto", last=1), EMPTY, "validation images to choose wise='auto' on"),
        (FineTune(seeing, head="text", wise="auto"), EMPTY, "validation images to choose wise='auto' on"),
        (TextPrompt(seeing, tokens=64), DATA, "expected prompts of at most"),
    ]


def every_work_refuses(method: Method, data: Dataset, says: str, tmp_path: Path) -> None:
    cold = ColdPass(Store(tmp_path))
    for work in (
        lambda: compare([NearestNeighbours(method.backbone), method], data, cold=cold, seeds=1),
        lambda: fit_one(method, data, tmp_path / "out", cold=cold),
        lambda: method.fit(data.train, data.val, cold=cold),
    ):
        with pytest.raises(InputError, match=says):
            work()


def test_settings_that_the_data_does_not_allow_are_refused_before_an_image_is_read(tmp_path: Path) -> None:
    net = TinyBackbone(width=8)
    cases = late(net)
    before = net.embedded  # a prompt looks once at the shape of what it is added to
    for method, data, says in cases:
        every_work_refuses(method, data, says, tmp_path)
    assert net.embedded == before and not list(tmp_path.iterdir())


def test_a_method_that_the_data_allows_on_one_model_alone_is_left_out_of_the_other() -> None:
    few, many = TinyBackbone(width=8), TinyBackbone(width=4)
    few.classes, many.classes = ("one", "two"), tuple("abcd")
    options = {"pixel-prompt": {"mapping": "frequency", "size": 2}}
    chosen = methods_for_all(["knn", "pixel-prompt"], [few, many], options, 1, DATA.classes)
    (first, left), (second, none) = check_data(chosen, [DATA], asked=True)
    assert [method.name for method in first] == ["knn"] and [method.name for method in second] == ["knn", "pixel-prompt"]
    assert "pixel-prompt left out: expected a classifier of 3 outputs" in left[0] and not none


def test_several_data_sets_are_looked_at_before_the_first_is_worked_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("good", "bad"):
        folder(tmp_path / name, bad=name == "bad")
    monkeypatch.setattr(ColdPass, "prepare", lambda *_: pytest.fail("work began"))
    where = [word for name in ("good", "bad") for word in ("--data", f"folder:{tmp_path / name}")]
    out = ("--out", str(tmp_path / "out"), "--device", "cpu", "--model", "pocket/random", "--seeds", "1")
    for verb in (("compare", "--methods", "knn"), ("sweep", "knn")):
        code, error = outcome(capsys, (*verb, *where, *out))
        assert code == 2 and "99.png" in error.splitlines()[-1] and not (tmp_path / "out").exists()
        code, error = outcome(capsys, (*verb, *where, *out, "--set", "knn.choose=5", "--on-error", "skip"))
        assert code == 2 and "expected choose of knn" in error and not (tmp_path / "out").exists()
