"""The local stack: real servers on one machine, for `make demo`, `make up` and the tests.

`stack` starts, stops and describes it; the other modules each know one server. Nothing here is part of the image.
"""
