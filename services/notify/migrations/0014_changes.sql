-- People who change while messages are on their way, and budgets that are given back.

ALTER TABLE notification
    -- its person changed while an attempt was under way: should it come back, it is routed anew first
    ADD COLUMN anew boolean NOT NULL DEFAULT false;

ALTER TABLE budget_recipient
    -- the message for which the person was counted: should it surely not have been taken, the person counts no more
    ADD COLUMN counted_for uuid,
    -- another message to the person was let go since, so that it counts whatever becomes of the first
    ADD COLUMN again boolean NOT NULL DEFAULT true;
