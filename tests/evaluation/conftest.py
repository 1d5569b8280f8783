"""The made-up comparison of every test of this room."""

from comparisons import all_methods, make_table

__all__ = ["all_methods", "make_table"]
