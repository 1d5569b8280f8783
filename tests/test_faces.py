"""What packages offer by name: the same thing at every look, in any order of import."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from coldframe.errors import InputError

SOURCE = Path(__file__).parents[1] / "src" / "coldframe"
LOOK = """
import importlib, json, sys, types
names = [tuple(pair) for pair in json.loads(sys.argv[1])]
order = sys.argv[2]
if order == "backward":
    names.reverse()
first = {}
for turn in range(2):
    for package, name in names:
        found = getattr(importlib.import_module(package), name)
        assert not isinstance(found, types.ModuleType), f"{package}.{name} is a module"
        assert first.setdefault((package, name), found) is found, f"{package}.{name} became another"
    if turn == 0:  # every module is imported, so that any of them may take a name's place
        for module in json.loads(sys.argv[3]) if order == "forward" else reversed(json.loads(sys.argv[3])):
            importlib.import_module(module)
print(len(first))
"""


def offered() -> list[tuple[str, str]]:
    """Return (package, name) of every ``__all__`` in the source."""
    found = []
    for file in sorted(SOURCE.rglob("__init__.py")):
        package = ".".join(["coldframe", *file.parent.relative_to(SOURCE).parts])
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == ["__all__"]:
                found += [(package, name) for name in ast.literal_eval(node.value)]
    return found


def modules() -> list[str]:
    """Return every module that can be imported without running anything."""
    files = [file.relative_to(SOURCE).with_suffix("") for file in sorted(SOURCE.rglob("*.py")) if file.name != "__main__.py"]
    return [".".join(["coldframe", *file.parts]).removesuffix(".__init__") for file in files]


def test_no_module_bears_the_name_of_what_its_package_offers() -> None:
    for package, name in offered():
        place = SOURCE.joinpath(*package.split(".")[1:], name)
        assert not place.with_suffix(".py").exists() and not place.is_dir(), f"{package}.{name} is offered, and is a module too"


@pytest.mark.parametrize("order", ["forward", "backward"])
def test_every_name_is_the_same_thing_twice_in_both_orders_of_import(order: str) -> None:
    names = offered()
    assert ("coldframe", "compare") in names and len(names) > 100
    words = [sys.executable, "-c", LOOK, json.dumps(names), order, json.dumps(modules())]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr.strip().splitlines()[-1]
    assert int(done.stdout) == len(names)


def test_compare_is_called_any_number_of_times() -> None:
    import coldframe

    for _ in range(3):
        with pytest.raises(InputError, match="at least one seed"):
            coldframe.compare("mini:mnist", seeds=0)


def test_every_method_is_on_the_face_of_the_package() -> None:
    """``coldframe.LoRA`` and all others that the registry names, without a second list; nothing else is."""
    import coldframe
    from coldframe.registry import METHODS

    for name, place in METHODS.items():
        own = place.partition(":")[2]
        assert own in dir(coldframe) and getattr(coldframe, own).name == name
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = coldframe.Nothing
