"""The vocabulary of networks: layers, losses, optimizers, each with its facts and its meanings."""
