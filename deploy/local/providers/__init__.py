"""Emulators of WhatsApp Cloud API, Twilio and Vonage: they answer as those document it, and deliver to nobody.

Run as `python -m deploy.local.providers --port N --store DIR`, on loopback, for development and tests only. They are
strict: what the real API would refuse is refused, with its error. A message is stored before it is answered for; what
happened to it is reported to the webhooks, signed, as the real ones do. Paths:

    /graph/v23.0/{number id}/messages, /graph/v23.0/{account id}/message_templates      WhatsApp
    /twilio/2010-04-01/Accounts/{SID}/Messages.json, .../Messages/{SID}.json             Twilio
    /vonage/sms/json                                                                     Vonage's SMS API
    /admin/...    what one would do in the providers' consoles, and misbehaviour on purpose (`admin`)
    /             the phones of all people: what came, and a box to answer
"""
