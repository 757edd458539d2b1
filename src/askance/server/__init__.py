"""HTTP: the expert's page, its JSON API, the MONAI Label API, jobs and access. The outer shell; never imports torch.

It serves what is stored: images as they are in their files, proposals and score maps that a worker made. A job is a row in
the store and a process of its own (``worker.py``), so the server may be stopped and started while a cycle trains.

::

    serving.py      the socket, the link, the refusal to stand open on a network
    app.py          one application from its parts
    guarding.py     headers, cross-site requests, sizes: before any route
    access.py       who asks, and what they may
    answering.py    errors -> statuses, in one place
    wire.py         slices as compact binary, there and back
    views.py        everything the page needs of one slice
    routes_*.py     the JSON API, by who uses it
    advice.py       budget curve, expected gain, when to stop
    jobs.py         starting, watching and ending the worker
    page.py         the built page
    monai/          the MONAI Label API
"""
