"""The policies by name, in words. Light: the command knows them before it loads what computes."""

TITLES = {
    "waiting": "the rule: by waiting",
    "turns": "the rule: by turns",
    "rw": "the rule: RWs in turn",
    "first-come": "first come, first served",
    "lottery": "pure lottery",
    "weighted-lottery": "lottery weighted by waiting",
}
