"""The study on disk: what is known, what was asked, what was answered, what was learnt. The only speaker of SQL.

The data model, before any code. A study is a folder::

    study.toml              the settings (config.py)
    study.db                the tables below: SQLite in WAL mode; the one truth about what exists
    database.toml           in its stead where the tables are on PostgreSQL: where that is, and which study's it must be
    annotations/CASE/AXIS-INDEX.vN.npz   labels      uint8 (h, w), in the file's in-plane shape
    predictions/MODEL/CASE.npz           labels      uint8 (D, H, W), score_maps float16 (D, ph, pw), working grid
    models/MODEL/           G.safetensors, D.safetensors, model.json: written by the learning room
    queries/                what a query looks like to an expert without the page: exported by other rooms
    cache/                  slices on the working grid: may be deleted at any time
    log/cycles.jsonl        one JSON line a cycle: a copy of the table, for eyes and scripts
    .lock                   held by the one process that works on the study

::

    study                              one row, the study's id
    cases 1─n sources                  one volume; its image files and its label file, known by their bytes
    cases 1─n slices                   shape[axis] of them; ``state`` is null outside learn: those are never asked
    queries 1─n asked n─1 slices       one query a cycle; cycle 0 is the base
    slices 1─n annotations             versions, never overwritten; labels are a file
    slices 1─1 set_asides              why a slice is skipped or unreadable
    label_sets 1─n label_entries       which annotation or which pseudo-label stood for which slice in one training
    label_sets 1─n models              a model knows what it learnt from, and its parent
    models 1─n prediction_files, predictions n─1 slices     an artefact of (slice, model)
    cycles, steps                      what the loop has finished; where it goes on after a kill
    users 1─n tokens                   people, and the hashes of what they are known by
    leases, drafts n─1 slices, users   who has or had which slice in hand; what is drawn and not handed in
    reviews n─1 slices                 what a second pair of eyes said of a version
    audit                              who did what, when, from which version: append-only
    jobs                               trainings that somebody wanted; each is done by a process of its own

How it survives a kill at any moment: a file is written to a temporary name, flushed, renamed, and only then is its
row committed. So every row has its file; a file without a row is an orphan that nobody reads. Files and rows
of one call are written inside one write transaction, which the database gives to one process at a time. ``Store.sweep``
removes orphans, and no command calls it: beside a database put back from an older copy they are somebody's labels.

``store.Store`` is the door, with ``desk`` for people at work, ``jobs`` and ``predictions``: other rooms call nothing else.
This room knows neither torch nor what a network is, and does not choose what is asked: it stores what it is given if the
rules (``slices.TRANSITIONS``, the checks at each door) allow it.
"""
