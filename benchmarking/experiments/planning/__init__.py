"""Dry runs: what a sweep would compute, store and download, and how long it would take.

Nothing is started, downloaded or written. Times come from what the store has measured: the seconds
of its stored runs, and its rounds of `speed`.
"""
