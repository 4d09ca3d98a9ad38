"""Compiled functions over bytes and columns: what Python would do value by value, in one call.

Each has a twin where it is called, which stays the reference and does the work where there is no kernel: the same bytes, more
slowly. A function that returns None has done nothing: there is no compiled library, or its input is one that it does not
know, and the twin is to be asked. Nothing is compiled when it runs (docs/adr/0022).
"""

from aboveboard.kernel.hashes import above, root
from aboveboard.kernel.library import OFF, standing, there
from aboveboard.kernel.listed import ANY, KeyedList, listed, listed_in_column, listed_in_page
from aboveboard.kernel.rows import HASH, Digest, DigestHex, Hex, Net, Raw, Recipe, Step, digests
from aboveboard.kernel.text import Finder, Found, Tables, finder

__all__ = [
    "ANY",
    "HASH",
    "OFF",
    "Digest",
    "DigestHex",
    "Finder",
    "Found",
    "Hex",
    "KeyedList",
    "Net",
    "Raw",
    "Recipe",
    "Step",
    "Tables",
    "above",
    "digests",
    "finder",
    "listed",
    "listed_in_column",
    "listed_in_page",
    "root",
    "standing",
    "there",
]
