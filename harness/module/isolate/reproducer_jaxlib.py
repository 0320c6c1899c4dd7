"""Run min.mlir on XLA, or in the StableHLO reference interpreter: `python run_jaxlib.py xla|interpreter`.

Part of a reproducer folder, beside `in0.npy` …; needs jax and numpy alone. It leaves `out0.npy` …
"""

import sys
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import jax
import ml_dtypes
import numpy as np
from jaxlib.mlir import ir

jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call]  # its stub has no types
paths = takewhile(Path.exists, (Path(f"in{i}.npy") for i in count()))
arguments = [np.load(path) for path in paths]
# numpy has no name for bf16, and leaves 16 bits without one.
arguments = [a.view(ml_dtypes.bfloat16) if a.dtype.kind == "V" else a for a in arguments]
text = Path("min.mlir").read_text()
results: list[Any]
if sys.argv[1] == "xla":
    from jax.extend.backend import get_backend, get_compile_options
    from jaxlib import xla_client

    client: Any = get_backend()
    devices = xla_client.DeviceList(tuple(client.local_devices()[:1]))
    with jax.interpreters.mlir.make_ir_context():
        options = get_compile_options(num_replicas=1, num_partitions=1)
        compiled = client.compile_and_load(ir.Module.parse(text), devices, options)
    results = compiled.execute([jax.device_put(argument) for argument in arguments])
else:
    from jaxlib.mlir.dialects import stablehlo

    with jax.interpreters.mlir.make_ir_context(), ir.Location.unknown():
        # Whole numbers without a sign are signed ones; NumPy's keep theirs unless told otherwise.
        given = [ir.DenseElementsAttr.get(a, signless=a.dtype.kind != "u") for a in arguments]
        results = stablehlo.eval_module(ir.Module.parse(text), given)
        floats = [isinstance(ir.ShapedType(one.type).element_type, ir.FloatType) for one in results]
        readers: list[Any] = [ir.DenseFPElementsAttr if float else ir.DenseIntElementsAttr for float in floats]
        results = [np.array(reader(one)) for reader, one in zip(readers, results, strict=True)]
for i, result in enumerate(results):
    array = np.asarray(result)
    np.save(f"out{i}.npy", array.astype(np.float32) if array.dtype == ml_dtypes.bfloat16 else array)
