-- Figures that mentors bring from visits: which visit a report came from, and when a visit was struck or corrected and
-- its report taken back. What is taken back counts no more, and the word before it counts again.
ALTER TABLE indicator_report
    ADD COLUMN visit_id uuid,
    ADD COLUMN taken_back_at timestamptz,
    ADD CHECK (taken_back_at IS NULL OR (visit_id IS NOT NULL AND replaced_at IS NOT NULL));
CREATE INDEX indicator_visit ON indicator_report (vendor_id, visit_id) WHERE taken_back_at IS NULL AND visit_id IS NOT NULL;
