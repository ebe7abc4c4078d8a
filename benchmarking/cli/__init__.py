"""The command `imagenet-benchmark`; its subcommands are the modules of `commands`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarking import __version__
from benchmarking.cli.arguments import Parser
from benchmarking.cli.commands import commands
from benchmarking.cli.options import indented
from benchmarking.cli.safe_output import fill_closed_streams, printable_output
from benchmarking.errors import BenchmarkError
from benchmarking.io.user_folders import expanded
from benchmarking.plugins import use

PROGRAM = "imagenet-benchmark"
_DESCRIPTION = """\
How accurate is this pretrained image classifier, really, and how sure are we?

'predict' runs models on pictures and stores the predictions. 'table' computes an accuracy table
from stored predictions, in half a second and without the pictures."""
_EXAMPLES = f"""\
examples:
  {PROGRAM} predict demo            20 pictures that come with a package
  {PROGRAM} predict /path/to/val    ImageNet's validation set, or a part of it
  {PROGRAM} table -o table.md       a table of all stored runs, as Markdown
  {PROGRAM} report -o page.html     a page with the table, figures and models
  {PROGRAM} doctor /path/to/val     is this copy complete and unaltered?
  {PROGRAM} prepare TAR DIR         class folders from the official validation tar
  {PROGRAM} fetch predictions-2019  the predictions of 2019, for imagenet_benchmarking.py
  {PROGRAM} COMMAND --help          the options of one command

--plugin FILE, before or after the command, loads a Python file that adds a model source, a
framework, a picture set, an output format, a figure, an executor or an experiment.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; its exit status is 0 for success, 1 in part, 2 for failure, 130 for Ctrl-C."""
    arguments = list(sys.argv[1:] if argv is None else argv)

    def run() -> int:
        plugin_files, rest = _plugin_files(arguments)
        for file in plugin_files:
            use(file)
        args = _parser(rest).parse_args(rest)
        args.arguments = arguments
        status: int = args.run(args)
        return status

    return reported(PROGRAM, run)


def reported(program: str, run: Callable[[], int]) -> int:
    """Run a command and return its exit status; an error is printed in a line with its name."""
    fill_closed_streams()
    ended: SystemExit | None = None
    try:
        with printable_output() as output:
            try:
                status = _run(program, run)
            except SystemExit as end:  # argparse has printed help, or refused the arguments
                ended, status = end, end.code if isinstance(end.code, int) else 1
                sys.stdout.flush()
        if output.problem:
            print(f"{program}: standard output: {output.problem}.", file=sys.stderr)
            _forget_output()
            return max(status, 1)
        if ended:
            raise ended
        return status
    except KeyboardInterrupt:
        print(f"\n{program}: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        _forget_output()  # the reader, such as head, has stopped
        return 128 + 13  # as if ended by SIGPIPE


def _forget_output() -> None:
    """Prevent an error at exit about output that cannot be written."""
    if sys.stdout:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(program: str, run: Callable[[], int]) -> int:
    try:
        _check_folder()
        status = run()
        sys.stdout.flush()
        return status
    except BenchmarkError as error:
        print(f"{program}: {indented(error)}", file=sys.stderr)
        return 2


def _check_folder() -> None:
    """Refuse to run in a folder that was removed, because relative paths do not work in it."""
    try:
        Path.cwd()
    except FileNotFoundError as error:
        raise BenchmarkError("the current folder was removed; change to another one.") from error


def _parser(arguments: Sequence[str]) -> Parser:
    parser = Parser(prog=PROGRAM, description=_DESCRIPTION, epilog=_EXAMPLES)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument(
        "--plugin",
        action="append",
        metavar="FILE",
        help="load a plug-in; may be given several times",
    )
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    known = commands()
    chosen = next((argument for argument in arguments if argument in known), None)
    for name, command in known.items():
        subparser = subparsers.add_parser(
            name,
            help=command.HELP,
            description=command.__doc__,
        )
        if name == chosen:  # adding those of all takes longer than a table
            command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    return parser


def _plugin_files(arguments: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Split off plug-in files, which are imported first, as commands can depend on them."""
    parser = argparse.ArgumentParser(prog=PROGRAM, add_help=False, allow_abbrev=False)
    parser.add_argument("--plugin", action="append", default=[], type=expanded)
    found, rest = parser.parse_known_args(arguments)
    return found.plugin, rest
