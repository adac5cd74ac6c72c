"""Bazaars: sites and booths, applications, rounds of allocation in fair rotation, offers, the days themselves.

Owns bazaars, their sites and booths, the vendors' applications, the stored rounds and the ledger of turns.
Publishes `lapak.bazaar.events.v1`; takes `RespondToOffer` on `lapak.bazaar.commands.v1`.
Listens to `lapak.vendor.events.v1` (where a vendor lives, what it sells, who coaches it, whether it is suspended, which
ids are one person, who is erased: answered by BazaarDataErased) and
`lapak.training.events.v1` (who completed a training).
"""
