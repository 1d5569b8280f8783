"""The version of coldframe, written once: packaging, reports and saved files read it here."""

from __future__ import annotations

__version__ = "0.1.0"
