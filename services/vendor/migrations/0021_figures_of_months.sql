-- The figures of a month, likewise: statistics of a large area read them all.
CREATE INDEX indicator_of_month ON indicator_report (month)
    INCLUDE (vendor_id, turnover_rupiah, assets_rupiah, workers) WHERE replaced_at IS NULL;
DROP INDEX indicator_by_month;
