"""Policy folders on disk: ``POLICY/DATE/policy.toml`` beside ``text.md``, one folder a version.

``read_policy`` gives a policy that holds together, or raises; ``check_folder`` goes on after a mistake and
says them all. The rules themselves are read by the pure ``policy.parse`` and checked by ``wording.check``.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from aboveboard import comparison, reach, wording
from aboveboard.drift import Drift, drift
from aboveboard.errors import PolicyError
from aboveboard.policy import Policy, PolicyVersion, parse, timeline
from aboveboard.wording import Finding

RULES_FILE, TEXT_FILE, SETTINGS_FILE = "policy.toml", "text.md", "aboveboard.toml"


@dataclass(frozen=True, slots=True)
class VersionFolder:
    """What one version folder holds: the version and its text as far as they can be read, and what is wrong.

    ``problems`` pairs each error with the id of the check it stands for.
    """

    name: str
    version: PolicyVersion | None
    text: str | None
    problems: tuple[tuple[str, PolicyError], ...] = ()


def read_policy(folder: Path) -> tuple[Policy, dict[str, str]]:
    """The policy of a folder, and the text of every version by its name.

    Raises PolicyError naming the file: no version, a missing ``text.md``, rules that cannot be read or were
    written for another text, two versions of one name, versions that overlap.
    """
    found = [read_version(child) for child in version_folders(folder)]
    for version_folder in found:
        for _, error in version_folder.problems:
            raise error
    versions = [f.version for f in found if f.version is not None]
    for error in _same_names(versions):
        raise error
    texts = {f.version.version: f.text for f in found if f.version is not None and f.text is not None}
    return timeline(versions), texts


def check_folder(folder: Path) -> list[Finding]:
    """Everything that does not hold in a policy folder, however much of it cannot be read."""
    return _check([read_version(child) for child in version_folders(folder)])


def drifts(folder: Path, told: Callable[[int, int], None] | None = None) -> Iterator[Drift]:
    """What moved from each version of a policy folder to the next, in its rules and in its words.

    Versions that cannot be read, and those without their own text, are passed over: ``check_folder`` says so.
    """
    read = [read_version(child) for child in version_folders(folder)]
    whole = [(f.version, f.text) for f in read if f.version is not None and f.text is not None and not f.problems]
    whole.sort(key=lambda one: one[0].effective_from)
    for done, ((old, before), (new, after)) in enumerate(pairwise(whole)):
        if told is not None:
            told(done, len(whole) - 1)
        yield drift(old, before, new, after)


def check_version_folder(folder: Path) -> list[Finding]:
    """Everything that does not hold in one version folder, for itself."""
    return _check([read_version(folder)])


def _check(found: list[VersionFolder]) -> list[Finding]:
    findings = [wording.found_in_error(rule, error, f.name) for f in found for rule, error in f.problems]
    versions = [f.version for f in found if f.version is not None]
    findings += [wording.found_in_error("version-twice", error, "") for error in _same_names(versions)]
    for one in found:
        if one.version is not None:
            findings += [f for f in wording.check_version(one.version, one.text) if f.rule != "text-missing"]
            findings += [*reach.check(one.version, one.text), *_unread(one.version, one.text)]
    if versions:
        findings += _over_time(versions)
    return list(dict.fromkeys(findings))


def _unread(version: PolicyVersion, text: str | None) -> Iterator[Finding]:
    """A text whose words nobody here reads: a check that finds nothing in it has not looked."""
    if text and (language := comparison.unread(text)):
        sentence = f"the text is in {language}: choices, vague words and reach are looked for in English alone"
        hint = "quotes and headings are checked; have somebody who reads the language read the rest"
        rule = "text-unread"
        yield Finding(rule, wording.RULES[rule][0], sentence, hint, version.version, None, None, version.path)


def _over_time(versions: list[PolicyVersion]) -> list[Finding]:
    """What does not hold between versions, and not within one."""
    try:
        return wording.check_time(timeline(versions))
    except PolicyError as error:
        return [wording.found_in_error("versions-overlap", error, "")]


def version_folders(folder: Path) -> list[Path]:
    """The version folders of a policy folder, by name; raises PolicyError where there is none."""
    if not folder.is_dir():
        raise PolicyError("the policy folder is missing", hint="expected POLICY/DATE/policy.toml", file=folder)
    children = [c for c in sorted(folder.iterdir()) if c.is_dir() and not c.name.startswith(".")]
    if not any((child / name).exists() for child in children for name in (RULES_FILE, TEXT_FILE)):
        raise PolicyError(
            "no policy version found", hint="expected POLICY/DATE/policy.toml beside text.md", file=folder
        )
    return children


def read_version(folder: Path) -> VersionFolder:
    """One version folder, with everything that is wrong in reading it; raises nothing of its own."""
    rules, text = _bytes(folder / RULES_FILE), _bytes(folder / TEXT_FILE)
    words, problems = _words(text, folder / TEXT_FILE)
    if isinstance(rules, PolicyError):
        return VersionFolder(folder.name, None, words, (("unreadable", rules), *problems))
    version = _parsed(rules, str(folder / RULES_FILE))
    if isinstance(version, PolicyError):
        return VersionFolder(folder.name, None, words, (("unreadable", version), *problems))
    if isinstance(text, bytes):
        changed = _parsed(rules, str(folder / RULES_FILE), text)
        problems += (("text-changed", changed),) if isinstance(changed, PolicyError) else ()
    return VersionFolder(folder.name, version, words, problems)


def _bytes(file: Path) -> bytes | PolicyError:
    try:
        return file.read_bytes()
    except OSError as error:
        hint = "policy.toml holds the rules, text.md the words people were shown"
        return PolicyError(f"`{file.name}` cannot be read: {error.strerror}", hint=hint, file=file)


def _words(text: bytes | PolicyError, file: Path) -> tuple[str | None, tuple[tuple[str, PolicyError], ...]]:
    if isinstance(text, PolicyError):
        return None, (("text-missing", text),)
    try:
        return text.decode("utf-8-sig"), ()
    except UnicodeDecodeError as error:
        wrong = PolicyError(f"the text is not UTF-8: {error.reason}", hint="save it as UTF-8", file=file)
        return None, (("unreadable", wrong),)


def _parsed(rules: bytes, path: str, text: bytes | None = None) -> PolicyVersion | PolicyError:
    try:
        return parse(rules, path, text)
    except PolicyError as error:
        return error


def _same_names(versions: list[PolicyVersion]) -> list[PolicyError]:
    counts = Counter(version.version for version in versions)
    hint = "a decision names the version it stands on: give each a name of its own"
    return [
        PolicyError(f"version `{version.version}` is there more than once", hint=hint, file=version.path)
        for version in versions
        if counts[version.version] > 1
    ]


def policy_folders(path: Path) -> list[Path]:
    """The policy folders that a path means: itself, the one a workspace names, or those in its ``policies``.

    Raises PolicyError where there is none.
    """
    if _is_policy(path):
        return [path]
    if (path / SETTINGS_FILE).is_file() and (named := _named_folder(path)) is not None:
        return [named]
    for parent in (path / "policies", path):
        if parent.is_dir() and (found := [child for child in sorted(parent.iterdir()) if _is_policy(child)]):
            return found
    raise PolicyError("no policy found", hint="expected POLICY/DATE/policy.toml beside text.md", file=path)


def _is_policy(path: Path) -> bool:
    return path.is_dir() and any(path.glob(f"*/{RULES_FILE}"))


def _named_folder(workspace: Path) -> Path | None:
    """The folder that ``[policy] folder`` of a workspace names."""
    file = workspace / SETTINGS_FILE
    try:
        settings = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PolicyError(f"the settings cannot be read: {error}", file=file) from error
    named = settings.get("policy", {}).get("folder")
    return workspace / named if isinstance(named, str) else None
