"""From traces to a verdict: runs compared, pairs judged, differences split."""
