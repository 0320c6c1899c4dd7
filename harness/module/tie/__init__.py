"""Does a training step compute the gradients of a function, or what another module does? If not, what instead?"""
