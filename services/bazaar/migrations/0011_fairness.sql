-- Open figures: what everyone may know of how booths were shared out, counted every night.

CREATE TABLE open_figures (
    day date PRIMARY KEY,
    made_at timestamptz NOT NULL,
    document jsonb NOT NULL
);

INSERT INTO timer (kind, key, due_at) VALUES ('open-figures', 'daily', 'epoch');
