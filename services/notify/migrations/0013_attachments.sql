-- Files that go along with e-mails which other systems ask for.

-- How many a message has: whoever writes it without looking at the table knows that nothing is to be looked for.
ALTER TABLE notification ADD COLUMN files smallint NOT NULL DEFAULT 0;

CREATE TABLE attachment (
    attachment_id uuid PRIMARY KEY,
    notification_id uuid NOT NULL REFERENCES notification (id),
    -- its place in the e-mail, from 1
    number smallint NOT NULL,
    -- both sealed, bound to the attachment's id; gone with the words of the message
    name_sealed bytea,
    content_sealed bytea,
    -- what stays as a proof of what was sent, until the message itself goes or the person is erased
    size int NOT NULL,
    sha256 bytea NOT NULL,
    UNIQUE (notification_id, number)
);

-- What is sealed does not get smaller, so nothing tries.
ALTER TABLE attachment ALTER COLUMN content_sealed SET STORAGE EXTERNAL;

-- What the rotation of keys walks over.
CREATE INDEX attachment_kept ON attachment (attachment_id) WHERE content_sealed IS NOT NULL;
