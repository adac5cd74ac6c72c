-- Which key made the blind indexes of NIK: a service with another one would find nobody and register everybody twice.
CREATE TABLE index_key (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    fingerprint bytea NOT NULL
);
