"""Learning: augmentation, objectives, the one training loop, prediction, checkpoints.

Knows arrays, networks and a folder to write to. Knows no study, no query, no expert: what a slice's label is and where it
came from is decided above.
"""
