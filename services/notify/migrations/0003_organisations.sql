-- Providers of training and mentors have cards too: one is told of what is asked of it, the other is named in texts.
ALTER TABLE contact
    ADD COLUMN kind text NOT NULL DEFAULT 'vendor' CHECK (kind IN ('vendor', 'provider', 'mentor')),
    ALTER COLUMN phone DROP NOT NULL;
