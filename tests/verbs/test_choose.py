"""Which methods are compared: names, groups, objects, settings, and what is left out with a sentence."""

from __future__ import annotations

import pytest
from fakes import TinyBackbone, split, tiny_clip

from coldframe.data.base import Dataset
from coldframe.errors import InputError
from coldframe.methods import method_class
from coldframe.methods.fine_tune import FineTune
from coldframe.methods.knn import NearestNeighbours
from coldframe.methods.linear_probe import LinearProbe
from coldframe.registry import GROUPS
from coldframe.verbs.choose import check_data, distinct, expanded, label, methods_for, methods_for_all

TINY, OTHER, CLIP = TinyBackbone(), TinyBackbone(seed=1), tiny_clip()
GROUP = next(iter(GROUPS))
MEMBERS = list(GROUPS[GROUP])


def names(found: tuple[list[object], list[str]]) -> list[str]:
    return [method.name for method in found[0]]  # type: ignore[attr-defined]


def test_default_methods_that_a_model_lacks_are_left_out_with_a_sentence_and_named_ones_are_refused() -> None:
    chosen, skipped = methods_for(None, TINY, {})
    assert names((list(chosen), skipped)) == ["linear-probe", "fine-tune"]
    assert [line.split(" left out: ")[0] for line in skipped] == ["zero-shot", "pixel-prompt", "deep-prompt"]
    assert names(methods_for(None, CLIP, {})) == ["zero-shot", "linear-probe", "pixel-prompt", "deep-prompt", "fine-tune"]  # type: ignore[arg-type]
    with pytest.raises(InputError):
        methods_for(["zero-shot"], TINY, {})


def test_objects_are_taken_for_their_own_model_alone() -> None:
    mine, theirs = NearestNeighbours(TINY), NearestNeighbours(OTHER)
    assert methods_for([mine, theirs], TINY, {})[0] == [mine] and distinct([mine, theirs, mine]) == [TINY, OTHER]
    with pytest.raises(InputError, match="at least one method, found none"):
        methods_for([theirs], TINY, {})


def test_epochs_and_balance_reach_those_that_have_them_and_give_way_to_own_settings() -> None:
    tune, probe = methods_for(["fine-tune", "linear-probe"], TINY, {}, epochs=3, balance="loss")[0]
    assert tune.config()["epochs"] == 3 and tune.config()["balance"] == "loss" == probe.config()["balance"]
    (own,) = methods_for(["fine-tune"], TINY, {"fine-tune": {"epochs": 7}}, epochs=3)[0]
    assert own.config()["epochs"] == 7
    assert methods_for(["fine-tune"], TINY, {})[0][0].config()["epochs"] == FineTune(TINY).config()["epochs"]


def test_a_group_stands_for_its_members_each_once_and_its_settings_reach_those_that_have_them() -> None:
    assert expanded([GROUP, MEMBERS[0]]) == (MEMBERS, set(MEMBERS[1:]))
    assert expanded(["knn", "knn"]) == (["knn"], set())
    found, skipped = methods_for([GROUP], CLIP, {GROUP: {"epochs": 2, "last": 1}, MEMBERS[1]: {"epochs": 5}})
    assert len(found) + len(skipped) == len(MEMBERS) and found
    told = {method.name: method.config()["epochs"] for method in found if "epochs" in method.settings()}
    assert told.pop(MEMBERS[1]) == 5 and set(told.values()) == {2}


@pytest.mark.parametrize("options", [{"lora": {}}, {GROUP: {"epochs": 2}}])
def test_settings_that_no_method_takes_are_refused(options: dict[str, dict[str, object]]) -> None:
    with pytest.raises(InputError, match=f"settings were given for {next(iter(options))}, which is not among"):
        methods_for(["knn"], TINY, options)


def test_a_method_that_only_one_of_two_models_allows_is_left_out_of_the_other() -> None:
    (first, left), (second, none) = methods_for_all(["zero-shot", "knn"], [TINY, CLIP], {"knn": {"k": 3}})
    assert (names((list(first), left)), names((list(second), none))) == (["knn"], ["zero-shot", "knn"])
    assert len(left) == 1 and left[0].startswith("zero-shot left out: ") and none == []
    assert [method.config()["k"] for method in (*first, second[1])] == [3, 3]
    with pytest.raises(InputError):
        methods_for_all(["zero-shot", "knn"], [TINY, OTHER], {})
    both = methods_for_all(None, [TINY, OTHER], {})
    assert [names((list(each), [])) for each, _ in both] == [["linear-probe", "fine-tune"]] * 2
    with pytest.raises(InputError, match="settings were given for lora"):
        methods_for_all(["knn"], [TINY, CLIP], {"lora": {}})


def test_labels_say_what_tells_apart_and_what_saw_the_test_images() -> None:
    many = [NearestNeighbours(TINY, k=1), NearestNeighbours(TINY, k=5), LinearProbe(TINY)]
    assert [label(each, many) for each in many] == ["knn (k=1)", "knn (k=5)", "linear-probe"]
    many[2].transductive = True  # type: ignore[misc]
    assert label(many[2], many) == "linear-probe (transductive)"


class Refused(NearestNeighbours):
    """It cannot be fitted on data without validation images."""

    def check_data(self, train: object, val: object) -> None:
        if val is None:
            raise InputError("expected validation images, found none")


def test_what_the_data_does_not_allow_is_left_out_or_refused_where_it_was_asked_for() -> None:
    train, test = split(9), split(6, 2, name="test")
    bare = [Dataset("d", train, split(0, 1, name="val"), test, "here")]
    whole = [Dataset("d", train, split(6, 1, name="val"), test, "here")]
    picky, plain = Refused(TINY), LinearProbe(TINY)
    chosen = [([picky, plain], ["a sentence"])]
    assert check_data(chosen, whole, asked=True) == chosen  # type: ignore[arg-type]
    ((left, said),) = check_data(chosen, bare, asked=False)  # type: ignore[arg-type]
    assert left == [plain] and said == ["a sentence", "knn left out: expected validation images, found none"]
    for methods, asked in (([picky, plain], True), ([picky], False)):
        with pytest.raises(InputError, match="expected validation images"):
            check_data([(methods, [])], bare, asked=asked)  # type: ignore[list-item]


def test_a_group_leaves_out_what_it_cannot_make_but_not_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = MEMBERS[0]
    kind = method_class(refused)

    def refuse(self: object, *words: object, **more: object) -> None:
        raise InputError("expected otherwise")

    monkeypatch.setattr(kind, "unfit", classmethod(lambda cls, backbone, classes: ""))
    monkeypatch.setattr(kind, "__init__", refuse)
    found, skipped = methods_for([GROUP], CLIP, {})
    assert f"{refused} left out: expected otherwise" in skipped and refused not in names((list(found), skipped))
    for asked, options in (([refused], {}), ([GROUP], {refused: {}})):
        with pytest.raises(InputError, match="expected otherwise"):
            methods_for(asked, CLIP, options)  # type: ignore[arg-type]
    monkeypatch.setattr(kind, "unfit", classmethod(lambda cls, backbone, classes: "is too small"))
    both = methods_for_all([GROUP, "knn"], [CLIP, OTHER], {})
    for (_, left), net in zip(both, (CLIP, OTHER), strict=True):
        assert f"{refused} left out: {net.name} is too small" in left
    assert all("knn" in names((list(found), left)) for found, left in both)


def test_a_model_that_allows_nothing_has_no_methods_where_another_has() -> None:
    (first, left), (second, none) = methods_for_all(["zero-shot"], [TINY, CLIP], {})
    assert first == [] and len(left) == 1 and names((list(second), none)) == ["zero-shot"]
    objects = [NearestNeighbours(TINY), NearestNeighbours(OTHER)]
    assert [found for found, _ in methods_for_all(objects, [TINY, OTHER], {})] == [[objects[0]], [objects[1]]]
    alone = methods_for_all(["knn"], [TINY], {}, epochs=3)
    assert len(alone) == 1 and names(alone[0]) == ["knn"]  # type: ignore[arg-type]


def test_of_two_models_one_that_can_be_fitted_is_enough() -> None:
    train, test = split(9), split(6, 2, name="test")
    bare = [Dataset("d", train, split(0, 1, name="val"), test, "here")]
    picky, other = Refused(TINY), NearestNeighbours(OTHER)
    found = check_data([([picky], []), ([other], [])], bare, asked=True)
    assert [methods for methods, _ in found] == [[], [other]]
    assert found[0][1] == ["knn left out: expected validation images, found none"]
