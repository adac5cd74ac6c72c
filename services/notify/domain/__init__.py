"""The decisions of notify: pure, by noun."""
