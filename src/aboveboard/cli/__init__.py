"""The command line: noun, then verb; each command parses, calls one public function and prints.

Exit codes: 0 yes, 1 could not, 2 usage, 3 the answer is no, 4 the policy is invalid, 5 the proof is false.
Results go to stdout, progress and errors to stderr. Commands load what they need when they run, so that
``--help`` stays quick.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from typing import Any

import click

from aboveboard.cli.shared import printable
from aboveboard.errors import AboveboardError

AS_JSON = "aboveboard.as_json"
COMMANDS = {
    "affected": "aboveboard.cli.lineage:affected",
    "capsule": "aboveboard.cli.capsule:capsule",
    "check-me": "aboveboard.cli.capsule:check_me",
    "choice": "aboveboard.cli.choice:choice",
    "compliance": "aboveboard.cli.compliance:compliance",
    "demo": "aboveboard.cli.demo:demo",
    "doctor": "aboveboard.cli.workspace:doctor",
    "erase": "aboveboard.cli.erase:erase",
    "downstream": "aboveboard.cli.lineage:downstream",
    "explain": "aboveboard.cli.explain:explain",
    "init": "aboveboard.cli.workspace:init",
    "lineage": "aboveboard.cli.lineage:lineage",
    "log": "aboveboard.cli.log:log",
    "notices": "aboveboard.cli.notices:notices",
    "member": "aboveboard.cli.member:member",
    "policy": "aboveboard.cli.policy:policy",
    "purge": "aboveboard.cli.purge:purge",
    "release": "aboveboard.cli.release:release",
    "serve": "aboveboard.cli.serve:serve",
    "verify": "aboveboard.cli.verify:verify",
    "withdraw": "aboveboard.cli.withdraw:withdraw",
    "withdrawals": "aboveboard.cli.withdraw:withdrawals",
}


class Doors(click.Group):
    """The top group: loads a command at first use and turns our errors into sentences and exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click asks for it
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click asks for it
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        found: click.Command = getattr(importlib.import_module(module), name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click asks for it
        with formatter.section("Commands"):
            formatter.write_dl(sorted(SUMMARIES.items()))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[AS_JSON] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except AboveboardError as error:
            report(error, as_json=ctx.meta[AS_JSON])
            ctx.exit(error.exit_code)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in ("", "aboveboard"):
                raise
            hint = "`pip install aboveboard` brings it; `aboveboard verify` needs less"
            report(AboveboardError(f"this needs `{error.name}`, which is not installed", hint=hint), ctx.meta[AS_JSON])
            ctx.exit(AboveboardError.exit_code)
        except OSError as error:
            if error.filename is None:  # no file of ours, such as a pipe that was closed
                raise
            words = (error.strerror or type(error).__name__).lower()
            report(AboveboardError(f"the file system refused: {words}", file=error.filename), ctx.meta[AS_JSON])
            ctx.exit(AboveboardError.exit_code)


SUMMARIES = {
    "withdraw": "take out what a person, or a question, withdraws: a dry run first",
    "withdrawals": "what is open, what is late, and carry it out",
    "affected": "which releases and models saw a person, a record or a release",
    "capsule": "what one person is told of a release",
    "check-me": "check your capsule against a release, offline",
    "choice": "record, show and import people's choices",
    "compliance": "hear what platforms report of accounts and records",
    "demo": "build a seeded platform and its first release, and look around",
    "doctor": "check a workspace: what is missing, what does not fit",
    "erase": "erase a person, after a dry run and a day",
    "downstream": "everything developed in whole or in part from something",
    "explain": "the judgement of one record, in sentences",
    "init": "make a workspace",
    "lineage": "orders, runs, checkpoints and models: what was trained on what",
    "log": "the signed log: prove, audit, witness",
    "notices": "tell recipients which rows they must not keep",
    "member": "invite people to the portal, take away what they sign in with",
    "policy": "check, show, test and compare policies",
    "purge": "clear what must be gone, and look whether it is",
    "release": "build, list and show releases",
    "serve": "the portal of a workspace, on this machine",
    "verify": "check a release, the proof of a record or a statement, a checkpoint, a receipt or a certificate",
}


def report(error: AboveboardError, as_json: bool = False) -> None:
    """Print an error: one sentence and a hint on stderr, or one JSON object where ``--json`` was asked for."""
    if as_json:
        click.echo(json.dumps(error.as_json(), ensure_ascii=False), err=True)
        return
    click.echo(printable(f"error: {error}"), err=True)
    if error.hint:
        click.echo(printable(f"hint: {error.hint}"), err=True)


@click.group(cls=Doors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="aboveboard")
def doors() -> None:
    """Training sets that hold only what policy, promises and people allow, with a reason for every record."""


def main(args: Sequence[str] | None = None) -> None:
    """Entry point of the ``aboveboard`` command."""
    doors(args=args, prog_name="aboveboard")
