


nConst

nPyFunc