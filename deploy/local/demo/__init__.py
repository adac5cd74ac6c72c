"""The demo: the bazaar of March 2023 in six locations, played through the public doors of the running services.

All people in it are made up: seeded names, NIK of valid structure, phones of no operator's range we know to be given
out, addresses under the reserved domain `.example`. The areas are real, by their official codes.
"""
