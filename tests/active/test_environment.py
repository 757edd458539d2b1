"""What a figure depends on, told on every system."""

import runpy
import sys

from askance.active import environment


def test_it_can_be_told_where_the_system_has_no_getrusage(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.setattr(sys, "platform", "win32")
    assert runpy.run_path(environment.__file__)["describe_environment"]()["environment"]["cores"] >= 1


def test_the_peak_of_this_process_is_some_megabytes():
    assert 10 < environment.peak_mb() < 100_000
