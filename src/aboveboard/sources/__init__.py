"""Sources turn what a platform holds into the one record schema, and say what they could not read.

One file a platform; ``table`` maps any table by a small TOML, ``facts`` reads what the platform attests about
accounts. Nothing heavy is imported here.
"""

from __future__ import annotations

from aboveboard.sources.staged import Staged, from_records, resolved_table

__all__ = ["Staged", "from_records", "resolved_table"]
