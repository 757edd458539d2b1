"""The collaboration: scores, acquisitions, pseudo-labels, experts, and the loop that is Algorithm 1.

Each step of the loop is a function of a ``Study`` that a reader finds by its name: ``training.train_cycle``,
``ranking.rank_pool``, ``querying.ask``, ``experts``, ``triage.triage``, ``measuring.measure``. What a step has done is in
the store when it returns, so that any step can be called again, or alone. Knows no terminal and no page.
"""
