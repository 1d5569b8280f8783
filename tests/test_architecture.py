"""The shape of the house, read from its source: which way imports run, how long files are, where heavy things come in."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src" / "coldframe"

ROOMS = (
    "__main__", "cli", "recipes", "verbs", "foundations", "delivery", "evaluation", "methods", "report", "results",
    "measures", "inspection", "attacks", "cold", "training", "backbones", "data", "folding", "files", "machine", "registry",
    "values", "errors", "types", "version",
)  # fmt: skip
"""From the top of the house to its ground: a room imports from those after it."""
FOUNDATIONS_USE = {
    "foundations", "data", "training", "folding", "files", "machine", "measures", "report", "results", "values", "errors",
    "types", "version",
}  # fmt: skip
FACE = "coldframe"
"""The package's own ``__init__``: it imports nothing at the top, and anyone may read the version from it."""
HEAVY = {"torch", "torchvision", "timm", "open_clip", "matplotlib", "numpy", "pyarrow", "safetensors"}
ZOOS = {
    "timm": {"backbones/timm.py", "backbones/timm_folder.py", "backbones/timm_weights.py"},
    "open_clip": {"backbones/open_clip.py", "backbones/pocket.py"},
}
"""Zoo -> the files that import it; the bundled model is built from the blocks of open_clip."""
LONG_FACES = {
    "__init__.py": "the list of public names",
    "data/mini/__init__.py": "a folder of samples with its loader, no face of a room",
    "backbones/__init__.py": "the one way to load any model",
}
"""Faces of 60 lines and more, each with its reason."""
LONG: dict[str, str] = {
    "backbones/open_clip.py": "the stages and the guards of one zoo belong together",
    "backbones/timm.py": "the stages, the guards and the list of one zoo belong together",
    "methods/deep_prompt.py": "where prompts stand, how they start, stack and are left out, with their published settings",
    "methods/trained.py": "the one way to learn: its settings, its choices, alone and beside other runs",
    "cold/passes.py": "the keys, the plan and the filling of one pass belong together",
}
"""Files over 300 lines, each with its reason."""
TESTED_ELSEWHERE: dict[str, str] = {
    "verbs/prepare.py": "tests/cli/test_prepare.py",
    "backbones/entry.py": "tests/backbones/test_listing.py",
    "evaluation/tagged.py": "tests/cli/test_several.py",
    "methods/prompt_tokens.py": "tests/methods/test_deep_prompt.py",
    "methods/calibrated.py": "tests/evaluation/test_trust.py",
    "evaluation/unknown.py": "tests/evaluation/test_trust.py",
    "results/trusted.py": "tests/results/test_fields.py",
    "results/assignment.py": "tests/verbs/test_assignment.py, tests/verbs/test_findings.py and tests/report/test_assignment.py",
    "delivery/card.py": "tests/delivery/test_hub.py",
    "cli/doctor.py": "tests/verbs/test_doctor.py",
    "cli/push.py": "tests/delivery/test_hub.py",
    "cli/pull.py": "tests/delivery/test_hub.py",
    "delivery/about.py": "tests/delivery/test_formats.py",
    "delivery/export.py": "tests/delivery/test_formats.py and tests/cli/test_export.py",
    "verbs/export.py": "tests/cli/test_export.py",
    "verbs/evaluate.py": "tests/cli/test_evaluate.py, by the verb",
    "verbs/zero_shot.py": "tests/methods/test_zero_shot.py",
    "evaluation/row.py": "tests/verbs/test_compare.py",
    "verbs/fit.py": "tests/verbs/test_compare.py",
    "backbones/base.py": "the contract that every backbone passes",
    "cold/manifest.py": "tests/cold/test_extraction.py",
    "cli/index.py": "tests/cli/test_init.py",
    "cli/shared.py": "tests/cli/test_every_option.py",
    "verbs/case.py": "tests/verbs/test_compare.py",
    "verbs/cost.py": "tests/verbs/test_benchmark.py",
    "verbs/tabulate.py": "tests/verbs/test_compare.py",
    "verbs/halving.py": "tests/verbs/test_budget.py",
    "verbs/look_ahead.py": "tests/hostile/test_cli_late.py",
    "verbs/answer_file.py": "tests/verbs/test_predict.py",
    "backbones/module.py": "tests/files/test_own.py",
    "verbs/pictures.py": "tests/verbs/test_compare.py",
    "backbones/transformer.py": "tests/methods/test_exact.py",
    "methods/settings.py": "tests/methods/test_trained.py",
    "methods/stages.py": "tests/methods/test_contract.py",
    "data/base.py": "the loaders' tests",
    "data/anything.py": "tests/methods/test_answers.py",
    "data/choices.py": "tests/data/test_lists.py and the other loaders' tests",
    "data/rows.py": "tests/data/test_lists.py and the other loaders' tests",
    "data/tables.py": "tests/data/test_lists.py",
    "cli/check.py": "tests/verbs/test_check.py",
    "verbs/check_files.py": "tests/verbs/test_check.py",
    "verbs/looking.py": "tests/verbs/test_check.py",
    "verbs/attack_results.py": "tests/verbs/test_attack.py",
    "data/tree.py": "tests/data/test_class_folders.py and tests/data/test_layout.py",
    "backbones/timm_folder.py": "tests/backbones/test_timm_weights.py",
    "methods/base.py": "the contract that every method passes",
    "methods/learning.py": "tests/methods/test_refit.py and the contract that every method passes",
    "methods/scoring.py": "tests/methods/test_answers.py, tests/methods/test_several.py and the contract of every method",
    "foundations/graphs/attention.py": "tests/foundations/graphs/test_convolution.py",
    "methods/contexts.py": "tests/methods/test_text_prompt.py",
    "methods/views.py": "the contract that every method passes",
    "methods/fine_tune.py": "the contract that every method passes",
    "methods/linear_probe.py": "the contract that every method passes",
    "methods/templates.py": "the contract that every method passes",
    "backbones/rewired.py": "tests/methods/test_tuned.py",
    "methods/low_rank.py": "tests/methods/test_tuned.py",
    "methods/headed.py": "tests/methods/test_tuned.py",
    "methods/attentive_probe.py": "tests/methods/test_beside.py",
    "methods/side_network.py": "tests/methods/test_beside.py",
    "methods/all_blocks.py": "tests/methods/test_group_lasso.py",
    "methods/scaling.py": "tests/methods/test_tuned.py",
    "methods/adapters.py": "tests/methods/test_tuned.py",
    "methods/linear_head.py": "tests/methods/test_few_shot.py",
    "methods/shots.py": "tests/methods/test_few_shot.py",
    "report/figures/axes.py": "tests/report/figures/test_benchmark.py",
    "data/stored.py": "tests of the readers that find the bytes",
    "methods/gda.py": "tests/methods/test_few_shot.py",
    "methods/lp_plus.py": "tests/methods/test_text_heads.py",
    "methods/ridge.py": "tests/methods/test_few_shot.py",
    "methods/ncm.py": "tests/methods/test_few_shot.py",
    "report/saved.py": "tests of the page",
    "files/formats.py": "tests/hostile/test_tampered.py",
}
"""Modules without a test file of their own name, and where they are tested instead."""
UNTESTED_ROOMS = {"recipes": "its own training runs"}
_MACHINE_PATH = re.compile(r"(?<![\w.~:/-])/(?:home|root|Users|work|mnt|tmp|opt|scratch|var)/[\w.-]")
_TEXT = {".py", ".md", ".toml", ".txt", ".json", ".cfg", ".yml", ".yaml", ".html", ".css", ".lock", ".svg", ""}


@cache
def modules() -> dict[str, Path]:
    """Dotted name -> file, for every module of the package."""
    found = {}
    for path in sorted(SRC.rglob("*.py")):
        parts = path.relative_to(SRC.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def statements(node: ast.AST, inside: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports under ``node``, those for type checkers too; those inside functions only when asked for."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif inside or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from statements(child, inside)


def named(path: Path) -> set[str]:
    """Return the modules that a file imports by a text that is written out: ``import_module("coldframe.report.page")``."""
    calls = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Call) and node.args]
    texts = [call.args[0] for call in calls if ast.unparse(call.func).endswith("import_module")]
    return {text.value for text in texts if isinstance(text, ast.Constant) and text.value in modules()}


def imports(path: Path, inside: bool = True) -> set[str]:
    """Return the modules that a file imports, by absolute dotted name."""
    found: set[str] = set()
    for node in statements(tree(path), inside):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        else:
            assert node.level == 0, f"{path}: imports are absolute"
            base = node.module or ""
            for alias in node.names:
                deeper = f"{base}.{alias.name}"
                found.add(deeper if deeper in modules() else base)
    return found | named(path) if inside else found


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else FACE


def relative(path: Path) -> str:
    return path.relative_to(SRC).as_posix()


def test_every_room_has_its_place() -> None:
    assert {room(name) for name in modules()} - {FACE} <= set(ROOMS)


def test_imports_run_downwards_only() -> None:
    wrong = []
    for name, path in modules().items():
        for target in imports(path):
            if not target.startswith("coldframe.") or name == FACE:
                continue
            here, there = room(name), room(target)
            if here != there and ROOMS.index(there) < ROOMS.index(here):
                wrong.append(f"{name} imports {target}")
    assert wrong == []


def test_foundations_stand_by_themselves() -> None:
    users = {"cli", "recipes", "foundations", FACE}
    wrong = [
        f"{name} imports {target}"
        for name, path in modules().items()
        for target in imports(path)
        if target.startswith("coldframe.")
        and ((room(name) == "foundations" and room(target) not in FOUNDATIONS_USE)
             or (room(target) == "foundations" and room(name) not in users))
    ]  # fmt: skip
    assert wrong == []


def test_no_method_imports_another() -> None:
    from coldframe.registry import METHODS

    adapters = {place.partition(":")[0] for place in METHODS.values()}
    found = {(name, target) for name in adapters for target in imports(modules()[name]) if target in adapters - {name}}
    assert found == set()


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return the modules of one circle, or none."""
    done: set[str] = set()

    def walk(at: str, trail: list[str]) -> list[str]:
        if at in trail:
            return [*trail[trail.index(at) :], at]
        if at in done:
            return []
        for target in sorted(graph.get(at, ())):
            found = walk(target, [*trail, at])
            if found:
                return found
        done.add(at)
        return []

    return next((found for start in sorted(graph) if (found := walk(start, []))), [])


def test_no_circle_between_modules() -> None:
    """Imports inside functions and for type checkers count: they hide a circle, they do not undo it."""
    graph = {name: (imports(path) & modules().keys()) - {name} for name, path in modules().items() if name != FACE}
    assert circle(graph) == []
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


def test_faces_are_short() -> None:
    faces = {relative(path): len(path.read_text().splitlines()) for path in modules().values() if path.name == "__init__.py"}
    assert {name for name, lines in faces.items() if lines >= 60} - LONG_FACES.keys() == set()
    assert max(faces.values()) < 120


def test_files_over_300_lines_have_a_reason() -> None:
    long = {relative(path) for path in modules().values() if len(path.read_text().splitlines()) > 300}
    assert long - LONG.keys() == set()
    assert not any(path.name == "utils.py" for path in modules().values())


def test_verbs_import_nothing_heavy_at_the_top() -> None:
    wrong = {}
    for path in (SRC / "cli").glob("*.py"):
        top = {target.split(".")[0] for target in imports(path, inside=False)} & HEAVY
        if top:
            wrong[path.name] = top
    assert wrong == {}


def test_zoos_are_imported_in_their_own_file_only() -> None:
    wrong = []
    for path in modules().values():
        for target in imports(path):
            zoo = target.split(".")[0]
            if zoo in ZOOS and relative(path) not in ZOOS[zoo]:
                wrong.append(f"{relative(path)} imports {zoo}")
    assert wrong == []


def test_models_of_torchvision_come_from_one_file() -> None:
    wrong = [
        relative(path)
        for path in modules().values()
        if relative(path) != "backbones/torchvision.py" and any(t.startswith("torchvision.models") for t in imports(path))
    ]
    assert wrong == []


def lines_of(name: str) -> int:
    return len((SRC / name).read_text().splitlines())


def mirror_of(name: str) -> Path:
    """Return where the test of a file of the source stands, if it has one of its name."""
    place = Path(name)
    return ROOT / "tests" / place.parent / f"test_{place.stem.lstrip('_')}.py"


def test_every_module_has_a_test_of_its_name() -> None:
    missing = []
    for path in modules().values():
        name = relative(path)
        place = Path(name)
        if place.name in ("__init__.py", "__main__.py") or place.parts[0] in UNTESTED_ROOMS or name in TESTED_ELSEWHERE:
            continue
        if not mirror_of(name).exists():
            missing.append(name)
    assert missing == []


def test_lists_of_exceptions_name_files_that_exist() -> None:
    gone = [name for name in (*LONG, *LONG_FACES, *TESTED_ELSEWHERE) if not (SRC / name).exists()]
    assert gone == []


def test_no_exception_has_outlived_its_reason() -> None:
    """A file that has a test of its name, or is short, needs none; neither does a place that is named and does not exist."""
    stale = [name for name in TESTED_ELSEWHERE if mirror_of(name).exists()]
    stale += [name for name in LONG if lines_of(name) <= 300] + [name for name in LONG_FACES if lines_of(name) < 60]
    places = [place for reason in TESTED_ELSEWHERE.values() for place in re.findall(r"tests/[\w/]+\.py", reason)]
    assert stale + [place for place in places if not (ROOT / place).exists()] == []


def text_files() -> Iterator[Path]:
    outside = {".git", ".venv", "runs", "dist", "build", "node_modules"}
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        hidden = parts[0].startswith(".") and parts[0] not in (".ci", ".gitignore")
        if not (hidden or outside & set(parts) or "__pycache__" in parts) and path.is_file() and path.suffix in _TEXT:
            yield path


def test_no_path_of_one_machine_is_written_anywhere() -> None:
    wrong = []
    for path in text_files():
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if _MACHINE_PATH.search(line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert wrong == []


@pytest.mark.parametrize(("line", "found"), [
    ("see /home/" + "me/data", True), ("open('/tmp/" + "x')", True), ("https://host/work/me", False), ("../shared/data", False),
])  # fmt: skip
def test_what_counts_as_a_path_of_one_machine(line: str, found: bool) -> None:
    assert bool(_MACHINE_PATH.search(line)) == found


def test_the_standard_library_is_told_from_the_rest() -> None:
    third = {t.split(".")[0] for p in modules().values() for t in imports(p)} - sys.stdlib_module_names - {"coldframe"}
    declared = (ROOT / "pyproject.toml").read_text().lower().replace("-", "_")
    aliases = {"pil": "pillow", "open_clip": "open_clip_torch"}
    undeclared = {name for name in third if aliases.get(name.lower(), name.lower()) not in declared}
    assert undeclared <= {"huggingface_hub", "scipy"}, "declare it in pyproject.toml"
