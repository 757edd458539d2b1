"""Multi-atlas segmentation refined by level sets (Shahzad 2016): ``method.MultiAtlas`` puts the modules together.

localisation -> preselection -> registration -> fusion -> levelset; ``library`` keeps the atlases, ``grid`` is where arrays
become ITK images. What the publication says and what it leaves open: docs/baselines.md.
"""
