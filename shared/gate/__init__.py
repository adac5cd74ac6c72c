"""A gate where phones scan tickets (`shared.tickets`) without a network and send later: its page, and what scans are.

`scans`: how what several devices send becomes one set. `page`: the page that a phone keeps. Who may come in, and what
follows from it, is each service's own.
"""
