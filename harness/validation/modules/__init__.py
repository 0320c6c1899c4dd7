"""How far to trust `harness module check` and `isolate`: faults injected into executors, right modules beside them."""
