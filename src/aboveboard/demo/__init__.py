"""A platform to try everything on: birdsite, small, seeded and invented from the first chirp to the last.

It ships as a workspace template (policies, maps, a job) and a generator of the platform's own tables. Their
shape is deliberately not ours: reading it is what the maps under ``platform/sources`` are for.
"""

from __future__ import annotations

from aboveboard.demo.birdsite import Summary, make

__all__ = ["Summary", "make"]
