"""What lies in files: the leaves of a data file, made again from its rows, and the SHA-256 of any file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from aboveboard import manifest
from aboveboard.errors import VerificationError

BATCH = 16_384


def leaves_of(file: Path) -> Iterator[bytes]:
    """The leaves of a data file, some thousands at a time, one behind another."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as data:
            if data.schema_arrow.names != list(manifest.RELEASED_COLUMNS):
                raise VerificationError("a data file has other columns than a release has", file=file)
            for batch in data.iter_batches(batch_size=BATCH):
                yield manifest.leaves(batch)
    except (pa.lib.ArrowException, ValueError):  # their messages may quote a row
        raise VerificationError("a data file cannot be read", file=file, hint="get it again") from None


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
