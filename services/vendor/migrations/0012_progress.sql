-- Progress: what training tells of each vendor, and the score of export readiness.

-- The last word of training on each thing of a vendor: certificates, mentors, visits, cases, graduation. `said`: see
-- domain/progress.py. `training_version`: of the vendor's training record; an earlier word that comes late is dropped.
CREATE TABLE training_fact (
    vendor_id uuid NOT NULL REFERENCES vendor (vendor_id),
    kind text NOT NULL CHECK (kind IN ('certificate', 'mentor', 'visit', 'case', 'graduation')),
    fact_id uuid NOT NULL,
    said jsonb NOT NULL,
    training_version bigint NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (vendor_id, kind, fact_id)
);

-- A place can be given up, and a class cancelled.
ALTER TABLE training_place
    DROP CONSTRAINT training_place_state_check,
    ADD CONSTRAINT training_place_state_check
        CHECK (state IN ('enrolled', 'completed', 'not-completed', 'withdrawn', 'cancelled'));

-- How the criteria of export readiness weigh, in versions that never change: 100 in all. In force on a day is the
-- highest version whose effective day has come. From `ready_from` on, readiness is proposed; the officer decides.
CREATE TABLE export_weighting (
    version int PRIMARY KEY CHECK (version >= 1),
    effective_on date NOT NULL,
    weights jsonb NOT NULL,
    ready_from int NOT NULL CHECK (ready_from BETWEEN 1 AND 100),
    made_by text NOT NULL,
    made_at timestamptz NOT NULL
);
INSERT INTO export_weighting (version, effective_on, weights, ready_from, made_by, made_at) VALUES
    (1, '2020-01-01', '{"capacity": 25, "licences": 25, "packaging": 15, "price": 15, "standard": 20}', 70,
     'migration', '2020-01-01T00:00:00Z');

-- Assessments of before there were scores have none.
ALTER TABLE export_assessment
    ADD COLUMN score int CHECK (score BETWEEN 0 AND 100),
    ADD COLUMN weighting int REFERENCES export_weighting (version),
    ADD CHECK ((score IS NULL) = (weighting IS NULL));
