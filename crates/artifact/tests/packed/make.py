"""Makes the two files beside it: bytes that LZF packs, and numbers that it packs.

    python make.py    (needs h5py)
"""

import h5py
import numpy

for name, kind in [("bytes.h5", "u1"), ("numbers.h5", "f4")]:
    with h5py.File(name, "w", libver="latest") as file:
        file.create_dataset("x", data=numpy.zeros(4000, kind), compression="lzf")
