"""Fault injection: damaged and hostile files, kills and full disks, and a tally of them."""
