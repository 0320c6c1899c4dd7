"""A module that is a training step becomes a pipeline: fed, run step by step, traced, judged beside the others."""
