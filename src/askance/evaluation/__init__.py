"""The experiment protocol: folds x base patients x methods x acquisitions x shares x seeds, one JSON line a trial.

``plan.py`` says which trials there are, ``material.py`` what they are run on, ``trials.py`` runs one, ``experiment.py`` all
of them through a runner. A method that is not askance's own stands behind the seam of ``method.py``.
"""
