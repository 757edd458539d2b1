"""What the paper compares with: published methods, each behind the two calls ``fit`` and ``predict``.

Knows volumes, metrics, networks and how they are trained; does not know studies, budgets or who measures.
"""
