"""Does every training step compile for every target, how long does that take, and how large is the result?"""
