-- Text messages of several parts of which some were delivered: each part has receipts of its own, and the message is
-- delivered when all of its parts are. Removed after a week.
CREATE TABLE message_parts (
    attempt_id uuid PRIMARY KEY,
    parts smallint NOT NULL,
    -- the provider's ids of the parts that were delivered
    delivered text[] NOT NULL,
    began_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX message_parts_began ON message_parts (began_at);
