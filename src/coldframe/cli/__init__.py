"""The command line: one file a verb, imported when the verb is used."""

from coldframe.cli.guard import main
from coldframe.cli.index import VERBS, top_help

__all__ = ["VERBS", "main", "top_help"]
