"""What every file that coldframe writes may hold: the type of each, as JSON Schema, kept line by line."""

from __future__ import annotations

import inspect
import json
from typing import Any

import msgspec
from drawn import same_text

from coldframe.files import formats


def test_no_limit_and_no_key_of_a_file_has_moved() -> None:
    held = [kind for _, kind in sorted(vars(formats).items()) if inspect.isclass(kind) and issubclass(kind, msgspec.Struct)]
    kinds: list[Any] = [kind for kind in held if kind is not msgspec.Struct]
    _, parts = msgspec.json.schema_components(kinds, ref_template="{name}")
    lines = [json.dumps({name: {key: value for key, value in part.items() if key != "description"}}, sort_keys=True)
             for name, part in sorted(parts.items())]  # fmt: skip
    frozen = [kind.__name__ for kind in kinds if kind.__struct_config__.frozen]
    same_text(__file__, "formats", "\n".join([*lines, f"frozen: {', '.join(frozen)}"]) + "\n")
