"""Messages reach vendors, once, with a stated outcome for each.

Owns: notifications (who is told what, because of which event), their attempts and outcomes, the templates they were
written with, and a copy of the contact cards it needs to reach people.
Publishes: `lapak.notify.events.v1` (NotificationSent, NotificationFailed, NotificationUnknown, NotificationExpired;
NotifyDataErased, which answers VendorErased).
Listens to: `lapak.vendor.events.v1`, `lapak.vendor.contact.v1`, `lapak.training.events.v1`, `lapak.training.contact.v1`
(names of mentors, addresses of providers), `lapak.bazaar.events.v1`.

A notification's life (the rules are in `domain/delivery.py`, the loop in `delivery.py`):

    waiting_contact -> queued -> sending -> sent | rejected | retry | unknown
                                  retry -> sending ...
    waiting_contact, queued, retry -> expired (its deadline passed)
    unknown -> sent | rejected | retry (the same attempt's outcome came late, or an operator settled it)
"""
