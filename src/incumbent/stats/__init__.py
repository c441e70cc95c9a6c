"""Statistics: arrays and counts in, numbers out. Each function names its source.

Parts of SciPy are named in full (`scipy.special.ndtr`) and never imported by name: SciPy loads a part when it is first used, and most
commands and a server's start use none.
"""
