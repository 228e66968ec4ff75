# Runs inside of pytest: gives each test buckets of its own, so that one locked
# bucket doesn't fail all that follow, takes every Nth test if several runs share
# the suite, and writes a line of JSON for each test.
import itertools
import json
import os
import random
import string

import pytest

results = open(os.environ["CONFORMANCE_RESULTS"], "w")
part, parts = (int(n) for n in os.environ["CONFORMANCE_PART"].split("/"))
reports = {}


def pytest_collection_modifyitems(config, items):
    # Some count all buckets of an account: they come before what leaves locked ones.
    items.sort(key=lambda i: "list_buckets" not in i.name)
    kept = items[part::parts]
    config.hook.pytest_deselected(items=[i for n, i in enumerate(items) if n % parts != part])
    items[:] = kept


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    import s3tests.functional as functional

    # Names in the order in which they are made, as some tests take them to be.
    functional.bucket_counter = itertools.count(1)
    functional.prefix = "c-" + "".join(random.choices(string.ascii_lowercase + string.digits, k=14)) + "-"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    kept = reports.setdefault(item.nodeid, {"outcome": "passed", "seconds": 0.0, "why": ""})
    kept["seconds"] += report.duration
    if report.skipped and kept["outcome"] == "passed":
        kept["outcome"], kept["why"] = "skipped", str(call.excinfo.value) if call.excinfo else ""
    # What cleans up behind a test is no part of what it tests.
    if report.failed and report.when != "teardown":
        kept["outcome"] = "failed"
        kept["why"] = str(call.excinfo.value).split("\n")[0] if call.excinfo else ""
    if report.when == "teardown":
        line = dict(kept, test=item.nodeid.split("/")[-1], marks=sorted({m.name for m in item.iter_markers()}))
        print(json.dumps(line), file=results, flush=True)
