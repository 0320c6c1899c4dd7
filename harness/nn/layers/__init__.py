"""One file per layer: its facts, its JAX rule, its StableHLO forward and backward rules, side by side.

Importing the package imports every file in it, so adding a layer is adding a file.
"""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    _loaded = importlib.import_module(f"{__name__}.{_module.name}")
    for _name in getattr(_loaded, "__all__", ()):
        globals()[_name] = getattr(_loaded, _name)
