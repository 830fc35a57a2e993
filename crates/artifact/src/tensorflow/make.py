"""Writes `operators.txt`: the operators that TensorFlow registers itself: `make.py > operators.txt`, in an environment that
has tensorflow (2.21.0 was used). What does harm is told by name in `tensorflow.rs`, and the list says nothing about it.
"""

import textwrap

import tensorflow
from tensorflow.core.framework.op_def_pb2 import OpList
from tensorflow.python.client import pywrap_tf_session

known = OpList.FromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
print(f"# The operators that TensorFlow {tensorflow.__version__} registers, by `make.py`. Another is its maker's.")
print(textwrap.fill(" ".join(sorted(each.name for each in known.op)), 119, break_on_hyphens=False))
