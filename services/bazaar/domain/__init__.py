"""What bazaars decide: pure functions from state and a wish to new state and events.

No I/O; time and ids are arguments.
"""
