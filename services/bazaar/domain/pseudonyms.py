"""The names that applicants and their parties bear in the published files of a round.

An application's own id would tell when it was made (UUIDv7), and whoever once saw it could look its person up in every
file. A pseudonym is drawn anew for each round: an HMAC under a secret of the round, so that nobody can guess whose it
is, and nobody, the service included, could have chosen it with the lottery in mind. The secret is used for one freeze
and kept nowhere: what leads back is the application's own row, and nothing else.
"""

import hmac
from hashlib import sha256
from uuid import UUID

SECRET_BYTES = 32
PSEUDONYM_BITS = 60
"""Among 100,000 applicants two would share one in one round of 200 million; the round's index refuses that freeze, and
the next try has another secret."""

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O, U, so that a pseudonym read aloud or off paper is not taken for another."""

CHARACTERS_PER_PART = 4


def pseudonym(secret: bytes, of: UUID) -> str:
    """The name of this application or party in one round, such as K7Q2-9XMD-04TB."""
    number = int.from_bytes(hmac.digest(secret, of.bytes, sha256)) >> (256 - PSEUDONYM_BITS)
    characters = "".join(CROCKFORD[number >> shift & 31] for shift in range(PSEUDONYM_BITS - 5, -1, -5))
    parts = range(0, len(characters), CHARACTERS_PER_PART)
    return "-".join(characters[at : at + CHARACTERS_PER_PART] for at in parts)
