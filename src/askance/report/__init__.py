"""Saved results -> tables, plots, one HTML page.

Knows records and plain data only: who calls it has gathered the figures; nothing is measured, predicted or read from a
study here.
"""
