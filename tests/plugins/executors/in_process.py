"""Jobs in the calling process."""

from benchmarking.errors import BenchmarkError, OutOfMemory
from benchmarking.inference.executors import Begun, Failed, Finished, Piece

NAME = "in-process"


def run(function, jobs, timeout=None):
    for job in jobs:
        yield Begun(job)
        try:
            for value in function(job):
                yield Piece(job, value)
            yield Finished(job)
        except BenchmarkError as error:
            yield Failed(job, str(error), "", "memory" if type(error) is OutOfMemory else "error")
        except Exception as error:
            yield Failed(job, f"{type(error).__name__}: {error}", "")
