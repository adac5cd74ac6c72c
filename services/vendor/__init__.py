"""The vendor registry: who is in the programme, how each is reached, what they sell, who coaches them.

Owns vendors (NIK sealed), the codes of categories and agencies, and the imports of sheets. Publishes facts on
`lapak.vendor.events.v1` and contact cards on `lapak.vendor.contact.v1` (compacted). Takes commands of other services on
`lapak.vendor.commands.v1`. Listens to training (classes, referrals to banks) and to what training, bazaars and notify
answer when a person is erased.
"""
