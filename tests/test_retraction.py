"""A question is kept as it was asked; what it cannot mean is an error, and nothing about it is guessed."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aboveboard import retraction, vocabulary
from aboveboard.errors import AboveboardError
from aboveboard.retraction import Question

FROM, TO = datetime(2024, 5, 7, tzinfo=UTC), datetime(2024, 8, 2, tzinfo=UTC)


def question(**said: object) -> Question:
    return Question(**{"reference": "an undertaking", "purposes": ("train_ai_system",), **said})  # type: ignore[arg-type]


def naive(year: int) -> datetime:
    return datetime(year, 1, 1)  # noqa: DTZ001 - hypothesis adds the zone


some = st.lists(st.sampled_from(sorted(vocabulary.KINDS)), max_size=3, unique=True).map(tuple)
moments = st.none() | st.datetimes(naive(2020), naive(2021), timezones=st.just(UTC))
later = st.none() | st.datetimes(naive(2022), naive(2023), timezones=st.just(UTC))


@given(some, moments, later, moments, later)
def test_what_was_asked_is_read_back(
    kinds: tuple[str, ...], a: datetime | None, b: datetime | None, c: datetime | None, d: datetime | None
) -> None:
    asked = question(kinds=kinds, collected_from=a, collected_to=b, processed_from=c, processed_to=d)
    again = retraction.parse(json.loads(json.dumps(asked.document())))
    assert again == asked
    assert again.digest == asked.digest


def test_one_word_more_is_another_question() -> None:
    assert len({question().digest, question(regions=("EU",)).digest, question(reference="another").digest}) == 3


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"reference": " "}, "names its reason"),
        ({"purposes": ()}, "names a purpose"),
        ({"purposes": ("train",)}, "unknown purpose"),
        ({"regions": ("Mars",)}, "unknown region"),
        ({"kinds": ("poem",)}, "unknown kind"),
        ({"categories": ("user.poems",)}, "unknown categor"),
        ({"recipients": ("somebody",)}, "recipient"),
        ({"collected_from": TO, "collected_to": FROM}, "is not later"),
        ({"processed_from": FROM, "processed_to": FROM}, "is not later"),
        ({"records": ("123",)}, "names no record"),
    ],
)
def test_what_cannot_be_meant_is_refused(said: dict[str, object], complaint: str) -> None:
    with pytest.raises(AboveboardError, match=complaint) as raised:
        question(**said)
    assert raised.value.hint


UNREADABLE = [
    {"colour": "blue"},
    {"reference": "x"},
    {"reference": "x", "purposes": ["service"], "collected_from": "soon"},
]


@pytest.mark.parametrize("said", UNREADABLE)
def test_a_question_that_cannot_be_read_is_an_error(said: dict[str, object]) -> None:
    with pytest.raises(AboveboardError):
        retraction.parse(said)


def test_a_window_of_processing_is_answered_record_by_record() -> None:
    asked = question(processed_from=FROM, processed_to=TO)
    assert asked.names_records
    assert [asked.processed(at) for at in (FROM, TO, datetime(2024, 5, 6, 23, 59, tzinfo=UTC))] == [True, False, False]
    assert not question(collected_from=FROM).names_records


def test_it_says_what_it_means() -> None:
    said = question(
        regions=("EU", "EEA"), categories=("user.content.public",), processed_from=FROM, processed_to=TO
    ).says
    assert "of people in EU, EEA" in said
    assert "processed from 2024-05-07 00:00 before 2024-08-02 00:00" in said
