"""How good a label is, and how good an estimate of that is: arrays in, numbers out.

Dice, correlations, intervals and areas under curves. Knows nothing of files, networks or studies; numpy and scipy only.
"""
