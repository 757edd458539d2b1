"""The embedded study: volumes of the HVSMR 2016 kind, made from a seed, for tests, tutorials and benchmarks.

Three parts that know nothing of one another's insides: ``anatomy`` makes a heart's label volume, ``embedding`` sets any
heart label volume into a chest of tissues, ``rendering`` turns tissues into a bSSFP-like MR image. ``study`` puts them
together into data sets on disk. The room knows nothing of training: how hard the phantom is, is measured by
``benchmarks/phantom_difficulty.py``.
"""
