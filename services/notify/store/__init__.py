"""Every statement of notify's database: copies of others' data, intents, delivery, and lookups for people."""
