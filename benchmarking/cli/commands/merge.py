"""Put runs on the shards of an image set together, so that they are runs on all of it.

'predict --shard I/N' predicts the I-th of N parts of the pictures, for example in the tasks of a
SLURM array, each into a store of its own or all into one. This command reads these stores and
writes the merged runs into --store:

  imagenet-benchmark predict /data/val --shard 1/2 --store part-1
  imagenet-benchmark predict /data/val --shard 2/2 --store part-2
  imagenet-benchmark merge part-1 part-2 --store whole

A merged run has the predictions, the list of pictures and the fingerprint that an undivided run has
with the same batches. Each run is checked: every picture has to be there exactly once, and weights,
recipe, versions, device, precision and batch size have to be the same. What is wrong with a run is
told, and the others are merged; the exit status is 1 then. The stores of the shards are only read.
"""

from __future__ import annotations

import argparse
import sys

from benchmarking.cli.options import (
    add_store,
    chosen_store,
    indented,
    store_argument,
    warn_of_left_out,
)

NAME = "merge"
HELP = "put runs on the shards of an image set together"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add(
        "stores",
        nargs="+",
        type=store_argument,
        metavar="STORE",
        help="folder or address with shards that 'predict --shard' has stored",
    )
    add("--again", action="store_true", help="merge complete runs again, and replace them")
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Merge, then print a line for each run; 1 if some cannot be merged."""
    from benchmarking.io.progress import bar
    from benchmarking.predictions.merge import Merged, NotMerged, found_in, merged
    from benchmarking.predictions.shards import unreadable
    from benchmarking.predictions.stores import Stores

    stores, target = Stores(*args.stores), chosen_store(args)
    found = found_in(stores)
    ends = list(bar(merged(found, target, again=args.again), title="merge", total=len(found)))
    for end in ends:
        if isinstance(end, Merged):
            shards = f"{end.shards} shard{'s' * (end.shards > 1)}"
            print(f"{end.run}: merged of {shards}, {end.n:,} pictures")
        elif not isinstance(end, NotMerged):
            since = end.started.partition("T")[0]
            print(f"{end.run}: complete since {since}; --again merges it again")
    failed = [end for end in ends if isinstance(end, NotMerged)]
    for one in failed:
        print(f"failed: {one.run}: {indented(one.reason)}", file=sys.stderr)
    print(f"{len(ends) - len(failed)} of {len(ends)} runs are in {target.place}")
    return max(warn_of_left_out([], unreadable(stores)), int(bool(failed)))
