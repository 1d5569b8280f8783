"""Types and ranges of settings, the same from Python, from ``--set`` and from a file."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pytest
from drawn import same_text
from fakes import TinyBackbone, tiny_clip

from coldframe import values
from coldframe.cli.common import settings
from coldframe.errors import InputError
from coldframe.methods import method_class
from coldframe.registry import METHODS
from coldframe.values import NAMED, checked, number_of

CLIP = tiny_clip()


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("fine-tune.epochs=null", "expected epochs of fine-tune to be a whole number from 1 to 100,000, found None"),
        ("knn.k=true", "expected k of knn to be a whole number from 1 to 1,000,000,000 or auto, found True"),
        ("text-prompt.tokens=2.5", "expected tokens of text-prompt to be a whole number from 1 to 4,096, found 2.5"),
        ("fine-tune.label_smoothing=2", "expected label_smoothing of fine-tune to be a number from 0 to 1, found 2"),
        ("fine-tune.epoch=5", "expected a setting of fine-tune, found 'epoch'; did you mean 'epochs'"),
        ("fine-tune.lr=1e999", "expected lr of fine-tune to be a number above 0 and up to 1,000,000,000 or auto, found inf"),
        ("fine-tune.seed=[1]", "expected seed of fine-tune to be a whole number from 0 to 4,294,967,295, found"),
        ("fine-tune.layers=7", "expected layers of fine-tune to be text, found 7"),
        ("linear-probe.l2=[]", "expected l2 of linear-probe to hold a number above 0"),
        ("linear-probe.l2={}", "expected l2 of linear-probe to be a number above 0"),
        ("linear-probe.refit=1", "expected refit of linear-probe to be true or false, found 1"),
        ("zero-shot.template=[1]", "expected template of zero-shot to be text or a list of texts, found"),
        ("tip-adapter.alpha=false", "expected alpha of tip-adapter to be a number from 0"),
        ("gda.prior=txt", "expected prior of gda to be auto, text, none, found 'txt'; did you mean 'text'"),
        ("pixel-prompt.clip=-1", "expected clip of pixel-prompt to be a number above 0"),
    ],
)
def test_a_set_option_names_the_setting_and_what_was_expected(pair: str, said: str) -> None:
    ((method, given),) = settings([pair]).items()
    with pytest.raises(InputError) as caught:
        method_class(method)(CLIP, **given)
    assert str(caught.value).startswith(said), caught.value


def _bad(annotation: Any, name: str) -> list[Any]:
    number = number_of(name, annotation)
    wrong: list[Any] = [{}, {"a": 1}, [[[]]], object()]
    if number is not None:
        wrong += [True, float("nan"), float("inf"), -float("inf"), 10**400, -1, "three", b"1"]
        wrong += [2.5] if number.kind is int else []
        wrong += [] if type(None) in getattr(annotation, "__args__", ()) else [None]
    elif annotation is not bool:
        wrong += [True, 3]
    return wrong


@pytest.mark.parametrize("name", METHODS)
def test_no_setting_of_any_method_takes_what_it_cannot_use(name: str) -> None:
    kind = method_class(name)
    backbone = TinyBackbone() if name in ("linear-probe", "knn", "fine-tune") else CLIP
    tried = 0
    for setting, parameter in kind.settings().items():
        for value in _bad(parameter.annotation, setting):
            tried += 1
            with pytest.raises(InputError) as caught:
                kind(backbone, **{setting: value})
            said = str(caught.value)
            assert "\n" not in said and setting in said and "not supported" not in said, said
    assert tried > 3 or not kind.settings()


@pytest.mark.parametrize("name", METHODS)
def test_every_number_has_a_range_of_its_own_name_and_its_default_lies_in_it(name: str) -> None:
    for setting, parameter in method_class(name).settings().items():
        if number_of(setting, parameter.annotation) is not None:
            assert setting in NAMED, f"{name}: name the range of {setting} in coldframe.values"
        if parameter.default is not inspect.Parameter.empty:
            assert checked(setting, parameter.default, parameter.annotation) == parameter.default


def test_equal_settings_become_equal_text() -> None:
    assert repr(checked("lr", 40, float)) == repr(checked("lr", np.float32(40), float)) == "40.0"
    kind = int | Literal["auto"]
    assert repr(checked("k", np.int64(3), kind)) == "3" and checked("k", "auto", kind) == "auto"
    assert repr(checked("l2", (1, 2), float | Sequence[float])) == "(1.0, 2.0)"
    assert checked("clip", None, float | None) is None


def test_counts_begin_at_one_and_the_ends_are_those_of_the_docs() -> None:
    """docs/reliability.md names the upper ends of epochs, seeds and batches."""
    counts = ("COUNT", "SEEDS", "STEPS", "TOP", "EPOCHS", "BATCH", "WIDTH", "DEPTH", "LIMIT", "PICTURES", "SIDE")
    assert {name: getattr(values, name).least for name in counts} == dict.fromkeys(counts, 1)
    none = ("SEED", "SHOWN", "PLACE", "LENGTH", "FINITE", "SECONDS", "FRACTION", "POINTS")
    assert {name: getattr(values, name).least for name in none} == dict.fromkeys(none, 0)
    assert (values.EPOCHS.most, values.SEEDS.most, values.BATCH.most) == (100_000, 1_000, 65_536)
    assert values.FRACTION.most == 1 and values.POSITIVE.above and values.GIGABYTES.above


def test_the_numbers_of_a_list_have_the_range_of_their_name() -> None:
    for kind in (Sequence[int], list[int], tuple[int, ...], int | Sequence[int] | None):
        found = number_of("epochs", kind)
        assert found is not None and (found.kind, found.least, found.most) == (int, 1, 100_000), kind
    assert number_of("epochs", Sequence[str]) is None and number_of("epochs", list) is None


def test_every_range_says_its_ends_as_it_did() -> None:
    ranges = {name: value for name, value in vars(values).items() if isinstance(value, values.Number)}
    lines = [f"{name}: {value.expected}\n" for name, value in {**ranges, **NAMED}.items()]
    same_text(__file__, "ranges", "".join(lines))


def test_ends_belong_to_their_range_and_long_texts_do_not_become_numbers() -> None:
    closed, opened = values.Number(int, 1, 3, words=("auto",)), values.Number(float, 0, 2, above=True)
    assert [closed.read(text) for text in ("1", "+3", "auto")] == [1, 3, "auto"] and opened.read("2.") == 2.0
    assert closed.check("n", np.int64(3)) == 3 and opened.check("n", 2) == 2.0 and opened.read(".5e0") == 0.5
    assert closed.read("0" * 398 + "1") == 1 and closed.read("0" * 399 + "2") == 2
    long = "0" * 400 + "1"
    for number, text in ((closed, "0"), (closed, "4"), (closed, "1.0"), (opened, "0"), (opened, "2.1"), (closed, long)):
        with pytest.raises(InputError, match="expected a"):
            number.read(text)
    for number, value in ((closed, 4), (opened, 0), (opened, 2.5), (closed, 2.0), (closed, "2")):
        with pytest.raises(InputError, match="expected n to be"):
            number.check("n", value)
    with pytest.raises(InputError, match="did you mean 'auto'"):
        closed.read("autp")
    with pytest.raises(InputError) as caught:
        closed.read("x" * 41)
    assert str(caught.value).endswith(f"found '{'x' * 40}…'")
    with pytest.raises(InputError) as caught:
        closed.read("y" * 40)
    assert str(caught.value).endswith(f"found '{'y' * 40}'")


def test_a_foreign_value_is_shown_short_and_types_are_said_in_words() -> None:
    assert (values.shown("x" * 58), values.shown("x" * 59)) == (repr("x" * 58), "'" + "x" * 56 + "…")
    assert values.shown(10**5000) == "a value of type int"
    kinds = (int | None, Sequence[float], list, Literal["a", "b"], bool | str, tuple[str, ...], dict)
    assert [values.described(kind) for kind in kinds] == [
        "a whole number or None", "a list of numbers", "list", "a, b", "true or false or text", "a list of texts", "dict",
    ]  # fmt: skip
    half = number_of("epochs", float)
    assert half is not None and half.above and (half.kind, half.least, half.most) == (float, 0, 100_000)
