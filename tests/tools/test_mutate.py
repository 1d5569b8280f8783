"""The tool that counts what the tests notice: which changes it makes, and that it tells a noticed one from a missed one."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def mutate(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutate", ROOT / "tools" / "mutate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "mutate", module)
    spec.loader.exec_module(module)
    return module


SOURCE = '''"""A text with 3 numbers < 4."""
LIMIT: Size[3] = 3


def allowed(é: float, n: int = 2) -> bool:
    return not (é < LIMIT and n != 2) or f"{n + 1}" == "4"
'''


def test_it_changes_what_runs_and_leaves_texts_and_annotations_alone(mutate: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "some.py"
    path.write_text(SOURCE, encoding="utf-8")
    made = {}
    raw = path.read_bytes()
    for change in mutate.changes(path):
        assert raw[change.start : change.stop].decode() == change.old
        text = (raw[: change.start] + change.new.encode() + raw[change.stop :]).decode()
        compile(text, "changed", "exec")
        made.setdefault(change.line, set()).add(f"{change.old.strip()} -> {change.new}")
    assert made == {
        2: {"3 -> 4"}, 5: {"2 -> 3"},
        6: {"< -> <=", "and -> or", "!= -> ==", "2 -> 3", "or -> and", "not -> ", "== -> !="},
    }  # fmt: skip


def test_the_strict_of_zip_is_left_out_and_that_of_others_is_not(mutate: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "some.py"
    lines = ("zip(a, b[1:], strict=False)", "load(a, strict=False)", "zip(a, b, strict=len(a) > 2)", "file.zip(a, strict=True)")
    path.write_text("\n".join(lines))
    made = [(change.line, change.old.strip(), change.new) for change in mutate.changes(path)]
    assert sorted(made) == [(1, "1", "2"), (2, "False", "True"), (3, "2", "3"), (3, ">", ">="), (4, "True", "False")]


def test_a_failing_test_is_read_with_its_whole_name(mutate: ModuleType) -> None:
    for name in ("tests/test_a.py", "tests/test_a.py::test_b", "tests/test_a.py::test_b[class token-3 x]"):
        for error in ("", " - assert [1] == [2]", " - InputError: expected a - b"):
            found = mutate.FAILED.search(f"=== summary ===\nFAILED {name}{error}\n!!!! stopping after 1 failures !!!!\n")
            assert found is not None and found[1] == name


def test_the_same_seed_draws_the_same_changes(mutate: ModuleType) -> None:
    drawn = mutate.drawn(5, 1, "measures")
    assert drawn == mutate.drawn(5, 1, "measures") != mutate.drawn(5, 2, "measures") and len(drawn) == 5
    assert all("measures" in change.path.parts for change in drawn)


def test_the_test_of_a_file_runs_before_those_of_its_room(mutate: ModuleType) -> None:
    own, rest = mutate.tests_of(mutate.SOURCE / "measures" / "calibration.py")
    assert own == [str(ROOT / "tests" / "measures" / "test_calibration.py")] and len(rest) > 5
    named, _ = mutate.tests_of(mutate.SOURCE / "backbones" / "rewired.py")
    assert named == [str(ROOT / "tests" / "methods" / "test_tuned.py")]


def test_it_tells_noticed_changes_from_missed_ones(
    mutate: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package, tests = tmp_path / "src" / "small", tmp_path / "tests"
    package.mkdir(parents=True)
    tests.mkdir()
    (package / "__init__.py").write_text("")
    (package / "some.py").write_text("OWN = 2\nROOM = 7\nUNSEEN = 5\n")
    (tests / "test_architecture.py").write_text("")
    (tests / "test_some.py").write_text("from small import some\n\n\ndef test_own():\n    assert some.OWN == 2\n")
    (tests / "test_other.py").write_text("from small import some\n\n\ndef test_room():\n    assert some.ROOM == 7\n")
    monkeypatch.setattr(mutate, "ROOT", tmp_path)
    monkeypatch.setattr(mutate, "SOURCE", package)
    monkeypatch.setattr(mutate, "TESTS", tests)
    monkeypatch.chdir(tmp_path)
    every = mutate.changes(package / "some.py")
    assert [change.old for change in mutate.tried(every, room=True)] == ["5"]
    assert capsys.readouterr().out.splitlines() == [
        "  1 noticed by tests/test_some.py::test_own: src/small/some.py:1: 2 -> 3",
        "  2 not noticed by the tests of its file: src/small/some.py:2: 7 -> 8",
        "  3 not noticed by the tests of its file: src/small/some.py:3: 5 -> 6",
        "1 of 3 noticed so far",
        "  2 noticed by tests/test_other.py::test_room: src/small/some.py:2: 7 -> 8",
        "  3 MISSED: src/small/some.py:3: 5 -> 6",
        "2 of 3 noticed so far",
    ]
    assert (package / "some.py").read_text() == "OWN = 2\nROOM = 7\nUNSEEN = 5\n"
    (tests / "test_some.py").write_text("def test_own():\n    assert False\n")
    with pytest.raises(RuntimeError, match="test_own fails without any change"):
        mutate.noticed(every[0], tmp_path / "src", mutate.tests_of(every[0].path)[0])
