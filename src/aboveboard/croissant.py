"""A release described for tools that look for data sets: Croissant 1.0, a vocabulary of MLCommons.

It repeats what the manifest says in words that such tools read, and adds nothing: no exact count, no name.
"""

from __future__ import annotations

from typing import Any

import rfc8785

from aboveboard.manifest import Manifest

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "equivalentProperty": "cr:equivalentProperty",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_PARQUET = "application/x-parquet"
_FIELDS = {
    "text": "what was written, without what had to go",
    "language": "its language, as the platform recorded it",
    "kind": "post, reply, quote ...",
}


def document(manifest: Manifest) -> bytes:
    """The description as JSON-LD; files are named relative to the folder of the release."""
    return rfc8785.dumps(
        {
            "@context": _CONTEXT,
            "@type": "sc:Dataset",
            "conformsTo": "http://mlcommons.org/croissant/1.0",
            "name": manifest.id,
            "description": _description(manifest),
            "citeAs": f"Release {manifest.id} of {manifest.policy.get('name', '')}",
            "datePublished": manifest.as_of.date().isoformat(),
            "version": "1.0.0",
            "license": "https://aboveboard.dev/terms/see-the-manifest",
            "url": "https://aboveboard.dev/",
            "isLiveDataset": False,
            "distribution": [
                *(
                    {
                        "@type": "cr:FileObject",
                        "@id": shard.name,
                        "name": shard.name,
                        "contentUrl": shard.name,
                        "encodingFormat": _PARQUET,
                        "sha256": shard.sha256,
                    }
                    for shard in manifest.shards
                ),
                {
                    "@type": "cr:FileSet",
                    "@id": "rows",
                    "name": "rows",
                    "encodingFormat": _PARQUET,
                    "includes": "data/*.parquet",
                },
            ],
            "recordSet": [
                {
                    "@type": "cr:RecordSet",
                    "@id": "released",
                    "name": "released",
                    "field": [_field(name, says) for name, says in _FIELDS.items()],
                }
            ],
        }
    )


def _description(manifest: Manifest) -> str:
    job = manifest.job
    return (
        f"Records that may be used for {job['purpose']} by {job['recipient']} under the policy "
        f"{manifest.policy.get('name', '')} and every choice recorded until the release was committed. "
        "The manifest beside this file binds them; rows in tombstones.json must not be used."
    )


def _field(name: str, says: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"released/{name}",
        "name": name,
        "description": says,
        "dataType": "sc:Text",
        "source": {"fileSet": {"@id": "rows"}, "extract": {"column": name}},
    }
