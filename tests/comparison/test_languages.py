"""Texts in languages that the rules do not read: aligned, named, and nothing is said of what they mean."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.comparison.test_counterexamples import OLD

from aboveboard.cli import doors
from aboveboard.comparison import Comparison, compare, unread
from aboveboard.comparison.report import as_text

GERMAN = """# Datenschutzerklärung der Laterne

Gültig ab 1. März 2025

## 1. Was wir erheben

Wir erheben Ihren Namen, die Briefe, die Sie schreiben, und die Fotos, die Sie hochladen. Wir bewahren diese Angaben 30
Tage auf. Wir geben Briefe an unsere Boten.

## 2. Was wir damit tun

Wir verwenden Briefe, um sie zuzustellen, und Fotos, um sie Ihren Freunden zu zeigen. Wir verkaufen Ihre Briefe niemals.
Sie können Ihr Konto jederzeit in den Einstellungen löschen.
"""
FRENCH = """# Politique de confidentialité de la Lanterne

## 1. Ce que nous collectons

Nous collectons votre nom, les lettres que vous écrivez et les photos que vous montrez. Nous conservons ces informations
pendant 30 jours. Nous ne vendons jamais vos lettres. Vous pouvez supprimer votre compte à tout moment.
"""
POLISH = """# Polityka prywatności Latarni

Zbieramy imię i nazwisko oraz listy, które piszesz. Przechowujemy te informacje przez 30 dni od ich napisania. Nigdy nie
sprzedajemy Twoich listów. W każdej chwili możesz usunąć swoje konto w ustawieniach. Udostępniamy statystyki odwiedzin
operatorom naszych hal.
"""
JAPANESE = """# ランタンのプライバシーポリシー

私たちは、お客様の名前と手紙を収集します。この情報は30日間保存します。私たちは手紙を販売しません。いつでもアカウントを削除できます。

私たちは、訪問の統計をホールの運営者と共有します。
"""
LANGUAGES = {
    "German": (GERMAN, ("Wir verkaufen Ihre Briefe niemals.", ""), ("30\nTage", "60\nTage")),
    "French": (FRENCH, ("Nous ne vendons jamais vos lettres. ", ""), ("30 jours", "60 jours")),
    "a language other than English": (POLISH, ("Nigdy nie\nsprzedajemy Twoich listów. ", ""), ("30 dni", "60 dni")),
    "Japanese": (JAPANESE, ("私たちは手紙を販売しません。", ""), ("30日間", "60日間")),
}


def changed(text: str, *edits: tuple[str, str]) -> str:
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return text


def nothing_is_invented(found: Comparison) -> bool:
    told = [(c.direction, c.rule, c.aspects, c.categories, c.purposes, c.recipients, c.alert) for c in found.changes]
    return set(told) == {("unclear", "language", (), (), (), (), False)} and found.renames == ()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_that_the_rules_do_not_read_is_aligned_named_and_left_unclear(language: str) -> None:
    text, *edits = LANGUAGES[language]
    for found in (compare(text, changed(text, *edits)), compare(changed(text, *edits), text)):
        assert len(found.changes) == 2
        assert nothing_is_invented(found)
        [note] = [note for note in found.notes if note.code == "unread-language"]
        assert (note.side, language in note.sentence) == ("both", True)
        assert language in as_text(found)


@pytest.mark.parametrize("language", LANGUAGES)
def test_such_a_text_and_itself_have_no_change_and_the_language_is_named(language: str) -> None:
    text = LANGUAGES[language][0]
    found = compare(text, text)
    assert found.changes == ()
    assert [note.code for note in found.notes] == ["unread-language"]
    assert unread(text) == language


@pytest.mark.parametrize("language", LANGUAGES)
def test_such_a_text_against_an_english_one_is_not_compared(language: str) -> None:
    for found in (compare(LANGUAGES[language][0], OLD), compare(OLD, LANGUAGES[language][0])):
        assert [note.code for note in found.problems] == ["two-languages"]
        assert language in found.problems[0].sentence


def test_a_word_that_is_silent_in_english_is_heard_in_another_language() -> None:
    [change] = compare(GERMAN, changed(GERMAN, ("Briefe an unsere Boten", "Briefe unsere Boten"))).changes
    assert (change.direction, change.rule) == ("unclear", "language")


def test_nouns_with_capitals_are_no_names_that_are_learned() -> None:
    found = compare(GERMAN, GERMAN.replace("Briefe", "Nachrichten"))
    assert found.renames == ()
    assert nothing_is_invented(found)
    given = compare(GERMAN, GERMAN.replace("Briefe", "Nachrichten"), names=[("Briefe", "Nachrichten")])
    assert given.changes == ()


def test_a_date_in_another_language_is_a_date() -> None:
    found = compare(GERMAN, GERMAN.replace("1. März", "1. Juni"))
    assert (found.changes, found.effective_old, found.effective_new) == ((), "2025-03-01", "2025-06-01")


def test_an_english_text_is_read() -> None:
    assert unread(OLD) == ""
    assert unread("Letters.\n\n* Name\n* Address\n* Phone\n") == ""


def test_check_says_that_nobody_looked(tmp_path: Path) -> None:
    folder = tmp_path / "laterne" / "2025-03-01"
    folder.mkdir(parents=True)
    (folder / "text.md").write_text(GERMAN, encoding="utf-8")
    digest = hashlib.sha256(GERMAN.encode()).hexdigest()
    (folder / "policy.toml").write_text(
        f'policy = "laterne"\nversion = "2025-03-01"\neffective_from = 2025-03-01\ntext_sha256 = "{digest}"\n'
    )
    result = CliRunner().invoke(doors, ["policy", "check", str(folder.parent)])
    assert result.exit_code == 0, result.output
    assert "the text is in German" in result.output
