"""Services of the machine: processes, jobs, whole files, locks, terminals, blocks of text."""
