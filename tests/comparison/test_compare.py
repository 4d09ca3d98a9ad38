"""Two texts compared: what must be found and how it is typed, what must never be reported, what bad input gets."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from aboveboard.comparison import Change, Comparison, compare
from aboveboard.comparison.meaning import RULES
from aboveboard.comparison.page import as_html
from aboveboard.comparison.report import as_text

BODY = """Chirper is a place to write short notes. You need an account to write, and none to read.

## 1. What we collect

We collect the address from which you connect and the pages that you open. We collect information about you, including:

* the words of your chirps;
* the people whom you follow.

## 2. Promises

We do not read the private messages that you send. We never sell your information to anybody.

## 3. Keeping

We keep the addresses from which you connect for up to 90 days. You can delete your account in the settings at any time.

## 4. Who else

We may share your information with our service providers. The operator is Chirper Nesting Ltd. in Dublin.
"""
OLD = f"# Chirper Privacy Policy\n\nEffective: January 1, 2023\n\n{BODY}"


def changed(*pairs: tuple[str, str], text: str = OLD) -> str:
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text


def only(found: Comparison) -> Change:
    [change] = found.changes
    return change


# --- what is no change --------------------------------------------------------------------------------------------

STYLES = {
    "heading style": lambda t: re.sub(r"^## (.*)$", r"**\1**", t, flags=re.MULTILINE),
    "underlined headings": lambda t: re.sub(r"^## (.*)$", r"\1\n-----", t, flags=re.MULTILINE),
    "numbers": lambda t: re.sub(r"^## (\d)\. ", lambda m: f"## {int(m[1]) + 4}.1 ", t, flags=re.MULTILINE),
    "white space": lambda t: t.replace("\n\n", "\n\n\n").replace(" the ", "\u00a0the  "),
    "ligatures": lambda t: t.replace("fi", "\ufb01").replace("fo", "f\u2060o"),
    "quotes and dashes": lambda t: t.replace("You can", "You can "),
    "links": lambda t: t.replace("in the settings", "in the [settings](https://chirper.example/settings)"),
    "one paragraph": lambda t: t.replace("Keeping\n\n", "Keeping\n\n").replace(
        "messages that you send. We", "messages that you send.\n\nWe"
    ),
    "order of sections": lambda t: t.replace("## 2. Promises", "## 9. Promises", 1),
    "contraction": lambda t: t.replace("We do not read", "We don't read"),
    "windows": lambda t: t.replace("\n", "\r\n"),
}


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_what_no_reader_sees_changes_nothing(style: object) -> None:
    assert compare(OLD, style(OLD)).changes == ()  # type: ignore[operator]


def test_html_and_markdown_of_the_same_words_are_the_same() -> None:
    def tagged(line: str) -> str:
        if line.startswith("#"):
            return f"<h2>{line.lstrip('# ')}</h2>"
        return f"<li>{line[2:]}</li>" if line.startswith("* ") else f"<p>{line}</p>"

    lines = [tagged(line) for line in OLD.splitlines() if line.strip()]
    page = (
        f"<!doctype html><html><head><title>x</title><style>p {{}}</style></head><body>{''.join(lines)}</body></html>"
    )
    assert compare(OLD, page).changes == ()


def test_moved_split_and_merged_paragraphs_are_no_change() -> None:
    head, *sections = OLD.split("## ")
    moved = head + "".join(f"## {section}" for section in reversed(sections))
    assert compare(OLD, moved).changes == ()
    merged = changed(
        ("We do not read the private messages that you send. We never sell your information to anybody.\n\n", "")
    )
    merged = merged.replace("at any time.", "at any time. We do not read the private messages that you send. We never sell "
                            "your information to anybody.")  # fmt: skip
    assert compare(OLD, merged).changes == ()


def test_a_renamed_brand_is_listed_and_nothing_else() -> None:
    new = re.sub(r"\bChirper\b(?! Nesting)", "Warble", OLD).replace("January 1, 2023", "March 1, 2024")
    found = compare(OLD, new)
    assert ("Chirper", "Warble") in [(r.old, r.new) for r in found.renames]
    assert found.changes == ()
    assert (found.effective_old, found.effective_new) == ("2023-01-01", "2024-03-01")


def test_the_same_section_number_elsewhere_is_no_change_but_another_section_is() -> None:
    old = OLD + "\n## 5. More\n\nWhat section 3 says holds for backups as well.\n"
    new = old.replace("## 3. Keeping", "## 7. Keeping").replace("section 3", "section 7")
    assert compare(old, new).changes == ()
    assert only(compare(old, old.replace("section 3", "section 2"))).rule == "number"


# --- how changes are typed ----------------------------------------------------------------------------------------

TYPED = {
    "a promise vanished": (("We never sell your information to anybody.", ""), "removed", "widens", "promise-gone"),
    "a promise weakened": (("We never sell", "We generally never sell"), "changed", "widens", "condition"),
    "a promise turned round": (("We never sell your information to anybody", "We may sell your information to anybody"),
                               "changed", "widens", "promise-gone"),
    "a choice gone": (("You can delete your account in the settings at any time.", ""), "removed", "widens", "choice-gone"),
    "kept longer": (("90 days", "12 months"), "changed", "widens", "longer"),
    "kept for less time": (("90 days", "a week"), "changed", "narrows", "shorter"),
    "one more kind of data": (("the words of your chirps;", "the words and drafts of your chirps;"), "changed", "widens",
                              "more-in-grant"),
    "one kind less": (("the address from which you connect and the pages", "the pages"), "changed", "narrows", "less-in-grant"),
    "a new recipient": (("our service providers.", "our service providers and advertisers."), "changed", "widens",
                        "more-in-grant"),
    "only with consent": (("We may share your information with", "With your consent, we may share your information with"),
                          "changed", "narrows", "condition"),
    "another operator": (("Chirper Nesting Ltd.", "Feather Holdings Inc."), "changed", "unclear", "company"),
    "training": (("## 4. Who else\n", "## 4. Who else\n\nWe may use your chirps to train machine learning models.\n"),
                 "added", "widens", "grant-made"),
    "old posts": (("## 4. Who else\n", "## 4. Who else\n\nThis holds regardless of when you posted.\n"), "added", "widens",
                  "reaches-back"),
    "not old posts": (("## 4. Who else\n", "## 4. Who else\n\nThese changes will not be retroactive.\n"), "added", "narrows",
                      "reaches-back"),
    "a waiver": (("## 4. Who else\n", "## 4. Who else\n\nYou waive the right to take part in a class action.\n"), "added",
                 "narrows", "prohibition-made"),
    "wording": (("a place to write short notes", "a home for short notes"), "changed", "editorial", "wording"),
}  # fmt: skip


@pytest.mark.parametrize(("edit", "kind", "direction", "rule"), TYPED.values(), ids=TYPED)
def test_changes_are_typed(edit: tuple[str, str], kind: str, direction: str, rule: str) -> None:
    change = only(compare(OLD, changed(edit)))
    assert (change.kind, change.direction, change.rule) == (kind, direction, rule)
    assert change.why.startswith(RULES[rule])
    assert change.alert == (rule == "promise-gone")
    back = only(compare(changed(edit), OLD))
    turned = {"widens": "narrows", "narrows": "widens"}
    assert back.direction == turned.get(direction, direction)
    assert (back.old_quote, back.new_quote) == (change.new_quote, change.old_quote)


def test_what_a_change_is_about() -> None:
    edit = "We may use your direct messages to train machine learning models and share them with advertisers."
    change = only(compare(OLD, changed(("## 4. Who else\n", f"## 4. Who else\n\n{edit}\n"))))
    assert change.categories == ("user.communication.message",)
    assert change.purposes == ("advertising", "third_party_sharing", "train_ai_system")
    assert change.recipients == ("advertisers",)
    assert {"recipient", "use", "purpose"} <= set(change.aspects)
    assert change.heading_new[-1] == "4. Who else"


def test_marks_are_the_words_that_changed() -> None:
    change = only(compare(OLD, changed(("90 days", "12 months"))))
    assert [change.old_quote[a:b] for a, b in change.old_marks] == ["90 days"]
    assert [change.new_quote[a:b] for a, b in change.new_marks] == ["12 months"]


def test_a_clause_keeps_its_identity_when_it_is_moved_and_renumbered() -> None:
    here = only(compare(OLD, changed(("90 days", "12 months"))))
    moved = changed(("90 days", "12 months"), ("## 3. Keeping", "## 8.1 Keeping"), ("## 2. Promises", "## 7. Promises"))
    assert only(compare(OLD, moved)).clause == here.clause


def test_an_item_that_moves_from_what_is_not_shared_to_what_is_shared_is_a_change() -> None:
    old = OLD + "\n## 5. Lists\n\nWe do not share:\n\n* your birthday and age\n\nWe share:\n\n* your public chirps\n"
    new = OLD + "\n## 5. Lists\n\nWe do not share:\n\n* your public chirps\n\nWe share:\n\n* your birthday and age\n"
    assert compare(old, new).changes


def test_a_silent_edit_is_noted() -> None:
    assert "silent-edit" in [note.code for note in compare(OLD, changed(("90 days", "12 months"))).notes]
    dated = changed(("90 days", "12 months"), ("January 1, 2023", "February 1, 2023"))
    assert "silent-edit" not in [note.code for note in compare(OLD, dated).notes]


def test_names_that_are_given_are_used_and_listed() -> None:
    new = OLD.replace("chirps", "posts")
    found = compare(OLD, new, names=[("chirps", "posts")])
    assert found.changes == ()
    assert [(r.old, r.new) for r in found.renames] == [("chirps", "posts")]


# --- pages with several texts -------------------------------------------------------------------------------------


def test_of_a_combined_page_the_coming_text_is_compared() -> None:
    coming = changed(("90 days", "12 months"), ("January 1, 2023", "June 1, 2023"))
    banner = "We have made some updates. This version will go into effect on June 1, 2023."
    page = f"{banner}\n\n{coming}\n\n## Current Privacy Policy\n\nEffective until June 1, 2023\n\n{OLD}"
    found = compare(OLD, page)
    assert only(found).rule == "longer"
    assert found.effective_new == "2023-06-01"
    assert [note.code for note in found.notes if note.side == "new"] == ["combined"]
    assert compare(page, coming).changes == ()


def test_a_change_in_two_regional_variants_is_told_once() -> None:
    def page(body: str) -> str:
        heads = ("If you live outside the European Union", "If you live in the European Union")
        return "# Chirper Terms of Service\n\n" + "\n\n".join(f"##### **{head}**\n\n{body}" for head in heads)

    change = only(compare(page(BODY), page(BODY.replace("90 days", "12 months"))))
    assert change.regions == ("If you live outside the European Union", "If you live in the European Union")


# --- bad input ----------------------------------------------------------------------------------------------------

LONG = OLD + "\n\n".join(
    f"We keep list number {n} of our archive under the sign of the bird {n * 7}." for n in range(60)
)
PROBLEMS = {
    "empty": ("", "too-short"),
    "three words": ("Page is gone", "too-short"),
    "ten megabytes": ("We collect what you write. " * 400_000, "too-long"),
    "zero bytes": (OLD.replace("e", "\0"), "not-text"),
    "wrong encoding": (OLD.replace("e", "\ufffd"), "wrong-encoding"),
    "decoded twice": (OLD.replace("the", "theâ€™s"), "wrong-encoding"),
    "an error page": ("<!doctype html><html><body><h1>404 Not Found</h1><p>The page that you asked for was not found on "
                      "this server.</p></body></html>", "error-page"),
    "a question for robots": ("Just a moment. We are checking your browser before you go on to chirper.example.", "error-page"),
    "a scrap": ("Chirper is a place to write short notes. You need an account to write, and none to read.", "collapsed"),
    "another language": ("Wir verarbeiten Ihre Daten nur mit Ihrer Einwilligung und nicht für die Werbung. " * 20
                         + " ".join(f"Der Eintrag Nummer {n} ist für die Sicherheit und wird nicht verkauft." for n in range(60)),
                         "two-languages"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "code"), PROBLEMS.values(), ids=PROBLEMS)
def test_what_is_no_policy_is_said_and_nothing_is_compared(text: str, code: str) -> None:
    for found in (compare(LONG, text), compare(text, LONG)):
        assert code in [note.code for note in found.problems]
        assert (found.changes, found.renames) == ((), ())
        assert "Nothing was compared." in as_text(found)
        assert not found.as_json()["compared"]


def test_a_page_that_is_repeated_seven_times_is_read_once() -> None:
    found = compare(OLD, "\n\n".join([changed(("90 days", "12 months"))] * 7))
    assert only(found).rule == "longer"
    assert "repeated" in [note.code for note in found.notes]


def test_passages_in_another_language_are_named_and_left_out() -> None:
    more = "\n\nWir verarbeiten Ihre Daten nicht für die Werbung und nur mit Ihrer Einwilligung auf der Seite." * 4
    found = compare(OLD, OLD + more)
    assert found.changes == ()
    assert "mixed-languages" in [note.code for note in found.notes]
    assert "Werbung" in " ".join(change.new_quote for change in found.suspected)


def test_a_sentence_in_a_language_that_the_rules_do_not_read_is_for_somebody_to_read() -> None:
    change = only(compare(OLD, OLD + "\n\nWir verkaufen Ihre Daten und die Ihrer Freunde auch an die Werbung.\n"))
    assert (change.kind, change.direction, change.rule) == ("added", "unclear", "language")
    assert change.why.endswith("`German`")


def test_a_table_on_one_line_is_read_row_by_row() -> None:
    rows = "| Kind | Kept | | --- | --- | | addresses | 30 days | | pages | 60 days |"
    one, other = f"{OLD}\n\n{rows}\n", f"{OLD}\n\n{rows.replace('60', '90')}\n"
    found = compare(one, other)
    assert only(found).new_quote == "pages | 90 days"
    assert "one-line-table" in [note.code for note in found.notes]


def test_a_section_that_lost_its_words_is_a_suspect_capture() -> None:
    body = "\n\n".join(f"When you open page {n}, we collect the time and the words of note {n}." for n in range(30))
    whole = OLD + f"\n## 5. When you use Chirper\n\nIt is long.\n\n{body}\n"
    lost = OLD + "\n## 5. When you use Chirper\n\nIt is long.\n"
    for found in (compare(whole, lost), compare(lost, whole)):
        assert found.changes == ()
        assert "suspect-capture" in [note.code for note in found.notes]
        told = " ".join(change.old_quote + change.new_quote for change in found.suspected)
        assert all(f"the words of note {n}." in told for n in range(30))
        assert "SUSPECTED OF A CAPTURE" in as_text(found)
        assert "words of note 7" in as_html(found, "Chirper")


def test_what_is_added_beside_a_loss_is_a_change() -> None:
    """A capture that lost something only loses: a sentence that the other text has not was written by somebody."""
    body = "\n\n".join(f"When you open page {n}, we collect the time and the words of note {n}." for n in range(30))
    whole = OLD + f"\n## 5. When you use Chirper\n\nIt is long.\n\n{body}\n"
    lost = OLD + "\n## 5. When you use Chirper\n\nIt is long. We may sell what you open to data brokers.\n"
    found = compare(whole, lost)
    assert only(found).new_quote == "We may sell what you open to data brokers."
    assert found.suspected


ADDED = {
    "a paragraph": " ".join(f"We may also share number {n} of your drafts with data brokers and insurers." for n in range(20)),
    "paragraphs": "\n\n".join(
        " ".join(f"We may share number {n} of list {k} with data brokers and with insurers." for n in range(6)) for k in range(3)
    ),
    "a list": "We may sell:\n\n" + "\n".join(f"* item {n} of what you wrote to friends, and when" for n in range(20)),
}  # fmt: skip


@pytest.mark.parametrize("added", ADDED.values(), ids=ADDED)
def test_what_is_added_without_a_word_is_never_taken_for_a_lost_capture(added: str) -> None:
    """The date stays, and the section had a sentence or two: nothing but the words that came tells of it."""
    new = OLD.replace("in Dublin.", f"in Dublin.\n\n{added}")
    found = compare(OLD, new)
    assert found.suspected == ()
    told = " ".join(change.new_quote for change in found.changes)
    sentences = re.split(r"(?<=\.) |\n+", added)
    assert all(sentence.strip("* ") in told for sentence in sentences)
    assert "widens" in {change.direction for change in found.changes}


def test_what_a_house_wrote_itself_was_not_captured() -> None:
    body = "\n\n".join(f"When you open page {n}, we collect the time and the words of note {n}." for n in range(30))
    new = OLD + f"\n## 5. When you use Chirper\n\nIt is long.\n\n{body}\n"
    found = compare(OLD + "\n## 5. When you use Chirper\n\nIt is long.\n", new, captured=False)
    assert found.suspected == ()
    assert {change.direction for change in found.changes} == {"widens"}


def test_a_page_behind_the_end_is_no_change_while_the_date_stays() -> None:
    more = " ".join(f"Paragraph {n} of the hub tells how proud we are of our work." for n in range(20))
    found = compare(OLD, f"{OLD}\n\n# Welcome to the hub\n\n{more}\n")
    assert found.changes == ()
    assert "appended-page" in [note.code for note in found.notes]
    assert "Paragraph 19 of the hub" in " ".join(change.new_quote for change in found.suspected)


def test_broken_html_takes_no_longer_than_its_length() -> None:
    found = compare(OLD, "<p " * 30_000 + OLD)
    assert found.problems or found.changes is not None


# --- what is shown ------------------------------------------------------------------------------------------------


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_nothing_and_escapes_everything() -> None:
    evil = changed(("a place to write short notes", "a place to write a < b & <script>alert(1)</script> short notes"))
    page = as_html(compare(OLD, evil), "Chirper <b>")
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert {"ins", "main", "article", "h1"} <= set(tags.found)
    assert not {"script", "img", "link", "iframe", "b"} & set(tags.found)
    assert "http" not in re.sub(r'http-equiv="', "", page)
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    assert '<html lang="en">' in page


def test_the_text_puts_a_vanished_promise_first() -> None:
    text = as_text(compare(OLD, changed(("We never sell your information to anybody.", ""), ("90 days", "12 months"))))
    assert text.index("A PROMISE VANISHED (1)") < text.index("MORE MAY HAPPEN (1)")
    assert "1 promise vanished" in text


def test_json_goes_there_and_back() -> None:
    found = compare(OLD, changed(("90 days", "12 months"), ("Ltd.", "Inc.")))
    assert Comparison.from_json(json.loads(json.dumps(found.as_json()))) == found


def test_a_heading_whose_line_was_lost_gives_no_direction() -> None:
    """Plain text with a line a paragraph, and HTML with one line break: the heading stands in front of its sentence."""

    def lines(text: str) -> list[str]:
        return [" ".join(block.replace("#", "").split()) for block in text.split("\n\n")]

    html = "<!doctype html><html><body>" + "<br>".join(lines(OLD)) + "</body></html>"
    for found in (compare(OLD, "\n".join(lines(OLD))), compare(html, OLD)):
        assert {change.direction for change in found.changes} <= {"editorial"}
    found = compare(OLD, "\n".join(lines(changed(("90 days", "12 months")))))
    assert [change.rule for change in found.changes if change.direction != "editorial"] == ["longer"]
