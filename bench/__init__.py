"""Measures: ratios against what one would otherwise use. `make bench` prints them; no test asserts a time."""
