"""aboveboard: may this record be used, for this purpose, now? With a reason for every record, in or out."""

from __future__ import annotations

__version__ = "0.1.0"
