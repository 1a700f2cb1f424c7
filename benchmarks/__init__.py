"""Measured comparisons, printed as ratios within one run. Timings are never asserted in tests."""
