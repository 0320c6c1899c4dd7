"""Running a cell: the contract, the process, the phase-3 program."""
