"""A no leaves the releases that stand, by a deadline, with a certificate; nothing of it is lost, whatever we die at."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import rfc8785
from click.testing import CliRunner, Result

import small
from aboveboard import choice, disk, mainjob, notices, withdrawal
from aboveboard.certificate import Certificate
from aboveboard.choice import Event
from aboveboard.cli import doors
from aboveboard.errors import LedgerError, VerificationError, WorkspaceError
from aboveboard.log import keys_of
from aboveboard.retraction import Question
from aboveboard.withdrawal.naming import spelt_otherwise
from aboveboard.workspace import Workspace, open_workspace, read_job

TRAINING = "train_ai_system.generative"
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A platform with one release of a hundred posts by twelve people."""
    folder = small.make(tmp_path_factory.mktemp("withdrawal") / "site")
    with at_work(folder) as ws:
        mainjob.build(ws, read_job(folder / "job.toml"))
    return folder


@pytest.fixture
def site(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "site"))


@contextmanager
def at_work(folder: Path, at: datetime | None = None) -> Iterator[Workspace]:
    """The workspace, whose ledger and acts are told the time where one is given."""
    ws = open_workspace(folder)
    if at is not None:
        ws.ledger._clock = lambda: at
    with ws.ledger:
        yield ws


def ran(*args: object, code: int = 0) -> Result:
    result = CliRunner().invoke(doors, [str(a) for a in args])
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return result


def document(*args: object, code: int = 0) -> Any:
    return json.loads(ran(*args, "--json", code=code).stdout)


def said(subject: str = "u3", type: str = "withdrawn", **more: Any) -> Event:
    at = datetime.now(UTC)
    return Event(subject=subject, type=type, recorded_at=at, effective_at=at, **more)


def everything(**more: Any) -> Question:
    return Question(**{"reference": "a court", "purposes": ("train_ai_system",), **more})


def texts(public: Path) -> list[str]:
    return sorted(text for file in (public / "data").iterdir() for text in pq.read_table(file)["text"].to_pylist())


def newest(folder: Path) -> Path:
    return max((folder / "releases").iterdir())


# --- by person ----------------------------------------------------------------------------------------------------


def test_a_dry_run_counts_and_changes_nothing(site: Path) -> None:
    with at_work(site) as ws:
        plan = withdrawal.plan(ws, said())
        assert plan.leaving == 9
        assert [(one.leaving, one.rows, one.files, one.of) for one in plan.touched] == [(9, 100, 1, 1)]
        assert ws.ledger.head() == 0
        assert withdrawal.board(ws) == []
        assert withdrawal.plan(ws, said(purpose="advertising")).touched == ()
        assert withdrawal.plan(ws, said(purpose=TRAINING, category="user.location")).leaving == 0


def test_what_leaves_anyhow_is_not_counted(site: Path) -> None:
    with at_work(site) as ws:
        withdrawal.withdraw(ws, said("u4"))
        assert withdrawal.plan(ws, said("u3")).leaving == 9
        assert withdrawal.plan(ws, said("u4")).leaving == 0


def test_a_no_leaves_the_standing_release_and_every_later_one(site: Path) -> None:
    before = texts(newest(site))
    with at_work(site) as ws:
        recorded = withdrawal.withdraw(ws, said())
        [one] = withdrawal.board(ws)
        assert (one.number, one.is_open, one.closed_at) == (f"e{recorded.position}", True, None)
        [carried] = withdrawal.carry_out(ws)
        assert carried.removed == 9
        after = texts(site / "releases" / str(carried.superseded_by))
        assert len(after) == 91
        assert set(before) - set(after) == {f"a bird of number {n}" for n in range(3, 100, 12)}
        assert withdrawal.board(ws) == []
        [closed] = withdrawal.board(ws, everything=True)
        assert closed.closed_at is not None
        assert [name for name, at, _ in closed.states() if at is None] == []
        assert withdrawal.carry_out(ws) == []
        later = mainjob.build(ws, read_job(site / "job.toml"))
    assert texts(later.public) == after


def test_a_no_that_concerns_no_row_is_looked_at_once(site: Path) -> None:
    with at_work(site) as ws:
        withdrawal.withdraw(ws, said(category="user.location.precise"))
        assert len(withdrawal.board(ws)) == 1
        [carried] = withdrawal.carry_out(ws)
        assert (carried.superseded_by, carried.removed) == (None, 0)
        assert withdrawal.board(ws) == []
        [closed] = withdrawal.board(ws, everything=True)
        assert closed.closed_at is not None


def test_the_clock_of_a_withdrawal(site: Path) -> None:
    start = datetime.now(UTC)
    with at_work(site) as ws:
        withdrawal.withdraw(ws, said())
        [one] = withdrawal.board(ws)
        assert one.deadline - one.received == DAY
        assert [one.is_overdue(start + late) for late in (timedelta(0), DAY - DAY / 24, DAY + DAY / 24)] == [
            False,
            False,
            True,
        ]
    assert ran("withdrawals", "-w", site).exit_code == 0


def test_what_is_overdue_ends_with_3(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with at_work(site) as ws:
        withdrawal.withdraw(ws, said())
    from aboveboard.ledger import Ledger

    monkeypatch.setattr(Ledger, "now", lambda _: datetime.now(UTC) + 2 * DAY)
    assert "OVERDUE" in ran("withdrawals", "-w", site, code=3).stdout
    ran("withdrawals", "run", "-w", site)
    assert "No withdrawal is open" in ran("withdrawals", "-w", site).stdout


# --- whose account ------------------------------------------------------------------------------------------------

KNOWN = ["u3", "42", "ann@birds.example", "https://birds.example/users/bob", "ann@fish.example", "cleo", "did:plc:aaa"]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("ann@birds.example", ["ann@birds.example"]), ("@Ann@Birds.Example", ["ann@birds.example"]),
        ("\uff20ann\uff20birds.example", ["ann@birds.example"]), ("acct:ann@birds.example", ["ann@birds.example"]),
        ("https://birds.example/@ann", ["ann@birds.example"]), ("https://birds.example/users/ann/", ["ann@birds.example"]),
        ("https://fish.example/@ann@birds.example", ["ann@birds.example"]), ("@bob@birds.example", [KNOWN[3]]),
        ("https://birds.example/@bob", [KNOWN[3]]), ("@ann", ["ann@birds.example", "ann@fish.example"]), ("@bob", [KNOWN[3]]),
        ("@Cleo", ["cleo"]), ("\uff20cleo", ["cleo"]), ("CLEO ", ["cleo"]), ("ann", []), ("4", []), ("did:plc:AAA", [KNOWN[6]]),
        ("dora@birds.example", []), ("https://birds.example/notes/1", []), ("", []), ("@", []),
    ],
)  # fmt: skip
def test_an_account_in_another_spelling(given: str, meant: list[str]) -> None:
    assert spelt_otherwise(given, KNOWN) == meant


def test_a_no_in_another_spelling_reaches_the_account_that_is_known(site: Path) -> None:
    dry = ran("withdraw", "@U3", "--purpose", "train_ai_system", "-w", site)
    assert "note: `@U3` is taken as the account `u3`" in dry.stderr
    digest = document("withdraw", "u3", "--purpose", "train_ai_system", "-w", site)["digest"]
    ran("withdraw", "@U3", "--purpose", "train_ai_system", "--confirm", digest, "-w", site)
    with at_work(site) as ws:
        assert [one.subject for one in ws.ledger.withdrawing(0)] == ["u3"]
    assert len(document("withdrawals", "--subject", "\uff20u3", "-w", site)) == 1


def test_a_no_that_may_be_two_peoples_is_nobodys(site: Path) -> None:
    with at_work(site) as ws:
        for who in ("ann@birds.example", "ann@fish.example"):
            withdrawal.withdraw(ws, said(who))
    told = ran("withdraw", "@ann", "-w", site, code=1)
    assert "may be any of 2 accounts" in told.stderr
    assert "ann@birds.example, ann@fish.example" in told.stderr


def test_a_no_of_somebody_unknown_is_taken_and_said_so(site: Path) -> None:
    told = ran("withdraw", "nobody-yet", "-w", site)
    assert "nobody knows an account `nobody-yet`" in told.stderr
    digest = document("withdraw", "nobody-yet", "-w", site)["digest"]
    ran("withdraw", "nobody-yet", "--confirm", digest, "-w", site)
    assert "nobody knows" not in ran("withdraw", "nobody-yet", "-w", site).stderr


# --- what is late -------------------------------------------------------------------------------------------------


TRAINER = "processor:trainer"


@contextmanager
def days_later(site: Path, monkeypatch: pytest.MonkeyPatch, days: float) -> Iterator[None]:
    """Every ledger that is opened meanwhile thinks that it is later."""
    from aboveboard.ledger import Ledger

    with monkeypatch.context() as bent:
        bent.setattr(Ledger, "now", lambda _: datetime.now(UTC) + days * DAY)
        yield


def doctor(site: Path, code: int = 0) -> dict[str, Any]:
    found = {one["about"]: one for one in document("doctor", "-w", site, code=code)}
    return {name: found[name] for name in ("withdrawals", "erasures", "notices")}


def test_the_doctor_says_what_is_open_and_what_is_late(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(one["fine"] for one in doctor(site).values())
    with at_work(site) as ws:
        withdrawal.withdraw(ws, said())
    now = doctor(site)
    assert (now["withdrawals"]["fine"], now["withdrawals"]["seen"]) == (True, "1 open, 0 overdue")
    with days_later(site, monkeypatch, 2):
        late = doctor(site, code=3)
    assert (late["withdrawals"]["fine"], late["withdrawals"]["seen"]) == (False, "1 open, 1 overdue")
    assert late["withdrawals"]["hint"] == "run: aboveboard withdrawals run"
    assert late["erasures"]["fine"]


def test_an_erasure_that_is_due_ends_with_3_everywhere(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = document("erase", "u3", "-w", site)["digest"]
    ran("erase", "u3", "--yes", digest, "-w", site)
    ran("withdrawals", "run", "-w", site)
    assert doctor(site)["erasures"]["seen"] == "1 open, 0 due and not executed"
    ran("withdrawals", "-w", site)
    with days_later(site, monkeypatch, 1.5):
        assert not doctor(site, code=3)["erasures"]["fine"]
        told = ran("withdrawals", "-w", site, code=3)
        assert "note: erasures: 1 open, 1 due and not executed: aboveboard erase --due" in told.stderr
        assert document("withdrawals", "-w", site, code=3) == []
        ran("withdrawals", "--subject", "u3", "-w", site)  # what this person asked for has left


def test_a_notice_that_nobody_sent_or_answered_ends_with_3(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (site / "aboveboard.toml").open("a") as settings:
        settings.write(f'\n[recipients."{TRAINER}"]\nfolder = "trainer"\n')
    (site / "trainer").mkdir()
    ran("release", "deliver", "latest", "--to", TRAINER, "-w", site)
    with at_work(site) as ws:
        withdrawal.withdraw(ws, said())
        withdrawal.carry_out(ws)
    assert doctor(site)["notices"]["seen"] == "0 not acknowledged, by 0 recipients; 1 in no list yet; 0 overdue"
    with days_later(site, monkeypatch, 2):
        assert "1 in no list yet; 1 overdue" in doctor(site, code=3)["notices"]["seen"]
    ran("notices", "send", "--now", "-w", site)
    assert doctor(site)["notices"]["seen"] == "1 not acknowledged, by 1 recipients; 0 in no list yet; 0 overdue"
    with days_later(site, monkeypatch, 2):
        assert not doctor(site, code=3)["notices"]["fine"]
        assert "notices: 1 not acknowledged" in ran("withdrawals", "-w", site, code=3).stderr


# --- who is told --------------------------------------------------------------------------------------------------


def silent(site: Path) -> None:
    """The policy tells no recipients."""
    [policy] = (site / "policies" / "small").glob("*/policy.toml")
    policy.write_text(policy.read_text() + '\n[on_withdrawal]\nrecipients = "none"\n')


def lists(site: Path) -> list[tuple[str, int]]:
    with at_work(site) as ws:
        (site / "trainer").mkdir(exist_ok=True)
        ran("notices", "send", "--now", "-w", site)
        return [(one.recipient, one.list.rows) for one in notices.board(ws.ledger)]


@pytest.fixture
def told_site(site: Path) -> Path:
    with (site / "aboveboard.toml").open("a") as settings:
        settings.write(f'\n[recipients."{TRAINER}"]\nfolder = "trainer"\n')
    return site


def test_nobody_received_it_so_no_list_is_made_and_who_comes_later_gets_all_of_it(told_site: Path) -> None:
    first = newest(told_site).name
    with at_work(told_site) as ws:
        for number, who in enumerate(("u3", "u4")):
            withdrawal.withdraw(ws, said(who))
            withdrawal.carry_out(ws, clock=lambda n=number: datetime.now(UTC) + timedelta(seconds=30 * (n + 1)))
    assert lists(told_site) == []
    with at_work(told_site) as ws:
        with ws.ledger.outbox() as outbox:
            assert outbox.cuts() == []
            assert len(outbox.removals()) == 3  # the first release twice, the second once: models are flagged by these
        late = datetime.now(UTC) + 9 * DAY
        notices.deliver(ws.ledger, first, "controller", TRAINER, late)
        told = withdrawal.telling(ws)
        [made] = notices.cut(ws.ledger, "x/log", ws.signer("receipt"), late, timedelta(), told)
        assert (made.release, made.rows) == (first, 9 + 8)
        [notice] = notices.board(ws.ledger)
        assert notice.due >= late + timedelta(hours=23)  # as long as anybody has


def test_a_dry_run_names_who_received_and_which_models_saw_what_a_release_took_the_place_of(told_site: Path) -> None:
    first = newest(told_site).name
    ran("release", "deliver", first, "--to", TRAINER, "-w", told_site)
    ran("lineage", "model", "feed-1", "--from", first, "--digest", f"sha256:{'a' * 64}", "-w", told_site)
    with at_work(told_site) as ws:
        withdrawal.withdraw(ws, said("u4"))
        [carried] = withdrawal.carry_out(ws)
        for plan in (withdrawal.plan(ws, said("u3")), withdrawal.plan_question(ws, everything(regions=("EU",)))):
            assert [one.release for one in plan.touched] == [carried.superseded_by]
            assert (plan.recipients, plan.models) == ((TRAINER,), ("feed-1",))
        nothing = withdrawal.plan(ws, said("u3", category="user.location"))
        assert (nothing.leaving, nothing.recipients, nothing.models) == (0, (), ())


def test_a_withdrawal_is_closed_once_whoever_received_it_was_told(told_site: Path) -> None:
    ran("release", "deliver", "latest", "--to", TRAINER, "-w", told_site)
    with at_work(told_site) as ws:
        withdrawal.withdraw(ws, said())
        withdrawal.carry_out(ws)
    waiting = ran("withdrawals", "--all", "-w", told_site).stdout
    assert "out of releases, recipients not told yet, by" in waiting
    assert lists(told_site) == [(TRAINER, 9)]
    assert "closed for releases, by" in ran("withdrawals", "--all", "-w", told_site).stdout
    with at_work(told_site) as ws:
        [one] = withdrawal.board(ws, everything=True)
        times = {name: at for name, at, _ in one.states()}
        assert times["closed for releases"] == times["recipients notified"] == one.notified_at  # the last of them


def test_where_the_policy_tells_no_recipients_they_are_told_of_erasures_only(told_site: Path) -> None:
    silent(told_site)
    ran("release", "deliver", "latest", "--to", TRAINER, "-w", told_site)
    with at_work(told_site) as ws:
        withdrawal.withdraw(ws, said())
        withdrawal.carry_out(ws)
        [one] = withdrawal.board(ws, everything=True)
        assert (one.told, one.notified_at) == ((), one.closed_at)
    assert lists(told_site) == []
    digest = document("erase", "u4", "-w", told_site)["digest"]
    ran("erase", "u4", "--yes", digest, "-w", told_site)
    with at_work(told_site) as ws:
        [carried] = withdrawal.carry_out(ws)
        assert carried.removed == 8
    assert lists(told_site) == [(TRAINER, 8)]


def test_somebody_else_s_rows_stay_and_so_does_their_map(site: Path) -> None:
    public = newest(site)
    ran("capsule", "make", "u5", public.name, "-w", site, "-o", site / "before.json")
    with at_work(site) as ws:
        withdrawal.withdraw(ws, said())
        [carried] = withdrawal.carry_out(ws)
    after = site / "releases" / str(carried.superseded_by)
    ran("capsule", "make", "u5", after.name, "-w", site, "-o", site / "after.json")
    ran("capsule", "make", "u3", after.name, "-w", site, "-o", site / "gone.json")
    for capsule in ("before.json", "after.json"):
        ran("check-me", site / capsule, public if capsule == "before.json" else after)
    told = ran("check-me", site / "gone.json", after).stdout
    assert "0 rows" in told or "no row" in told.lower()
    ran("verify", after)
    ran("release", "audit", after.name, "-w", site)


# --- by record ----------------------------------------------------------------------------------------------------


def test_one_record_is_taken_out_for_good(site: Path) -> None:
    with at_work(site) as ws:
        taken = withdrawal.withdraw(ws, said("u3", "record_withdrawn", value="posts/p15"))
        [carried] = withdrawal.carry_out(ws)
        assert carried.removed == 1
        ws.ledger.append(said("u3", "given", past_from=datetime(2019, 1, 1, tzinfo=UTC)))
        later = mainjob.build(ws, read_job(site / "job.toml"))
    assert "a bird of number 15" not in texts(later.public)
    assert len(texts(later.public)) == 99
    assert taken.value == "posts/p15"


def test_nobody_takes_out_what_is_another_s(site: Path) -> None:
    with at_work(site) as ws:
        withdrawal.withdraw(ws, said("u4", "record_withdrawn", value="posts/p15"))
        withdrawal.carry_out(ws)
        assert len(texts(newest(site))) == 100


def test_a_record_that_a_stream_says_is_gone_leaves(site: Path) -> None:
    with at_work(site) as ws:
        ws.ledger.append(said("record:p15", "record_deleted", value="p15", actor="operator"))
        ws.ledger.append(said("u9", "suspended", actor="operator"))
        assert len(withdrawal.board(ws)) == 2
        [carried] = withdrawal.carry_out(ws)
        assert carried.removed == 1 + 8
        assert withdrawal.board(ws) == []
    left = texts(newest(site))
    assert "a bird of number 15" not in left
    assert "a bird of number 9" not in left


def test_a_no_is_heard_where_nobody_can_say_what_it_comes_to(site: Path) -> None:
    (site / "keys" / "receipt.key").unlink()
    told = ran("withdraw", "u3", "--purpose", "train_ai_system", "-w", site, code=1)
    assert "the key `receipt` is lost" in told.stderr
    [line] = [line for line in told.stderr.splitlines() if "aboveboard choice record" in line]
    ran(*shlex.split(line.partition("`aboveboard ")[2].partition("`")[0]), "-w", site)
    with at_work(site) as ws:
        assert [(one.type, one.purpose) for one in ws.ledger.events_of("u3")] == [("withdrawn", "train_ai_system")]


# --- by question --------------------------------------------------------------------------------------------------


def test_a_question_about_much_needs_two_people(site: Path) -> None:
    with at_work(site) as ws:
        asked = everything(kinds=("post",))
        plan = withdrawal.plan_question(ws, asked)
        assert plan.leaving == 100
        for _ in range(2):  # the same person twice is one
            first = withdrawal.ask(ws, asked, plan, "ann")
            assert (first.number, bool(first.waits_for)) == (None, True)
        assert ws.ledger.retracted() == 0
        assert withdrawal.ask(ws, asked, plan, "bo").number == 1
        [held] = ws.ledger.retractions()
        assert (held.asked_by, held.confirmed_by) == ("ann", "bo")
        with pytest.raises(LedgerError, match="is withdrawal q1 already"):
            withdrawal.ask(ws, asked, plan, "cleo")


@pytest.mark.parametrize("window", ["collected_to", "processed_to"])
def test_which_releases_held_what_a_question_is_about(site: Path, window: str) -> None:
    with at_work(site) as ws:
        until = datetime(2020, 9, 13, 12, 27, tzinfo=UTC) if window == "collected_to" else datetime.now(UTC) + DAY
        asked, before = everything(**{window: until}), newest(site).name
        plan = withdrawal.plan_question(ws, asked)
        for who in ("ann", "bo"):
            withdrawal.ask(ws, asked, plan, who)
        held = {before: 20 if window == "collected_to" else 100}
        assert withdrawal.reached(ws, 1).rows == held
        withdrawal.carry_out(ws)
        assert withdrawal.reached(ws, 1).rows == held  # the release that took its place holds none of them
    assert document("affected", "--withdrawal", "q1", "-w", site)["releases"][0]["rows"] == held[before]
    assert "no question q2" in ran("affected", "--withdrawal", "q2", "-w", site, code=1).stderr
    assert "is no withdrawal" in ran("affected", "--withdrawal", "two", "-w", site, code=2).stderr


def test_another_spelling_is_no_second_person(site: Path) -> None:
    with at_work(site) as ws:
        asked = everything(kinds=("post",))
        plan = withdrawal.plan_question(ws, asked)
        for spelt in ("ann", " ann ", "Ann"):
            assert withdrawal.ask(ws, asked, plan, spelt).number is None


@pytest.mark.parametrize("room", ["releases", "private"])
def test_a_release_that_cannot_be_rewritten_is_not_passed_over(site: Path, room: str) -> None:
    [public] = (site / "releases").iterdir()
    with at_work(site) as ws:
        withdrawal.withdraw(ws, said())
        (site / room / public.name).rename(site / "elsewhere")
        assert [one.is_open for one in withdrawal.board(ws)] == [True]
    assert "is not here" in ran("withdrawals", "run", "-w", site, code=1).stdout
    (site / "elsewhere").rename(site / room / public.name)
    ran("withdrawals", "run", "-w", site)
    assert "No withdrawal is open" in ran("withdrawals", "-w", site).stdout


def test_what_a_policy_keeps_is_called_neither_rewritten_nor_closed(site: Path) -> None:
    [file] = (site / "policies").rglob("policy.toml")
    file.write_text(file.read_text() + '[on_withdrawal]\nreleases = "keep"\n')
    with at_work(site) as ws:
        withdrawal.withdraw(ws, said())
        [one] = withdrawal.board(ws, everything=True)
        assert (one.is_open, one.is_kept, one.closed_at, one.notified_at) == (False, True, None, None)
    assert "releases kept as they are, as the policy says" in ran("withdrawals", "--all", "-w", site).stdout


def test_a_policy_that_keeps_releases_keeps_no_erased_person(site: Path) -> None:
    file = site / "policies" / "small" / "2020-01-01" / "policy.toml"
    file.write_text(file.read_text() + '[on_withdrawal]\nreleases = "keep"\n')
    dry = document("withdraw", "u4", "-w", site)
    assert "kept as they are" in ran("withdraw", "u4", "-w", site, "--confirm", dry["digest"]).stdout
    with at_work(site) as ws:
        assert withdrawal.board(ws) == []
        ws.ledger.append(said("u3", "suppressed"))
        assert [one.subject for one in withdrawal.board(ws)] == ["u3"]


def test_who_comes_second_has_not_failed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs at once: both find the same release open, and one of them is first."""
    from aboveboard.withdrawal import acting

    with at_work(site) as ws:
        withdrawal.withdraw(ws, said())
        found = acting.board(ws)
        [first] = withdrawal.carry_out(ws)
        [stood] = [one for one in withdrawal.planning.every_release(ws) if one.id == first.release]
        monkeypatch.setattr(acting, "board", lambda ws: found)
        monkeypatch.setattr(acting, "standing", lambda ws: [stood])
        assert withdrawal.carry_out(ws) == []


def test_a_question_of_collection_binds_what_comes_later(site: Path) -> None:
    with at_work(site) as ws:
        asked = everything(kinds=("post",), collected_to=datetime(2020, 9, 13, 12, 27, tzinfo=UTC))
        plan = withdrawal.plan_question(ws, asked)
        assert plan.leaving == 20  # collected in the first twenty seconds
        for who in ("ann", "bo"):
            withdrawal.ask(ws, asked, plan, who)
        [carried] = withdrawal.carry_out(ws)
        assert carried.removed == 20
        later = mainjob.build(ws, read_job(site / "job.toml"))
        assert later.governed.released == 80
        reasons = {tally.decisive for tally in later.governed.tallies if tally.outcome == "refuse"}
        assert reasons == {"rights.retracted"}


def test_a_question_of_processing_names_records_once(site: Path) -> None:
    with at_work(site) as ws:
        asked = everything(regions=("EU",), processed_to=datetime.now(UTC) + DAY)
        plan = withdrawal.plan_question(ws, asked)
        assert plan.leaving == 100
        for who in ("ann", "bo"):
            withdrawal.ask(ws, asked, plan, who)
        [file] = (site / "private" / "retractions").iterdir()
        assert pq.read_metadata(file).num_rows == 100
        withdrawal.carry_out(ws)
        assert texts(newest(site)) == []
        later = mainjob.build(ws, read_job(site / "job.toml"))
        assert later.governed.released == 0
    file.unlink()
    with at_work(site) as ws, pytest.raises(LedgerError, match="lost or damaged"):
        mainjob.build(ws, read_job(site / "job.toml"))


def test_what_was_processed_leaves_whichever_release_stands_with_it_now(site: Path) -> None:
    first, before = datetime.now(UTC), newest(site).name
    with at_work(site) as ws:
        withdrawal.withdraw(ws, said("u3"))
        withdrawal.carry_out(ws)  # a release judged behind the window takes the place of the one in it
        mainjob.build(ws, read_job(site / "job.toml"))  # and another one, of the same records
        asked = everything(regions=("EU",), processed_to=first)
        plan = withdrawal.plan_question(ws, asked)
        assert [(one.leaving, one.rows) for one in plan.touched] == [(91, 91), (91, 91)]
        assert (plan.named, plan.superseded) == (100, ((before, 100),))  # counted apart: nothing leaves it
        assert withdrawal.ask(ws, asked, plan, "ann").number is None
        assert withdrawal.ask(ws, asked, plan, "bo").records == 100
        [open_one] = withdrawal.board(ws)
        assert [one.state for one in open_one.releases] == ["open", "open"]
        assert open_one.next_clean is None
        clean = mainjob.build(ws, read_job(site / "job.toml"))
        [open_one] = withdrawal.board(ws)
        assert open_one.next_clean is not None
        assert open_one.next_clean[0] == clean.id
        assert [one.removed for one in withdrawal.carry_out(ws)] == [91, 91]
        assert withdrawal.board(ws) == []
        assert [texts(one.public) for one in withdrawal.planning.standing(ws)] == [[], [], []]


def test_of_what_was_processed_what_nobody_has_any_more_is_found_where_it_went(site: Path) -> None:
    first = datetime.now(UTC)
    with at_work(site) as ws:
        before = newest(site).name
        withdrawal.withdraw(ws, said("u3"))
        withdrawal.carry_out(ws)
        shutil.rmtree(site / "private" / before)  # as `purge --superseded` does
        plan = withdrawal.plan_question(ws, everything(processed_to=first))
        assert [(one.leaving, one.rows) for one in plan.touched] == [(91, 91)]


def test_what_is_named_in_superseded_releases_is_told_apart(site: Path) -> None:
    first, before = datetime.now(UTC), newest(site).name
    with at_work(site) as ws:
        withdrawal.withdraw(ws, said("u3"))
        withdrawal.carry_out(ws)
    asked = ("--reference", "a court", "--purpose", "train_ai_system", "--processed-to", first.isoformat(), "-w", site)
    plan = document("withdraw", *asked)
    assert (plan["records_named"], plan["superseded"]) == (100, [{"release": before, "records": 100}])
    assert [(one["release"], one["leaving"]) for one in plan["releases"]] == [(newest(site).name, 91)]
    told = ran("withdraw", *asked).stdout
    assert "Records named one by one, and refused for good: 100." in told
    assert f"{before}: 100 of them; superseded, nothing leaves it" in told
    whole = document(
        "withdraw", *asked[:4], "-w", site
    )  # which names nothing one by one, and looks through none of them
    assert (whole["records_named"], whole["superseded"]) == (None, [])


def test_what_is_refused_for_good_counts_whether_it_stands_or_not(site: Path) -> None:
    with at_work(site) as ws:
        plan = withdrawal.plan_question(ws, everything(processed_to=datetime.now(UTC)))
    nothing = tuple(replace(one, leaving=0, rows=1_000_000) for one in plan.touched)
    assert not replace(plan, touched=nothing, named=1_000).needs_two
    many = replace(plan, touched=nothing, named=1_001)
    assert many.needs_two
    assert many.why_two == "1,001 records are refused for good, and 1,000,000 rows stand"
    assert replace(many, superseded=(("a", 1),)).digest != many.digest


def test_a_question_that_nobody_can_count_needs_two(site: Path) -> None:
    with at_work(site) as ws:
        asked = everything(purposes=("advertising",))  # no release stands for it
        plan = withdrawal.plan_question(ws, asked)
        assert (plan.touched, plan.needs_two) == ((), True)
        waits = withdrawal.ask(ws, asked, plan, "ann")
        assert (waits.number, waits.waits_for) == (
            None, "a second person: no standing release shows how many records it is about",
        )  # fmt: skip
        assert withdrawal.ask(ws, asked, plan, "bo").number == 1


def test_a_window_that_no_release_lies_in_touches_nothing(site: Path) -> None:
    with at_work(site) as ws:
        asked = everything(processed_to=datetime(2021, 1, 1, tzinfo=UTC))
        assert withdrawal.plan_question(ws, asked).touched == ()


def test_a_build_that_a_question_overtakes_is_refused(site: Path) -> None:
    def overtake() -> datetime:
        with at_work(site) as other, other.ledger.committing() as commit:
            if not other.ledger.retracted():
                commit.retract(everything().document(), "d", None, 0, "ann", None)
        return datetime.now(UTC)

    with at_work(site) as ws, pytest.raises(Exception, match="withdrawn by question during the build"):
        mainjob.build(ws, read_job(site / "job.toml"), clock=overtake)


# --- who asks -----------------------------------------------------------------------------------------------------


def test_an_unverified_request_holds_training_for_seven_days(site: Path) -> None:
    start = datetime.now(UTC)
    with at_work(site) as ws:
        asked = withdrawal.request(ws, "u3", method="form")
        assert (asked.purpose, asked.verified) == ("train_ai_system", False)
        with pytest.raises(LedgerError, match="a request for this account is open"):
            withdrawal.request(ws, "u3", method="form")
        withdrawal.request(ws, "u4", method="form")
        assert withdrawal.board(ws, everything=True) == []  # what stands is left as it is
        later = [
            mainjob.build(ws, read_job(site / "job.toml"), clock=lambda late=late: start + late)
            for late in (DAY, 8 * DAY)
        ]
        assert [one.governed.released for one in later] == [100 - 9 - 8, 100]
        withdrawal.withdraw(ws, said("u3"))  # the person themselves is never kept waiting
        withdrawal.request(ws, "u3", method="form", clock=lambda: start + 8 * DAY)


def test_of_requests_at_one_instant_one_is_open(site: Path) -> None:
    """Each asks with a connection of its own, and all of them before any has recorded anything."""
    barrier, said_no = threading.Barrier(8), []

    def ask() -> None:
        with at_work(site) as ws:
            ws.ledger.head()
            barrier.wait()
            try:
                withdrawal.request(ws, "u3", method="form")
            except LedgerError as error:
                said_no.append(error.sentence)

    asking = [threading.Thread(target=ask) for _ in range(8)]
    for one in asking:
        one.start()
    for one in asking:
        one.join()
    assert len(said_no) == 7
    assert all(one.startswith("a request for this account is open until") for one in said_no)
    with at_work(site) as ws:
        assert [one.actor for one in ws.ledger.events_of("u3")] == ["stranger"]


def test_of_requests_by_two_processes_one_is_open(site: Path) -> None:
    code = (
        "import sys; from aboveboard import withdrawal; from aboveboard.workspace import open_workspace;"
        "ws = open_workspace(sys.argv[1]); ws.ledger.head(); sys.stdout.write('.'); sys.stdout.flush(); sys.stdin.read(1);"
        "withdrawal.request(ws, 'u3', method='form')"
    )
    command = [sys.executable, "-c", code, str(site)]
    asking = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(2)
    ]
    for one in asking:
        assert one.stdout is not None
        assert one.stdout.read(1) == b"."
    for one in asking:
        assert one.stdin is not None
        one.stdin.write(b".")
        one.stdin.close()
    assert sorted(one.wait(60) for one in asking) == [0, 1]
    with at_work(site) as ws:
        assert len(ws.ledger.events_of("u3")) == 1


def test_what_a_stranger_asks_takes_nothing_out_of_what_stands(site: Path) -> None:
    """Not with a rewriting for somebody else either, nor with the one after that; who is verified is heard."""
    with at_work(site) as ws:
        withdrawal.request(ws, "u3", method="form")
        first = newest(site)
        assert mainjob.considered(ws, first).leaving == 0
        withdrawal.withdraw(ws, said("u4"))
        assert [one.removed for one in withdrawal.carry_out(ws)] == [8]
        withdrawal.request(ws, "u5", method="form")
        withdrawal.withdraw(ws, said("u6"))
        [carried] = withdrawal.carry_out(ws)
        assert carried.removed == 8
        [stands] = withdrawal.planning.standing(ws)
        assert len(texts(stands.public)) == 100 - 8 - 8
        assert len(list(mainjob.auditor(ws, stands.public).steps())) == 4
        later = mainjob.build(ws, read_job(site / "job.toml"))
        assert later.governed.released == 100 - 9 - 8 - 8 - 8  # what is built anew is without all of them
        withdrawal.withdraw(ws, said("u3"))
        removed = {one.release: one.removed for one in withdrawal.carry_out(ws)}
        assert removed[stands.id] == 9


def test_an_unverified_request_has_a_dry_run(site: Path) -> None:
    asked = document("withdraw", "u3", "--unverified", "--workspace", site)
    [plan] = asked["plans"]
    assert plan["asked"] == {"subject": "u3", "type": "withdrawn", "purpose": "train_ai_system", "verified": False}
    assert (plan["leaving"], plan["lapses_at"] is not None) == (9, True)
    [hit] = plan["releases"]
    assert (hit["release"], hit["leaving"], hit["rows"], hit["files"]) == (newest(site).name, 9, 100, 0)
    assert hit["kept"].startswith("nobody has checked who asks")
    assert plan["does"] == {"releases": "keep", "recipients": "none", "models": "none"}
    verified = document("withdraw", "u3", "--purpose", "train_ai_system", "--workspace", site)
    assert verified["digest"] != asked["digest"]
    with at_work(site) as ws:
        assert ws.ledger.head() == 0
    ran("withdraw", "u3", "--unverified", "--confirm", verified["digest"], "--workspace", site, code=1)
    prose = ran("withdraw", "u3", "--unverified", "--workspace", site).stdout
    assert f"--confirm {asked['digest'][:16]}" in prose
    assert "9 of 100 rows are theirs to hold; none leaves it" in prose
    [stored] = document("withdraw", "u3", "--unverified", "--confirm", asked["digest"], "--workspace", site)
    assert (stored["verified"], stored["purpose"]) == (False, "train_ai_system")
    again = ran("withdraw", "u3", "--unverified", "--workspace", site, code=1)
    assert "a request for this account is open until" in again.stderr


# --- the certificate ----------------------------------------------------------------------------------------------


def test_the_certificate_says_what_left_and_what_is_outside(site: Path) -> None:
    with at_work(site) as ws:
        before = newest(site).name
        withdrawal.withdraw(ws, said())
        [carried] = withdrawal.carry_out(ws)
        held = withdrawal.certificate(ws, str(carried.superseded_by), site / "certificate.json")
    assert held["before"]["release"] == before
    assert held["after"]["release"] == carried.superseded_by
    assert held["upto"] == 1
    assert len(held["outside"]) == 4
    # Beside the statement there are only hashes and signatures, in which two letters come by chance.
    assert "u3" not in json.loads((site / "certificate.json").read_bytes())["statement"]


def test_a_release_of_another_log_says_nothing_of_a_certificate(site: Path, tmp_path: Path) -> None:
    with at_work(site) as ws:
        withdrawal.withdraw(ws, said())
        [carried] = withdrawal.carry_out(ws)
        withdrawal.certificate(ws, str(carried.superseded_by), site / "c.json")
    small.make(tmp_path / "other")
    with at_work(tmp_path / "other") as other:
        theirs = mainjob.build(other, read_job(tmp_path / "other" / "job.toml"))
    told = ran("verify", site / "c.json", "--later", theirs.public, code=5)
    assert "in force" in told.output
    assert "a later release is in another log" in told.output


def test_the_certificate_is_checked_offline_and_against_both_releases(site: Path) -> None:
    before = newest(site)
    with at_work(site) as ws:
        withdrawal.withdraw(ws, said())
        [carried] = withdrawal.carry_out(ws)
        withdrawal.certificate(ws, str(carried.superseded_by), site / "c.json")
    after = site / "releases" / str(carried.superseded_by)
    told = document("verify", site / "c.json", "--release", before, "--release", after)
    assert [step["name"] for step in told["steps"]] == [
        "form",
        "statement",
        "checkpoint",
        "entry",
        "history",
        "releases",
    ]
    assert any("copies that recipients have made" in one for one in told["not_proven"])
    words = f"holds: the certificate of the withdrawals carried out by `{after.name}`."
    assert words in ran("verify", site / "c.json").stdout
    alone = document("verify", site / "c.json")
    assert any("give both" in one for one in alone["not_proven"])
    assert "was not given" in ran("verify", site / "c.json", "--release", before, code=5).stderr


@pytest.mark.parametrize("bend", ["statement", "proof", "at", "row", "other"])
def test_a_false_certificate_fails(site: Path, bend: str) -> None:
    before = newest(site)
    with at_work(site) as ws:
        withdrawal.withdraw(ws, said())
        [carried] = withdrawal.carry_out(ws)
        withdrawal.certificate(ws, str(carried.superseded_by), site / "c.json")
    after = site / "releases" / str(carried.superseded_by)
    held = json.loads((site / "c.json").read_bytes())
    if bend == "statement":
        held["statement"] = held["statement"].replace('"below":10', '"below":20')
    elif bend == "at":
        held["log"]["at"] = "2020-01-01T00:00:00Z"
    elif bend == "proof":
        held["log"]["proof"] = held["log"]["proof"].replace("index ", "index 1")
    elif bend == "row":
        [file] = (before / "data").iterdir()
        pq.write_table(pq.read_table(file).slice(1), file)
    elif bend == "other":
        after = Path(shutil.copytree(after, site / "other" / after.name))
        (after / "manifest.json").write_bytes((after / "manifest.json").read_bytes() + b" ")
    (site / "c.json").write_bytes(rfc8785.dumps(held))
    ran("verify", site / "c.json", "--release", before, "--release", after, code=5)


@pytest.fixture
def thrice(site: Path) -> tuple[Path, list[Path]]:
    """Three releases, each of which took the place of the one before it, and the capsule of u3 of the first."""
    ran("capsule", "make", "u3", newest(site).name, "-o", site / "mine.capsule", "-w", site)
    ran("capsule", "make", "u5", newest(site).name, "-o", site / "stays.capsule", "-w", site)
    order = [newest(site)]
    for number, who in enumerate(("u3", "u4")):
        with at_work(site) as ws:
            withdrawal.withdraw(ws, said(who))
            [carried] = withdrawal.carry_out(
                ws, clock=lambda n=number: datetime.now(UTC) + timedelta(seconds=30 * (n + 1))
            )
            order.append(site / "releases" / str(carried.superseded_by))
    ran("withdrawals", "certificate", order[-1].name, "--since", order[0].name, "--to", site / "chain.json", "-w", site)
    return site, order


def given(*folders: Path) -> list[object]:
    return [word for folder in folders for word in ("--release", folder)]


def test_a_chain_leads_from_the_first_release_to_the_one_in_force(thrice: tuple[Path, list[Path]]) -> None:
    site, order = thrice
    for folders in (order, [order[0], order[-1]]):
        told = document("verify", site / "chain.json", *given(*folders))
        [compared] = [one for one in told["steps"] if one["name"] == "releases"]
        assert "83 stay, 17 left, none came in" in compared["says"]
    assert "was not given" in ran("verify", site / "chain.json", *given(*order[:2]), code=5).stderr
    assert any("later ones (--later)" in one for one in told["not_proven"])


def test_a_person_asks_of_the_release_in_force_with_one_command(thrice: tuple[Path, list[Path]]) -> None:
    site, order = thrice
    mine = ["verify", site / "chain.json", "--mine", site / "mine.capsule", "--log", site / "log"]
    gone = document(*mine, *given(order[-1]))
    assert (gone["still"], gone["superseded_by"]) == (0, None)
    assert "none of the 9 rows" in next(one["says"] for one in gone["steps"] if one["name"] == "mine")
    assert "Your rows: none is in it" in ran(*mine, *given(order[-1])).output
    stays = document("verify", site / "chain.json", "--mine", site / "stays.capsule", *given(*order), code=3)
    assert stays["still"] == 8
    assert "was not given" in ran(*mine, code=5).stderr


def test_a_chain_that_ends_too_early_says_so(thrice: tuple[Path, list[Path]]) -> None:
    site, order = thrice
    ran("withdrawals", "certificate", order[1].name, "--to", site / "first.json", "-w", site)
    told = document("verify", site / "first.json", "--log", site / "log", code=3)
    assert told["superseded_by"] == order[2].name
    assert document("verify", site / "first.json", "--later", order[2], code=3)["superseded_by"] == order[2].name
    ran(
        "withdrawals",
        "certificate",
        order[0].name,
        "--since",
        order[1].name,
        "--to",
        site / "x.json",
        "-w",
        site,
        code=1,
    )


@pytest.mark.parametrize("bend", ["order", "gap", "twice", "none", "row", "capsule"])
def test_a_false_chain_fails(thrice: tuple[Path, list[Path]], bend: str) -> None:
    site, order = thrice
    held = json.loads((site / "chain.json").read_bytes())
    steps = held["certificates"]
    if bend == "order":
        held["certificates"] = steps[::-1]
    elif bend == "gap":
        held["certificates"] = [steps[0], {**steps[1], "statement": steps[0]["statement"]}]
    elif bend == "twice":
        held["certificates"] = [steps[0], *steps]
    elif bend == "none":
        held["certificates"] = []
    elif bend == "row":
        [file] = (order[0] / "data").iterdir()
        pq.write_table(pq.read_table(file).slice(1), file)
    else:
        capsule = json.loads((site / "mine.capsule").read_bytes())
        capsule["records"][0]["row"]["text"] = "something else"
        (site / "mine.capsule").write_bytes(rfc8785.dumps(capsule))
    (site / "chain.json").write_bytes(rfc8785.dumps(held))
    ran("verify", site / "chain.json", "--mine", site / "mine.capsule", *given(*order), code=5)


def test_a_release_that_was_rewritten_by_hand_is_certified_too(site: Path) -> None:
    """And its recipients are told: whoever asks for the rewriting."""
    first = newest(site).name
    with at_work(site) as ws:
        withdrawal.withdraw(ws, said())
    ran("release", "rewrite", "latest", "-w", site)
    with at_work(site) as ws:
        [gone] = ws.ledger.retirements()
        found = withdrawal.certified(ws, gone["superseded_by"])
        assert found.said["before"]["release"] == first
        assert found.said["deadline"] is not None
        with ws.ledger.outbox() as outbox:
            assert [len(one.leaves) // 32 for one in outbox.removals()] == [9]


def test_a_certificate_has_one_form(site: Path) -> None:
    with at_work(site) as ws:
        withdrawal.withdraw(ws, said())
        [carried] = withdrawal.carry_out(ws)
        withdrawal.certificate(ws, str(carried.superseded_by), site / "certificate.json")
    data = (site / "certificate.json").read_bytes()
    assert Certificate.parse(data).data() == data
    for wrong in (data + b" ", data[:-1], b"{}", b"", data.replace(b"certificate/v1", b"certificate/v2")):
        with pytest.raises(VerificationError):
            Certificate.parse(wrong)
    found = Certificate.parse(data)
    with pytest.raises(VerificationError, match="none of a withdrawal"):
        _ = replace(found, statement=b"{}").said


# --- whatever we die at -------------------------------------------------------------------------------------------


def steps(site: Path, tmp_path: Path) -> list[str]:
    seen: dict[str, None] = {}
    token = disk.watcher.set(lambda _, name: seen.setdefault(name))
    try:
        with at_work(Path(shutil.copytree(site, tmp_path / "seen"))) as ws:
            withdrawal.withdraw(ws, said())
            withdrawal.carry_out(ws)
    finally:
        disk.watcher.reset(token)
    return list(seen)


def test_every_write_may_fail_and_it_is_carried_out_by_the_next_run(template: Path, tmp_path: Path) -> None:
    names = steps(template, tmp_path)
    assert {"commit", "entry", "removals", "publish public"} <= set(names)
    for number, (step, when) in enumerate((step, when) for step in names for when in ("before", "after")):
        site = Path(shutil.copytree(template, tmp_path / f"site-{number}"))
        _fail_once(site, step, when)
        with at_work(site) as ws:
            withdrawal.carry_out(ws)
            assert withdrawal.board(ws) == [], (step, when)
            assert len(texts(newest(site))) == 91, (step, when)
            assert len(ws.ledger.entries_of("withdrawal/v1")) == 1, (step, when)
            assert len(ws.ledger.live_releases()) == 1, (step, when)
        shutil.rmtree(site)


def _fail_once(site: Path, step: str, when: str) -> None:
    def fail(moment: str, name: str) -> None:
        if (moment, name) == (when, step):
            raise OSError(28, "No space left on device", name)

    with at_work(site) as ws:
        withdrawal.withdraw(ws, said())
        token = disk.watcher.set(fail)
        try:
            withdrawal.carry_out(ws)
        finally:
            disk.watcher.reset(token)


# --- the command line ---------------------------------------------------------------------------------------------


def test_the_command_line_goes_through_a_dry_run(site: Path) -> None:
    dry = document("withdraw", "u3", "--purpose", "train_ai_system", "-w", site)
    assert dry["plans"][0]["leaving"] == 9
    assert "not the digest" in ran("withdraw", "u3", "-w", site, "--confirm", "0" * 64, code=1).stderr
    done = document(
        "withdraw", "u3", "--purpose", "train_ai_system", "-w", site, "--confirm", dry["digest"], "--now",
        "--receipt", site / "receipt.txt",
    )  # fmt: skip
    assert done["carried_out"][0]["removed"] == 9
    key = keys_of(open_workspace(site).log_folder).receipt
    assert "withdrawn" in ran("verify", site / "receipt.txt", "--key", key).stdout
    assert "NOT VERIFIED" in ran("verify", site / "receipt.txt", code=1).stdout
    ran("withdrawals", "certificate", done["carried_out"][0]["superseded_by"], "--to", site / "c.json", "-w", site)
    assert (
        "took the place of no release"
        in ran("withdrawals", "certificate", "nothing", "--to", site / "d.json", "-w", site, code=1).stderr
    )


def test_a_receipt_is_one_file_that_a_verifier_takes_and_none_is_written_over(site: Path) -> None:
    words = ("withdraw", "u3", "--purpose", "train_ai_system", "--purpose", "use.rag", "-w", site)
    digest = document(*words)["digest"]
    for nowhere in (site / "no" / "folder.txt", site / "there.txt"):
        (site / "there-2.txt").write_text("kept")
        ran(*words, "--confirm", digest, "--receipt", nowhere, code=2)
        assert "No withdrawal is open." in ran("withdrawals", "-w", site).stdout  # known before anything is recorded
    done = ran(*words, "--confirm", digest, "--receipt", site / "mine.txt")
    key = keys_of(open_workspace(site).log_folder).receipt
    for number in (1, 2):
        assert str(site / f"mine-{number}.txt") in done.stdout
        ran("verify", site / f"mine-{number}.txt", "--key", key)


def test_a_no_that_nobody_can_sign_for_is_recorded_and_told_so(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = document("withdraw", "u3", "-w", site)["digest"]

    def lost(ws: Workspace, event: Event) -> bytes:
        raise WorkspaceError("the key `receipt` is lost")

    monkeypatch.setattr(Workspace, "receipt", lost)
    done = ran("withdraw", "u3", "-w", site, "--confirm", digest, "--receipt", site / "mine.txt", code=1)
    assert "Recorded at position 1" in done.stdout
    assert "The signed receipt" not in done.stdout
    assert "no receipt: " in done.stderr
    assert not (site / "mine.txt").exists()


@pytest.mark.parametrize(
    ("record", "note"),
    [
        ("posts/RECORD", ""),
        ("postz/RECORD", "note: no source here is called `postz`: did you mean `posts`?"),
        ("posts/nothing", "note: no release here ever judged a record `posts/nothing`"),
        ("posts/OTHER", "is not by `u3`"),
    ],
)
def test_a_record_that_is_none_of_theirs_is_told_before_anybody_confirms(site: Path, record: str, note: str) -> None:
    decided = [pq.read_table(file) for file in (site / "private" / newest(site).name / "decisions").iterdir()]
    rows = [row for table in decided for row in table.select(["record_id", "subject"]).to_pylist()]
    mine = next(row["record_id"] for row in rows if row["subject"] == "u3")
    other = next(row["record_id"] for row in rows if row["subject"] != "u3")
    record = record.replace("RECORD", mine).replace("OTHER", other)
    told = ran("withdraw", "u3", "--record", record, "-w", site)
    assert (note in told.stderr) if note else (told.stderr == "")
    assert ("1 of 100 rows leave" in told.stdout) is (not note)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("u3", "--region", "EU"), "belongs to a question"),
        ((), "name a SUBJECT"),
        (("--reference", "x", "--purpose", "nothing"), "unknown purpose"),
        (("u3", "--record", "p15", "--category", "user.content"), "whole"),
        (("u3", "--record", "p15"), "names none"),
        (("u3", "--record", ""), "names none"),
        (("u3", "--unverified", "--record", "posts/p15"), "about all training"),
        (("u3", "--unverified", "--purpose", "advertising"), "about all training"),
    ],
)
def test_what_cannot_be_meant_is_an_error(site: Path, words: tuple[str, ...], complaint: str) -> None:
    result = CliRunner().invoke(doors, ["withdraw", *words, "-w", str(site)])
    assert result.exit_code in (1, 2)
    assert complaint in result.stderr


def test_nobody_s_words_are_in_what_it_says(site: Path) -> None:
    with at_work(site) as ws:
        withdrawal.withdraw(ws, said())
    for words in (("withdrawals",), ("withdrawals", "run"), ("withdrawals", "--all")):
        result = ran(*words, "-w", site)
        assert "a bird" not in result.stdout + result.stderr


def test_a_type_that_withdraws_nothing_is_refused(site: Path) -> None:
    with at_work(site) as ws, pytest.raises(LedgerError, match="withdraws nothing"):
        withdrawal.withdraw(ws, said(type="given"))
    assert "given" not in choice.WITHDRAWING
