"""The command `imagenet-benchmark`: each module here is one of its subcommands.

A module has NAME, HELP (a line), `add_arguments(parser)` and `run(args) -> exit status`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from benchmarking import __version__
from benchmarking.cli._options import indented
from benchmarking.cli._printable import printable_output
from benchmarking.errors import BenchmarkError
from benchmarking.plugins import discover

PROGRAM = "imagenet-benchmark"
CONTRACT = ("NAME", "HELP", "add_arguments", "run")
_DESCRIPTION = """\
How accurate is this pretrained image classifier, really, and how sure are we?

'predict' turns pictures into stored predictions; 'table' turns stored predictions into an
accuracy table, in half a second and without the pictures."""
_EXAMPLES = f"""\
examples:
  {PROGRAM} predict demo            20 pictures that a package ships
  {PROGRAM} predict /path/to/val    ImageNet's validation set, or a part of it
  {PROGRAM} table -o table.md       everything stored, as Markdown
  {PROGRAM} doctor /path/to/val     is this copy whole and unaltered?
  {PROGRAM} prepare TAR DIR         class folders from the official validation tar
  {PROGRAM} fetch predictions-2019  what 34 models said in 2019, for imagenet_benchmarking.py
  {PROGRAM} COMMAND --help          more about one command
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0 done, 1 partly, 2 not at all, 130 stopped."""
    arguments = list(sys.argv[1:] if argv is None else argv)

    def run() -> int:
        args = _parser().parse_args(arguments)
        args.arguments = arguments
        status: int = args.run(args)
        return status

    return reported(PROGRAM, run)


def reported(program: str, run: Callable[[], int]) -> int:
    """Exit status of a command, whose problems are told in a line, under its name."""
    try:
        with printable_output():
            return _run(program, run)
    except KeyboardInterrupt:
        print(f"\n{program}: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader, such as head, has had enough; keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13  # as if ended by SIGPIPE


def _run(program: str, run: Callable[[], int]) -> int:
    try:
        status = run()
        sys.stdout.flush()
        return status
    except BenchmarkError as error:
        print(f"{program}: {indented(error)}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, module in discover(sys.modules[__name__]).items():
        command = commands.add_parser(
            name,
            help=module.HELP,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser
