"""Rights, denials and names: sentences that once passed as wording, and what one change must not hide of another."""

from __future__ import annotations

import pytest
from tests.comparison.test_counterexamples import OLD

from aboveboard.comparison import compare, frames
from aboveboard.comparison.changes import Change, mirrored


def changes(was: str, now: str) -> list[Change]:
    """What a comparison finds between two policies that differ in these words alone; it turns round with its texts."""
    old, new = (OLD.replace("## 3.", f"{said}\n\n## 3.") if said else OLD for said in (was, now))
    found = compare(old, new).changes
    back = compare(new, old).changes
    assert sorted((c.kind, c.direction) for c in found) == sorted(
        (mirrored(c.kind), mirrored(c.direction)) for c in back
    )
    return list(found)


RIGHTS = {
    "object": ("You may object to the use of your letters at any time.", "widens", "choice-gone"),
    "complain about data": ("You have the right to complain to a supervisory authority.", "widens", "choice-gone"),
    "lodge": ("You can lodge a complaint with the data protection authority of your country.", "widens", "choice-gone"),
    "an entry of a list": ("* Right to erase your personal data", "widens", "choice-gone"),
    "given": ("We give you choices about letting friends know when you read a letter.", "widens", "choice-gone"),
    "have it deleted": ("You can have your information deleted when you leave.", "widens", "choice-gone"),
    "settings that delete": ("You can update your profile or delete your data by closing your account.", "widens", "choice-gone"),
    "other people": ("Visitors have choices about how we use their data.", "unclear", "right"),
    "under a law": ("Residents of Ireland may have additional rights under their laws.", "unclear", "right"),
    "appeal": ("You may appeal our decision to close your account.", "unclear", "right"),
    "change of mind": ("You have a legal right to change your mind within 14 days.", "unclear", "right"),
}  # fmt: skip


@pytest.mark.parametrize(("sentence", "direction", "rule"), RIGHTS.values(), ids=RIGHTS)
def test_a_right_that_is_gone_is_never_wording(sentence: str, direction: str, rule: str) -> None:
    [change] = changes(sentence, "")
    assert (change.direction, change.rule) == (direction, rule)
    assert "choice" in change.aspects


def test_a_right_that_reads_otherwise_is_never_wording() -> None:
    [change] = changes("Residents of Ireland may have additional rights.", "Residents of Ireland may have some rights.")
    assert (change.direction, change.rule) == ("unclear", "right")


NO_RIGHTS = (
    "You warrant that you have the right to upload what you write.",
    "You need to ensure that you have the right to show a photo.",
    "You do not have the right to a refund.",
    "Lantern reserves the right to close a shop.",
)


@pytest.mark.parametrize("sentence", NO_RIGHTS)
def test_what_people_have_to_make_sure_of_and_what_the_service_reserves_is_no_right(sentence: str) -> None:
    assert frames.right(sentence) == ""
    assert frames.frame_of(sentence) != frames.CHOICE


DENIALS = {
    "another verb": ("We never peek at your letters.", "unclear", "denial"),
    "sale as a noun": ("We do not engage in the sale of letters.", "widens", "promise-gone"),
    "rights": ("We will not reduce your rights without your consent.", "widens", "promise-gone"),
    "not limited to": (
        "We will not discriminate against you, including, but not limited to, by asking for money.",
        "widens",
        "promise-gone",
    ),
    "linked": ("We do not associate your letters with your name.", "widens", "promise-gone"),
    "a bound on keeping": (
        "We keep other letters that were written in the rooms of Lantern or outside of them for a maximum of 9 months.",
        "widens",
        "promise-gone",
    ),
    "steps": ("We take steps to remove what a child has written.", "widens", "promise-gone"),
}


@pytest.mark.parametrize(("sentence", "direction", "rule"), DENIALS.values(), ids=DENIALS)
def test_a_promise_in_other_words_is_never_wording(sentence: str, direction: str, rule: str) -> None:
    [change] = changes(sentence, "")
    assert (change.direction, change.rule) == (direction, rule)
    assert "promise" in change.aspects


def test_a_denial_that_reads_otherwise_is_never_wording() -> None:
    [change] = changes("We never peek at your letters.", "We never peek at your parcels.")
    assert (change.direction, change.rule) == ("unclear", "denial")


def test_a_promise_behind_a_condition_is_one() -> None:
    for words in ("If you are a child, we do not share your letters.", "Where we can we do not share your letters."):
        [change] = changes(words, "")
        assert change.alert


def test_a_disclaimer_is_no_promise() -> None:
    for words in (
        "We do not guarantee that a letter arrives.",
        "We cannot control what a reader does with a letter.",
        "We do not support the Do Not Track setting.",
        "If the form is not provided in time, a fee is due.",
        "Lantern is not designed for use in boats.",
        "Shops do not necessarily use Lantern.",
        "Under no circumstances will you receive a hall.",
    ):
        [change] = changes(words, "")
        assert (change.direction, change.rule) == ("editorial", "statement")


GRANTS = {
    "what does not identify": "We share counts of letters that do not identify you with shops.",
    "reserved": "We reserve the right to share your letters with shops.",
    "need to": "We may need to disclose your letters to a court.",
    "records": "Records of purchases will be kept for longer.",
    "now": "We now share your location with advertisers.",
    "an adverb": "We routinely scan your private letters.",
    "begun to": "We have begun to share your letters with insurers.",
    "as short as a label": "We sell your letters.",
    "kept for ever": "We keep your data indefinitely.",
    "read by": "Your messages may be read by our staff.",
    "train": "Photos you upload train our image models.",
    "bought": "We buy information about you from data brokers.",
    "a profile": "We build a profile of you.",
    "brokers": "Data brokers receive a copy of your contact list.",
    "see": "Advertisers get access to your profile.",
    "cookies": "Cookies are placed by third parties on your device.",
    "a licence": "By posting you give us a perpetual licence to use your letters.",
    "redistributed": "Lantern may redistribute, publish and translate letters.",
}


@pytest.mark.parametrize("sentence", GRANTS.values(), ids=GRANTS)
def test_a_grant_in_other_words_is_never_wording(sentence: str) -> None:
    [change] = changes("", sentence)
    assert (change.direction, change.rule) == ("widens", "grant-made")


UNWEIGHED = {
    "a protection that ends": ("We no longer delete letters after 90 days.", "denial"),
    "a protection denied": ("We will not delete your letters when you ask.", "denial"),
    "a protection stopped": ("We stopped encrypting letters.", "denial"),
    "on by default": ("Training on your letters is on by default.", "data-told"),
    "encrypted": ("Private letters are end-to-end encrypted.", "data-told"),
    "excluded": ("Users under 16 are excluded from training.", "data-told"),
    "stays": ("Deleted letters remain in our backups for ten years.", "data-told"),
}


@pytest.mark.parametrize(("sentence", "rule"), UNWEIGHED.values(), ids=UNWEIGHED)
def test_what_is_told_of_data_and_cannot_be_weighed_is_to_be_read(sentence: str, rule: str) -> None:
    [change] = changes("", sentence)
    assert (change.direction, change.rule) == ("unclear", rule)


def test_neither_nor_is_a_promise() -> None:
    [change] = changes("", "Neither we nor our partners sell your letters.")
    assert (change.direction, change.rule) == ("narrows", "promise-made")


def test_a_label_is_no_grant() -> None:
    for label in ("Information we collect.", "How we share data.", "What we sell."):
        assert all(change.direction == "editorial" for change in changes("", label))


def test_a_short_entry_of_a_list_under_its_heading_is_no_label() -> None:
    """Without a line that leads into it: the heading says what is done."""
    old = f"{OLD}\n## 9. How we use letters\n\n- to find those who abuse it\n- to print them\n"
    [change] = compare(old, f"{old}- to train our models\n").changes
    assert (change.direction, change.rule, change.purposes) == ("widens", "grant-made", ("train_ai_system",))


NOTICES = {
    "a notice": ("We will notify you before this policy changes.", "promise-made"),
    "of uses of data": ("We will tell you about new uses of your data before the change.", "promise-made"),
    "time to leave": ("You can delete your account before the change takes effect.", "choice-offered"),
}


@pytest.mark.parametrize(("sentence", "rule"), NOTICES.values(), ids=NOTICES)
def test_before_the_change_says_when_people_are_told_and_reaches_no_older_data(sentence: str, rule: str) -> None:
    [change] = changes("", sentence)
    assert (change.direction, change.rule) == ("narrows", rule)
    assert "retroactivity" not in change.aspects


def test_what_was_written_before_the_change_is_reached() -> None:
    for sentence in (
        "We use letters that you wrote before this policy took effect.",
        "We read posts made before the change.",
    ):
        [change] = changes("", sentence)
        assert (change.direction, change.rule) == ("widens", "reaches-back")


def test_every_word_that_changed_is_marked_beside_what_widens() -> None:
    was = "We use letters to train our reading models and build features such as Lantern Post."
    now = "We use letters to train our general models and build products and features such as Lantern Post."
    [change] = changes(was, now)
    assert [change.old_quote[a:b] for a, b in change.old_marks] == ["reading"]
    assert [change.new_quote[a:b] for a, b in change.new_marks] == ["general", "products and"]


INVENTED = {
    "where more can be read": ("", "Learn more about the partners we use.", "editorial", "statement"),
    "a warranty of people": (
        "You agree that your use of Lantern is subject to our rules.",
        "You agree that your use of Lantern and its shops is subject to our rules.",
        "editorial",
        "wording",
    ),
    "not limited to is no condition": (
        "We use your letters to improve Lantern.",
        "We use your letters to improve Lantern, including but not limited to its shops.",
        "widens",
        "more-in-grant",
    ),
    "before something is done": (
        "We ask for proof of consent.",
        "We ask for proof that consent was provided before printing.",
        "editorial",
        "wording",
    ),
    "words the vocabulary does not know": (
        "We share your likes with shops.",
        "We share your glances with shops.",
        "unclear",
        "data-words",
    ),
    "two words for data": (
        "We never sell your personal information.",
        "We never sell your personal data.",
        "editorial",
        "wording",
    ),
}


QUALIFIED = {
    "counts": ("We share aggregated letters with shops.", "We share letters with shops.", "widens"),
    "a promise of less": ("We never sell your letters.", "We never sell your sensitive letters.", "widens"),
    "whoever": ("Authorised users may read your letters.", "Users may read your letters.", "widens"),
    "what is public": (
        "We use your letters to train models.",
        "We use your public letters to train models.",
        "narrows",
    ),
    "a clause behind": ("We share photos with shops.", "We share photos that you upload with shops.", "narrows"),
    "two words": ("We share names of members.", "We share hashed and encrypted names of members.", "narrows"),
}


@pytest.mark.parametrize(("was", "now", "direction"), QUALIFIED.values(), ids=QUALIFIED)
def test_a_word_that_leaves_fewer_things_counts_the_other_way(was: str, now: str, direction: str) -> None:
    [change] = changes(was, now)
    assert (change.direction, change.rule) == (direction, "qualifier")


def test_an_us_that_is_only_told_does_nothing() -> None:
    [change] = changes("", "To ask about your letters, please contact us using the form.")
    assert (change.direction, change.rule) == ("editorial", "statement")
    assert frames.frame_of("You consent to us using your letters.") == frames.GRANT


def test_a_right_in_other_words_is_to_be_read() -> None:
    [change] = changes("You have the right to delete your data.", "You can delete your data.")
    assert (change.direction, change.rule) == ("unclear", "right")


@pytest.mark.parametrize(("was", "now", "direction", "rule"), INVENTED.values(), ids=INVENTED)
def test_no_direction_is_invented(was: str, now: str, direction: str, rule: str) -> None:
    [change] = changes(was, now)
    assert (change.direction, change.rule) == (direction, rule)


NAMES = {
    "a recipient": ("Harbor receives your letters.", "Palisade receives your letters."),
    "a controller": ("Harbor is the controller of your letters.", "Palisade is the controller of your letters."),
    "two words": ("Harbor Analytics prints your letters.", "Palisade Data prints your letters."),
}


@pytest.mark.parametrize(("was", "now"), NAMES.values(), ids=NAMES)
def test_a_name_that_begins_a_sentence_is_heard(was: str, now: str) -> None:
    [change] = changes(was, now)
    assert (change.direction, change.rule) == ("unclear", "name")


def test_a_name_that_only_begins_sentences_is_never_learned_as_a_rename() -> None:
    was = "Harbor receives your letters. Harbor prints them. Harbor answers within a week."
    found = compare(
        OLD.replace("## 3.", f"{was}\n\n## 3."), OLD.replace("## 3.", f"{was.replace('Harbor', 'Palisade')}\n\n## 3.")
    )
    assert found.renames == ()
    assert {(c.direction, c.rule) for c in found.changes} == {("unclear", "name")}


def test_a_word_that_begins_a_sentence_is_no_name_where_it_is_written_small_elsewhere() -> None:
    [change] = changes("Letters are read aloud.", "Photos are read aloud.")
    assert change.rule != "name"


BESIDE = {
    "a company": (
        "We share your letters with Harbor Analytics Inc.",
        "We share your letters and photos with Palisade Data Ltd.",
        "company",
    ),
    "a number": (
        "We keep letters on 3 servers of shops.",
        "We keep letters and photos on 5 servers of shops.",
        "number",
    ),
    "a place": (
        "We share letters with our partner in Ireland for delivery.",
        "We share letters and photos with our partner in Brazil for delivery.",
        "name",
    ),
}


@pytest.mark.parametrize(("was", "now", "rule"), BESIDE.values(), ids=BESIDE)
def test_what_has_to_be_read_is_told_beside_what_widens(was: str, now: str, rule: str) -> None:
    assert [(c.direction, c.rule) for c in changes(was, now)] == [("widens", "more-in-grant"), ("unclear", rule)]


def test_capitals_make_no_company_of_the_word_as() -> None:
    words = "ANY PART OF THIS THAT IS DEEMED VOID AS A MATTER OF LAW IS LEFT OUT."
    [change] = changes("", words)
    assert change.recipients == ()


ABOUT_HARBOR = """# Lantern Privacy Policy

## 1. What Harbor does

Harbor receives your letters. Harbor prints them on paper. The letters go on to Harbor in the evening. We collect your
name and the photos you upload. We keep this information for 30 days.

## 2. What we do with it

We use letters to deliver them and photos to show them to the friends you choose. You can delete your account at any time.
"""


def test_whoever_gets_data_is_not_the_service_because_a_heading_names_them() -> None:
    found = compare(ABOUT_HARBOR, ABOUT_HARBOR.replace("Harbor", "Palisade"))
    assert found.renames == ()
    assert [(c.direction, c.rule) for c in found.changes] == [("unclear", "name")] * 4


def test_whoever_gets_data_is_not_the_service_however_often_they_are_named() -> None:
    often = " ".join(f"On day {n} of the month we share your letters with Harbor." for n in range(1, 12))
    text = ABOUT_HARBOR.replace("What Harbor does", "Who prints").replace("## 2.", f"{often}\n\n## 2.")
    found = compare(text, text.replace("Harbor", "Palisade"))
    assert found.renames == ()
    assert len(found.changes) == 14
    assert {c.direction for c in found.changes} == {"unclear"}


def test_the_service_is_still_learned_by_its_title() -> None:
    found = compare(ABOUT_HARBOR, ABOUT_HARBOR.replace("Lantern", "Beacon").replace("We collect", "Beacon collects"))
    assert all("Harbor" not in str(rename) for rename in found.renames)
    own = ABOUT_HARBOR.replace("We collect", "Lantern collects").replace("We keep", "Lantern keeps")
    again = compare(own, own.replace("Lantern", "Beacon"))
    assert ([str(r) for r in again.renames], again.changes) == (["Lantern -> Beacon"], ())


def untitled(name: str) -> str:
    """A policy without a title, as below a coming one, that says of its service what it might say of a company."""
    told = " ".join(f"We share what you do with {name} in hall {n} with shops." for n in range(1, 12))
    uses = f"People who use {name} write. If you leave {name} we forget you. When you join {name}, you choose."
    return f"## Before you write\n\n{told} {uses} We keep letters for 30 days.\n"


def test_a_service_without_a_title_is_known_by_the_people_who_use_it() -> None:
    old, new = untitled("Lantern"), f"# Beacon Privacy Policy\n\n{untitled('Beacon')}"
    found = compare(old, new)
    assert [str(rename) for rename in found.renames] == ["Lantern -> Beacon"]
    assert {change.direction for change in found.changes} <= {"editorial"}


def test_whoever_gets_data_and_is_used_by_nobody_is_not_the_service_of_a_text_without_a_title() -> None:
    unused = (
        untitled("Harbor").replace("People who use Harbor write.", "People write.").replace("leave Harbor", "leave")
    )
    found = compare(unused, unused.replace("Harbor", "Palisade"))
    assert found.renames == ()
    assert {change.direction for change in found.changes} == {"unclear"}
