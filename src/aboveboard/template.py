"""The files of a new workspace: settings, one policy version with its words, a source map with a row, and a job.

The policy permits running the service and nothing else, so that a first build refuses everything and says why: what
may be used is for the platform to write down, not for a template.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

_TEXT = """# Privacy policy

## 1. How we use information

We use what you post to run the service you asked for.
"""

_POLICY = """policy = "{name}"
version = "2024-01-01"
effective_from = 2024-01-01
zone = "UTC"
text_sha256 = "{digest}"
# establishment = "IE"            # where the platform sits: its regime counts too

[on_withdrawal]
intake = "stop"
releases = "withdraw"
deadline = "P1D"

[[clause]]
id = "operation"
effect = "permit"
purposes = ["service.operation"]
categories = ["user.content"]
audience = "private"
recipients = ["controller"]
basis = "contract"
citation = {{ heading = ["Privacy policy", "1. How we use information"], quote = "run the service you asked for" }}

# A clause for training would name its purpose, the data, and the choice bound to it:
# [[clause]]
# id = "training"
# effect = "permit"
# purposes = ["train_ai_system.generative"]
# categories = ["user.content.public"]
# audience = "public"
# recipients = ["controller"]
# basis = "legitimate_interest"
# control = "ai-training"
# citation = {{ heading = ["..."], quote = "words that stand in text.md" }}
"""

_SETTINGS = """[workspace]
name = "{name}"

[policy]
folder = "policies/{name}"

[ledger]
url = "ledger.db"

# What the platform knows of accounts: subject, valid_from, state, protected, age_band, residency, last_interaction.
# Without it ages, residencies and account states are unknown, and unknown means no.
# [facts]
# path = "facts.parquet"

[sources]
posts = "sources/posts.toml"

# Which regime holds where (strict, notice, eu, research, opt_in); places not named get the strictest answers.
[regions]
EU = "eu"
"""

_SOURCE = """name = "posts"
origin = "first_party"

[table]
path = "../data/posts.csv"

[columns]
record_id = "id"
subject = "author"
kind = "'post'"
text = "text"
created_at = "written_at"
collected_at = "received_at"
collected_evidence = "'server log'"
audience = "CASE visibility WHEN 'everyone' THEN 'public' WHEN 'followers' THEN 'followers' END"
audience_evidence = "'column visibility'"
lifecycle = "CASE WHEN deleted THEN 'deleted' ELSE 'published' END"
categories = "'user.content.public'"
"""

_DATA = """id,author,text,written_at,received_at,visibility,deleted
p1,u:1,A first post,2024-02-01T10:00:00Z,2024-02-01T10:00:01Z,everyone,false
"""

_JOB = """purpose = "train_ai_system.generative"
recipient = "controller"
regime = "strict"

[model]
name = "first-model"
"""


def files(name: str) -> Mapping[str, str]:
    """The files of a workspace for the platform ``name``, by path relative to its folder."""
    digest = hashlib.sha256(_TEXT.encode("utf-8")).hexdigest()
    version = f"policies/{name}/2024-01-01"
    return {
        "aboveboard.toml": _SETTINGS.format(name=name),
        f"{version}/policy.toml": _POLICY.format(name=name, digest=digest),
        f"{version}/text.md": _TEXT,
        "sources/posts.toml": _SOURCE,
        "data/posts.csv": _DATA,
        "jobs/first-model.toml": _JOB,
    }
