"""A fuzzer of the library: damaged files and silly arguments, each in a watched process.

``python -m tests.fuzz`` (``make fuzz``) runs all kinds and prints a table. What a case does is a function of the seed,
the kind and the number of the case alone, so that ``--case npz/17`` repeats one and shows its traceback.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # the tiny motion files that other tests use too
