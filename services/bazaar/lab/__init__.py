"""`lapak lab`: what another policy would have done, to past rounds (`replay`) or to simulated years (`simulate`).

`city.py` makes vendors and their demand, the same for every policy; `policies.py` says who goes before whom;
`years.py` plays the rounds; `outcome.py` measures them (with `domain/fairness.py`); `replay.py` solves past problems
under other rotations; `tables.py` and `plots.py` write what was found; `cli.py` is the command. No database, no events:
files in, files out.
"""
