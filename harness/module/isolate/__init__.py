"""From a module that an executor gets wrong to the operation, or the smallest fused set, that it gets wrong."""
