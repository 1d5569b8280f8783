"""The only writer of files, and the reader of foreign ones.

``reading`` makes typed values of JSON and TOML, ``formats`` lists the types, ``own`` runs a user's own Python file.
"""

from coldframe.files.opening import MOST_TEXT, MOST_WEIGHTS, opened, read_bytes, read_json, read_safetensors, read_text, regular
from coldframe.files.system import cache_root, data_root, exists, expanded, explained, is_file, slug
from coldframe.files.writing import (
    append_line,
    as_csv,
    encoded,
    holding,
    remove_folder,
    replacing,
    write_bytes,
    write_figure,
    write_json,
    write_safetensors,
    write_text,
)

__all__ = [
    "MOST_TEXT",
    "MOST_WEIGHTS",
    "append_line",
    "as_csv",
    "cache_root",
    "data_root",
    "encoded",
    "exists",
    "expanded",
    "explained",
    "holding",
    "is_file",
    "opened",
    "read_bytes",
    "read_json",
    "read_safetensors",
    "read_text",
    "regular",
    "remove_folder",
    "replacing",
    "slug",
    "write_bytes",
    "write_figure",
    "write_json",
    "write_safetensors",
    "write_text",
]
