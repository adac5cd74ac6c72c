"""What the registry decides: pure functions from state and a wish to new state and events.

No I/O; time, ids and the codes of the programme are arguments.
"""
