"""The option --shard of 'predict', for several machines or tasks that share one image set."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarking.pictures.shards import ShardNumber


def add_shard(parser: argparse.ArgumentParser) -> None:
    """Add --shard."""
    parser.add_argument(
        "--shard",
        type=_shard,
        metavar="I/N",
        help="predict only the I-th of N consecutive parts of the pictures, with the batches of "
        "the undivided set; they are stored as a separate image set, and 'merge' puts the runs of "
        "all parts together. In a SLURM array that begins at 0: --shard "
        "$((SLURM_ARRAY_TASK_ID + 1))/$SLURM_ARRAY_TASK_COUNT",
    )


def check_shard(args: argparse.Namespace) -> None:
    """Refuse options that contradict --shard.

    Raises:
        BenchmarkError: there is one.
    """
    from benchmarking.errors import BenchmarkError

    if args.shard is None:
        return
    for option, value in (("limit", args.limit), ("estimate", args.estimate)):
        if value is not None:
            raise BenchmarkError(
                f"--{option} {value} takes some of all pictures, and --shard {args.shard} is a "
                "part of all; give one of them."
            )
    if args.until is not None:
        raise BenchmarkError(
            f"--until {args.until:g} chooses pictures from all, and --shard {args.shard} is a part "
            "of all; give one of them."
        )
    if args.on_bad_image == "skip":
        raise BenchmarkError(
            "--on-bad-image skip would leave pictures out, so that the shards are not all pictures "
            "of the set; replace broken pictures with intact copies."
        )


def shard_of(args: argparse.Namespace) -> ShardNumber | None:
    """The shard that is asked for, which has whole batches; None for all pictures."""
    shard: ShardNumber | None = args.shard
    return None if shard is None else replace(shard, batch_size=args.batch_size)


def _shard(text: str) -> ShardNumber:
    """Parse an argument as a shard, such as 2/8."""
    from benchmarking.errors import BenchmarkError
    from benchmarking.pictures.shards import shard_number

    try:
        return shard_number(text)
    except BenchmarkError as error:
        raise argparse.ArgumentTypeError(str(error).removesuffix(".")) from error
