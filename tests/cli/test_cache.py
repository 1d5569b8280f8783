from __future__ import annotations

import json

import pytest
import torch

from coldframe.cli import main
from coldframe.cold import Store
from coldframe.cold.store import Key, ShelfInfo

KEYS = [
    Key("lite0", "w", "p", "features", "plain", "float32", "float32"),
    Key("lite0", "w", "p", "block3", "flip", "bfloat16", "float32"),
    Key("pocket", "v", "p", "features", "plain", "float32", "float32"),
]


@pytest.fixture
def filled() -> Store:
    store = Store()
    for key in KEYS:
        writer = store.writer(key)
        writer.add(["a", "b"], torch.ones(2, 1000))
        writer.close()
    return store


def run(*words: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["cache", *words])
    assert not stopped.value.code


def told(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    run(*words, "--json")
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_an_empty_store_is_shown_and_cleared(capsys: pytest.CaptureFixture[str]) -> None:
    run()
    assert "is empty" in capsys.readouterr().out
    run("clear", "--model", "lite0")
    assert "Nothing to clear" in capsys.readouterr().out
    assert told(capsys)["shelves"] == [] and told(capsys, "clear")["freed"] == 0


def test_shelves_total_and_folder_are_shown(
    filled: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    run("show")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["model", "cut", "view", "dtype", "images", "size"]
    assert lines[1].split()[:5] == ["lite0", "block3", "flip", "bfloat16", "2"]
    assert lines[3].split()[:5] == ["pocket", "features", "plain", "float32", "2"]
    assert lines[4].endswith(str(filled.root))
    shown = told(capsys)
    assert shown["bytes"] == sum(path.stat().st_size for path in filled.root.rglob("*") if path.is_file())
    assert [shelf["model"] for shelf in told(capsys, "--model", "pocket")["shelves"]] == ["pocket"]  # type: ignore[attr-defined]


def test_clearing_by_model_and_cut_says_what_was_freed(filled: Store, capsys: pytest.CaptureFixture[str]) -> None:
    run("clear", "--model", "lite0", "--cut", "block3")
    out = capsys.readouterr().out
    assert out.startswith("Freed 4.") and "1 shelf with 2 activations of lite0" in out and out.count("\n") == 1
    assert {(shelf.model, shelf.cut) for shelf in filled.shelves()} == {("lite0", "features"), ("pocket", "features")}
    run("clear")
    assert "2 shelves with 4 activations of lite0, pocket" in capsys.readouterr().out
    assert list(filled.shelves()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "lite1"], "the store holds nothing of the model 'lite1'; did you mean 'lite0'?"),
        (["clear", "--cut", "feature"], "the store holds nothing of the cut 'feature'; did you mean 'features'?"),
        (["clear", "--model", "pocket", "--cut", "block3"], "nothing of the cut 'block3' of the model 'pocket'"),
        (["empty"], "--help lists the options"),
    ],
)
def test_what_is_not_there_is_one_sentence(
    filled: Store, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["cache", *words])
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and message in error and error.count("\n") == 1
    assert len(list(filled.shelves())) == 3


def test_unfinished_units_are_said_and_shelves_stand_in_order(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def shelf(model: str, unfinished: int) -> ShelfInfo:
        return ShelfInfo(model, model, "c", "plain", "float32", 1234, 1_500_000, unfinished)

    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(Store, "shelves", lambda self: iter([shelf("b", 1), shelf("a", 2)]))
    run("show")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["a", "b"] and lines[1].split()[-3:] == ["1,234", "1.5", "MB"]
    assert lines[3].startswith("3.0 MB in all at ") and lines[4].startswith("3 unfinished: ") and len(lines) == 5
    monkeypatch.setattr(Store, "shelves", lambda self: iter([shelf("b", 0)]))
    run("show")
    assert len(capsys.readouterr().out.splitlines()) == 3
