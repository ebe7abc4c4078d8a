from threading import Event, Lock, get_ident

import pytest

from benchmarking.io.prefetch import MOST_THREADS, prefetched


def test_results_come_in_order_however_long_each_takes():
    last_is_done = Event()

    def backwards(item):
        if item == 0:
            assert last_is_done.wait(60)
        if item == 19:
            last_is_done.set()
        return item

    with prefetched(backwards, range(20), workers=2) as made:
        assert list(made) == list(range(20))


def test_a_result_does_not_wait_for_those_that_follow_it():
    released = Event()

    def first_at_once(item):
        return item if item == 0 else released.wait(60) and item

    with prefetched(first_at_once, range(20), workers=2) as made:
        assert next(made) == 0
        released.set()
        assert list(made) == list(range(1, 20))


def test_an_error_is_raised_in_its_turn():
    def three_fails(item):
        if item == 3:
            raise ValueError("no luck")
        return item

    with prefetched(three_fails, range(20), workers=2) as made:
        assert [next(made) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(ValueError, match="no luck"):
            next(made)


def test_no_more_results_are_made_than_may_wait():
    begun, lock = [], Lock()

    def noted(item):
        with lock:
            begun.append(item)
        return item

    with prefetched(noted, range(100), workers=2, ahead=5) as made:
        for n in range(20):
            assert next(made) == n
            assert len(begun) <= n + 1 + 5


@pytest.mark.parametrize("when", ["while it starts", "in its block"])
def test_calls_that_wait_are_told_to_stop_if_the_block_ends_early(when):
    begun, told = Event(), Event()

    def items():
        yield 0
        if when == "while it starts":
            assert begun.wait(60)
            raise KeyboardInterrupt
        yield 1

    def wait(item):
        begun.set()
        return told.wait(60)

    def use():
        with prefetched(wait, items(), workers=1, ahead=2, stop=told.set):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        use()
    assert told.is_set()


@pytest.mark.parametrize("workers", [10**6, 10**30])
def test_an_absurd_number_of_workers_starts_no_absurd_number_of_threads(workers):
    seen, lock, all_wait = set(), Lock(), Event()

    def noted(item):
        with lock:
            seen.add(get_ident())
        all_wait.wait(0.2)
        return item

    with prefetched(noted, range(2 * MOST_THREADS), workers) as made:
        assert list(made) == list(range(2 * MOST_THREADS))
    assert len(seen) <= MOST_THREADS
